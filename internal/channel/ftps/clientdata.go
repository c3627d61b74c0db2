package ftps

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// passive asks for a port. The host is that of the control connection, whatever
// the server writes into its reply (RFC 2428 3; RFC 959's PASV lets a server, or
// who speaks for it, send us anywhere).
func (d *ClientDir) passive() (addr string, err error) {
	host, _, err := net.SplitHostPort(d.c.cfg.Addr)
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	if !d.noEPSV {
		text, err := d.command(229, "EPSV")
		var no *replyError
		switch {
		case err == nil:
			_, rest, _ := strings.Cut(text, "(|||")
			port, _, ok := strings.Cut(rest, "|")
			if n, perr := strconv.ParseUint(port, 10, 16); !ok || perr != nil || n == 0 {
				return "", &replyError{229, ""}
			}
			return net.JoinHostPort(host, port), nil
		case !errors.As(err, &no) || no.code == 421:
			return "", err
		}
		d.noEPSV = true
	}
	text, err := d.command(227, "PASV")
	if err != nil {
		return "", err
	}
	// "227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)", the brackets are not certain
	// (RFC 1123 4.1.2.6).
	at := strings.LastIndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' })
	parts := strings.Split(strings.TrimLeftFunc(text[:at+1], func(r rune) bool { return r != '(' && (r < '0' || r > '9') }), ",")
	if len(parts) < 6 {
		return "", &replyError{227, ""}
	}
	hi, err1 := strconv.ParseUint(parts[len(parts)-2], 10, 8)
	lo, err2 := strconv.ParseUint(parts[len(parts)-1], 10, 8)
	if err1 != nil || err2 != nil {
		return "", &replyError{227, ""}
	}
	return net.JoinHostPort(host, strconv.FormatUint(hi<<8|lo, 10)), nil
}

// transfer runs one command with a data connection. move moves the data and says
// what went wrong at our own end; nil from transfer means that the server has
// said that it is complete (226 or 250).
func (d *ClientDir) transfer(ctx context.Context, rest int64, command string, move func(*tls.Conn) error) error {
	addr, err := d.passive()
	if err != nil {
		return err
	}
	raw, err := d.c.cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return &channel.Error{Class: channel.Unreachable, Peer: d.peer, Err: fmt.Errorf("open data connection: %w", err)}
	}
	if !d.keep(raw) {
		return net.ErrClosed
	}
	defer func() { d.leave(raw); _ = raw.Close() }()
	if rest > 0 {
		if _, err := d.command(350, "REST "+strconv.FormatInt(rest, 10)); err != nil { // RFC 3659 5
			return err
		}
	}
	if err := d.send(command); err != nil {
		return err
	}
	code, text, err := d.read()
	if err != nil {
		return err
	}
	if code != 150 && code != 125 {
		return &replyError{code, text}
	}
	conn := tls.Client(raw, d.conf)
	err = conn.HandshakeContext(ctx)
	if err == nil && channel.PeerOf(conn.ConnectionState(), "").Fingerprint != d.peer.Fingerprint {
		err = errors.New("the data connection leads to another server")
	}
	if err == nil {
		err = move(conn)
	}
	ours := err
	if ours != nil {
		_ = raw.Close() // without close_notify: the server must not take what is there for all of it
	} else {
		_ = conn.Close() // some servers say 226 only once both sides have ended
	}
	code, text, err = d.read()
	switch {
	case err != nil:
		return err
	case code >= 400 && !errors.Is(ours, errStopped):
		return &replyError{code, text} // its reason tells more than our broken pipe
	case ours != nil:
		return ours
	case code != 226 && code != 250:
		return &replyError{code, text}
	}
	return nil
}

// errStopped: who reads has read enough.
var errStopped = errors.New("stopped by the reader")

// end closes an upload so that nothing of it is lost: our close_notify and FIN
// first, then everything that the server still has to say (TLS 1.3 sends its
// tickets when it likes) is read. A socket that is closed with unread bytes
// resets the connection, and a reset discards what the server has not read yet.
func end(conn *tls.Conn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	raw := conn.NetConn()
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	_ = raw.SetReadDeadline(time.Now().Add(farewell))
	_, _ = io.Copy(io.Discard, raw) // its end, however it comes, is enough: 226 says the rest
	return nil
}
