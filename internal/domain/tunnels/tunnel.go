package tunnels

import (
	"errors"
	"regexp"
	"time"
)

// Tunnel is one of them, without its secrets.
type Tunnel struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`     // wireguard or tls
	Standard bool      `json:"standard"` // a device that speaks WireGuard itself
	Number   int64     `json:"number"`
	MadeAt   time.Time `json:"made_at"`
	MadeBy   string    `json:"made_by"`
	Reach    []string  `json:"reach"`
	Offers   []Offer   `json:"offers"`
	Pins     []string  `json:"certificates"` // fingerprints
	Public   []byte    `json:"far_public_key,omitempty"`
	Host     string    `json:"far_host,omitempty"` // what the far machine calls itself
	JoinedAt time.Time `json:"joined_at,omitzero"`
	Epoch    int64     `json:"key_number"`
	KeysAt   time.Time `json:"keys_made_at,omitzero"`
	// InvitedUntil is set while a token may still be used.
	InvitedUntil time.Time `json:"token_until,omitzero"`
}

// Offer opens a door of the hub to the far end.
type Offer struct {
	Service string `json:"service"`
	Listen  string `json:"listen"`
}

// Secrets are our side's keys of a tunnel.
type Secrets struct {
	Private []byte `json:"private,omitempty"`
	PSK     []byte `json:"psk,omitempty"`
}

// By is who does it and why.
type By struct{ Who, Reason string }

// Errors a caller can act on.
var (
	ErrNone   = errors.New("there is no tunnel of this name")
	ErrTaken  = errors.New("there is a tunnel of this name already")
	ErrName   = errors.New("a tunnel's name has small letters, digits and -, at most 40 of them, and begins with a letter or digit")
	ErrToken  = errors.New("the token is unknown, was used already, or its time is over; ask the laboratory for a new one (labwarden tunnel invite)")
	ErrPerson = errors.New("nobody is named who does it")
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
