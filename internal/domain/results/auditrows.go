package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const noEvent = "it stands for no entry of the ledger: it was added or moved"

// rows holds the rows of one stretch of the ledger against its events.
func (a *auditor) rows(ctx context.Context, b *batch) error {
	a.delivered += b.delivered
	if err := a.messages(ctx, b); err != nil {
		return fmt.Errorf("audit messages: %w", err)
	}
	if err := a.deliveries(ctx, b); err != nil {
		return fmt.Errorf("audit deliveries: %w", err)
	}
	if err := a.quarantine(ctx, b); err != nil {
		return fmt.Errorf("audit quarantine: %w", err)
	}
	if err := a.acts(ctx, b); err != nil {
		return fmt.Errorf("audit what was done: %w", err)
	}
	for leaf := b.lo; leaf < b.hi; leaf++ {
		x := b.events[leaf]
		if x == nil || x.seen {
			continue
		}
		switch x.kind {
		case KindReceived:
			a.find("results_messages", leaf, "it is missing: the ledger says that this message was received")
		case KindQuarantined:
			a.find("results_quarantine", leaf, "it is missing: the ledger says that this message was kept apart")
		case KindResent:
			a.find("results_deliveries", leaf*maxPlans, "it is missing: the ledger says that this result was sent again")
		}
	}
	return nil
}

func (a *auditor) messages(ctx context.Context, b *batch) error {
	return a.s.db.Query(ctx, `SELECT leaf, id, source, received_at, size, flags, control, body FROM results_messages
		WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf`, []any{b.lo, b.hi}, func(row store.Scanner) error {
		var leaf, at, size, flags, control int64
		var rawID, sealed []byte
		var source string
		if err := row.Scan(&leaf, &rawID, &source, &at, &size, &flags, &control, &sealed); err != nil {
			return err
		}
		a.out.Messages++
		bad := func(what string) error { a.find("results_messages", leaf, what); return nil }
		x, known := b.of(leaf, KindReceived)
		if x == nil {
			if !known {
				return bad(noEvent)
			}
			return nil
		}
		x.seen = true
		id, err := event.IDFromBytes(rawID)
		switch {
		case err != nil || id.String() != x.e.IDs.Get("message"):
			return bad("its id is not that of the ledger's entry: it was changed or moved")
		case source != x.e.IDs.Get("source") || at != x.e.At || size != numberOf(x.e, "bytes") || flags != numberOf(x.e, "flags"):
			return bad("source, time, size or marks are not those of the ledger's entry")
		}
		if sealed == nil {
			a.out.Erased++
			if gone, err := a.wasErased(ctx, id); err != nil || !gone {
				if err != nil {
					return err
				}
				return bad("the body is gone, and the ledger has no entry of its erasure")
			}
			return nil
		}
		var body []byte
		if x.salt, body, err = a.s.seal.open("results_messages", id, sealed); err != nil {
			return bad("the body does not open: it was changed, or it belongs to another row")
		}
		x.opened, x.sum = true, hash(body)
		if c, err := ledger.Commit(x.salt, KindReceived, x.e.IDs, x.sum); err != nil || x.e.Commit == nil || c != *x.e.Commit {
			return bad("the body is not the one of the ledger's entry")
		}
		if ok, err := a.control(ctx, id, source, controlKey(control), body); err != nil || !ok {
			if err != nil {
				return err
			}
			return bad("its control key is not that of its control id: the same message could be taken twice")
		}
		return nil
	})
}

// wasErased looks once more where the hub may have erased meanwhile.
func (a *auditor) wasErased(ctx context.Context, id event.ID) (bool, error) {
	if a.erased[id] {
		return true, nil
	}
	now, _, err := a.s.log.AuditHead(ctx)
	if err == nil {
		err = a.catchUp(ctx, now.Size)
	}
	return a.erased[id], err
}

func numberOf(e ledger.Event, key string) int64 {
	for _, n := range e.Numbers {
		if n.K == key {
			return n.N
		}
	}
	return 0
}

// control looks whether the message's control key is that of its header. None
// is right for a message that a person released beside the one that has it, or
// that came in bypass beside it.
func (a *auditor) control(ctx context.Context, id event.ID, source string, key controlKey, body []byte) (bool, error) {
	h, err := hl7.ReadHeader(body)
	if err != nil {
		return true, nil // it was taken by other means than the usual ones
	}
	if key == 0 {
		var one int64
		err := a.s.db.QueryRow(ctx, `SELECT 1 FROM results_quarantine WHERE message = $1 AND state = $2
			UNION ALL SELECT 1 FROM results_bypassed WHERE id = $1 AND outcome = $3 LIMIT 1`, id[:], int64(apartReleased), int64(BypassConflict)).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	}
	for _, x := range a.s.vault.IndexVersions("control", []byte(source), h.SendingApp, h.SendingFacility, h.ControlID) {
		if controlFrom(x) == key {
			return true, nil
		}
	}
	return false, nil
}

