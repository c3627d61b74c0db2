package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/node/bypass"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// readBypassAtStart reads bypass logs in before anything is sent. A log that
// cannot be read is an alarm and does not keep results from flowing.
func (h *Hub) readBypassAtStart(ctx context.Context, c *config.Config) {
	if _, err := h.ReadBypass(ctx, c); err != nil {
		h.slog.Error("ALARM: bypass logs could not be read in; results flow all the same", "error", err)
	}
}

// readBypassNow is ReadBypass in a running hub.
func (h *Hub) readBypassNow(ctx context.Context) (control.BypassRead, error) {
	h.applying.Lock()
	r := h.running
	h.applying.Unlock()
	if r == nil {
		return control.BypassRead{}, &control.Error{Kind: control.Unavailable, Message: "the hub is starting or stopping; try again"}
	}
	return h.ReadBypass(ctx, r.conf)
}

// ReadBypass reads every bypass log of the data folder into store and ledger as
// "sent in bypass" and puts the logs away. It may be repeated and killed at any
// moment: nothing is entered twice. What is wrong with a log stands in its
// session's Damage; the log then stays where it is.
func (h *Hub) ReadBypass(ctx context.Context, c *config.Config) (control.BypassRead, error) {
	out := control.BypassRead{Sessions: []control.BypassSession{}}
	if c.Node.Bypass.Key == "" {
		return out, nil
	}
	h.bypassed.reading.Lock()
	defer h.bypassed.reading.Unlock()
	logs, err := bypass.Logs(bypass.Folder(string(c.Node.Data)))
	if err != nil || len(logs) == 0 {
		return out, err
	}
	wrong := map[string]string{}
	defer func() {
		h.bypassed.mu.Lock()
		defer h.bypassed.mu.Unlock()
		h.bypassed.logs = wrong
		for _, s := range out.Sessions {
			h.bypassed.notes = append(h.bypassed.notes, bypassNote(s))
		}
	}()
	fail := func(path string, err error) { wrong[filepath.Base(path)] = err.Error() }
	key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
	if err != nil {
		for _, path := range logs {
			fail(path, err)
		}
		return out, err
	}
	// A message of one session may have been accepted in a later one: all logs
	// are gone through for what the partners answered, then again for messages.
	read := bypassReader{h: h, c: c, key: key, receipts: map[string][]bypass.Receipt{}}
	for _, path := range logs {
		if _, err := bypass.ReadLog(path, key, read.answers); err != nil && !errors.Is(err, bypass.ErrDamaged) {
			fail(path, err)
		}
	}
	var errs []error
	for _, path := range logs {
		if wrong[filepath.Base(path)] != "" {
			errs = append(errs, fmt.Errorf("bypass log %s: %s", filepath.Base(path), wrong[filepath.Base(path)]))
			continue
		}
		ses, err := read.session(ctx, path)
		if err != nil {
			fail(path, err)
			errs = append(errs, fmt.Errorf("bypass log %s: %w", filepath.Base(path), err))
			if !errors.Is(err, bypass.ErrDamaged) {
				continue
			}
			ses.Damage = err.Error()
		} else if err := bypass.Done(path); err != nil {
			fail(path, err)
			errs = append(errs, err)
		}
		out.Sessions = append(out.Sessions, ses)
		h.slog.Warn("a bypass session was read into the ledger", "session", ses.Session, "taken", ses.Taken, "also_in_hub", ses.Too,
			"conflicts", ses.Conflicts, "held_as_overtaken", ses.Held, "stayed_with_the_lis", ses.StayedWithLIS)
	}
	return out, errors.Join(errs...)
}

func bypassNote(s control.BypassSession) string {
	t := fmt.Sprintf("A bypass was open from %s to %s (%s): %d results were sent in bypass and are in the ledger",
		s.OpenedAt.Local().Format("2006-01-02 15:04"), s.LastAt.Local().Format("15:04"), s.By, s.Taken+s.Before+s.Conflicts)
	if s.Too > 0 {
		t += fmt.Sprintf("; %d more were in the hub already", s.Too)
	}
	if s.Twice > 0 {
		t += fmt.Sprintf(", %d of them sent by both", s.Twice)
	}
	if s.Held > 0 {
		t += fmt.Sprintf("; %d older ones that waited in the hub are held, because a newer result of the same order went in bypass: labwarden results list --state held", s.Held)
	}
	return t + "."
}

