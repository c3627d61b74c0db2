package ftps

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"

	"github.com/labwarden/labwarden/internal/channel"
)

// ClientDir is an open control connection that stands in its directory. It is
// what package remote calls a Dir; the contexts of its methods bound connecting
// alone: Close ends a call in flight.
type ClientDir struct {
	c        *Client
	peer     channel.Peer
	conf     *tls.Config
	text     *textproto.Conn
	features map[string]string
	noEPSV   bool

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Peer says which certificate the server showed.
func (d *ClientDir) Peer() channel.Peer { return d.peer }

// Close ends control and data connection, and a call in flight.
func (d *ClientDir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for c := range d.conns {
		_ = c.Close()
	}
	return nil
}

// keep notes a connection that Close ends; false once closed.
func (d *ClientDir) keep(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = c.Close()
		return false
	}
	d.conns[c] = true
	return true
}

func (d *ClientDir) leave(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}

// replyError is a reply that is not the one wanted. Its text is never shown: it may
// repeat a file's name.
type replyError struct {
	code int
	text string
}

func (e *replyError) Error() string { return fmt.Sprintf("the server answered %d", e.code) }

// read reads one reply (RFC 959 4.2).
func (d *ClientDir) read() (code int, text string, err error) {
	code, text, err = d.text.ReadResponse(0)
	var p *textproto.Error
	if errors.As(err, &p) { // 4xx and 5xx
		return p.Code, p.Msg, nil
	}
	return code, text, err
}

// reply wants a reply of this code.
func (d *ClientDir) reply(want int) (text string, err error) {
	code, text, err := d.read()
	if err == nil && code != want {
		err = &replyError{code, text}
	}
	return text, err
}

// any sends a command and gives the code of its reply, whatever it is.
func (d *ClientDir) any(command string) (code int, err error) {
	if err := d.send(command); err != nil {
		return 0, err
	}
	code, _, err = d.read()
	return code, err
}

func (d *ClientDir) send(command string) error {
	if strings.ContainsAny(command, "\r\n\x00") {
		return &replyError{553, ""} // it would be two commands
	}
	// A byte 255 is Telnet's IAC and must be doubled (RFC 959 3.1.1.5.1, RFC 2640 3.1).
	return d.text.PrintfLine("%s", strings.ReplaceAll(command, "\xff", "\xff\xff"))
}

// command sends a command that must be answered with this code.
func (d *ClientDir) command(want int, command string) (text string, err error) {
	if err := d.send(command); err != nil {
		return "", err
	}
	return d.reply(want)
}

// lines sends a command and gives the lines between first and last of its reply.
func (d *ClientDir) lines(command string) (code int, out []string, err error) {
	if err := d.send(command); err != nil {
		return 0, nil, err
	}
	code, text, err := d.read()
	if err == nil && code >= 400 {
		err = &replyError{code, text}
	}
	all := strings.Split(text, "\n")
	if len(all) > 2 {
		out = all[1 : len(all)-1]
	}
	return code, out, err
}

// lostConnection: it is no reply.
func lostConnection(err error) bool {
	var no *replyError
	return err != nil && !errors.As(err, &no)
}

// said reads what a command came to. It never repeats the server's words.
func (d *ClientDir) said(verb string, err error) error {
	var no *replyError
	var ce *channel.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ce), errors.Is(err, channel.ErrNoFile), errors.Is(err, channel.ErrFileExists):
		return err
	case !errors.As(err, &no):
		return &channel.Error{Class: channel.Unreachable, Peer: d.peer, Err: fmt.Errorf("%s: the connection ended: %w", verb, err)}
	}
	fail := func(class channel.Class, words string) error {
		return &channel.Error{Class: class, Peer: d.peer, Code: fmt.Sprint(no.code), Err: fmt.Errorf("%s: %s (%d)", verb, words, no.code)}
	}
	// RFC 959 4.2.1, RFC 4217 10
	switch no.code {
	case 421:
		return fail(channel.Unreachable, "the server ends the connection")
	case 452, 552:
		return fail(channel.Busy, "the server has no space left")
	case 425, 426, 450, 451:
		return fail(channel.Busy, "the server cannot now")
	case 522, 534, 536:
		return fail(channel.Misconfigured, "the server does not take the data connection as it is protected")
	case 530, 532:
		return fail(channel.Misconfigured, "the server wants another sign-in")
	case 550, 553:
		return fail(channel.Misconfigured, "the server does not allow it")
	case 500, 501, 502, 503, 504:
		return fail(channel.Misconfigured, "the server cannot do this")
	}
	if no.code < 500 {
		return fail(channel.Busy, "the server cannot now")
	}
	return fail(channel.Misconfigured, "the server refuses")
}