// deliveryRow is one row of results_deliveries.
type deliveryRow struct {
	seq, message, state, changed, again int64
	partner, route                      string
	lanes, receipt, tag                 []byte
	tries                               []any // the columns of taggedTries
	level, done                         *int64
	code                                *string
}

func (a *auditor) deliveries(ctx context.Context, b *batch) error {
	var x *expected
	leaf := int64(-1)
	end := func() {
		if x != nil {
			a.planned(leaf, x)
		}
	}
	seen := map[int64]bool{}
	err := a.s.db.Query(ctx, `SELECT d.seq, d.message, d.partner, d.route, d.state, d.lanes, d.changed_at, d.level, d.code, d.done_leaf, d.receipt, d.again,
		d.attempts, d.first_at, d.next_at, d.reason, t.tag FROM results_deliveries d
		LEFT JOIN row_tags t ON t.tbl = 'results_deliveries' AND t.row = CAST(d.seq AS TEXT)
		WHERE d.seq >= $1 AND d.seq < $2 ORDER BY d.seq`, []any{b.lo * maxPlans, b.hi * maxPlans}, func(row store.Scanner) error {
		d := deliveryRow{tries: make([]any, 4)}
		err := row.Scan(&d.seq, &d.message, &d.partner, &d.route, &d.state, &d.lanes, &d.changed, &d.level, &d.code, &d.done, &d.receipt, &d.again,
			&d.tries[0], &d.tries[1], &d.tries[2], &d.tries[3], &d.tag)
		if err != nil {
			return err
		}
		a.out.Deliveries++
		a.tries(&d)
		if d.again != 0 {
			return a.again(ctx, b, &d)
		}
		if d.seq/maxPlans != leaf {
			end()
			leaf = d.seq / maxPlans
			var known bool
			x, known = b.of(leaf, KindReceived)
			if x == nil && !known {
				a.find("results_deliveries", d.seq, noEvent)
				return nil
			}
		}
		if x == nil {
			return nil
		}
		seen[leaf] = true
		return a.delivery(ctx, x, &d)
	})
	if err != nil {
		return err
	}
	end()
	for leaf := b.lo; leaf < b.hi; leaf++ {
		if x := b.events[leaf]; x != nil && x.kind == KindReceived && !seen[leaf] {
			a.planned(leaf, x)
		}
	}
	return nil
}

// tries holds what is said about the tries of a delivery against its tag.
func (a *auditor) tries(d *deliveryRow) {
	switch {
	case d.tag != nil && a.s.tags.Fits(taggedTries, d.seq, d.tries, d.tag):
	case d.tag == nil && State(d.state) == Done && firstTry(d.tries):
	case d.tag == nil && State(d.state) != Done && neverTried(d.tries):
	default:
		a.find("results_deliveries", d.seq, "how often and when it was tried, or the reason it gives, was changed")
	}
}

// planned closes a message's deliveries: all that were planned are there.
func (a *auditor) planned(leaf int64, x *expected) {
	for ; x.next < numberOf(x.e, "deliveries"); x.next++ {
		a.find("results_deliveries", leaf*maxPlans+x.next, "it is missing: the ledger says that it was planned")
		x.badPlace = true
	}
	if x.planned == nil || !x.opened || x.badPlace {
		return
	}
	if x.planned.sum() != x.e.Codes.Get("plan") {
		a.find("results_deliveries", fmt.Sprintf("%d to %d", leaf*maxPlans, leaf*maxPlans+x.next-1),
			"partner, route or lanes are not those that were planned")
	}
}

