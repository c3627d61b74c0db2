package alarm

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of alarms and notices.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "alarm", Files: sub}
}

const columns = `SELECT number, kind, about, severity, grade, sentence, advice, owner, once, state, since, last_at, times,
	changed_at, quiet_at, by_whom, reason, flaps, step, next_at FROM alarm_alarms `

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func scan(row store.Scanner) (*record, error) {
	r := &record{}
	var once, since, last, changed, quiet, next, severity, state int64
	err := row.Scan(&r.Number, &r.Kind, &r.About, &severity, &r.Grade, &r.Sentence, &r.Advice, &r.Owner, &once, &state, &since, &last,
		&r.Times, &changed, &quiet, &r.By, &r.Reason, &r.flaps, &r.step, &next)
	r.Severity, r.State, r.Once = Severity(severity), State(state), once == 1
	r.Since, r.Last, r.Changed, r.Quiet, r.next = moment(since), moment(last), moment(changed), moment(quiet), moment(next)
	return r, err
}

func (d *Desk) load(ctx context.Context) error {
	if err := d.db.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM alarm_alarms").Scan(&d.top); err != nil {
		return fmt.Errorf("read alarms: %w", err)
	}
	// Two statements: each has an index of its own.
	add := func(row store.Scanner) error {
		r, err := scan(row)
		if err != nil {
			return err
		}
		d.records[r.Number] = r
		if old := d.last[r.Key]; old == nil || old.Number < r.Number {
			d.last[r.Key] = r
		}
		return nil
	}
	err := d.db.Query(ctx, columns+"WHERE state < 2 ORDER BY number", nil, add)
	if err == nil {
		err = d.db.Query(ctx, columns+`WHERE state = 2 AND changed_at > $1 AND number > $2 ORDER BY number`,
			[]any{d.now().Add(-damp).UnixMicro(), max(d.top-1000, 0)}, add)
	}
	if err == nil {
		err = d.db.Query(ctx, noticeColumns+"WHERE done_at = 0 ORDER BY made_at", nil, func(row store.Scanner) error {
			n, err := scanNotice(row)
			if err != nil {
				return err
			}
			if d.records[n.alarm] == nil { // the alarm has ended, its end is still to be told
				r, err := scan(d.db.QueryRow(ctx, columns+"WHERE number = $1", n.alarm))
				if err != nil {
					return err
				}
				d.records[n.alarm] = r
			}
			d.notices = append(d.notices, n)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read alarms: %w", err)
	}
	return nil
}

// read reads one alarm as it is stored.
func (d *Desk) read(ctx context.Context, number int64) (Record, error) {
	r, err := scan(d.db.QueryRow(ctx, columns+"WHERE number = $1", number))
	if errors.Is(err, store.ErrNoRows) {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, fmt.Errorf("read alarm: %w", err)
	}
	return r.Record, nil
}

// List returns the alarms, the newest first, at most limit: those that live, or
// all.
func (d *Desk) List(ctx context.Context, all bool, limit int) ([]Record, error) {
	if !all {
		live := d.Live()
		return live[:min(len(live), limit)], nil
	}
	out := []Record{}
	err := d.db.Query(ctx, columns+"ORDER BY number DESC LIMIT $1", []any{int64(limit)}, func(row store.Scanner) error {
		r, err := scan(row)
		if err == nil {
			out = append(out, d.fresh(r.Record))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", err)
	}
	return out, nil
}

// fresh is r as it is now, if that is newer than what is stored.
func (d *Desk) fresh(r Record) Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	if x := d.records[r.Number]; x != nil {
		return x.Record
	}
	return r
}

// Show returns one alarm and who was told of it.
func (d *Desk) Show(ctx context.Context, number int64) (Record, []Told, error) {
	d.mu.Lock()
	x := d.records[number]
	var r Record
	if x != nil {
		r = x.Record
	}
	d.mu.Unlock()
	var err error
	if x == nil {
		if r, err = d.read(ctx, number); err != nil {
			return r, nil, err
		}
	}
	told := []Told{}
	err = d.db.Query(ctx, noticeColumns+"WHERE alarm = $1 ORDER BY made_at", []any{number}, func(row store.Scanner) error {
		n, err := scanNotice(row)
		if err == nil {
			told = append(told, n.told())
		}
		return err
	})
	if err != nil {
		return r, nil, fmt.Errorf("read who was told: %w", err)
	}
	return r, told, nil
}

// unsaved is what one transaction writes.
type unsaved struct {
	r   *record
	row record
	rev int64
	n   int // facts
}

type unsavedNotice struct {
	n    *notice
	row  notice
	rev  int64
	fact *ledger.Event
}

// save writes what has changed: alarms, facts and notices in one transaction.
func (d *Desk) save(ctx context.Context) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	rs, ns := d.changed()
	if len(rs) == 0 && len(ns) == 0 {
		return nil
	}
	err := d.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range rs {
			if err := rs[i].write(ctx, tx, d.tags); err != nil {
				return err
			}
		}
		for i := range ns {
			if err := ns[i].write(ctx, tx, d.tags); err != nil {
				return err
			}
		}
		return nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if !d.behind && ctx.Err() == nil {
			d.slog.Error("alarms could not be stored; people are told all the same, and it is tried again", "error", err)
		}
		d.behind = true
		return fmt.Errorf("store alarms: %w", err)
	}
	d.behind = false
	for _, u := range rs {
		u.r.stored, u.r.facts, u.r.written = u.rev, u.r.facts[u.n:], d.now()
	}
	for _, u := range ns {
		u.n.stored = u.rev
		if u.n.fact == u.fact {
			u.n.fact = nil
		}
	}
	return nil
}

