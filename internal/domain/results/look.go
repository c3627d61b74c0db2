package results

import (
	"sync"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Look is a message as conditions and checks see it: parsed when the first of
// them asks, and only once.
type Look struct{ l *look }

type look struct {
	body []byte
	head *hl7.Header
	once sync.Once
	msg  *hl7.Message
	err  error
}

func newLook(body []byte, head *hl7.Header) Look { return Look{&look{body: body, head: head}} }

// Header returns the header fields.
func (l Look) Header() *hl7.Header { return l.l.head }

// Message returns the parsed message.
func (l Look) Message() (*hl7.Message, error) {
	l.l.once.Do(func() { l.l.msg, l.l.err = hl7.Parse(l.l.body) })
	return l.l.msg, l.l.err
}

// LookAt is a message for trying conditions and checks on it. A message whose
// header cannot be read has an empty header, and Message tells why.
func LookAt(body []byte) Look {
	h, err := hl7.ReadHeader(body)
	l := newLook(body, &h)
	if err != nil {
		l.l.once.Do(func() { l.l.err = err })
	}
	return l
}