func (a *auditor) delivery(ctx context.Context, x *expected, d *deliveryRow) error {
	n := d.seq % maxPlans
	for ; x.next < n; x.next++ {
		a.find("results_deliveries", d.seq-n+x.next, "it is missing: the ledger says that it was planned")
		x.badPlace = true
	}
	x.next++
	if n >= numberOf(x.e, "deliveries") {
		a.find("results_deliveries", d.seq, noEvent)
		x.badPlace = true
		return nil
	}
	if x.planned == nil {
		x.planned, x.lanes = newPlanDigest(x.salt, d.lanes), d.lanes
	}
	x.planned.add(d.partner, d.route)
	if !bytes.Equal(x.lanes, d.lanes) || d.message != d.seq/maxPlans {
		a.find("results_deliveries", d.seq, "its lanes or its message are not those that were planned")
	}
	began := Waiting
	if states := x.e.Codes.Get("states"); n < int64(len(states)) {
		began = State(states[n] - '0')
	}
	return a.state(ctx, d, began, x.e.At, x)
}

// again looks at a delivery that a person asked for later.
func (a *auditor) again(ctx context.Context, b *batch, d *deliveryRow) error {
	leaf := d.seq / maxPlans
	x, known := b.of(leaf, KindResent)
	if x == nil || d.seq%maxPlans != 0 {
		if !known {
			a.find("results_deliveries", d.seq, noEvent)
		}
		return nil
	}
	x.seen = true
	var rawID, sealed []byte
	err := a.s.db.QueryRow(ctx, "SELECT id, body FROM results_messages WHERE leaf = $1", d.message).Scan(&rawID, &sealed)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return err
	}
	id, idErr := event.IDFromBytes(rawID)
	if err != nil || idErr != nil || id.String() != x.e.IDs.Get("message") || d.partner != x.e.IDs.Get("partner") {
		a.find("results_deliveries", d.seq, "its message or partner is not that of the ledger's entry")
		return nil
	}
	m := &expected{e: x.e}
	if sealed != nil {
		_, body, err := a.s.seal.open("results_messages", id, sealed)
		m.opened, m.sum = err == nil, hash(body)
	}
	return a.state(ctx, d, Waiting, x.e.At, m)
}

// state holds a delivery's state against what happened to it; x is its message.
func (a *auditor) state(ctx context.Context, d *deliveryRow, began State, at int64, x *expected) error {
	if State(d.state) == Done {
		return a.done(ctx, d, x)
	}
	for try := 0; ; try++ {
		want := deed{began, at}
		if last, ok := a.acted[d.seq]; ok {
			want = last
		}
		fits := want.state == State(d.state) && want.at == d.changed
		if !fits && try < 3 { // the hub works on: look again at what is there now
			now, _, err := a.s.log.AuditHead(ctx)
			if err == nil {
				err = a.catchUp(ctx, now.Size)
			}
			if err == nil {
				err = a.s.db.QueryRow(ctx, "SELECT state, changed_at FROM results_deliveries WHERE seq = $1", d.seq).Scan(&d.state, &d.changed)
			}
			if err != nil && !errors.Is(err, store.ErrNoRows) {
				return err
			}
			if State(d.state) == Done {
				return nil // completed after the audit began
			}
			continue
		}
		switch {
		case want.state != State(d.state):
			a.find("results_deliveries", d.seq, fmt.Sprintf("it is %s, but by the ledger it is %s", State(d.state), want.state))
		case !fits:
			a.find("results_deliveries", d.seq, "the time of its last change is not that of the ledger's entry")
		case d.receipt != nil || d.done != nil || d.level != nil || d.code != nil:
			a.find("results_deliveries", d.seq, "it has a receipt, but it is not completed")
		}
		return nil
	}
}

// done holds a completed delivery against its entry.
func (a *auditor) done(ctx context.Context, d *deliveryRow, x *expected) error {
	a.out.Delivered++
	bad := func(what string) error { a.find("results_deliveries", d.seq, what); return nil }
	if d.done == nil || *d.done < 0 {
		return bad("it is marked as completed, but names no entry of the ledger")
	}
	if *d.done >= a.head.Size {
		return nil // completed after the audit began
	}
	e, err := a.near.event(ctx, *d.done)
	if err != nil {
		if errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrPacked) || errors.Is(err, ledger.ErrEvent) {
			return bad("the ledger's entry of its completion cannot be read")
		}
		return err
	}
	ids := e.IDs
	if e.Kind != KindDelivered || ids.Get("delivery") != fmt.Sprint(d.seq) {
		return bad("the ledger's entry it names is not that of its completion")
	}
	a.proved++
	if ids.Get("message") != x.e.IDs.Get("message") || ids.Get("partner") != d.partner {
		return bad("its message or partner is not that of the ledger's entry")
	}
	if d.level == nil || d.code == nil || channel.Level(*d.level).String() != e.Codes.Get("level") ||
		ledger.Code(*d.code) != e.Codes.Get("code") || d.changed != e.At {
		return bad("level, code or time of the answer are not those of the ledger's entry")
	}
	if d.receipt == nil {
		if x.opened {
			return bad("its receipt is gone, though the message was not erased")
		}
		return nil
	}
	ev, err := a.s.evidence(d.seq, d.receipt)
	if err != nil {
		return bad("the receipt does not open: it was changed, or it belongs to another row")
	}
	if !x.opened && ev.Sent == nil {
		return nil // the body is gone or was found bad already
	}
	p, err := ev.part(*d.done, nil)
	if ev.Sent == nil {
		p.Body = x.sum
	}
	if err == nil {
		var c ledger.Commitment
		c, err = ledger.Commit(p.Salt, KindDelivered, ids, p.Body, p.Reply)
		if err == nil && e.Commit != nil && c == *e.Commit {
			return nil
		}
	}
	return bad("what was sent or answered is not what the ledger's entry says")
}

