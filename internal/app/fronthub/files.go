package fronthub

import (
	"context"
	"errors"
	"io"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// files answers what a ticket may ask about its box.
func (h *Hub) files(ctx context.Context, link *frontlink.Conn, c *frontlink.Call) (frontlink.Reply, error) {
	of := func(name string) (*ticket, error) {
		if t := h.ticket(name, link); t != nil {
			return t, nil
		}
		return nil, channel.ErrBoxClosed
	}
	switch c.Verb {
	case frontlink.VerbList:
		return asked(c, func(w frontlink.From) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			l, err := h.list(ctx, t, w)
			return frontlink.Reply{Words: l}, err
		})
	case frontlink.VerbRead:
		return asked(c, func(w frontlink.Piece) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			return t.read(w)
		})
	case frontlink.VerbAbort:
		return asked(c, func(w frontlink.Dropped) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			if t.trial != nil {
				return frontlink.Reply{}, t.shut(ctx, w.Handle)
			}
			u, err := fileOf[*boxes.Upload](t, w.Handle, true)
			if err != nil {
				return frontlink.Reply{}, err
			}
			if reason := w.Why.Reason(); reason != "" {
				u.Refused(ctx, reason)
			}
			u.Abort()
			return frontlink.Reply{}, nil
		})
	case frontlink.VerbShut:
		return asked(c, func(w frontlink.OpenFile) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			return frontlink.Reply{}, t.shut(ctx, w.Handle)
		})
	case frontlink.VerbCommit:
		return asked(c, func(w frontlink.Finished) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			return frontlink.Reply{}, h.commit(ctx, t, w)
		})
	case frontlink.VerbRename:
		return asked(c, func(w frontlink.Moved) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			if w.Folder != channel.BoxInbox {
				return frontlink.Reply{}, channel.ErrNoFile
			}
			if t.trial != nil {
				return frontlink.Reply{}, t.trial.rename(w.File, w.To)
			}
			return frontlink.Reply{}, h.Boxes.Rename(ctx, t.how.Partner, w.File, w.To)
		})
	case frontlink.VerbStat, frontlink.VerbOpen, frontlink.VerbCreate, frontlink.VerbPut, frontlink.VerbRemove:
		return asked(c, func(w frontlink.At) (frontlink.Reply, error) {
			t, err := of(w.Ticket)
			if err != nil {
				return frontlink.Reply{}, err
			}
			return h.one(ctx, t, c, w)
		})
	}
	return frontlink.Reply{}, errors.New("unknown verb")
}

// one does what concerns one place of a box.
func (h *Hub) one(ctx context.Context, t *ticket, c *frontlink.Call, w frontlink.At) (frontlink.Reply, error) {
	p := channel.BoxPath{Folder: w.Folder, File: w.File}
	if c.Verb == frontlink.VerbStat {
		e, err := h.place(ctx, t, p)
		return frontlink.Reply{Words: e}, err
	}
	if c.Verb == frontlink.VerbPut {
		if p.Folder != channel.BoxInbox {
			return frontlink.Reply{}, channel.ErrNoFile
		}
		return frontlink.Reply{}, h.put(ctx, t, p.File, c.Body)
	}
	if t.trial != nil {
		return h.try(t, c, p)
	}
	if err := h.receipts(ctx, t, p); err != nil {
		return frontlink.Reply{}, err
	}
	switch c.Verb {
	case frontlink.VerbOpen:
		r, err := h.Boxes.Open(ctx, t.how.Partner, p.Folder, p.File, t.how.via())
		if err != nil {
			return frontlink.Reply{}, err
		}
		n, err := t.keep(r)
		if err != nil {
			_ = r.Close(ctx)
			return frontlink.Reply{}, err
		}
		return frontlink.Reply{Words: frontlink.Opened{Handle: n, Size: r.Size()}}, nil
	case frontlink.VerbCreate:
		return h.create(ctx, t, p)
	default:
		return frontlink.Reply{}, h.Boxes.Remove(ctx, t.how.Partner, p.Folder, p.File, "partner")
	}
}

// receipts has the receipts made that are not there yet, before one is looked for.
func (h *Hub) receipts(ctx context.Context, t *ticket, p channel.BoxPath) error {
	if p.Folder != channel.BoxReceipts || p.IsDir() {
		return nil
	}
	return h.Boxes.Receipts(ctx, t.how.Partner)
}

