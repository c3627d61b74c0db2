package setup

import (
	"context"
	"errors"
	"time"
)

// Replayer runs the messages of a day through a target instead of the
// configuration in force. Nothing is sent, values of messages are not given out,
// and who asks is in the ledger before the first message is looked at.
type Replayer interface {
	// Reads says in words what of the patient's the target's changed rules read;
	// nothing where they read what is harmless alone.
	Reads(ctx context.Context, to Target) ([]string, error)
	// Replay runs it; ErrReads where the rules read the patient's and ask.Reveal
	// is not set.
	Replay(ctx context.Context, ask ReplayAsk, each func(Difference) error, progress func(done int64)) (Replayed, error)
}

// ReplayAsk is who asks for what.
type ReplayAsk struct {
	By  string
	Day time.Time
	To  Target
	// Reveal: who asks may see any patient's identity and values.
	Reveal bool
}

// Few is the smallest count that is shown to whoever may not see a patient's
// identity and values: of fewer messages it might be known whose they are.
const Few = 5

// How often one person may ask: each draft is a question to the stored messages,
// and many questions together answer what no single one does.
const (
	asksAnHour = 12
	askWindow  = time.Hour
)

// Errors of asking.
var (
	ErrReads = errors.New("the rules of this draft read what belongs to patients, so which messages fit them, and how many, is for those who may see a patient's identity and values: ask the laboratory director to try it")
	ErrOften = errors.New("you have tried a day's messages twelve times within an hour; wait a while")
)

// Group counts the messages for which the same thing would change.
type Group struct {
	Kind     string `json:"kind"`
	Partner  string `json:"partner,omitempty"`
	Was      string `json:"was,omitempty"`
	Becomes  string `json:"becomes,omitempty"`
	Messages int64  `json:"messages" doc:"4 stands for 1 to 4, unless differences are listed"`
}

// add counts a difference. The list of groups is as bounded as that of
// differences.
func (x *Run) add(d Difference) {
	if len(x.Differences) < maxDifferences {
		x.Differences = append(x.Differences, d)
	} else {
		x.More++
	}
	for i := range x.Groups {
		g := &x.Groups[i]
		if g.Kind == d.Kind && g.Partner == d.Partner && g.Was == d.Was && g.Becomes == d.Becomes {
			g.Messages++
			return
		}
	}
	if len(x.Groups) < maxDifferences {
		x.Groups = append(x.Groups, Group{d.Kind, d.Partner, d.Was, d.Becomes, 1})
	}
}

// Shown is the run as it may be shown to account. Which messages, and when they
// came, is for the person alone who asked and may see patients' data: the record
// names them. Others see counts, and of rules that read the patient's nothing.
func (x Run) Shown(account string, reveal bool) Run {
	if reveal && x.Reveal && x.By == account {
		x.Listed = true
		return x
	}
	x.Differences, x.More = []Difference{}, 0
	if len(x.Reads) > 0 {
		x.Groups, x.Withheld = []Group{}, true
		x.Replayed = Replayed{Messages: x.Messages, Kinds: map[string]int64{}}
		return x
	}
	x.Changed, x.Unreadable = atLeastFew(x.Changed), atLeastFew(x.Unreadable)
	kinds := map[string]int64{}
	for k, n := range x.Kinds {
		kinds[k] = atLeastFew(n)
	}
	x.Kinds = kinds
	groups := make([]Group, len(x.Groups))
	for i, g := range x.Groups {
		g.Messages = atLeastFew(g.Messages)
		groups[i] = g
	}
	x.Groups = groups
	return x
}

// atLeastFew says 4 for 1 to 4.
func atLeastFew(n int64) int64 {
	if n > 0 && n < Few {
		return Few - 1
	}
	return n
}

// asking refuses who may not ask this of the stored messages.
func (s *Service) asking(ctx context.Context, d *Draft, reveal bool) ([]string, error) {
	reads, err := s.replayer.Reads(ctx, d.target(""))
	if err != nil {
		return nil, err
	}
	if len(reads) > 0 && !reveal {
		return reads, ErrReads
	}
	return reads, nil
}

// often counts a question of a person and refuses one too many. The caller holds
// the lock.
func (r *replays) often(account string, now time.Time) error {
	if r.asks == nil {
		r.asks = map[string][]time.Time{}
	}
	for who, times := range r.asks {
		for len(times) > 0 && now.Sub(times[0]) >= askWindow {
			times = times[1:]
		}
		if r.asks[who] = times; len(times) == 0 {
			delete(r.asks, who)
		}
	}
	if len(r.asks[account]) >= asksAnHour {
		return ErrOften
	}
	r.asks[account] = append(r.asks[account], now)
	return nil
}

// Reads says what of the patient's the changed rules of a draft read.
func (s *Service) Reads(ctx context.Context, number int64) ([]string, error) {
	d, err := s.Draft(ctx, number)
	if err != nil {
		return nil, err
	}
	if d.Of == 0 {
		if c, _ := s.read(d.Source); c == nil {
			return nil, nil // it cannot be tried yet
		}
	}
	return s.replayer.Reads(ctx, d.target(""))
}
