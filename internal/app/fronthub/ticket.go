package fronthub

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
)

// ticket is one signed-in session and what it has open.
type ticket struct {
	hub  *Hub
	link *frontlink.Conn
	name string
	how  How
	// trial is what it sees in the place of a box; nil for a partner's own.
	trial *trialBox

	once sync.Once
	// stay ends with leave.
	stay  context.Context //nolint:containedctx // the ticket's life
	leave func()

	mu    sync.Mutex
	next  uint64
	files map[uint64]any // *boxes.Reader, *boxes.Upload

	streams  uint64
	speakers map[uint64]*speaker // by stream
}

// enter gives a ticket. how.Since is before who came in was looked at.
func (h *Hub) enter(ctx context.Context, link *frontlink.Conn, how How) (*ticket, error) {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	t := &ticket{hub: h, link: link, name: hex.EncodeToString(b), how: how, files: map[uint64]any{}}
	t.stay, t.leave = context.WithCancel(context.Background())
	if err := h.admit(t); err != nil {
		return nil, err
	}
	// Its access may have ended since it was looked at; from now on Changed sees it.
	if !h.Who.Still(ctx, how) {
		t.end()
		return nil, channel.ErrSignIn
	}
	return t, nil
}

// admit files a ticket, where there is room.
func (h *Hub) admit(t *ticket) error {
	link, how := t.link, t.how
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.tickets) >= maxTickets {
		return errors.New("too many sessions")
	}
	if _, there := h.fronts[link]; !there {
		return channel.ErrBoxClosed
	}
	if h.Entered != nil {
		h.Entered(how)
	}
	if h.Trial != nil {
		x, is := h.Trial(how.Partner)
		if is && x == nil { // it has just ended
			return channel.ErrSignIn
		}
		if is {
			t.trial = &trialBox{Trial: x, report: []byte(x.Report()), since: how.Since}
		}
	}
	h.tickets[t.name] = t
	return nil
}

// ticket finds one that was given over this link.
func (h *Hub) ticket(name string, link *frontlink.Conn) *ticket {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tickets[name]; t != nil && t.link == link {
		return t
	}
	return nil
}

// Stay implements sftp.Guest.
func (t *ticket) Stay() context.Context { return t.stay }

// Close implements sftp.Guest: the connection is over.
func (t *ticket) Close() error {
	t.end()
	return nil
}

// end ends the ticket: its connection is cut, its unfinished files are forgotten,
// and the front is told.
func (t *ticket) end() {
	t.once.Do(func() {
		t.hub.mu.Lock()
		delete(t.hub.tickets, t.name)
		t.hub.mu.Unlock()
		t.leave()
		t.mu.Lock()
		files := t.files
		t.files = nil
		t.mu.Unlock()
		for _, f := range files {
			switch f := f.(type) {
			case *boxes.Reader:
				if err := f.Close(context.Background()); err != nil {
					t.hub.Log.Error("pick-up not recorded", "err", err)
				}
			case *boxes.Upload:
				f.Abort()
			case *trialUpload:
				f.close()
			}
		}
		go func() {
			_, _, _ = t.link.Ask(context.Background(), frontlink.VerbEnded, frontlink.Of{Ticket: t.name}, nil, nil, nil)
		}()
	})
}

// keep files something open under a number.
func (t *ticket) keep(f any) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		return 0, channel.ErrBoxClosed
	}
	if len(t.files) >= maxFiles {
		return 0, channel.Refuse("too many files are open at once")
	}
	t.next++
	t.files[t.next] = f
	return t.next, nil
}

// fileOf is what stands under the number; taken away when drop says so.
func fileOf[F any](t *ticket, n uint64, drop bool) (F, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.files[n].(F)
	if !ok {
		return f, channel.ErrNoFile
	}
	if drop {
		delete(t.files, n)
	}
	return f, nil
}