// place says what there is at a place of a box, or of a trial.
func (h *Hub) place(ctx context.Context, t *ticket, p channel.BoxPath) (frontlink.Entry, error) {
	if p.IsDir() {
		return frontlink.Entry{Name: p.Folder, Dir: true, Modified: t.how.Since}, nil
	}
	if t.trial != nil {
		return t.trial.find(p.Folder, p.File)
	}
	if err := h.receipts(ctx, t, p); err != nil {
		return frontlink.Entry{}, err
	}
	f, err := h.Boxes.Find(ctx, t.how.Partner, p.Folder, p.File)
	if err != nil {
		return frontlink.Entry{}, err
	}
	return entryOf(f), nil
}

// put takes a small file into the inbox, in one piece.
func (h *Hub) put(ctx context.Context, t *ticket, name string, body []byte) error {
	if t.trial == nil {
		return h.Boxes.Put(ctx, t.how.Partner, name, t.how.via(), body)
	}
	if err := t.trial.mayPut(channel.BoxInbox, name); err != nil {
		return err
	}
	return t.trial.took(name, int64(len(body)), h.Now())
}

func entryOf(f boxes.File) frontlink.Entry {
	return frontlink.Entry{Name: f.Name, Size: f.Size, Modified: f.Made}
}

// maxListed keeps a list within a packet: names are at most channel.MaxBoxName.
const maxListed = 60

func (h *Hub) list(ctx context.Context, t *ticket, w frontlink.From) (frontlink.Entries, error) {
	if w.File != "" {
		return frontlink.Entries{}, channel.ErrNoFile
	}
	var l frontlink.Entries
	if w.Folder == "" {
		for _, name := range channel.BoxFolders {
			l.Entries = append(l.Entries, frontlink.Entry{Name: name, Dir: true, Modified: t.how.Since})
		}
		return l, nil
	}
	if t.trial != nil {
		l.Entries = t.trial.list(w.Folder)
		return l, nil
	}
	var after event.ID
	if w.Next != "" {
		var err error
		if after, err = event.ParseID(w.Next); err != nil {
			return l, err
		}
	} else if w.Folder == channel.BoxReceipts {
		if err := h.Boxes.Receipts(ctx, t.how.Partner); err != nil {
			return l, err
		}
	}
	all, more, err := h.Boxes.List(ctx, t.how.Partner, w.Folder, after, maxListed)
	if err != nil {
		return l, err
	}
	for _, f := range all {
		l.Entries = append(l.Entries, entryOf(f))
	}
	if more {
		l.Next = all[len(all)-1].ID.String()
	}
	return l, nil
}

func (t *ticket) read(w frontlink.Piece) (frontlink.Reply, error) {
	r, err := fileOf[io.ReaderAt](t, w.Handle, false)
	if err != nil {
		return frontlink.Reply{}, err
	}
	if w.Length < 1 || w.Length > frontlink.MaxBody || w.Offset < 0 {
		return frontlink.Reply{}, errors.New("a piece of another length")
	}
	b := make([]byte, w.Length)
	n, err := r.ReadAt(b, w.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return frontlink.Reply{}, err
	}
	return frontlink.Reply{Body: b[:n]}, nil
}

func (t *ticket) shut(ctx context.Context, n uint64) error {
	f, err := fileOf[any](t, n, true)
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *boxes.Reader:
		return f.Close(ctx)
	case *boxes.Upload:
		f.Abort()
	case *trialUpload:
		f.close()
	}
	return nil
}

func (h *Hub) create(ctx context.Context, t *ticket, p channel.BoxPath) (frontlink.Reply, error) {
	if p.Folder != channel.BoxInbox {
		return frontlink.Reply{}, channel.ErrNoFile
	}
	u, err := h.Boxes.Begin(ctx, t.how.Partner, p.File, t.how.via())
	if err != nil {
		return frontlink.Reply{}, err
	}
	theirs, err := u.Writable()
	if err != nil {
		u.Abort()
		return frontlink.Reply{}, err
	}
	n, err := t.keep(u)
	if err != nil {
		_ = theirs.Close()
		u.Abort()
		return frontlink.Reply{}, err
	}
	return frontlink.Reply{Words: frontlink.Created{Handle: n, ID: u.ID[:], Limit: u.Limit}, File: theirs}, nil
}

func (h *Hub) commit(ctx context.Context, t *ticket, w frontlink.Finished) error {
	if t.trial != nil {
		return h.tryCommit(ctx, t, w)
	}
	u, err := fileOf[*boxes.Upload](t, w.Handle, true)
	if err != nil {
		return err
	}
	key, err := h.keeper.Unwrap(u.ID, w.Key)
	if err != nil {
		u.Abort()
		return err
	}
	return u.Commit(ctx, w.Size, key)
}
