package fronthub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/spool"
)

// ReportName is the file that tells a client how it did.
const ReportName = "REPORT.txt"

// Bounds of what a client may try.
const (
	trialFile  = 1 << 20
	trialFiles = 20
)

// Trial is a box without results, in which a client tries itself. What it puts
// there is taken as in a partner's box, looked at for being whole, and forgotten:
// only that it was there is known until the trial ends. No gate, store or partner
// is told.
type Trial struct {
	// Report is what stands in ReportName; Did is told what was done.
	Report func() string
	Did    func(what string)
	// Folder is where a file lies while it comes in; it has no name there.
	Folder string

	mu    sync.Mutex
	inbox []frontlink.Entry
}

// trialBox is a session's view of it: its report stays as it was when the session
// began, so that a size that was told is true.
type trialBox struct {
	*Trial
	report []byte
	since  time.Time
}

// trialUpload is a file on its way.
type trialUpload struct {
	id   spool.ID
	disk *os.File
	name string
}

func (u *trialUpload) close() { _ = u.disk.Close() }

func (b *trialBox) list(folder string) []frontlink.Entry {
	switch folder {
	case channel.BoxResults:
		return []frontlink.Entry{b.entry()}
	case channel.BoxInbox:
		b.mu.Lock()
		defer b.mu.Unlock()
		return append([]frontlink.Entry{}, b.inbox...)
	}
	return nil
}

func (b *trialBox) entry() frontlink.Entry {
	return frontlink.Entry{Name: ReportName, Size: int64(len(b.report)), Modified: b.since}
}

func (b *trialBox) find(folder, name string) (frontlink.Entry, error) {
	for _, e := range b.list(folder) {
		if e.Name == name {
			return e, nil
		}
	}
	return frontlink.Entry{}, channel.ErrNoFile
}

// mayPut says whether one more file of that name may come.
func (b *trialBox) mayPut(folder, name string) error {
	if folder != channel.BoxInbox {
		return channel.ErrNoFile
	}
	if err := channel.CheckBoxName(name); err != nil {
		return err
	}
	if _, err := b.find(folder, name); err == nil {
		return channel.ErrFileExists
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.inbox) >= trialFiles {
		return channel.Refuse("a trial takes 20 files")
	}
	return nil
}

func (b *trialBox) took(name string, size int64, at time.Time) error {
	if err := b.mayPut(channel.BoxInbox, name); err != nil {
		return err
	}
	b.mu.Lock()
	b.inbox = append(b.inbox, frontlink.Entry{Name: name, Size: size, Modified: at})
	b.mu.Unlock()
	b.Did(fmt.Sprintf("A file of %d bytes was put into /inbox and came whole; it is not kept.", size))
	return nil
}

func (b *trialBox) rename(from, to string) error {
	if err := channel.CheckBoxName(to); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at := -1
	for i, e := range b.inbox {
		if e.Name == to {
			return channel.ErrFileExists
		}
		if e.Name == from {
			at = i
		}
	}
	if at < 0 {
		return channel.ErrNoFile
	}
	b.inbox[at].Name = to
	b.Did("A file in /inbox got its final name.")
	return nil
}

func (b *trialBox) remove(folder, name string) error {
	if folder != channel.BoxInbox {
		return channel.Refuse("the report stays while the trial lasts")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, e := range b.inbox {
		if e.Name == name {
			b.inbox = append(b.inbox[:i:i], b.inbox[i+1:]...)
			return nil
		}
	}
	return channel.ErrNoFile
}

// try does what one does, in a trial.
func (h *Hub) try(t *ticket, c *frontlink.Call, p channel.BoxPath) (frontlink.Reply, error) {
	b := t.trial
	switch c.Verb {
	case frontlink.VerbOpen:
		switch _, err := b.find(p.Folder, p.File); {
		case err != nil:
			return frontlink.Reply{}, err
		case p.Folder != channel.BoxResults:
			return frontlink.Reply{}, channel.Refuse("a trial keeps no contents")
		}
		n, err := t.keep(bytes.NewReader(b.report))
		if err == nil {
			b.Did("The report was read.")
		}
		return frontlink.Reply{Words: frontlink.Opened{Handle: n, Size: int64(len(b.report))}}, err
	case frontlink.VerbCreate:
		return b.create(t, p)
	default:
		return frontlink.Reply{}, b.remove(p.Folder, p.File)
	}
}

// create begins a file that has a place on the disk and no name there.
func (b *trialBox) create(t *ticket, p channel.BoxPath) (frontlink.Reply, error) {
	if err := b.mayPut(p.Folder, p.File); err != nil {
		return frontlink.Reply{}, err
	}
	if err := os.MkdirAll(b.Folder, 0o700); err != nil {
		return frontlink.Reply{}, fmt.Errorf("make folder of trials: %w", err)
	}
	u := &trialUpload{id: spool.ID(event.NewID()), name: p.File}
	var err error
	if u.disk, err = os.CreateTemp(b.Folder, "try"); err != nil {
		return frontlink.Reply{}, fmt.Errorf("make file of a trial: %w", err)
	}
	theirs, err := os.OpenFile(u.disk.Name(), os.O_RDWR, 0)
	if err = errors.Join(err, os.Remove(u.disk.Name())); err != nil {
		u.close()
		return frontlink.Reply{}, fmt.Errorf("make file of a trial: %w", err)
	}
	n, err := t.keep(u)
	if err != nil {
		u.close()
		_ = theirs.Close()
		return frontlink.Reply{}, err
	}
	return frontlink.Reply{Words: frontlink.Created{Handle: n, ID: u.id[:], Limit: trialFile}, File: theirs}, nil
}

// tryCommit looks whether all of a file came, and forgets it.
func (h *Hub) tryCommit(_ context.Context, t *ticket, w frontlink.Finished) error {
	u, err := fileOf[*trialUpload](t, w.Handle, true)
	if err != nil {
		return err
	}
	defer u.close()
	key, err := h.keeper.Unwrap(u.id, w.Key)
	if err != nil {
		return err
	}
	if w.Size > trialFile {
		return channel.Refuse(fmt.Sprintf("a trial takes files of %d bytes at most", trialFile))
	}
	if _, _, err := spool.Close(u.disk, u.id, key, w.Size); err != nil {
		return fmt.Errorf("look at a file of a trial: %w", err)
	}
	return t.trial.took(u.name, w.Size, h.Now())
}
