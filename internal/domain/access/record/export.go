package record

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Format is how a part of the record leaves.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson" // FHIR AuditEvents, one a line
)

// maxExport bounds one export: about a year of a busy laboratory.
const maxExport = 200_000

// Sink takes the lines of an export.
type Sink interface {
	Line(l *Line) error
	End() error
}

// ExportTo writes all entries that a query names, the newest first. That it is
// taken out, and what, is recorded before the first line is written.
func (r *Record) ExportTo(ctx context.Context, by By, q Query, f Format, to Sink) error {
	if err := r.looked(ctx, "record.exported", by, &q, ledger.Pair{K: "format", V: string(f)}); err != nil {
		return err
	}
	return r.pour(ctx, q, to)
}

// OwnTo writes a person's own trail, recorded.
func (r *Record) OwnTo(ctx context.Context, by By, person string, f Format, to Sink) error {
	q := Query{Who: []string{by.Account, ByPerson(person)}}
	if err := r.looked(ctx, "record.own_exported", by, &q, ledger.Pair{K: "format", V: string(f)}); err != nil {
		return err
	}
	return r.pour(ctx, q, to)
}

func (r *Record) pour(ctx context.Context, q Query, to Sink) error {
	n := 0
	for from := (Cursor{}); ; {
		lines, next, err := r.list(ctx, q, from, MaxPage)
		if err != nil {
			return err
		}
		for i := range lines {
			if err := to.Line(&lines[i]); err != nil {
				return fmt.Errorf("write export: %w", err)
			}
		}
		if n += len(lines); next == (Cursor{}) {
			break
		}
		if n >= maxExport {
			return fmt.Errorf("%w: more than %d entries: choose a shorter time", ErrInvalid, maxExport)
		}
		from = next
	}
	if err := to.End(); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}

// Sinks for the formats.
type (
	csvSink    struct{ w *kit.CSV }
	ndjsonSink struct {
		w io.Writer
		h Hub
	}
)

// NewSink returns the one of a format.
func NewSink(f Format, w io.Writer, h Hub) (Sink, error) {
	if f == NDJSON {
		return &ndjsonSink{w, h}, nil
	}
	c, err := kit.NewCSV(w, "leaf", "time", "class", "kind", "who", "object", "details", "state")
	if err != nil {
		return nil, fmt.Errorf("write export: %w", err)
	}
	return &csvSink{c}, nil
}

// Line implements Sink.
func (s *csvSink) Line(l *Line) error {
	state := "as in the ledger"
	if l.Damaged {
		state = "damaged: the ledger does not confirm it"
	}
	return s.w.Row(fmt.Sprint(l.Leaf), l.Time().Format(time.RFC3339Nano), l.Class.String(), l.Kind, l.Who, l.Object(), pairs(l.Details()), state)
}

// End implements Sink.
func (s *csvSink) End() error { return s.w.Close() }

func pairs(p ledger.Pairs) string {
	out := make([]string, len(p))
	for i, x := range p {
		out[i] = x.K + "=" + x.V
	}
	return strings.Join(out, " ")
}

// Line implements Sink.
func (s *ndjsonSink) Line(l *Line) error { return writeLine(s.w, s.h.AuditEvent(l, nil)) }

// End implements Sink.
func (s *ndjsonSink) End() error { return nil }

func writeLine(w io.Writer, e fhir.AuditEvent) error {
	b, err := fhir.Encode(e)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// WriteReport writes a patient's report in a format.
func WriteReport(w io.Writer, rep *Report, f Format, h Hub) error {
	if f == NDJSON {
		for _, e := range h.AuditEvents(rep) {
			if err := writeLine(w, e); err != nil {
				return fmt.Errorf("write report: %w", err)
			}
		}
		return nil
	}
	c, err := kit.NewCSV(w, "time", "what", "who or to whom", "message", "details")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for i := range rep.Access {
		l := &rep.Access[i]
		if err := c.Row(l.Time().Format(time.RFC3339), Words(l.Kind), l.Who, l.Message, pairs(l.Details())); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	for i := range rep.Disclosures {
		d := &rep.Disclosures[i]
		if err := c.Row(d.Accepted.UTC().Format(time.RFC3339), "Disclosed: their system accepted it", d.Partner, d.Message.ID, "source="+d.Message.Source); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if err := c.Close(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