func (d *Desk) changed() (rs []unsaved, ns []unsavedNotice) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, r := range d.records {
		if r.touched && now.Sub(r.written) >= countEvery {
			r.rev++
		}
		if r.rev != r.stored {
			r.touched = false
			rs = append(rs, unsaved{r, *r, r.rev, len(r.facts)})
		}
	}
	for _, n := range d.notices {
		if n.rev != n.stored {
			ns = append(ns, unsavedNotice{n, *n, n.rev, n.fact})
		}
	}
	return rs, ns
}

func (u *unsaved) write(ctx context.Context, tx *store.Tx, tags *bus.Tags) error {
	for _, e := range u.row.facts[:u.n] {
		if _, err := bus.Publish(ctx, tx, e); err != nil {
			return err
		}
	}
	r, once := &u.row, int64(0)
	if r.Once {
		once = 1
	}
	_, err := tags.Exec(ctx, tx, taggedAlarms, r.Number, `INSERT INTO alarm_alarms (number, kind, about, severity, grade, sentence, advice, owner, once, state, since, last_at,
			times, changed_at, quiet_at, by_whom, reason, flaps, step, next_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (number) DO UPDATE SET severity = excluded.severity, grade = excluded.grade, sentence = excluded.sentence,
			advice = excluded.advice, owner = excluded.owner, once = excluded.once, state = excluded.state, last_at = excluded.last_at,
			times = excluded.times, changed_at = excluded.changed_at, quiet_at = excluded.quiet_at, by_whom = excluded.by_whom,
			reason = excluded.reason, flaps = excluded.flaps, step = excluded.step, next_at = excluded.next_at`,
		r.Number, r.Kind, r.About, int64(r.Severity), r.Grade, r.Sentence, r.Advice, r.Owner, once, int64(r.State), micro(r.Since), micro(r.Last),
		r.Times, micro(r.Changed), micro(r.Quiet), r.By, r.Reason, r.flaps, r.step, micro(r.next))
	return err
}

const noticeColumns = "SELECT id, alarm, what, person, way, made_at, tries, next_at, done_at, sent, outcome FROM alarm_notices "

func scanNotice(row store.Scanner) (*notice, error) {
	n := &notice{}
	var id []byte
	var made, next, done, sent int64
	if err := row.Scan(&id, &n.alarm, &n.what, &n.person, &n.way, &made, &n.tries, &next, &done, &sent, &n.outcome); err != nil {
		return nil, err
	}
	var err error
	n.id, err = event.IDFromBytes(id)
	n.made, n.next, n.done, n.sent = moment(made), moment(next), moment(done), sent == 1
	return n, err
}

func (u *unsavedNotice) write(ctx context.Context, tx *store.Tx, tags *bus.Tags) error {
	n, sent := &u.row, int64(0)
	if n.sent {
		sent = 1
	}
	if u.fact != nil {
		if _, err := bus.Publish(ctx, tx, *u.fact); err != nil {
			return err
		}
	}
	_, err := tags.Exec(ctx, tx, taggedNotices, n.id[:], `INSERT INTO alarm_notices (id, alarm, what, person, way, made_at, tries, next_at, done_at, sent, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET tries = excluded.tries, next_at = excluded.next_at, done_at = excluded.done_at,
			sent = excluded.sent, outcome = excluded.outcome`,
		n.id[:], n.alarm, n.what, n.person, n.way, micro(n.made), n.tries, micro(n.next), micro(n.done), sent, n.outcome)
	return err
}
