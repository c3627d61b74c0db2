package tunnel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds one message of the link: the longest is a policy.
const maxFrame = 60 << 10

// hello is the first message on each TLS connection of a far end.
type hello struct {
	// Do is enrol, control, rekey or stream.
	Do    string `json:"do"`
	Token []byte `json:"token,omitempty"` // enrol: the one-time secret
	// Public is the far end's new WireGuard key, for enrol and rekey; Epoch the
	// number of the pair it uses, for control and rekey.
	Public []byte `json:"public,omitempty"`
	Epoch  int64  `json:"epoch,omitempty"`
	Next   string `json:"next,omitempty"` // rekey: fingerprint of the certificate it goes on with
	// Answer names the stream the hub has asked for; To a service of the hub.
	Answer string `json:"answer,omitempty"`
	To     string `json:"to,omitempty"`
	Host   string `json:"host,omitempty"` // enrol: what the machine calls itself
}

// welcome answers enrol and rekey.
type welcome struct {
	No     string  `json:"no,omitempty"` // why not, in words
	Policy *policy `json:"policy,omitempty"`
	Wire   *wire   `json:"wire,omitempty"`
	// Shake: the hub has no WireGuard session; begin one now.
	Shake bool `json:"shake,omitempty"`
}

// wire is what a far end needs of WireGuard beside its own key. The preshared
// key is not in it: both sides export it from the handshake of this connection.
type wire struct {
	Public []byte `json:"public"`
	Hub    string `json:"hub"`      // the hub's address in the tunnel
	Far    string `json:"far"`      // the far end's
	At     string `json:"endpoint"` // where the hub takes WireGuard's packets
	Epoch  int64  `json:"epoch"`
}

// policy is what the hub asks the far end to do.
type policy struct {
	Name   string   `json:"name"`
	Lab    string   `json:"lab"`
	Kind   Kind     `json:"kind"`
	Reach  []string `json:"reach"`
	Offers []Offer  `json:"offers"`
	// Rotate is the time between two renewals of keys in seconds.
	Rotate int64 `json:"rotate"`
}

// word is a message on the link after its hello.
type word struct {
	Policy  *policy  `json:"policy,omitempty"`
	Open    string   `json:"open,omitempty"`    // hub: open a stream with this answer
	Rekey   bool     `json:"rekey,omitempty"`   // hub: renew the keys now
	Removed bool     `json:"removed,omitempty"` // hub: this tunnel is no more
	Ping    bool     `json:"ping,omitempty"`
	Shake   bool     `json:"shake,omitempty"`   // hub: it has no WireGuard session
	Confirm []string `json:"confirm,omitempty"` // far: what it forwards
	Told    bool     `json:"told,omitempty"`    // far: Confirm is given
}

// request begins a stream; verdict answers it. After a verdict of yes the bytes
// are the stream's own.
type request struct {
	To string `json:"to"`
}

type verdict struct {
	No string `json:"no,omitempty"`
}

func put(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	if len(b) > maxFrame {
		return errors.New("write message: it is too long")
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, len(b)+2), uint16(len(b)))
	if _, err := w.Write(append(out, b...)); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

func get(r io.Reader, v any) error {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	size := binary.BigEndian.Uint16(n[:])
	if size > maxFrame {
		return errors.New("read message: it is too long")
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	return nil
}
