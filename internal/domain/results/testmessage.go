package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindTested is the fact that a person sent a test message to a partner.
const KindTested = "partner.tested"

// testLimit is how long a test message waits for its answer.
const testLimit = 25 * time.Second

// Tested is what came of a test message.
type Tested struct {
	At        time.Time
	ControlID string
	Took      time.Duration
	// Receipt is the partner's answer where it accepted, Refused what it said or
	// what failed otherwise.
	Receipt channel.Receipt
	Refused *channel.Error
	// Text is what the other side wrote (MSA-3, ERR-8); it answers a message
	// without a patient.
	Text string
}

// SendTest sends a test message to a partner, beside what waits for it, and
// waits for the answer. It is plainly a test: processing id T (MSH-11, HL7
// v2.5.1 2.14.9.11, table 0103), a patient called TEST, no order number of the
// laboratory, and an observation without a value that says so (OBX-11 X). What
// waits, and its order, is not touched. That it was sent is in the ledger.
//
// It is refused (ErrConflict) while a stop stands before the partner, where
// another node delivers to it, and for a partner that takes FHIR: whoever
// ignores a resource's security label would file the test.
func (s *Service) SendTest(ctx context.Context, partner string, by Named) (Tested, error) {
	if err := by.check(); err != nil {
		return Tested{}, err
	}
	set := s.use()
	defer s.release(set)
	p := set.Partners[partner]
	if p == nil {
		return Tested{}, fmt.Errorf("partner %s: %w", partner, ErrNotFound)
	}
	stops, err := s.standing(ctx)
	if err != nil {
		return Tested{}, err
	}
	var status PartnerStatus
	status.Partner = partner
	here := s.line(&status, stops)
	switch {
	case len(status.Gates) > 0:
		return Tested{}, fmt.Errorf("nothing goes to %s while a %s stop stands, and no test either: %w", partner, status.Gates[0].Kind, ErrConflict)
	case p.Protocol == "fhir":
		return Tested{}, fmt.Errorf("%s takes FHIR, and a test message is HL7 v2 only: %w", partner, ErrConflict)
	case p.Sender == nil || !here && s.db.Engine() != store.SQLite:
		return Tested{}, fmt.Errorf("this node does not deliver to %s; send the test from the one that does: %w", partner, ErrConflict)
	}
	now := s.now()
	id := event.NewID()
	out := Tested{At: now.UTC(), ControlID: "LWTEST" + id.String()[24:]}
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	begin := time.Now()
	body := testMessage(out.ControlID, now)
	r, err := p.Sender.Send(ctx, channel.Message{
		ID: id.String(), ControlID: out.ControlID, ContentType: "x-application/hl7-v2+er7", Name: out.ControlID + ".hl7", Body: body,
	})
	out.Took = time.Since(begin)
	reply, code := r.Body, r.Level.String()
	if err != nil {
		if !errors.As(err, &out.Refused) {
			out.Refused = &channel.Error{Class: channel.Unreachable, Err: err}
		}
		reply, code = out.Refused.Reply, out.Refused.Class.String()
	}
	r.At, out.Receipt = s.now(), r
	if a, err := hl7.ReadAck(reply); err == nil {
		out.Text = a.Text
		if a.ErrorText != "" {
			out.Text = a.ErrorText
		}
	}
	err = s.db.Do(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindTested, At: now.UnixMicro(),
			IDs:     append(ledger.Pairs{{K: "partner", V: ledger.Code(partner)}, {K: "test", V: id.String()}}, by.ids()...),
			Codes:   ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}, {K: "outcome", V: code}},
			Numbers: []ledger.Number{{K: "took_us", N: out.Took.Microseconds()}},
		})
		return err
	})
	if err != nil {
		return out, fmt.Errorf("record the test message: %w", err)
	}
	return out, nil
}

// testMessage holds nothing of the laboratory's.
func testMessage(control string, at time.Time) []byte {
	t := at.UTC().Format("20060102150405") + "+0000"
	return []byte(`MSH|^~\&|LABWARDEN|LABWARDEN|||` + t + `||ORU^R01^ORU_R01|` + control + "|T|2.5.1\r" +
		"PID|1||TEST^^^LABWARDEN^AN||TEST^LABWARDEN^^^^^L\r" +
		"OBR|1||" + control + "^LABWARDEN|TEST^Test of the line, not a result^L|||" + t + "||||||||||||||||||X\r" +
		"OBX|1|TX|TEST^Test of the line, not a result^L||This is a test of the line. It is not a result and belongs to no patient.||||||X\r")
}
