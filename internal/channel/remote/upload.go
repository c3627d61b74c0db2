package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
)

// upload is one message on its way.
type upload struct {
	s     *Sender
	l     *link
	m     channel.Message
	sum   [32]byte
	tmp   string
	begun bool // something of it was said to the server: a dead connection is no accident of idleness any more
}

// key is the same for the same message: the next try finds what this one left.
func (u *upload) key() []byte {
	h := sha256.New()
	h.Write([]byte(u.m.Name + "\x00"))
	h.Write(u.sum[:])
	return h.Sum(nil)[:12]
}

func (u *upload) run(ctx context.Context) (name, code string, err error) {
	if name, ok, err := u.present(ctx); err != nil || ok {
		return name, "present", err
	}
	u.begun = true
	if err := u.put(ctx); err != nil {
		return "", "", err
	}
	if err := u.verify(ctx); err != nil {
		return "", "", err
	}
	return u.place(ctx)
}

// names yields name, name-1, name-2, ... with the extension kept.
func names(name string, yield func(string) bool) {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for i := range maxNames {
		n := name
		if i > 0 {
			n = fmt.Sprintf("%s-%d%s", stem, i, ext)
		}
		if !yield(n) {
			return
		}
	}
}

// present looks for the message among the files that bear its name.
func (u *upload) present(ctx context.Context) (found string, ok bool, err error) {
	names(u.m.Name, func(n string) bool {
		e, serr := u.l.Stat(ctx, n)
		u.l.moved()
		if serr != nil {
			if !errors.Is(serr, channel.ErrNoFile) {
				err = serr
			}
			return false
		}
		u.begun = true
		if ok, err = u.same(ctx, n, e); ok {
			found = n
		}
		return !ok && err == nil
	})
	return found, ok, err
}

// same reports whether the file n is this message. A file under its final name
// is whole, unless somebody else wrote it.
func (u *upload) same(ctx context.Context, n string, e channel.BoxEntry) (bool, error) {
	if e.Dir {
		return false, nil
	}
	if u.s.cfg.SameName {
		return true, nil
	}
	if e.Size != int64(len(u.m.Body)) {
		return false, nil
	}
	return u.holds(ctx, n, u.m.Body)
}

// holds compares the first bytes of a file with b: by the server's own hash
// where it is of the whole file, else by reading them.
func (u *upload) holds(ctx context.Context, n string, b []byte) (bool, error) {
	if len(b) == len(u.m.Body) {
		sum, ok, err := u.l.Sum(ctx, n)
		u.l.moved()
		if err != nil || ok {
			return ok && sum == u.sum, err
		}
	}
	if len(b) == 0 {
		return true, nil
	}
	w := &comparing{want: b}
	err := u.l.Get(ctx, n, 0, pulse{w: w, l: u.l})
	u.l.moved()
	if w.differs || len(w.want) == 0 {
		err = nil // it was ended on purpose
	}
	return !w.differs && len(w.want) == 0, err
}

// comparing is a writer that fails as soon as it knows.
type comparing struct {
	want    []byte
	differs bool
}

var errEnough = errors.New("enough was read")

func (c *comparing) Write(b []byte) (int, error) {
	n := min(len(b), len(c.want))
	if !bytes.Equal(b[:n], c.want[:n]) {
		c.differs = true
		return 0, errEnough
	}
	c.want = c.want[n:]
	if len(c.want) == 0 && n < len(b) {
		return n, errEnough
	}
	return len(b), nil
}

// put uploads under the temporary name, from where an earlier try broke off if
// what is there is ours.
func (u *upload) put(ctx context.Context) error {
	from := int64(0)
	if len(u.m.Body) >= worthResuming {
		e, err := u.l.Stat(ctx, u.tmp)
		u.l.moved()
		switch {
		case errors.Is(err, channel.ErrNoFile):
		case err != nil:
			return err
		case !e.Dir && e.Size > 0 && e.Size <= int64(len(u.m.Body)):
			ours, err := u.holds(ctx, u.tmp, u.m.Body[:e.Size])
			if err != nil {
				return err
			}
			if ours {
				from = e.Size
			}
		}
	}
	if from == int64(len(u.m.Body)) && from > 0 {
		return nil
	}
	err := u.l.Put(ctx, u.tmp, from, pulse{r: bytes.NewReader(u.m.Body[from:]), l: u.l})
	u.l.moved()
	if err != nil && !lost(err) {
		u.forget(ctx)
	}
	return err
}

// forget removes the temporary file: it holds a result.
func (u *upload) forget(ctx context.Context) { _ = u.l.Remove(ctx, u.tmp) }

func (u *upload) verify(ctx context.Context) error {
	if u.s.cfg.Verify == VerifyNone {
		return nil
	}
	e, err := u.l.Stat(ctx, u.tmp)
	u.l.moved()
	whole := err == nil && e.Size == int64(len(u.m.Body))
	if whole && u.s.cfg.Verify == VerifyHash {
		whole, err = u.holds(ctx, u.tmp, u.m.Body)
	}
	if errors.Is(err, channel.ErrNoFile) {
		// Some servers take a file away as soon as it is there, or hide it.
		return &channel.Error{Class: channel.Misconfigured, Peer: u.s.peer(""), Err: errors.New("the server does not show the temporary file that was just uploaded: it must let names that begin with a dot stand")}
	}
	if err != nil {
		return err
	}
	if !whole {
		u.forget(ctx)
		return &channel.Error{Class: channel.Busy, Peer: u.s.peer(""), Err: errors.New("the file did not arrive as it was sent; it was removed")}
	}
	return nil
}

// place renames the temporary file to the first free name, or finds the message
// there already.
func (u *upload) place(ctx context.Context) (name, code string, err error) {
	u.s.naming.Lock()
	defer u.s.naming.Unlock()
	err = &channel.Error{Class: channel.Misconfigured, Peer: u.s.peer(""), Err: errors.New("no free file name")}
	names(u.m.Name, func(n string) bool {
		e, serr := u.l.Stat(ctx, n)
		u.l.moved()
		if serr == nil {
			same, cerr := u.same(ctx, n, e)
			if same && cerr == nil {
				u.forget(ctx)
				name, code, err = n, "present", nil
			} else if cerr != nil {
				err = cerr
			}
			return !same && cerr == nil
		}
		if !errors.Is(serr, channel.ErrNoFile) {
			err = serr
			return false
		}
		rerr := u.rename(ctx, n)
		if errors.Is(rerr, channel.ErrFileExists) {
			return true // somebody was faster
		}
		name, code, err = n, "renamed", rerr
		return false
	})
	return name, code, err
}

func (u *upload) rename(ctx context.Context, to string) error {
	err := u.l.Rename(ctx, u.tmp, to)
	u.l.moved()
	if err == nil || errors.Is(err, channel.ErrFileExists) {
		return err
	}
	if lost(err) { // whether it was done, nobody can say now
		return &channel.Error{Class: channel.Unanswered, Peer: u.s.peer(""), Err: fmt.Errorf("rename the uploaded file: %w", u.l.why(err))}
	}
	u.forget(ctx)
	return err
}
