package control

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// Call is a phone task. Orders, Unreadable, Whom and Note are patient data and
// only in the answer to a recorded view.
type Call struct {
	ID           string     `json:"id"`
	Why          string     `json:"why"` // critical, not_taken, correction_waits, upload_stopped
	Message      string     `json:"message"`
	Delivery     *int64     `json:"delivery,omitempty"`
	Source       string     `json:"source"`
	Partner      string     `json:"partner,omitempty"`
	Stopped      string     `json:"stopped"`
	Now          string     `json:"now"`
	Acknowledged bool       `json:"acknowledged_meanwhile"`
	CameAt       time.Time  `json:"came_at"`
	OpenedAt     time.Time  `json:"opened_at"`
	State        string     `json:"state"` // open, taken, closed
	Owner        string     `json:"owner,omitempty"`
	DueAt        time.Time  `json:"due_at,omitzero"`
	Overdue      bool       `json:"overdue"`
	ClosedAt     time.Time  `json:"closed_at,omitzero"`
	Steps        []CallStep `json:"steps,omitempty"`
	File         string     `json:"file,omitempty"`
	Orders       []string   `json:"orders,omitempty"`
	Unreadable   string     `json:"unreadable,omitempty"`
}

// CallStep is one thing done about a phone task.
type CallStep struct {
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	Who      string    `json:"by"`
	Account  string    `json:"account"`
	Reason   string    `json:"reason"`
	Outcome  string    `json:"outcome,omitempty"`
	ReadBack bool      `json:"read_back"`
	NextAt   time.Time `json:"next_at,omitzero"`
	Leaf     int64     `json:"ledger_leaf"`
	Whom     string    `json:"whom,omitempty"`
	Note     string    `json:"note,omitempty"`
}

func callOf(c results.Call) Call {
	out := Call{
		ID: c.ID.String(), Why: c.Why.String(), Message: c.Message.String(), Source: c.Source, Partner: c.Partner, Stopped: c.Stopped,
		Now: c.Now, Acknowledged: c.Acknowledged, CameAt: c.CameAt, OpenedAt: c.OpenedAt, State: c.State, Owner: c.Owner,
		DueAt: c.DueAt, Overdue: c.Overdue, ClosedAt: c.ClosedAt,
	}
	if c.Delivery >= 0 {
		n := c.Delivery
		out.Delivery = &n
	}
	for _, p := range c.Steps {
		out.Steps = append(out.Steps, CallStep{p.At, p.Kind, p.Who, p.Account, p.Reason, p.Outcome, p.ReadBack, p.NextAt, p.Leaf, p.Whom, p.Note})
	}
	return out
}

// Calls are phone tasks, overdue ones first.
type Calls struct {
	Calls []Call `json:"calls"`
}

// CallLog writes a telephone call down.
type CallLog struct {
	Named
	Whom        string `json:"whom"`
	Outcome     string `json:"outcome"` // reached, not_reached, handed_over
	ReadBack    bool   `json:"read_back"`
	NextSeconds int64  `json:"next_seconds"`
	Note        string `json:"note"`
}

// CloseCall ends a phone task.
type CloseCall struct {
	Named
	WithoutCall bool `json:"without_call"`
}

// SentAlone says what a correction that was sent alone replaced.
type SentAlone struct {
	Delivery   int64   `json:"delivery"`
	Superseded []int64 `json:"superseded"`
	By         string  `json:"by"`
}

