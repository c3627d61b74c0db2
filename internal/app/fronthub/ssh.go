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
	since := d.h.Now()
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
	t, err := d.h.enter(ctx, link, How{Protocol: "sftp", User: e.User, Partner: partner, Key: e.Key, Addr: e.Addr, Secured: e.Secured, Client: e.Client, Since: since})
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
	var ours net.Conn
	var err error
	n, silent := t.speak(ch.Stderr())
	defer silent()
	made := make(chan struct{})
	go func() { // whose stack does not stay
		defer close(made)
		ours, err = h.begin(ctx, t, n, addr)
	}()
	<-made
	if err != nil {
		return err
	}
	defer func() { _ = ours.Close() }()
	go func() {
		if err := h.carrier.Asked(ours, ch); err != nil {
			h.Log.Debug("sftp stream ended", "err", err)
		}
		if u, ok := ours.(*net.UnixConn); ok {
			_ = u.CloseWrite()
		}
	}()
	err = h.carrier.Answered(ch, ours, holder{t, ctx, n})
	_ = ours.Close()
	_ = ch.CloseWrite()
	// The other direction ends with the channel, which the caller closes.
	return err
}

// begin hands the front its end of a stream, and returns ours.
func (h *Hub) begin(ctx context.Context, t *ticket, stream uint64, addr string) (net.Conn, error) {
	theirs, ours, err := pairOf()
	if err != nil {
		return nil, err
	}
	words := frontlink.Streamed{Ticket: t.name, Stream: stream, Partner: t.how.Partner, Addr: addr}
	_, _, err = t.link.Ask(ctx, frontlink.VerbServe, words, nil, theirs, nil)
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	return ours, nil
}

// holder answers for the box of a ticket on its stream of SFTP.
type holder struct {
	*ticket
	ctx    context.Context //nolint:containedctx // the stream's
	stream uint64
}

// Tell implements sftp.Teller.
func (o holder) Tell(text string) {
	o.say(frontlink.Said{Ticket: o.name, Stream: o.stream, Text: text})
}

// ReadOpen implements sftp.Holder.
func (o holder) ReadOpen(file uint64, p []byte, off int64) (int, error) {
	r, err := fileOf[io.ReaderAt](o.ticket, file, false)
	if err != nil {
		return 0, err
	}
	n, err := r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		o.hub.Log.Error("file of a box not read", "err", err)
	}
	return n, err
}

// ShutOpen implements sftp.Holder.
func (o holder) ShutOpen(file uint64) error { return o.shut(context.WithoutCancel(o.ctx), file) }

// Stat implements sftp.Holder.
func (o holder) Stat(p channel.BoxPath) (channel.BoxEntry, error) {
	if o.stay.Err() != nil {
		return channel.BoxEntry{}, channel.ErrBoxClosed
	}
	e, err := o.hub.place(context.WithoutCancel(o.ctx), o.ticket, p)
	return channel.BoxEntry(e), err
}

// Put implements sftp.Holder. Whether the file came is settled even when the
// client does not wait for it.
func (o holder) Put(name string, body []byte) error {
	if o.stay.Err() != nil {
		return channel.ErrBoxClosed
	}
	return o.hub.put(context.WithoutCancel(o.ctx), o.ticket, name, body)
}
