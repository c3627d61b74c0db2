package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// boxConsole is the boxes as the command line reaches them.
type boxConsole struct{ h *Hub }

func (b boxConsole) HostKeys(ctx context.Context) ([]control.HostKey, error) {
	keys, err := b.h.hostKeys(ctx)
	if err != nil {
		return nil, err
	}
	var out []control.HostKey
	for _, k := range keys {
		out = append(out, control.HostKey{
			Line: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))), Fingerprint: ssh.FingerprintSHA256(k.PublicKey()),
		})
	}
	return out, nil
}

// known refuses a partner that has no box.
func (b boxConsole) known(partner string) error {
	c := b.h.inForce()
	if c == nil || c.Partners[partner].Box == nil {
		return &control.Error{Kind: control.NotFound, Message: "No partner " + partner + " with a box is in the configuration that runs."}
	}
	return nil
}

func (b boxConsole) Password(ctx context.Context, partner, by string) (control.BoxPassword, error) {
	if err := b.known(partner); err != nil {
		return control.BoxPassword{}, err
	}
	c := b.h.inForce()
	if !c.Partners[partner].Box.Password {
		return control.BoxPassword{}, &control.Error{Kind: control.Conflict, Message: "Passwords are off for " + partner + ": write password: true below partners." + partner + ".box and apply, or use a key."}
	}
	l, err := b.h.rooms.entry.Make(ctx, partner, c.Lab.Name, by)
	if err != nil {
		return control.BoxPassword{}, err
	}
	b.h.tellFront(ctx)
	return control.BoxPassword{User: l.Partner, Password: l.Password, Seed: l.Seed, URI: l.URI}, nil
}

func (b boxConsole) EndPassword(ctx context.Context, partner, by string) error {
	err := b.h.rooms.entry.End(ctx, partner, by)
	b.h.tellFront(ctx)
	return boxError(err)
}

func (b boxConsole) Sessions() []control.BoxSession {
	out := []control.BoxSession{}
	f := b.h.front.Load()
	if f == nil {
		return out
	}
	for _, s := range f.hub.Sessions() {
		out = append(out, control.BoxSession{Partner: s.Partner, Protocol: s.Protocol, Addr: s.Addr, Secured: s.Secured, Client: s.Client, Since: s.Since})
	}
	return out
}

const listed = 200

func (b boxConsole) List(ctx context.Context, partner, folder, after string) (control.BoxFiles, error) {
	if err := b.known(partner); err != nil {
		return control.BoxFiles{}, err
	}
	var from event.ID
	if after != "" {
		var err error
		if from, err = event.ParseID(after); err != nil {
			return control.BoxFiles{}, err
		}
	}
	if folder == channel.BoxReceipts {
		if err := b.h.rooms.boxes.Receipts(ctx, partner); err != nil {
			return control.BoxFiles{}, err
		}
	}
	all, more, err := b.h.rooms.boxes.List(ctx, partner, folder, from, listed)
	if err != nil {
		return control.BoxFiles{}, err
	}
	out := control.BoxFiles{Files: []control.BoxFile{}}
	for _, f := range all {
		out.Files = append(out.Files, control.BoxFile{
			Name: f.Name, Kind: f.Kind, Size: f.Size, SHA256: fmt.Sprintf("%x", f.SHA256), Came: f.Made, By: f.MadeBy, State: string(f.State), Picked: f.Picked, ID: f.ID.String(),
		})
	}
	if more {
		out.After = all[len(all)-1].ID.String()
	}
	return out, nil
}

const pieceSize = 1 << 20

func (b boxConsole) Read(ctx context.Context, a control.BoxPiece, by string) (control.BoxBytes, error) {
	if err := b.known(a.Partner); err != nil {
		return control.BoxBytes{}, err
	}
	if a.Offset == 0 {
		if err := b.h.rooms.boxes.Viewed(ctx, a.Partner, a.Folder, a.Name, by); err != nil {
			return control.BoxBytes{}, boxError(err)
		}
	}
	r, err := b.h.rooms.boxes.Open(ctx, a.Partner, a.Folder, a.Name, boxes.Via{})
	if err != nil {
		return control.BoxBytes{}, boxError(err)
	}
	defer func() { _ = r.Close(ctx) }()
	buf := make([]byte, pieceSize)
	n, err := r.ReadAt(buf, a.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return control.BoxBytes{}, err
	}
	return control.BoxBytes{Bytes: buf[:n], More: a.Offset+int64(n) < r.Size()}, nil
}

func (b boxConsole) Release(ctx context.Context, partner, name, by string) error {
	return boxError(b.h.rooms.boxes.Release(ctx, partner, name, by))
}

func (b boxConsole) Remove(ctx context.Context, partner, folder, name, by string) error {
	return boxError(b.h.rooms.boxes.Remove(ctx, partner, folder, name, by))
}

// boxError is an error of a box for the console.
func boxError(err error) error {
	var no *channel.Refusal
	switch {
	case errors.Is(err, channel.ErrNoFile):
		return &control.Error{Kind: control.NotFound, Message: "There is nothing of that name."}
	case errors.Is(err, channel.ErrFileExists):
		return &control.Error{Kind: control.Conflict, Message: "A file of that name is there already."}
	case errors.As(err, &no):
		return &control.Error{Kind: control.Conflict, Message: no.Reason + "."}
	}
	return err
}
