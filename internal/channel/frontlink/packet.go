package frontlink

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/channel"
)

// Bounds of a packet, in bytes. MaxPacket stays below what Linux lets one
// packet of a Unix socket hold by default (net.core.wmem_default, 212992).
const (
	MaxBody   = 128 << 10
	maxWords  = 32 << 10
	headSize  = 12
	MaxPacket = headSize + maxWords + MaxBody
)

type kind uint8

const (
	ask kind = iota + 1
	answer
	refusal
)

// packet is head (kind, verb, two bytes zero, number, length of words), words
// (JSON), body.
type packet struct {
	kind   kind
	verb   Verb
	number uint32
	words  []byte
	body   []byte
}

var errPacket = errors.New("the packet cannot be read")

func (p *packet) append(b []byte) ([]byte, error) {
	if len(p.words) > maxWords || len(p.body) > MaxBody {
		return nil, fmt.Errorf("packet of %d and %d bytes: more than one may hold", len(p.words), len(p.body))
	}
	b = append(b, byte(p.kind), byte(p.verb), 0, 0)
	b = binary.BigEndian.AppendUint32(b, p.number)
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.words)))
	b = append(b, p.words...)
	return append(b, p.body...), nil
}

// parse reads a packet; its parts lie in b.
func parse(b []byte) (packet, error) {
	if len(b) < headSize || b[2] != 0 || b[3] != 0 {
		return packet{}, errPacket
	}
	p := packet{kind: kind(b[0]), verb: Verb(b[1]), number: binary.BigEndian.Uint32(b[4:])}
	n := binary.BigEndian.Uint32(b[8:])
	if p.kind < ask || p.kind > refusal || n > maxWords || int(n) > len(b)-headSize || len(b)-headSize-int(n) > MaxBody {
		return packet{}, errPacket
	}
	p.words, p.body = b[headSize:headSize+n], b[headSize+n:]
	return p, nil
}

// decode reads words strictly.
func decode(words []byte, into any) error {
	if into == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(words))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errPacket
	}
	if d.InputOffset() != int64(len(words)) {
		return errPacket
	}
	return nil
}

// no is an error on its way through the socket.
type no struct {
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
}

var codes = map[string]error{
	"no-file": channel.ErrNoFile, "exists": channel.ErrFileExists, "sign-in": channel.ErrSignIn, "closed": channel.ErrBoxClosed,
}

// noOf is what the other side may know of an error: those of boxes by name, a
// refusal with its reason, of all others only that it failed.
func noOf(err error) no {
	for code, e := range codes {
		if errors.Is(err, e) {
			return no{Code: code}
		}
	}
	var r *channel.Refusal
	if errors.As(err, &r) {
		return no{Code: "refused", Reason: r.Reason}
	}
	return no{Code: "failed"}
}

// ErrFailed is what the other side could not do, for reasons it keeps.
var ErrFailed = errors.New("the other side failed to do it")

func (n no) err() error {
	if e, ok := codes[n.Code]; ok {
		return e
	}
	if n.Code == "refused" {
		return channel.Refuse(n.Reason)
	}
	return ErrFailed
}
