package shieldlink

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version of the words below. A hub speaks to shields of its own and of the
// version before.
const Version = 1

type verb byte

const (
	verbHello    verb = iota + 1 // shield: Hello
	verbWelcome                  // hub: Welcome
	verbRecord                   // shield: number (8 bytes), record
	verbAck                      // hub: number (8 bytes)
	verbState                    // shield: State
	verbOrder                    // hub: Order
	verbDone                     // shield: Done
	verbSettings                 // hub: settings
	verbRefused                  // hub: Refused, then it closes
	verbPing                     // either
	verbLast     = verbPing
)

// Hello is the shield's first word.
type Hello struct {
	Version int    `json:"version"`
	Build   string `json:"build"`
	Arch    string `json:"arch"`
	// Starts counts the shield's starts, Boot is drawn at each: two shields of one
	// identity differ in them.
	Starts uint64 `json:"starts"`
	Boot   string `json:"boot"`
	// Latest is the highest number it has given to a record.
	Latest uint64 `json:"latest"`
	// Key verifies its records (PKIX).
	Key []byte `json:"key"`
}

// Welcome is the hub's answer.
type Welcome struct {
	// Have is up to which number the hub has records.
	Have     uint64          `json:"have"`
	Settings json.RawMessage `json:"settings"`
	Now      int64           `json:"now"` // the hub's clock, microseconds
}

// Refused says why the hub does not talk to the shield.
type Refused struct {
	Reason string `json:"reason"`
	// Held: the shield keeps what devices send, and waits for a person.
	Held bool `json:"held"`
}

func (r *Refused) Error() string { return "the hub refuses this shield: " + r.Reason }

// State is how a shield is.
type State struct {
	Records uint64   `json:"records"` // not yet at the hub
	Bytes   int64    `json:"bytes"`
	Max     int64    `json:"max"`
	Devices []Device `json:"devices"`
	// Damaged is how many records could not be read.
	Damaged uint64 `json:"damaged"`
	Now     int64  `json:"now"` // its clock
}

// Device is how a device is, as its shield sees it.
type Device struct {
	Device  string `json:"device"`
	Up      bool   `json:"up"`      // the line or connection is there
	Session bool   `json:"session"` // a transfer is going on
	Last    int64  `json:"last"`    // when it spoke last, 0: not since the start
	Orders  int    `json:"orders"`  // wait to be taken by it
	Trouble string `json:"trouble,omitempty"`
}

// Order is a message for a device.
type Order struct {
	ID     string `json:"id"`
	Device string `json:"device"`
	Until  int64  `json:"until"` // not to be given after
	Body   []byte `json:"body"`
}

// Done is what became of an order.
type Done struct {
	ID    string `json:"id"`
	Taken bool   `json:"taken"`
	Why   string `json:"why,omitempty"`
}

// Bounds of packets.
const (
	maxFirst  = 64 << 10
	maxPacket = 17 << 20
)

var errPacket = errors.New("shieldlink: this is no packet")

func writePacket(w *bufio.Writer, v verb, body []byte) error {
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(body)))
	head[4] = byte(v)
	if _, err := w.Write(head[:]); err != nil {
		return fmt.Errorf("write packet: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write packet: %w", err)
	}
	return nil
}

func readPacket(r *bufio.Reader, most int) (verb, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("read packet: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	v := verb(head[4])
	if v < verbHello || v > verbLast || n > int64(most) {
		return 0, nil, errPacket
	}
	// Memory grows with what arrives, not with what is announced.
	b := make([]byte, 0, min(n, 64<<10))
	for int64(len(b)) < n {
		k := min(n-int64(len(b)), max(int64(len(b)), 64<<10))
		b = append(b, make([]byte, k)...)
		if _, err := io.ReadFull(r, b[int64(len(b))-k:]); err != nil {
			return 0, nil, fmt.Errorf("read packet: %w", err)
		}
	}
	return v, b, nil
}

// words reads what a packet says.
func words[W any](b []byte) (W, error) {
	var w W
	if err := json.Unmarshal(b, &w); err != nil {
		return w, errPacket
	}
	return w, nil
}

func number(b []byte) (n uint64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errPacket
	}
	return binary.BigEndian.Uint64(b), b[8:], nil
}