// bypassReader reads logs.
type bypassReader struct {
	h        *Hub
	c        *config.Config
	key      bypass.Key
	receipts map[string][]bypass.Receipt // by the bypass's id of the message
	revision string                      // in force in the session being read
}

func (b *bypassReader) answers(r bypass.Record) error {
	if r.Kind == bypass.Tried {
		b.receipts[r.ID] = append(b.receipts[r.ID], r.Receipts...)
	}
	return nil
}

// session reads one log in.
func (b *bypassReader) session(ctx context.Context, path string) (control.BypassSession, error) {
	var out control.BypassSession
	in := b.h.Results.BypassIntake()
	_, err := bypass.ReadLog(path, b.key, func(r bypass.Record) error {
		if r.Kind != bypass.Relayed {
			return nil
		}
		m, took, err := b.bypassed(r)
		if err == nil && took {
			err = in.Pass(m)
		}
		return err
	})
	if err != nil && !errors.Is(err, bypass.ErrDamaged) {
		return out, err
	}
	tail, damage := bypass.ReadLog(path, b.key, func(r bypass.Record) error {
		out.LastAt = r.At
		switch r.Kind {
		case bypass.Opened:
			out.By, out.Reason, out.OpenedAt = r.By, r.Reason, r.At
			b.revision = r.Revision
		case bypass.Closed:
			out.Closed = true
		case bypass.Refused:
			out.Refused++
		case bypass.Relayed:
			return b.message(ctx, in, r, &out)
		}
		return nil
	})
	if damage != nil && !errors.Is(damage, bypass.ErrDamaged) {
		return out, damage
	}
	out.Session = tail.Session
	if tail.Records == 0 && damage == nil {
		return out, nil // it was killed while it opened
	}
	raw, err := hex.DecodeString(tail.Session)
	if err != nil {
		return out, errors.Join(damage, err)
	}
	id, err := event.IDFromBytes(raw)
	if err != nil {
		return out, errors.Join(damage, err)
	}
	out.BypassRead, err = in.Finish(ctx, results.BypassSession{
		ID: id, By: out.By, Reason: out.Reason, OpenedAt: out.OpenedAt, ClosedAt: out.LastAt, Closed: out.Closed,
	})
	if err != nil {
		return out, err
	}
	return out, damage
}

// message enters one message, unless no partner accepted it: then the LIS was
// told so and still has it.
func (b *bypassReader) message(ctx context.Context, in *results.BypassIntake, r bypass.Record, out *control.BypassSession) error {
	m, took, err := b.bypassed(r)
	if err != nil {
		return err
	}
	if !took {
		out.StayedWithLIS++
		return nil
	}
	what, here, err := in.Take(ctx, m)
	switch {
	case err != nil:
		return err
	case what == results.BypassToo:
		out.InBoth = append(out.InBoth, here.String())
	case what == results.BypassConflict:
		out.InConflict = append(out.InConflict, here.String())
	}
	return nil
}

// bypassed is the message of a record with what the partners answered in any of
// the logs. taken is false where it was due to somebody and nobody accepted it.
func (b *bypassReader) bypassed(r bypass.Record) (m results.Bypassed, taken bool, err error) {
	id, err := event.ParseID(r.ID)
	if err != nil {
		return m, false, fmt.Errorf("read bypassed message: %w", err)
	}
	m = results.Bypassed{
		ID: id, Source: r.Source, Peer: r.Peer, At: r.At, Body: r.Body, Revision: b.revision, Window: 7 * 24 * time.Hour,
	}
	if s, ok := b.c.Sources[r.Source]; ok {
		m.Window = s.ControlIDWindow.Std()
	}
	due, accepted := 0, 0
	for _, w := range r.Ways {
		x := results.BypassedWay{Partner: w.Partner, Route: w.Route, Shadow: w.Shadow}
		if !w.Shadow {
			due++
		}
		if i := slices.IndexFunc(b.receipts[r.ID], func(x bypass.Receipt) bool { return x.Partner == w.Partner }); i >= 0 {
			accepted++
			x.Receipt = &b.receipts[r.ID][i].Receipt
		}
		m.Ways = append(m.Ways, x)
	}
	return m, due == 0 || accepted > 0, nil
}