// receipts looks for the rows of completions; it runs only when some lack one.
func (a *auditor) receipts(ctx context.Context, first int64, events [][]byte) error {
	for i, raw := range events {
		if ledger.KindOf(raw) != KindDelivered {
			continue
		}
		e, err := ledger.ParseEvent(raw)
		if err != nil {
			continue
		}
		leaf := first + int64(i)
		var state int64
		var done *int64
		seq, err := parseSeq(e.IDs.Get("delivery"))
		if err == nil {
			err = a.s.db.QueryRow(ctx, "SELECT state, done_leaf FROM results_deliveries WHERE seq = $1", seq).Scan(&state, &done)
		}
		switch {
		case errors.Is(err, store.ErrNoRows):
			a.find("results_deliveries", seq, fmt.Sprintf("it is missing: entry %d of the ledger says that it was completed", leaf))
		case err != nil:
			return fmt.Errorf("read delivery: %w", err)
		case State(state) != Done || done == nil || *done != leaf:
			a.find("results_deliveries", seq, fmt.Sprintf("entry %d of the ledger says that it was completed then; the row says otherwise", leaf))
		}
	}
	return nil
}

func (a *auditor) quarantine(ctx context.Context, b *batch) error {
	return a.s.db.Query(ctx, `SELECT leaf, id, source, received_at, state, size, kept, body FROM results_quarantine
		WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf`, []any{b.lo, b.hi}, func(row store.Scanner) error {
		var leaf, at, state, size, kept int64
		var rawID, sealed []byte
		var source string
		if err := row.Scan(&leaf, &rawID, &source, &at, &state, &size, &kept, &sealed); err != nil {
			return err
		}
		a.out.Quarantined++
		bad := func(what string) error { a.find("results_quarantine", leaf, what); return nil }
		x, known := b.of(leaf, KindQuarantined)
		if x == nil {
			if !known {
				return bad(noEvent)
			}
			return nil
		}
		x.seen = true
		id, err := event.IDFromBytes(rawID)
		switch {
		case err != nil || id.String() != x.e.IDs.Get("quarantine"):
			return bad("its id is not that of the ledger's entry: it was changed or moved")
		case source != x.e.IDs.Get("source") || at != x.e.At:
			return bad("source or time are not those of the ledger's entry")
		}
		if a.apart[id] != state { // decided since the audit began?
			now, _, err := a.s.log.AuditHead(ctx)
			if err == nil {
				err = a.catchUp(ctx, now.Size)
			}
			if err == nil {
				err = a.s.db.QueryRow(ctx, "SELECT state FROM results_quarantine WHERE leaf = $1", leaf).Scan(&state)
			}
			if err != nil {
				return err
			}
			if a.apart[id] != state {
				return bad("whether it was released, replayed or refused is not what the ledger says")
			}
		}
		if sealed == nil {
			if gone, err := a.wasErased(ctx, id); err != nil || gone {
				return err
			}
			return bad("the bytes are gone, and the ledger has no entry of their erasure")
		}
		salt, body, err := a.s.seal.open("results_quarantine", id, sealed)
		if err != nil {
			return bad("the bytes do not open: they were changed, or they belong to another row")
		}
		if int64(len(body)) != kept {
			return bad("it does not hold as many bytes as it says")
		}
		if kept == size {
			c, err := ledger.Commit(salt, KindQuarantined, x.e.IDs, hash(body))
			if err != nil || x.e.Commit == nil || c != *x.e.Commit {
				return bad("the bytes are not those of the ledger's entry")
			}
		}
		return nil
	})
}
