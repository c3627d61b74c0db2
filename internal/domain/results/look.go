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
	cs   hl7.Charset
	head *hl7.Header
	once sync.Once
	msg  *hl7.Message
	err  error

	marked sync.Once
	flags  int64

	asked sync.Once
	env   conditionEnv
}

func newLook(body []byte, head *hl7.Header, cs hl7.Charset) Look {
	return Look{&look{body: body, cs: cs, head: head}}
}

// Header returns the header fields.
func (l Look) Header() *hl7.Header { return l.l.head }

// Message returns the parsed message.
func (l Look) Message() (*hl7.Message, error) {
	l.l.once.Do(func() { l.l.msg, l.l.err = hl7.ParseAssuming(l.l.body, hl7.Limits{}, l.l.cs) })
	return l.l.msg, l.l.err
}

// flags are the marks of a message that can be parsed.
func (l Look) flags() int64 {
	l.l.marked.Do(func() { l.l.flags = flagsOf(l.l.msg) })
	return l.l.flags
}

// environment is what conditions see of the message, made once for all of them.
func (l Look) environment() (*conditionEnv, error) {
	msg, err := l.Message()
	if err != nil {
		return nil, err
	}
	l.l.asked.Do(func() { l.l.env = environment(msg, l.flags()) })
	return &l.l.env, nil
}

// LookAt is a message for trying conditions and checks on it. A message whose
// header cannot be read has an empty header, and Message tells why.
func LookAt(body []byte) Look {
	h, err := hl7.ReadHeader(body)
	l := newLook(body, &h, hl7.Charset{})
	if err != nil {
		l.l.once.Do(func() { l.l.err = err })
	}
	return l
}
