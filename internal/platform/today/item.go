package today

import (
	"cmp"
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// How urgent an item is: the lower, the further up. Between two lies room.
const (
	RankPatient = 10 // somebody must be telephoned
	RankStopped = 20 // results wait or could be lost
	RankPerson  = 30 // a result or a stop waits for a decision
	RankUnknown = 35 // something could not be looked at
	RankSoon    = 40 // a date, a witness, a warning
	RankLater   = 50 // to be approved, reviewed, read
)

// Item is one thing that needs somebody, with the one thing to do about it. It
// holds no patient data.
type Item struct {
	// State is kit.Stopped or kit.Warn; kit.Unknown for what could not be looked at.
	State kit.State
	Rank  int
	// Title says what is the matter, Text the cause, the consequence and what we
	// are doing.
	Title, Text string
	Action      kit.Action
	// Since is when it began; the zero time where that is not known.
	Since time.Time
	// Needs is the permission of whom it is shown to; Partner and Site whose it is,
	// empty for nobody's in particular.
	Needs         authz.Permission
	Partner, Site string
}

// compare puts what is most urgent first, and of equals what began first.
func (a Item) compare(b Item) int {
	return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(b.State, a.State), a.Since.Compare(b.Since), cmp.Compare(a.Title, b.Title))
}

// Look answers what needs who now. It may give more than who may see: the board
// leaves that out. An error says that it could not be looked at.
type Look func(ctx context.Context, who *authz.Subject, now time.Time) ([]Item, error)

// Source is one part of the house that is asked.
type Source struct {
	// Name is what it looks at, as it stands in "NAME could not be looked at".
	Name string
	// Needs is the permission without which it is not asked.
	Needs authz.Permission
	Look  Look
}

// Line is one line of the panel Protection: something that was looked at just
// now, and how it is. What does not exist has none.
type Line struct {
	State kit.State
	Name  string // "Keys"
	// Value stands at the right, its number in Strong: "2 of 3 seals".
	Strong, Value string
	Text          string
	Href          string
	// May is the permission that Href needs; without it there is no way there.
	// Empty: whoever sees the line may go.
	May authz.Permission
	// At is when it was looked at.
	At time.Time
}

// Check is one line of the panel and how it is found out.
type Check struct {
	Name  string
	Needs authz.Permission
	Look  func(ctx context.Context, now time.Time) (Line, error)
}
