package setup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
)

// Difference is one thing that would change for one stored message. It holds no
// patient data: places, never values.
type Difference struct {
	Message    string    `json:"message"`
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	Kind       string    `json:"kind"`
	Partner    string    `json:"partner,omitempty"`
	Was        string    `json:"was,omitempty"`
	Becomes    string    `json:"becomes,omitempty"`
	Places     []string  `json:"places,omitempty"`
}

// Replayed counts what a replay looked at.
type Replayed struct {
	Messages   int64            `json:"messages"`
	Changed    int64            `json:"changed"`
	Unreadable int64            `json:"unreadable"`
	Kinds      map[string]int64 `json:"kinds"`
}

// Run is a replay as a page shows it. It lives in memory: what it shows is looked
// at again by running it again.
type Run struct {
	Draft   int64     `json:"draft"`
	Version int64     `json:"version" doc:"of the draft as it was replayed"`
	Day     time.Time `json:"day"`
	By      string    `json:"by"`
	Asked   time.Time `json:"asked"`
	State   RunState  `json:"state" doc:"waits, runs, ended or failed"`
	Done    int64     `json:"done" doc:"messages so far"`
	Ended   time.Time `json:"ended,omitzero"`
	Replayed
	// Reads is what of the patient's the draft's rules read; Reveal, that who asked
	// may see any patient's identity and values.
	Reads  []string `json:"reads,omitempty" doc:"what of the patient's the draft's rules read"`
	Reveal bool     `json:"-"`
	// Groups count what would change. Withheld: they are not for who looks.
	Groups   []Group `json:"groups" doc:"what would change, and for how many messages"`
	Withheld bool    `json:"withheld,omitempty" doc:"what came of it is for who asked: the rules read the patient's"`
	// Differences are the first maxDifferences, More counts the others. Listed:
	// they are for who looks; see Shown.
	Listed      bool         `json:"listed" doc:"differences are listed: for who asked, if they may see any patient's identity and values"`
	Differences []Difference `json:"differences"`
	More        int64        `json:"more" doc:"differences beyond those that are listed"`
	Problem     string       `json:"problem,omitempty"` // why it did not end
}

// RunState is how far a replay has come.
type RunState int

// The states of a replay.
const (
	RunWaits RunState = iota
	RunGoes
	RunEnded
	RunFailed
)

func (s RunState) String() string { return [...]string{"waits", "runs", "ended", "failed"}[s] }

// MarshalText implements encoding.TextMarshaler.
func (s RunState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const (
	maxDifferences = 200
	// maxRuns is how many replays are kept in memory, one for each draft.
	maxRuns = 50
	// maxReplay bounds one replay: a day of a large laboratory takes minutes.
	maxReplay = 30 * time.Minute
)

// replays runs one replay at a time.
type replays struct {
	mu   sync.Mutex
	runs map[int64]*Run
	next chan int64
	// asks are the questions of each person within the last hour.
	asks map[string][]time.Time
	// changed is told of a draft whose replay went on; it must not block.
	changed func(draft int64)
}

// Errors of replays.
var (
	ErrNoReplay = errors.New("this draft was not replayed since this node started")
	ErrBusy     = errors.New("other replays are waiting already; try again when they have ended")
	ErrDay      = errors.New("choose a day that is over, or today")
)

// OnReplay has f called when a draft's replay went on: for pages that watch.
func (s *Service) OnReplay(f func(draft int64)) {
	s.replays.mu.Lock()
	defer s.replays.mu.Unlock()
	s.replays.changed = f
}

// StartReplay asks for a replay of a day (UTC) against a draft; reveal says that
// the person may see any patient's identity and values. Run works it off.
func (s *Service) StartReplay(ctx context.Context, number int64, day time.Time, by approval.Person, reveal bool) error {
	d, err := s.Draft(ctx, number)
	if err != nil {
		return err
	}
	if d.State != DraftOpen {
		return ErrEnded
	}
	day = day.UTC().Truncate(24 * time.Hour)
	if day.IsZero() || day.After(s.clock()) {
		return ErrDay
	}
	if d.Of == 0 {
		if c, _ := s.read(d.Source); c == nil {
			return ErrProblems
		}
	}
	reads, err := s.asking(ctx, &d, reveal)
	if err != nil {
		return err
	}
	r := &s.replays
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.runs[number]; old != nil && (old.State == RunWaits || old.State == RunGoes) {
		return ErrBusy
	}
	if err := r.often(by.Account, s.clock()); err != nil {
		return err
	}
	select {
	case r.next <- number:
	default:
		return ErrBusy
	}
	if len(r.runs) >= maxRuns {
		r.forget()
	}
	r.runs[number] = &Run{Draft: number, Version: d.Version, Day: day, By: by.Account, Asked: s.clock(), Reads: reads, Reveal: reveal}
	return nil
}

// forget drops the replay that was asked for first of those that have ended.
func (r *replays) forget() {
	var oldest *Run
	for _, x := range r.runs {
		if x.State >= RunEnded && (oldest == nil || x.Asked.Before(oldest.Asked)) {
			oldest = x
		}
	}
	if oldest != nil {
		delete(r.runs, oldest.Draft)
	}
}

// Replay returns a draft's replay as it is now, all of it: Run.Shown says what of it
// is for whom. ErrNoReplay where there is none.
func (s *Service) Replay(number int64) (Run, error) {
	r := &s.replays
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.runs[number]
	if x == nil {
		return Run{}, ErrNoReplay
	}
	out := *x
	out.Differences = append([]Difference(nil), x.Differences...)
	out.Groups = append([]Group(nil), x.Groups...)
	return out, nil
}

// Run works off replays until ctx ends. Every node runs its own.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case number := <-s.replays.next:
			s.runOne(ctx, number)
		}
	}
}

func (s *Service) runOne(ctx context.Context, number int64) {
	ctx, cancel := context.WithTimeout(ctx, maxReplay)
	defer cancel()
	change := func(f func(*Run)) {
		s.replays.mu.Lock()
		if x := s.replays.runs[number]; x != nil {
			f(x)
		}
		told := s.replays.changed
		s.replays.mu.Unlock()
		if told != nil {
			told(number)
		}
	}
	var ask ReplayAsk
	var version int64
	change(func(x *Run) {
		x.State, version, ask = RunGoes, x.Version, ReplayAsk{By: x.By, Day: x.Day, Reveal: x.Reveal}
	})
	sum, err := func() (sum Replayed, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("replay panicked: %v", p)
			}
		}()
		d, err := s.Draft(ctx, number)
		if err != nil {
			return sum, err
		}
		if d.Version != version {
			return sum, ErrEdited // it may read now what it did not when it was asked for
		}
		ask.To = d.target("")
		return s.replayer.Replay(ctx, ask, func(x Difference) error {
			s.replays.mu.Lock()
			defer s.replays.mu.Unlock()
			if r := s.replays.runs[number]; r != nil {
				r.add(x)
			}
			return nil
		}, func(done int64) { change(func(x *Run) { x.Done = done }) })
	}()
	problem := "The replay did not come to its end; the log says why."
	switch {
	case errors.Is(err, ErrEdited), errors.Is(err, ErrReads):
		problem = "The draft or the configuration was changed before its turn came."
	case err != nil:
		s.slog.Error("a replay did not end", "draft", number, "error", err)
	}
	change(func(x *Run) {
		x.Ended, x.Replayed, x.State = s.clock(), sum, RunEnded
		if err != nil {
			x.State, x.Problem = RunFailed, problem
		}
	})
}
