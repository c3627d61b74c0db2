// Package tunnel joins the laboratory's hub with a far end at a partner: the hub
// reaches devices on the partner's network through it, and the partner's devices
// reach those doors of the hub that were opened to them. There is one interface
// (Hub.Dial, Hub.Listen, Hub.Status) and two kinds. Wireguard runs in user space
// on both sides; TLS is mutual TLS 1.3, for places where only FIPS algorithms
// may be used. A far end is Labwarden's own program (Far), or, for wireguard, a
// device that speaks WireGuard itself.
//
// Guarantees: nothing passes that is not on the list of its tunnel, at either
// end: an address is reached only when the hub's list and the list confirmed at
// the far end both have it, letter by letter; a door only when it was opened to
// this tunnel. Each tunnel has keys, an address space and a TCP stack of its own,
// so that one partner cannot reach another. The far end always connects to the
// hub, over TLS 1.3 with a hybrid ML-KEM key exchange, each side pinning the
// other's certificate; over that link WireGuard's keys are renewed on both sides
// at an interval, with a preshared key exported from a fresh ML-KEM handshake.
// Connections live through a renewal. A tunnel that is removed is cut at once,
// with every connection in it.
//
// It stores nothing: who there is comes by Hub.Set, what changes leaves by Book.
// What is carried is not looked at: MLLP with TLS runs inside as anywhere else.
//
// A TLS tunnel uses one TLS connection for each stream, opened by the far end
// when the hub asks for it over the link. Multiplexing was not chosen: streams in
// one TCP connection hold each other up when a packet is lost, need windows of
// our own, and results keep few connections open for long, so the one handshake
// for each is paid seldom.
package tunnel
