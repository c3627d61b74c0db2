package control

import (
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Result is one message and its ways. It holds no patient data.
type Result struct {
	ID         string    `json:"id"`
	Leaf       int64     `json:"ledger_leaf"`
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	Size       int64     `json:"size"`
	Critical   bool      `json:"critical"`
	Correction bool      `json:"correction"`
	Erased     bool      `json:"erased"`
	// Bypassed: it travelled in bypass and was entered afterwards.
	Bypassed   bool       `json:"bypassed"`
	Deliveries []Delivery `json:"deliveries"`
}

// Delivery is one way to one partner.
type Delivery struct {
	Number    int64     `json:"delivery"`
	Partner   string    `json:"partner"`
	Route     string    `json:"route"`
	State     string    `json:"state"`
	Attempts  int64     `json:"attempts"`
	Reason    string    `json:"reason,omitempty"`
	ChangedAt time.Time `json:"changed_at"`
	NextAt    time.Time `json:"next_try,omitzero"`
	Level     string    `json:"level,omitempty"` // placed, committed, accepted
	Code      string    `json:"code,omitempty"`  // the partner's own word
	Leaf      *int64    `json:"ledger_leaf,omitempty"`
	Again     bool      `json:"resent,omitempty"`
	// SupersededBy is the message that replaced it and was sent alone.
	SupersededBy string    `json:"superseded_by,omitempty"`
	FoundAt      time.Time `json:"on_their_list,omitzero"` // when their own list named it
	PickedUpAt   time.Time `json:"picked_up,omitzero"`     // when their pick-up was noticed
	Gated        string    `json:"behind,omitempty"`       // the stop before all that goes this way
	Words        string    `json:"words,omitempty"`        // of one result that is shown: what is known, as a sentence
}

func resultOf(m results.Summary) Result {
	r := Result{
		ID: m.ID.String(), Leaf: m.Leaf, Source: m.Source, ReceivedAt: m.ReceivedAt, Size: m.Size,
		Critical: m.Critical, Correction: m.Correction, Erased: m.Erased, Bypassed: m.Bypassed, Deliveries: []Delivery{},
	}
	for _, d := range m.Deliveries {
		x := Delivery{
			Number: d.Seq, Partner: d.Partner, Route: d.Route, State: d.State.String(), Attempts: d.Attempts, Reason: d.Reason,
			ChangedAt: d.ChangedAt, NextAt: d.NextAt, Level: d.Level, Code: d.Code, Again: d.Again,
			FoundAt: d.FoundAt, PickedUpAt: d.PickedUpAt, Gated: d.Gated,
		}
		if d.SupersededBy != (event.ID{}) {
			x.SupersededBy = d.SupersededBy.String()
		}
		if d.DoneLeaf >= 0 {
			leaf := d.DoneLeaf
			x.Leaf = &leaf
		}
		r.Deliveries = append(r.Deliveries, x)
	}
	return r
}

// Filter chooses results. Empty fields choose all.
type Filter struct {
	Source, Partner, State string
	Since, Until           time.Time
	Before                 int64 // ledger leaf of the last one already seen
	Limit                  int   // 0 means 50, at most 500
}

// Results is a part of the list, newest first.
type Results struct {
	Results []Result `json:"results"`
	// Next is where to go on (Filter.Before); 0 when there is nothing older.
	Next int64 `json:"next"`
}

// Quarantined is a message that was not taken. It holds no patient data.
type Quarantined struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	LastAt     time.Time `json:"last_at"`
	Times      int64     `json:"times"`
	Cause      string    `json:"cause"`
	Detail     string    `json:"detail"`
	Size       int64     `json:"size"`
	Kept       int64     `json:"kept"`
	State      string    `json:"state"`
}

func quarantinedOf(a results.Apart) Quarantined {
	return Quarantined{a.ID.String(), a.Source, a.ReceivedAt, a.LastAt, a.Times, a.Cause, a.Detail, a.Size, a.Kept, a.State}
}

// Quarantine is the list of what was not taken.
type Quarantine struct {
	Quarantine []Quarantined `json:"quarantine"`
}

// Body is a message with its content: patient data.
type Body[T any] struct {
	About T      `json:"about"`
	Body  []byte `json:"body"` // base64 in JSON
}

// Why carries the reason of an act into the ledger. It must not name a patient.
type Why struct {
	Reason string `json:"reason"`
	Among  int    `json:"among,omitempty"` // of a release: how many at once
}

// Acted is the answer to an act on a delivery.
type Acted struct {
	Delivery int64  `json:"delivery"`
	Act      string `json:"act"`
	New      int64  `json:"new_delivery,omitempty"` // of a resend
	By       string `json:"by"`
}

// Rotate asks for new keys: of the named purposes, or of "signer".
type Rotate struct {
	What   []string `json:"what"`
	Reason string   `json:"reason"`
}

// Rotated is what was rotated and how the keys are now.
type Rotated struct {
	Rotated []string     `json:"rotated"`
	Keys    vault.Status `json:"keys"`
}

// Audit is the outcome of recomputing the ledger.
type Audit struct {
	Sound  bool   `json:"sound"`
	Leaves int64  `json:"leaves"`
	Rows   int64  `json:"rows"`
	Root   string `json:"root"`
	Damage string `json:"damage,omitempty"`
	// Leaf is the first fact that can no longer be relied on.
	Leaf *int64 `json:"first_damaged_leaf,omitempty"`
	// Findings are the first rows that do not fit, each named with its table;
	// Found says how many there are.
	Findings []string  `json:"findings,omitempty"`
	Found    int64     `json:"found,omitempty"`
	At       time.Time `json:"checked_at"`
	TookMS   int64     `json:"took_ms"`
}

// Decided is the answer to a decision about a quarantined message.
type Decided struct {
	Quarantined string `json:"quarantined"`
	Act         string `json:"act"`
	Message     string `json:"message,omitempty"` // what it became
	By          string `json:"by"`
}
