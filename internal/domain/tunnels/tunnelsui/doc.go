// Package tunnelsui draws the pages and the API of tunnels: how each is, what may
// pass, who is invited, and the VPNs that partners keep.
//
// Guarantees: a token and a device's configuration are shown once, in the answer
// to who made them, and nowhere else; what cuts a tunnel takes two steps and a
// reason. No tunnel is drawn as fine that was not seen to be up, and no VPN that
// was not reached.
package tunnelsui
