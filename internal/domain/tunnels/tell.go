package tunnels

import (
	"strings"
	"time"
)

// Seen is one tunnel and how it is now.
type Seen struct {
	Name     string `json:"name" doc:"its name"`
	Kind     string `json:"kind" doc:"wireguard or tls"`
	Standard bool   `json:"standard" doc:"the far side is a device that speaks WireGuard itself"`
	State    string `json:"state" doc:"waiting, up, partly or down"`
	// Words say the state to a person.
	Words       string    `json:"words" doc:"the state in a sentence"`
	Since       time.Time `json:"since,omitzero" doc:"since when it is so, as this hub has seen it"`
	Handshake   time.Time `json:"last_handshake,omitzero" doc:"WireGuard's last handshake; of kind tls, when the far end was last heard"`
	Allow       []string  `json:"allow" doc:"addresses at the far side that the hub may reach"`
	Offers      []Opened  `json:"offers" doc:"sources that the far side may reach"`
	Missing     []string  `json:"not_confirmed,omitempty" doc:"lines that nobody at the far end has agreed to; they do not pass"`
	In          int64     `json:"bytes_in" doc:"bytes that came, since the hub started"`
	Out         int64     `json:"bytes_out" doc:"bytes that went, since the hub started"`
	InRate      int64     `json:"bytes_in_per_second" doc:"over the last minute"`
	OutRate     int64     `json:"bytes_out_per_second" doc:"over the last minute"`
	Connections int       `json:"connections" doc:"open in it now"`
	From        string    `json:"from,omitempty" doc:"address that the far end was seen at"`
	Host        string    `json:"far_host,omitempty" doc:"what the far machine calls itself"`
	JoinedAt    time.Time `json:"joined_at,omitzero" doc:"when the far end joined"`
	KeysAt      time.Time `json:"keys_made_at,omitzero" doc:"when the keys in force were made"`
	KeyNumber   int64     `json:"key_number" doc:"how often keys were made"`
	// PostQuantum: the keys in force come from an exchange with ML-KEM.
	PostQuantum  bool      `json:"post_quantum" doc:"the keys in force come from an exchange with ML-KEM"`
	Certificates []string  `json:"certificates,omitempty" doc:"SHA-256 of the far end's certificates"`
	InvitedUntil time.Time `json:"token_until,omitzero" doc:"a token may be used until then"`
	MadeAt       time.Time `json:"made_at" doc:"when it was made"`
	MadeBy       string    `json:"made_by" doc:"by whom"`
	// Users are the partners and sources whose results pass here.
	Users []string `json:"used_by,omitempty" doc:"partners and sources of the configuration that go through it"`
}

// Opened is a source's door, opened to the far end.
type Opened struct {
	Source string `json:"source" doc:"name of the source"`
	Listen string `json:"listen" doc:"IP:PORT of the far machine where it is reached"`
}

// Allowed is what may pass.
type Allowed struct {
	Allow  []string `json:"allow" doc:"HOST:PORT or HOST:FIRST-LAST at the far side that the hub may reach"`
	Offers []Opened `json:"offers" doc:"sources that the far side may reach"`
}

// Ask is a tunnel to be added.
type Ask struct {
	Name     string `json:"name" doc:"small letters, digits and -"`
	Kind     string `json:"kind" doc:"wireguard or tls"`
	Standard bool   `json:"standard" doc:"the far side is a device that speaks WireGuard itself"`
	Allowed
	Reason string `json:"reason,omitempty" doc:"why; never name a patient"`
}

// Invitation lets one far end join, once. Token is a secret; a device that speaks
// WireGuard itself has none.
type Invitation struct {
	Tunnel Seen      `json:"tunnel" doc:"the tunnel"`
	Token  string    `json:"token,omitempty" doc:"for labwarden tunnel join, once; a secret that is never given out again"`
	Until  time.Time `json:"until,omitzero" doc:"how long it may be used"`
}

// File is a standard WireGuard configuration: a secret.
type File struct {
	Name   string `json:"name" doc:"the tunnel"`
	Config string `json:"config" doc:"a WireGuard configuration; a secret that is never given out again"`
}

// Bare is the configuration without the comments, which are for people: so a QR
// code of it is smaller.
func (f File) Bare() string {
	var b strings.Builder
	for l := range strings.Lines(f.Config) {
		if !strings.HasPrefix(l, "#") {
			b.WriteString(l)
		}
	}
	return b.String()
}

// VPN is a partner's IPsec VPN as it was seen from here.
type VPN struct {
	Name string `json:"name" doc:"its name in the configuration"`
	Peer string `json:"peer" doc:"the other end"`
	// Checked is the address tried through it.
	Checked string    `json:"check" doc:"the address that is tried through it"`
	State   string    `json:"state" doc:"up, down or not known"`
	Since   time.Time `json:"since,omitzero" doc:"since when it is so"`
	At      time.Time `json:"checked_at,omitzero" doc:"when it was last tried"`
	Words   string    `json:"words" doc:"the state in a sentence"`
	Cipher  string    `json:"cipher_as_told" doc:"as somebody told you; it is not seen from here"`
	Expires string    `json:"expires,omitempty" doc:"the day on which its agreement or key ends"`
	Owner   string    `json:"owner" doc:"who sees to it"`
}
