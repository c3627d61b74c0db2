package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Messages finds what the laboratory holds about a patient. Package results does.
type Messages interface {
	// OfPatient returns messages that carry exactly this identifier (of this
	// authority, where one is given), the newest first: at most limit before a
	// place, and the next place, zero at the end. complete says that every message
	// taken so far can be found.
	OfPatient(ctx context.Context, id, authority string, before int64, limit int) (found []Message, next int64, complete bool, err error)
}

// Message is one that is about the patient.
type Message struct {
	ID         string
	Source     string
	Received   time.Time
	Deliveries []Delivery
}

// Delivery is one to a partner. Accepted is zero until their system accepted it.
type Delivery struct {
	Number   int64
	Partner  string
	State    string
	Accepted time.Time
}

// Ask is whose report is asked for.
type Ask struct {
	// ID is the patient's exact identifier, Authority who assigned it, empty for any.
	ID, Authority string
	// From and To bound what is listed, To not included; zero: no bound.
	From, To time.Time
}

// Report is who looked at a patient's data and to whom it went.
type Report struct {
	ID   event.ID
	Ask  Ask
	By   string
	Made time.Time
	// Messages are those that carry the identifier, whatever their time.
	Messages    []Message
	Access      []Line
	Disclosures []Disclosure
	// Missing says why the report may not be whole; empty: it is.
	Missing []string
}

// Disclosure is a delivery that a partner's system accepted.
type Disclosure struct {
	Message *Message
	Delivery
}

// maxMessages bounds a report: more is no single patient's.
const maxMessages = 2000

// ErrNoReports is where the record was made without Messages.
var ErrNoReports = errors.New("reports about patients are not there in this installation")

// Patient makes a patient's report of access and disclosures. That it was made,
// by whom and about which messages, is written before anything is returned. An
// accounting of disclosures under 45 CFR 164.528 [check] need not list those for
// treatment; this lists all deliveries.
func (r *Record) Patient(ctx context.Context, by By, ask Ask) (*Report, error) {
	ask.ID, ask.Authority = strings.TrimSpace(ask.ID), strings.TrimSpace(ask.Authority)
	switch {
	case r.msgs == nil:
		return nil, ErrNoReports
	case by.Account == "":
		return nil, fmt.Errorf("%w: name who asks", ErrInvalid)
	case ask.ID == "" || len(ask.ID) > 250 || len(ask.Authority) > 250:
		return nil, fmt.Errorf("%w: write the patient's whole identifier", ErrInvalid)
	case !ask.From.IsZero() && !ask.To.IsZero() && !ask.From.Before(ask.To):
		return nil, fmt.Errorf("%w: the first day is after the last", ErrInvalid)
	}
	rep := &Report{ID: event.NewID(), Ask: ask, By: by.Account, Made: r.now()}
	if err := r.gather(ctx, rep); err != nil {
		return nil, err
	}
	// Read before it is recorded: a report does not list itself.
	for i := range rep.Messages {
		if err := r.access(ctx, rep, &rep.Messages[i]); err != nil {
			return nil, err
		}
	}
	if err := r.reported(ctx, rep); err != nil {
		return nil, err
	}
	return rep, nil
}

func (r *Record) gather(ctx context.Context, rep *Report) error {
	whole := true
	for before := int64(0); ; {
		found, next, complete, err := r.msgs.OfPatient(ctx, rep.Ask.ID, rep.Ask.Authority, before, 200)
		if err != nil {
			return fmt.Errorf("find the patient's messages: %w", err)
		}
		whole = whole && complete
		if rep.Messages = append(rep.Messages, found...); len(rep.Messages) > maxMessages {
			return fmt.Errorf("%w: more than %d messages carry this identifier, so it is no single patient's: name the authority too", ErrInvalid, maxMessages)
		}
		if next == 0 {
			break
		}
		before = next
	}
	if !whole {
		rep.Missing = append(rep.Missing, "Messages of the last minutes cannot be found yet.")
	}
	read, all, err := r.Reach(ctx)
	if err != nil {
		return err
	}
	if read < all {
		rep.Missing = append(rep.Missing, fmt.Sprintf("The last %d entries of the ledger are not in the list yet.", all-read))
	}
	for i := range rep.Messages {
		m := &rep.Messages[i]
		for _, d := range m.Deliveries {
			if !d.Accepted.IsZero() && within(d.Accepted, rep.Ask) {
				rep.Disclosures = append(rep.Disclosures, Disclosure{m, d})
			}
		}
	}
	return nil
}

func within(t time.Time, a Ask) bool {
	return (a.From.IsZero() || !t.Before(a.From)) && (a.To.IsZero() || t.Before(a.To))
}

func (r *Record) access(ctx context.Context, rep *Report, m *Message) error {
	for from := (Cursor{}); ; {
		lines, next, err := r.list(ctx, Query{Message: m.ID, From: rep.Ask.From, To: rep.Ask.To}, from, MaxPage)
		if err != nil {
			return err
		}
		rep.Access = append(rep.Access, lines...)
		if next == (Cursor{}) {
			return nil
		}
		from = next
	}
}

// KindReported is the fact that a report about a patient was made: one for each
// message, so that the next report lists it.
const KindReported = "record.patient_reported"

// factsAtOnce bounds one transaction.
const factsAtOnce = 500

func (r *Record) reported(ctx context.Context, rep *Report) error {
	left := rep.Messages
	for first := true; first || len(left) > 0; first = false {
		part := left[:min(len(left), factsAtOnce)]
		left = left[len(part):]
		err := r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			ids := ledger.Pairs{{K: "by", V: ledger.Code(rep.By)}, {K: "report", V: rep.ID.String()}}
			if len(part) == 0 { // nothing found: also that is known now
				_, err := bus.Publish(ctx, tx, ledger.Event{Kind: KindReported, At: max(rep.Made.UnixMicro(), 0), IDs: ids, Numbers: []ledger.Number{{K: "messages", N: 0}}})
				return err
			}
			for i := range part {
				one := append(append(ledger.Pairs{}, ids...), ledger.Pair{K: "message", V: part[i].ID})
				if _, err := bus.Publish(ctx, tx, ledger.Event{Kind: KindReported, At: max(rep.Made.UnixMicro(), 0), IDs: one}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("record the report: %w", err)
		}
	}
	return nil
}

// Identifier is the patient's, for AuditEvents.
func (a *Ask) Identifier() *fhir.Identifier {
	out := &fhir.Identifier{Value: fhir.Text(a.ID)}
	if a.Authority != "" {
		out.Assigner = &fhir.Reference{Display: fhir.Text(a.Authority)}
	}
	return out
}

// AuditEvents are the report's lines as FHIR: what came in, who looked, to whom
// it went.
func (h Hub) AuditEvents(rep *Report) []fhir.AuditEvent {
	var out []fhir.AuditEvent
	who := rep.Ask.Identifier()
	for i := range rep.Messages {
		if within(rep.Messages[i].Received, rep.Ask) {
			out = append(out, h.Received(&rep.Messages[i], who))
		}
	}
	for i := range rep.Access {
		out = append(out, h.AuditEvent(&rep.Access[i], who))
	}
	for i := range rep.Disclosures {
		out = append(out, h.Disclosed(rep.Disclosures[i].Message, &rep.Disclosures[i].Delivery, who))
	}
	return out
}
