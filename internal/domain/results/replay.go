package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of Difference.
const (
	DiffRefused   = "refused"   // taken under the old settings, not under the new
	DiffTaken     = "taken"     // the other way round
	DiffPartner   = "partner"   // goes to a partner it did not go to
	DiffNoPartner = "nopartner" // no longer goes to a partner
	DiffState     = "state"     // sent, held or only shadowed: another of them
	DiffBytes     = "bytes"     // other bytes go out
)

// Difference is one thing that would change for one stored message. Was and
// Becomes are words of this domain; only the values in Paths are the message's.
type Difference struct {
	Message    event.ID     `json:"message"`
	Source     string       `json:"source"`
	ReceivedAt time.Time    `json:"received_at"`
	Kind       string       `json:"kind"`
	Partner    string       `json:"partner,omitempty"`
	Was        string       `json:"was,omitempty"`
	Becomes    string       `json:"becomes,omitempty"`
	Paths      []PathChange `json:"paths,omitempty"`
}

// PathChange is one place that would go out differently. From and To are
// patient data; they are empty unless the replay was told to reveal them.
type PathChange struct {
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// ReplaySummary counts what a replay looked at.
type ReplaySummary struct {
	Messages   int64            `json:"messages"`
	Changed    int64            `json:"changed"`    // messages with a difference
	Unreadable int64            `json:"unreadable"` // erased, damaged or kept in part: not judged
	Kinds      map[string]int64 `json:"kinds"`      // differences by kind
}

// Replay asks how the stored messages of a span of time would fare under new
// settings instead of old ones. It sends and writes nothing.
type Replay struct {
	Old, New *Settings
	From, To time.Time // received in [From, To)
	Source   string    // empty: every source
	Reveal   bool      // fill in PathChange.From and To: whoever asks must record it
	// Progress is called now and then with the messages looked at so far.
	Progress func(done int64)
}

const replayPage = 200

// clockSlack is how far a message's identifier, which carries a time of its
// own, may be from the time it is said to have been received.
const clockSlack = time.Hour

type replayed struct {
	id     event.ID
	source string
	at     int64
	sealed []byte
}

// Replay runs r; each is called for every difference, in the order of receipt.
// An error of each ends it.
func (s *Service) Replay(ctx context.Context, r Replay, each func(Difference) error) (ReplaySummary, error) {
	sum := ReplaySummary{Kinds: map[string]int64{}}
	for _, table := range []string{"results_messages", "results_quarantine"} {
		after, end := firstID(r.From.Add(-clockSlack)), firstID(r.To.Add(clockSlack))
		for {
			page, err := s.replayPage(ctx, table, after, end, r)
			if err != nil {
				return sum, err
			}
			for _, m := range page.rows {
				if err := ctx.Err(); err != nil {
					return sum, err
				}
				if err := s.replayOne(table, m, r, &sum, each); err != nil {
					return sum, err
				}
			}
			if r.Progress != nil {
				r.Progress(sum.Messages)
			}
			if page.n < replayPage {
				break
			}
			after = page.last
		}
	}
	return sum, nil
}

type replayRows struct {
	rows []replayed
	n    int
	last event.ID
}

func (s *Service) replayPage(ctx context.Context, table string, after, end event.ID, r Replay) (p replayRows, err error) {
	query := "SELECT id, source, received_at, body FROM results_messages WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3"
	if table == "results_quarantine" {
		// Only what a configuration decided, and of which every byte is there.
		query = `SELECT id, source, received_at, body FROM results_quarantine WHERE id > $1 AND id < $2
			AND state = 0 AND kept = size AND cause IN ('` + CauseNoRoute + `', '` + CauseRule + `', '` + CauseUnknownSender + `') ORDER BY id LIMIT $3`
	}
	err = s.db.Query(ctx, query, []any{after[:], end[:], int64(replayPage)}, func(row store.Scanner) error {
		var m replayed
		var id []byte
		if err := row.Scan(&id, &m.source, &m.at, &m.sealed); err != nil {
			return err
		}
		if m.id, err = event.IDFromBytes(id); err != nil {
			return err
		}
		p.n++
		p.last = m.id
		if m.at >= r.From.UnixMicro() && m.at < r.To.UnixMicro() && (r.Source == "" || r.Source == m.source) {
			p.rows = append(p.rows, m)
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("read stored messages: %w", err)
	}
	return p, nil
}

// firstID is the smallest UUIDv7 of a time: 48 bits of milliseconds, RFC 9562 5.7.
func firstID(t time.Time) (id event.ID) {
	ms := max(t.UnixMilli(), 0)
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

func (s *Service) replayOne(table string, m replayed, r Replay, sum *ReplaySummary, each func(Difference) error) error {
	sum.Messages++
	_, body, err := s.seal.open(table, m.id, m.sealed)
	if err != nil {
		if !errors.Is(err, ErrErased) {
			s.slog.Error("a stored message could not be read", "message", m.id.String(), "error", err)
		}
		sum.Unreadable++
		return nil
	}
	diffs := compare(r.Old.fate(m.source, body), r.New.fate(m.source, body), r.Reveal)
	if len(diffs) > 0 {
		sum.Changed++
	}
	for _, d := range diffs {
		d.Message, d.Source, d.ReceivedAt = m.id, m.source, time.UnixMicro(m.at).UTC()
		sum.Kinds[d.Kind]++
		if err := each(d); err != nil {
			return err
		}
	}
	return nil
}

// fate is what settings make of a message.
type fate struct {
	cause string // why it would not be taken, empty when it would
	plans []fatedPlan
}

type fatedPlan struct {
	plan
	sent   []byte
	failed bool // the transformation failed: a person must look
}

// fate judges as take does, and transforms as a delivery does.
func (set *Settings) fate(source string, body []byte) fate {
	if _, known := set.Sources[source]; !known {
		return fate{cause: CauseUnknownSender}
	}
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return fate{cause: CauseUnparsable}
	}
	look := newLook(body, &head, set.Sources[source].Charset)
	msg, err := look.Message()
	if err != nil {
		return fate{cause: CauseUnparsable}
	}
	plans, err := set.plan(source, look)
	switch {
	case err != nil:
		return fate{cause: CauseRule}
	case len(plans) == 0:
		return fate{cause: CauseNoRoute}
	case flagsOf(msg)&FlagControl != 0:
		if _, all := msg.Controls(); !all {
			return fate{cause: CauseMixed}
		}
		return fate{}
	}
	var f fate
	for _, p := range plans {
		fp := fatedPlan{plan: p, sent: body}
		if route, ok := set.routeOf(p.route, source); ok && route.Transform != nil {
			fp.sent, err = route.Transform(body)
			fp.failed = err != nil
		}
		f.plans = append(f.plans, fp)
	}
	return f
}

func (p fatedPlan) words() string {
	switch {
	case p.state == Shadowed:
		return "shadow: nothing is sent"
	case p.state == Held:
		return "held: " + p.reason
	case p.failed:
		return "needs a person: the transformation failed"
	}
	return "sent"
}

func compare(old, new fate, reveal bool) []Difference {
	switch {
	case old.cause == "" && new.cause != "":
		return []Difference{{Kind: DiffRefused, Becomes: new.cause}}
	case old.cause != "" && new.cause == "":
		out := []Difference{{Kind: DiffTaken, Was: old.cause}}
		for _, p := range new.plans {
			out = append(out, Difference{Kind: DiffPartner, Partner: p.partner, Becomes: p.words()})
		}
		return out
	}
	var out []Difference
	after := map[string]fatedPlan{}
	for _, p := range new.plans {
		after[p.partner] = p
	}
	before := map[string]bool{}
	for _, was := range old.plans {
		before[was.partner] = true
		is, still := after[was.partner]
		if !still {
			out = append(out, Difference{Kind: DiffNoPartner, Partner: was.partner, Was: was.words()})
			continue
		}
		if was.words() != is.words() {
			out = append(out, Difference{Kind: DiffState, Partner: was.partner, Was: was.words(), Becomes: is.words()})
		}
		if !was.failed && !is.failed && !bytes.Equal(was.sent, is.sent) {
			out = append(out, Difference{Kind: DiffBytes, Partner: was.partner, Paths: changedPaths(was.sent, is.sent, reveal)})
		}
	}
	for _, is := range new.plans {
		if !before[is.partner] {
			out = append(out, Difference{Kind: DiffPartner, Partner: is.partner, Becomes: is.words()})
		}
	}
	return out
}