// Stop is a stop as it is listed.
type Stop struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Scope     string    `json:"scope"`
	Target    string    `json:"target"`
	Reason    string    `json:"reason"`
	Basis     string    `json:"basis"`
	Owner     string    `json:"owner"`
	PlacedBy  string    `json:"placed_by"`
	PlacedAt  time.Time `json:"placed_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Expired   bool      `json:"expired"`
	ImpactAt  time.Time `json:"impact_at"`
	ImpactDue bool      `json:"impact_due"`
	LiftBy    string    `json:"lift_asked_by,omitempty"`
	LiftedAt  time.Time `json:"lifted_at,omitzero"`
	LiftedBy  string    `json:"lifted_by,omitempty"`
	Keeps     int64     `json:"keeps"`
	Oldest    time.Time `json:"oldest,omitzero"`
}

func stopOf(x results.Stopped) Stop {
	return Stop{
		x.ID.String(), x.Kind.String(), string(x.Scope), x.Target, x.Reason, x.Basis, x.Owner, x.PlacedBy, x.PlacedAt, x.ExpiresAt, x.Expired,
		x.ImpactAt, x.ImpactDue, x.LiftAskedBy, x.LiftedAt, x.LiftedBy, x.Keeps, x.Oldest,
	}
}

// Stops are stops, those whose time is over first.
type Stops struct {
	Stops []Stop `json:"stops"`
}

// PlaceStop asks for a stop.
type PlaceStop struct {
	Named
	Kind          string `json:"kind"`
	Scope         string `json:"scope"`
	Target        string `json:"target"`
	Owner         string `json:"owner"`
	Basis         string `json:"basis"`
	Text          string `json:"text"`
	ForSeconds    int64  `json:"for_seconds"`
	ImpactSeconds int64  `json:"impact_seconds"`
}

// StopAct lifts, confirms, reviews or extends a stop.
type StopAct struct {
	Named
	Kind       string `json:"kind"`
	ForSeconds int64  `json:"for_seconds"`
}

// StopActed is the answer to an act on a stop.
type StopActed struct {
	Stop   string `json:"stop"`
	Act    string `json:"act"`
	By     string `json:"by"`
	Lifted bool   `json:"lifted"`
	Waits  bool   `json:"waits_for_another_person"`
}

// Count is a partner's own list held against what was delivered.
type Count struct {
	Partner           string    `json:"partner"`
	Day               string    `json:"day"`
	AddedAt           time.Time `json:"added_at"`
	AddedBy           string    `json:"added_by"`
	Listed            int64     `json:"listed"`
	Way               string    `json:"way"`
	Since             time.Time `json:"since,omitzero"`
	Until             time.Time `json:"until,omitzero"`
	Matched           int64     `json:"matched"`
	Missing           int64     `json:"missing_there"`
	Extra             int64     `json:"extra_there"`
	MissingDeliveries []int64   `json:"missing_deliveries,omitempty"`
	ExtraIDs          []string  `json:"extra_ids,omitempty"`
}

func countOf(c results.Counted) Count {
	return Count{c.Partner, c.Day, c.AddedAt, c.AddedBy, c.Listed, string(c.Way), c.Since, c.Until, c.Matched, c.Missing, c.Extra, c.MissingDeliveries, c.ExtraIDs}
}

// Counts are comparisons, newest first, and the partners that never gave a list.
type Counts struct {
	Counts       []Count  `json:"counts"`
	NotCountable []string `json:"not_countable"`
}

// AddCount carries a partner's list: control ids, one a line.
type AddCount struct {
	Named
	Day  string `json:"day"`
	List []byte `json:"list"`
}

// Calls lists phone tasks.
func (c *Client) Calls(ctx context.Context, all bool, limit int) (Calls, error) {
	return ask[Calls](ctx, c, fmt.Sprintf("/v1/calls?all=%t&limit=%d", all, limit), nil)
}

// Call asks for one phone task, without what is sealed.
func (c *Client) Call(ctx context.Context, id string) (Call, error) {
	return ask[Call](ctx, c, "/v1/calls/"+url.PathEscape(id), nil)
}

// ViewCall asks for a phone task with what is needed to call; it is recorded.
func (c *Client) ViewCall(ctx context.Context, id, reason string) (Call, error) {
	return ask[Call](ctx, c, "/v1/calls/"+url.PathEscape(id)+"/view", Why{Reason: reason})
}

// ActOnCall takes, logs or closes; in is Named, CallLog or CloseCall.
func (c *Client) ActOnCall(ctx context.Context, act, id string, in any) (Call, error) {
	return ask[Call](ctx, c, "/v1/calls/"+url.PathEscape(id)+"/"+act, in)
}

// SendAlone lets a correction go without its original.
func (c *Client) SendAlone(ctx context.Context, delivery int64, n Named) (SentAlone, error) {
	return ask[SentAlone](ctx, c, fmt.Sprintf("/v1/deliveries/%d/send-alone", delivery), n)
}

// Stops lists stops that stand for longer than over.
func (c *Client) Stops(ctx context.Context, over time.Duration, all bool, limit int) (Stops, error) {
	return ask[Stops](ctx, c, fmt.Sprintf("/v1/stops?over=%s&all=%t&limit=%d", over, all, limit), nil)
}

// PlaceStop places a stop.
func (c *Client) PlaceStop(ctx context.Context, in PlaceStop) (StopActed, error) {
	return ask[StopActed](ctx, c, "/v1/stops", in)
}

// ActOnStop lifts, confirms, reviews or extends.
func (c *Client) ActOnStop(ctx context.Context, act, id string, in StopAct) (StopActed, error) {
	return ask[StopActed](ctx, c, "/v1/stops/"+url.PathEscape(id)+"/"+act, in)
}

// Counts lists the comparisons with partners' own lists.
func (c *Client) Counts(ctx context.Context, partner string, limit int) (Counts, error) {
	return ask[Counts](ctx, c, fmt.Sprintf("/v1/counts?partner=%s&limit=%d", url.QueryEscape(partner), limit), nil)
}

// AddCount compares a partner's list.
func (c *Client) AddCount(ctx context.Context, partner string, in AddCount) (Count, error) {
	return ask[Count](ctx, c, "/v1/counts/"+url.PathEscape(partner), in)
}

// RunCount counts a partner as it is counted each night.
func (c *Client) RunCount(ctx context.Context, partner string, in Named) (Count, error) {
	return ask[Count](ctx, c, "/v1/counts/"+url.PathEscape(partner)+"/run", in)
}
