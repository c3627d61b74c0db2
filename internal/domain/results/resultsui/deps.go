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
	// Zone is the laboratory's time zone; nil is the zone of the server's clock.
	Zone *time.Location
	// Board gathers what needs somebody from every domain.
	Board *today.Board
	// Dates tells the ends somebody must see to, of one channel ("partner
	// riverside") or with "" of all; nil knows none.
	Dates func(of string) []Date
	// Test sends a test message to a partner and waits for its answer; nil: this
	// node cannot.
	Test func(ctx context.Context, partner string, by results.Named) (Tested, error)
}

// Date is an end that somebody must see to, in words.
type Date struct {
	What  string // "their certificate", "exception"
	Ends  time.Time
	Words string
	Due   bool // within 30 days, or past
}

// Tested is what came of a test message.
type Tested struct {
	At        time.Time     `json:"at"`
	ControlID string        `json:"control_id"`
	Accepted  bool          `json:"accepted"`
	Code      string        `json:"code,omitempty"`
	Words     string        `json:"words"`
	Text      string        `json:"text,omitempty"` // what the other side wrote
	Peer      string        `json:"peer,omitempty"` // who answered: its certificate
	TLS       string        `json:"tls,omitempty"`
	Took      time.Duration `json:"took"`
}
