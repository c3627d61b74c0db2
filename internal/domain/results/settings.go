package results

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Settings is one applied configuration revision as this domain uses it. It is
// never changed after Apply; a new revision is a new value.
type Settings struct {
	// Revision is the SHA-256 of the applied configuration in hex; deliveries,
	// events and proofs name it.
	Revision string
	Sources  map[string]Source
	// Sites are the names of the laboratory's sites by their keys; none where the
	// configuration has no word of them.
	Sites    map[string]string
	Partners map[string]*Partner
	Routes   []Route
	// CriticalAfter is how long a critical result may go unacknowledged before
	// somebody must telephone; 0 means 10 minutes. A source or a partner may have
	// a time of its own; of two the shorter holds.
	CriticalAfter time.Duration
	// Adoption says what a route needs before it may carry.
	Adoption Adoption

	// Under Service.mu: tries under way with this revision, whether another has
	// replaced it, and the channel closed when both have come to their end.
	flights  int
	replaced bool
	idle     chan struct{}
}

// Source is who sends to us.
type Source struct {
	Name string
	// Site is the one it belongs to now; of what came before, SiteOf knows.
	Site string
	// Window is how long a control id is remembered.
	Window time.Duration
	// AccessionFields are the OBR fields the site uses as accession number.
	AccessionFields []int
	CriticalAfter   time.Duration // 0: the laboratory's
	// Charset is that of messages whose MSH-18 is empty. Conditions, checks,
	// transformations and renderings go by it; the search index goes by what the
	// bytes look like, so that it does not change with a setting.
	Charset hl7.Charset
}

// Sender is what carries a message to a partner; internal/app builds them.
type Sender interface {
	Send(ctx context.Context, m channel.Message) (channel.Receipt, error)
}

// Partner is who receives.
type Partner struct {
	Key, Name string
	Sender    Sender
	// Protocol in one word, for receipts: "mllp", "fhir", "folder"; to "fhir" no test
	// message is sent.
	Protocol string
	// Render makes what this partner is sent of a message (FHIR, a file's
	// name); nil sends HL7 as it came.
	// It is a function of its input alone: a repeat must be the same bytes.
	Render func(Rendering) (channel.Message, error)
	// Parallel is how many messages may be under way at once; 0 means 1.
	Parallel int
	Retry    Retry
	// AlarmAfter is how long a result may wait before that is an alarm.
	AlarmAfter    time.Duration
	CriticalAfter time.Duration // 0: the laboratory's
}

// Rendering is what Render works on.
type Rendering struct {
	// Message has everything a transport needs for HL7; Body is after the
	// route's transformation.
	Message    channel.Message
	Route      string
	ReceivedAt time.Time
	Charset    hl7.Charset // the source's; see Source
	Site       string      // the site it came in for; empty: none
	// Order ascends with the intake of the message, also where a person sends it again:
	// an old result does not become the latest because it comes once more.
	Order int64
}

// Retry says what happens after a failed try.
type Retry struct {
	// First is the first pause, doubled each time up to Max, with jitter.
	First, Max time.Duration
	// GiveUpAfter is how long a message that the partner's server keeps
	// answering badly is tried before a person must look. A partner that cannot
	// be reached at all is never given up.
	GiveUpAfter time.Duration
	// Breaker is after how many failures in a row the partner counts as down
	// and is only probed; 0 means 3.
	Breaker int
	// Pause is the longest time between two probes of a partner that is down; 0
	// means Max.
	Pause time.Duration
}

func (r Retry) defaults() Retry {
	if r.First <= 0 {
		r.First = 5 * time.Second
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Minute
	}
	if r.GiveUpAfter <= 0 {
		r.GiveUpAfter = 72 * time.Hour
	}
	if r.Breaker <= 0 {
		r.Breaker = 3
	}
	if r.Pause <= 0 {
		r.Pause = r.Max
	}
	return r
}

// Stage is how far a route has been adopted (SAFETY.md 1).
type Stage int

// The stages.
const (
	Shadow   Stage = iota // records what it would send, sends nothing
	Parallel              // sends beside the old path
	Carry                 // is the path
)

func (s Stage) String() string { return [...]string{"shadow", "parallel", "carry"}[s] }

// Adoption is what the comparison with the old path goes by.
type Adoption struct {
	// Days is how many days must have been compared without an unexplained
	// difference; 0 means 14.
	Days int
	// Wait is how long one path may be ahead of the other; 0 means 15 minutes.
	Wait time.Duration
	// Keep is how long the values of what differed are kept; 0 means 90 days.
	Keep time.Duration
}

func (a Adoption) defaults() Adoption {
	if a.Days <= 0 {
		a.Days = 14
	}
	if a.Wait <= 0 {
		a.Wait = 15 * time.Minute
	}
	if a.Keep <= 0 {
		a.Keep = 90 * 24 * time.Hour
	}
	return a
}

// Route says what goes where.
type Route struct {
	Name string
	// From names the source; empty means any.
	From string
	// When decides over the message; nil means always. An error holds the
	// delivery: a rule that cannot be answered is not a no.
	When func(Look) (bool, error)
	To   []string
	// Owner checks that the message belongs to the partner. It returns a reason
	// in words when it does not; the delivery is then held. nil checks nothing.
	Owner func(partner string, m Look) (reason string, err error)
	Stage Stage
	// Config is a hash of the route's settings without its stage: what was
	// compared and approved is bound to it.
	Config string
	// OldPath names the source that brings a copy of what the old path sent to
	// this route's one partner; empty where nothing is compared.
	OldPath string
	// Transform makes the bytes that go out; nil sends them as they came.
	Transform func(body []byte) ([]byte, error)
}

// routeOf is route for what came from the source: the same route may lead from
// several, each with settings of its own.
func (s *Settings) routeOf(name, source string) (Route, bool) {
	for _, r := range s.Routes {
		if r.Name == name && r.From == source {
			return r, true
		}
	}
	return s.route(name)
}

func (s *Settings) route(name string) (Route, bool) {
	for _, r := range s.Routes {
		if r.Name == name {
			return r, true
		}
	}
	return Route{}, false
}
