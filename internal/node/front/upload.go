package front

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/platform/spool"
)

// smallFile is up to where a file waits in memory and goes to the hub in one
// piece, so that many of them share a flush there.
const smallFile = 64 << 10

// writer is a file on its way in. It begins in memory; one that grows past
// smallFile, or does not come from its begin on, is sealed to disk.
type writer struct {
	s  *session
	at frontlink.At

	mu    sync.Mutex
	small []byte
	over  bool
	large *large
	err   error
	why   frontlink.Why // why it cannot become whole any more
}

// large is a file that is sealed chunk by chunk.
type large struct {
	open frontlink.OpenFile
	id   spool.ID
	key  spool.Key
	disk *os.File
	w    *spool.Writer
}

func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	l, err := w.take(p, off)
	if err != nil || l == nil {
		return len(p), err
	}
	n, err := l.w.WriteAt(p, off)
	if err != nil {
		w.mu.Lock()
		w.why = whyOf(err)
		w.mu.Unlock()
	}
	return n, said(err)
}

// take puts p into memory, or returns the file on disk that it goes to.
func (w *writer) take(p []byte, off int64) (*large, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
		return nil, said(w.err)
	case w.over:
		return nil, channel.ErrBoxClosed
	case w.large != nil:
		return w.large, nil
	}
	if off == int64(len(w.small)) && len(w.small)+len(p) <= smallFile {
		w.small = append(w.small, p...)
		return nil, nil
	}
	w.large, w.err = w.begin()
	if w.large != nil && w.err != nil {
		w.why = whyOf(w.err)
	}
	return w.large, said(w.err)
}

// begin has the hub open a file, and moves what is in memory there.
func (w *writer) begin() (*large, error) {
	var c frontlink.Created
	_, f, err := w.s.hub.link.Ask(context.Background(), frontlink.VerbCreate, w.at, nil, nil, &c)
	if err != nil {
		return nil, boxError(err)
	}
	if f == nil || len(c.ID) != len(spool.ID{}) {
		return nil, errors.New("the hub gave no file")
	}
	l := &large{open: frontlink.OpenFile{Ticket: w.s.ticket, Handle: c.Handle}, id: spool.ID(c.ID), disk: f}
	if l.w, l.key, err = spool.NewWriter(f, l.id, c.Limit); err != nil {
		return l, err
	}
	if len(w.small) > 0 {
		_, err = l.w.WriteAt(w.small, 0)
		w.small = nil
	}
	return l, err
}

// said is an error of the spool in words for the sender.
func said(err error) error {
	var m *spool.MissingError
	if errors.As(err, &m) {
		return channel.Refuse("the file is not whole: " + m.Error() + ". Nothing of it was kept; send it again")
	}
	if why := whyOf(err); why != "" {
		return channel.Refuse(why.Reason())
	}
	return err
}

// whyOf is an error of the spool for the hub, which leaves the reason for the sender.
func whyOf(err error) frontlink.Why {
	var m *spool.MissingError
	switch {
	case err == nil:
	case errors.Is(err, spool.ErrTooLarge):
		return frontlink.WhySize
	case errors.Is(err, spool.ErrScattered):
		return frontlink.WhyPieces
	case errors.As(err, &m):
		return frontlink.WhyMissing
	case isFull(err):
		return frontlink.WhyFull
	}
	return ""
}

func (w *writer) Commit(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return channel.ErrBoxClosed
	}
	w.over = true
	if w.err != nil {
		w.drop()
		return said(w.err)
	}
	if w.large == nil {
		_, _, err := w.s.hub.link.Ask(ctx, frontlink.VerbPut, w.at, w.small, nil, nil)
		w.small = nil
		return boxError(err)
	}
	l := w.large
	size, err := l.w.Finish()
	if err != nil {
		w.why = whyOf(err)
		w.drop()
		return said(err)
	}
	wrapped, err := spool.Wrap(w.s.hub.keeper, l.id, &l.key)
	l.key = spool.Key{}
	if err != nil {
		w.drop()
		return err
	}
	_ = l.disk.Close()
	return w.s.hub.ask(ctx, frontlink.VerbCommit, frontlink.Finished{OpenFile: l.open, Size: size, Key: wrapped}, nil)
}

// takeSmall ends a file that is whole in memory; false when it is not.
func (w *writer) takeSmall() ([]byte, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.err != nil || w.large != nil {
		return nil, false
	}
	w.over = true
	body := w.small
	w.small = nil
	return body, true
}

func (w *writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.over = true
		w.drop()
	}
	return nil
}

// drop has the hub forget a file that was begun.
func (w *writer) drop() {
	w.small = nil
	if w.large == nil {
		return
	}
	_ = w.large.disk.Close()
	_ = w.s.hub.ask(context.Background(), frontlink.VerbAbort, frontlink.Dropped{OpenFile: w.large.open, Why: w.why}, nil)
}

var _ io.WriterAt = (*writer)(nil)
