package fronthub

import (
	"context"
	"errors"
	"io"
	"net"

	gossh "golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/channel/sftp"
)

// door lets SSH in by what Who says.
type door struct{ h *Hub }

func (d door) Known(ctx context.Context, user string, key gossh.PublicKey, addr string) error {
	_, err := d.h.Who.Key(ctx, user, key, addr)
	return err
}

func (d door) AsksPassword(ctx context.Context, user string) bool {
	return d.h.Who.HasPassword(ctx, user)
}

func (d door) Enter(ctx context.Context, e sftp.Entry) (sftp.Guest, error) {
	link, ok := ctx.Value(linkKey{}).(*frontlink.Conn)
	if !ok {
		return nil, errors.New("a connection that came over no link")
	}
	var partner string
	var err error
	if e.Key != nil {
		partner, err = d.h.Who.Key(ctx, e.User, e.Key, e.Addr)
	} else {
		partner, err = d.h.Who.Password(ctx, e.User, e.Password, e.Code, e.Addr)
	}
	if err != nil {
		return nil, err
	}
	t, err := d.h.enter(link, How{Protocol: "sftp", User: e.User, Partner: partner, Key: e.Key, Addr: e.Addr, Secured: e.Secured, Client: e.Client})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// stream has the front serve a session's SFTP, and carries its bytes.
func (h *Hub) stream(ctx context.Context, g sftp.Guest, addr string, ch gossh.Channel) error {
	t, ok := g.(*ticket)
	if !ok {
		return channel.ErrBoxClosed
	}
	theirs, ours, err := pairOf()
	if err != nil {
		return err
	}
	defer func() { _ = ours.Close() }()
	n, silent := t.speak(ch.Stderr())
	defer silent()
	words := frontlink.Streamed{Ticket: t.name, Stream: n, Partner: t.how.Partner, Addr: addr}
	_, _, err = t.link.Ask(ctx, frontlink.VerbServe, words, nil, theirs, nil)
	_ = theirs.Close()
	if err != nil {
		return err
	}
	in := make(chan error, 1)
	go func() {
		err := carry(ours, ch)
		if u, ok := ours.(*net.UnixConn); ok {
			_ = u.CloseWrite()
		}
		in <- err
	}()
	err = carry(ch, ours)
	_ = ours.Close()
	_ = ch.CloseWrite()
	// The other direction ends with the channel, which the caller closes.
	return err
}

// Sizes of what is carried at a time: a session that waits keeps little.
const (
	idleBuffer = 4 << 10
	busyBuffer = 64 << 10
)

// carry copies until the source ends. It begins with a small buffer and takes a
// large one while that is filled.
func carry(to io.Writer, from io.Reader) error {
	small := make([]byte, idleBuffer)
	buf := small
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return werr
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		switch {
		case n == len(buf) && len(buf) == idleBuffer:
			buf = make([]byte, busyBuffer)
		case n < idleBuffer && len(buf) == busyBuffer:
			buf = small
		}
	}
}
