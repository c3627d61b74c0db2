package resultsui

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/today"
)

// Deps is what the pages stand on; app fills it.
type Deps struct {
	Results *results.Service
	// Alarms holds the alarms; nil: this hub keeps none.
	Alarms *alarm.Desk
	// Config is the configuration in force: names, channels, routes. It returns nil
	// while the hub starts or stops.
	Config func() *config.Config
	// Board gathers what needs somebody from every domain, this one among them (see
	// Sources).
	Board *today.Board
	// Dates tells the ends somebody must see to, of one channel ("partner
	// riverside"); nil knows none.
	Dates func(of string, now time.Time) []Date
	// Move takes a route one stage forward or back, as a new revision of the
	// configuration; nil is not offered. It returns the stage the route is in now.
	Move func(ctx context.Context, route string, forward bool, director, who, reason string) (stage string, err error)
	// Called is how somebody is called whom an act of a journey names by account or by
	// what the ledger made of their name; nil leaves it as it is.
	Called func(who string) string
	// FIPS says that this program's cryptography is the validated module's.
	FIPS bool

	// CountWays are the partners that are counted each night, and how; nil: none.
	CountWays func() map[string]results.Way
	// CountNow counts a partner; nil is not offered.
	CountNow func(ctx context.Context, partner string, by results.Named) (results.Counted, error)

	runs *replays // of this node; pages and operations share them
}

// Date is an end that somebody must see to, in words.
type Date struct {
	What  string // "their certificate", "exception"
	Ends  time.Time
	Words string
	Due   bool // within 30 days, or past
}

// conf is the configuration in force; an empty one where there is none.
func (d Deps) conf() *config.Config {
	if d.Config != nil {
		if c := d.Config(); c != nil {
			return c
		}
	}
	return &config.Config{}
}

// name is what a partner is called.
func (d Deps) name(partner string) string { return d.Results.Settings().Named(partner) }
