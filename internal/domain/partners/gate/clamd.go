package gate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// ErrScanLimit: the scanner takes no file of this size, or did not look at all of
// it. Another try will not help.
var ErrScanLimit = errors.New("the file is larger than the scanner looks at")

// Limits of talking to clamd.
const (
	clamdChunk  = 64 << 10
	clamdAnswer = 4 << 10
	clamdDial   = 5 * time.Second
)

// Clamd asks clamd over its socket (clamd(8), COMMANDS). It keeps no connection.
type Clamd struct{ addresses []string }

// NewClamd takes addresses "unix:/PATH" and "tcp:HOST:PORT", which are tried in
// their order until one answers.
func NewClamd(addresses ...string) (*Clamd, error) {
	if len(addresses) == 0 {
		return nil, errors.New("the scanner needs an address")
	}
	for _, a := range addresses {
		network, at, ok := strings.Cut(a, ":")
		if !ok || at == "" || network != "unix" && network != "tcp" {
			return nil, fmt.Errorf("%q is no address of a scanner: write unix:/PATH or tcp:HOST:PORT", a)
		}
	}
	return &Clamd{addresses}, nil
}

// Scan sends what open gives, from its beginning for each address, and says what
// was found: "" for nothing. An error is ErrScanLimit, the error of reading (then
// wrapped in a *ReadError), or says that no scanner answered.
func (c *Clamd) Scan(ctx context.Context, open func() io.Reader) (string, error) {
	var all []error
	for _, a := range c.addresses {
		found, err := c.scan(ctx, a, open())
		var read *ReadError
		if err == nil || errors.Is(err, ErrScanLimit) || errors.As(err, &read) {
			return found, err
		}
		all = append(all, fmt.Errorf("%s: %w", a, err))
		if ctx.Err() != nil {
			break
		}
	}
	return "", errors.Join(all...)
}

// Ping asks whether one of the addresses answers.
func (c *Clamd) Ping(ctx context.Context) error {
	var all []error
	for _, a := range c.addresses {
		err := c.talk(ctx, a, func(conn net.Conn) error {
			if _, err := conn.Write([]byte("zPING\x00")); err != nil {
				return err
			}
			b, err := answer(conn)
			if err == nil && string(b) != "PONG" {
				err = errors.New("it does not answer as clamd does")
			}
			return err
		})
		if err == nil {
			return nil
		}
		all = append(all, fmt.Errorf("%s: %w", a, err))
	}
	return errors.Join(all...)
}

// ReadError is a failure to read what was to be scanned.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "read what is to be scanned: " + e.Err.Error() }

// Unwrap gives the failure.
func (e *ReadError) Unwrap() error { return e.Err }

// talk connects and ends the connection with ctx.
func (c *Clamd) talk(ctx context.Context, address string, with func(net.Conn) error) error {
	network, at, _ := strings.Cut(address, ":")
	d := net.Dialer{Timeout: clamdDial}
	conn, err := d.DialContext(ctx, network, at)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = with(conn)
	if ctx.Err() != nil {
		return fmt.Errorf("it did not answer in time: %w", ctx.Err())
	}
	return err
}

func (c *Clamd) scan(ctx context.Context, address string, r io.Reader) (found string, err error) {
	err = c.talk(ctx, address, func(conn net.Conn) error {
		// The answer may come, and the connection end, before everything was sent
		// (StreamMaxLength): it counts more than the failed write.
		var b []byte
		var err error
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			b, err = answer(conn)
		}()
		sent := send(conn, r)
		var read *ReadError
		if errors.As(sent, &read) {
			_ = conn.Close()
		}
		<-answered
		if read != nil {
			return sent
		}
		if err != nil {
			if sent != nil {
				return fmt.Errorf("send: %w", sent)
			}
			return err
		}
		found, err = parseAnswer(b)
		if err == nil && found == "" && sent != nil {
			return fmt.Errorf("send: %w", sent) // clean, but not all of it
		}
		return err
	})
	if err != nil {
		found = ""
	}
	return found, err
}

// send is clamd(8) INSTREAM: chunks, each behind its length of four bytes in
// network order; a chunk of no length ends.
func send(conn net.Conn, r io.Reader) error {
	if _, err := conn.Write([]byte("zINSTREAM\x00")); err != nil {
		return err
	}
	b := make([]byte, 4+clamdChunk)
	for {
		n, err := io.ReadFull(r, b[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(b, uint32(n))
			if _, err := conn.Write(b[:4+n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n < clamdChunk {
			break
		}
		if err != nil {
			return &ReadError{err}
		}
	}
	_, err := conn.Write([]byte{0, 0, 0, 0})
	return err
}

// answer reads up to the zero byte that a command with z is answered with.
func answer(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, 256)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return b[:i], nil
		}
		if len(b) > clamdAnswer {
			return nil, errors.New("its answer is too long")
		}
		if err != nil {
			return nil, fmt.Errorf("it gave no answer: %w", err)
		}
	}
}

// parseAnswer reads "stream: OK", "stream: NAME FOUND" or "... ERROR".
func parseAnswer(b []byte) (found string, err error) {
	s := strings.TrimSpace(string(b))
	rest, ok := strings.CutPrefix(s, "stream: ")
	switch {
	case ok && rest == "OK":
		return "", nil
	case ok && strings.HasSuffix(rest, " FOUND"):
		name := virusName(strings.TrimSuffix(rest, " FOUND"))
		if strings.HasPrefix(name, "Heuristics.Limits.Exceeded") { // clamd.conf(5) AlertExceedsMax
			return "", ErrScanLimit
		}
		return name, nil
	case strings.HasPrefix(s, "INSTREAM size limit exceeded"): // clamd.conf(5) StreamMaxLength
		return "", ErrScanLimit
	case strings.HasSuffix(s, "ERROR"):
		return "", errors.New("it answered with an error; its own log says which")
	}
	return "", errors.New("it does not answer as clamd does")
}

// virusName keeps what names of signatures are made of: it is shown.
func virusName(s string) string {
	var out strings.Builder
	for i := 0; i < len(s) && out.Len() < 100; i++ {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("._-/:", c) >= 0 {
			out.WriteByte(c)
		}
	}
	if out.Len() == 0 {
		return "unnamed"
	}
	return out.String()
}
