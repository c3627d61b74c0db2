package record

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Query says what to look for. What is given must hold all together.
type Query struct {
	// Who are actors: accounts, or ByPerson(id); any of them.
	Who []string
	// Class and Kind; nil and empty: all.
	Class *Class
	Kind  string
	// Message is the message an entry is about.
	Message string
	// From and To bound when it happened, To not included; zero: no bound.
	From, To time.Time
}

// Cursor is where a page ends; zero is the newest.
type Cursor struct{ At, Leaf int64 }

// String writes it for a URL; empty for the start.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	return strconv.FormatInt(c.At, 36) + "." + strconv.FormatInt(c.Leaf, 36)
}

// ParseCursor reads what String wrote.
func ParseCursor(v string) (Cursor, error) {
	if v == "" {
		return Cursor{}, nil
	}
	a, b, _ := strings.Cut(v, ".")
	at, err := strconv.ParseInt(a, 36, 64)
	leaf, bad := strconv.ParseInt(b, 36, 64)
	if err != nil || bad != nil || at < 0 || leaf < 0 {
		return Cursor{}, fmt.Errorf("%w: this page of the list does not exist", ErrInvalid)
	}
	return Cursor{at, leaf}, nil
}

// Line is an entry with what the ledger says of it.
type Line struct {
	Entry
	Event ledger.Event
	// Damaged: the ledger does not give this leaf, or not what the row says.
	Damaged bool
}

// Time is when it happened.
func (l *Line) Time() time.Time { return time.UnixMicro(l.At).UTC() }

// MaxPage is how many lines a page has at most.
const MaxPage = 200

// By is who reads.
type By struct{ Account string }

// List returns a page of entries, the newest first, and where the next begins
// (zero: there is none). That it was read, and what was asked, is written first.
func (r *Record) List(ctx context.Context, by By, q Query, from Cursor, limit int) ([]Line, Cursor, error) {
	if err := r.looked(ctx, "record.read", by, &q); err != nil {
		return nil, Cursor{}, err
	}
	return r.list(ctx, q, from, limit)
}

// Own is a person's own trail: all they did. It is recorded like any look.
func (r *Record) Own(ctx context.Context, by By, person string, from Cursor, limit int) ([]Line, Cursor, error) {
	q := Query{Who: []string{by.Account, ByPerson(person)}}
	if err := r.looked(ctx, "record.own_read", by, &q); err != nil {
		return nil, Cursor{}, err
	}
	return r.list(ctx, q, from, limit)
}

// looked writes who reads what of the record.
func (r *Record) looked(ctx context.Context, kind string, by By, q *Query, more ...ledger.Pair) error {
	if by.Account == "" {
		return fmt.Errorf("%w: name who reads", ErrInvalid)
	}
	ids := ledger.Pairs{{K: "by", V: ledger.Code(by.Account)}}
	codes := append(ledger.Pairs{}, more...)
	for i, w := range q.Who[:min(len(q.Who), 4)] {
		ids = append(ids, ledger.Pair{K: "of_" + strconv.Itoa(i+1), V: ledger.Code(w)})
	}
	if q.Message != "" {
		ids = append(ids, ledger.Pair{K: "about_message", V: ledger.Code(q.Message)})
	}
	if q.Class != nil {
		codes = append(codes, ledger.Pair{K: "class", V: q.Class.String()})
	}
	if q.Kind != "" {
		codes = append(codes, ledger.Pair{K: "kind", V: ledger.Code(q.Kind)})
	}
	for k, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			codes = append(codes, ledger.Pair{K: k, V: t.UTC().Format("20060102T150405Z")})
		}
	}
	err := r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: max(r.now().UnixMicro(), 0), IDs: ids, Codes: codes})
		return err
	})
	if err != nil {
		return fmt.Errorf("record who reads the record: %w", err)
	}
	return nil
}

func (r *Record) list(ctx context.Context, q Query, from Cursor, limit int) ([]Line, Cursor, error) {
	limit = min(max(limit, 1), MaxPage)
	var rows []Entry
	actors := q.Who
	if len(actors) == 0 {
		actors = []string{""}
	}
	for _, who := range actors[:min(len(actors), 8)] { // one index each, then merged: an OR would read all of them
		some, err := r.entries(ctx, &q, who, from, limit+1)
		if err != nil {
			return nil, Cursor{}, err
		}
		rows = append(rows, some...)
	}
	slices.SortFunc(rows, func(a, b Entry) int { return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Leaf, a.Leaf)) })
	rows = slices.Compact(rows)
	var next Cursor
	if len(rows) > limit {
		rows = rows[:limit]
		next = Cursor{rows[limit-1].At, rows[limit-1].Leaf}
	}
	out := make([]Line, len(rows))
	for i, e := range rows {
		out[i] = r.line(ctx, e)
	}
	return out, next, ctx.Err()
}

// entries reads rows by the index that suits the question.
func (r *Record) entries(ctx context.Context, q *Query, who string, from Cursor, limit int) ([]Entry, error) {
	query, args := statement(q, who, from, limit)
	var out []Entry
	err := r.db.Query(ctx, query, args, func(s store.Scanner) error {
		e, err := scanEntry(s)
		out = append(out, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	return out, nil
}

// statement asks for a page of one actor's entries, or of everybody's for "".
func statement(q *Query, who string, from Cursor, limit int) (query string, args []any) {
	var where []string
	add := func(cond string, arg any) {
		args = append(args, arg)
		where = append(where, strings.ReplaceAll(cond, "?", "$"+strconv.Itoa(len(args))))
	}
	if q.Message != "" {
		add("message <> '' AND message = ?", q.Message)
	}
	if who != "" {
		add("who = ?", who)
	}
	switch {
	case q.Kind != "":
		add("class = ?", int64(Classify(q.Kind)))
		add("kind = ?", q.Kind)
	case q.Class != nil:
		add("class = ?", int64(*q.Class))
	}
	if !q.From.IsZero() {
		add("at >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		add("at < ?", q.To.UnixMicro())
	}
	if from != (Cursor{}) {
		args = append(args, from.At, from.Leaf)
		where = append(where, fmt.Sprintf("(at, leaf) < ($%d, $%d)", len(args)-1, len(args)))
	}
	query = "SELECT leaf, at, kind, class, who, message FROM record_events"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, int64(limit))
	return query + " ORDER BY at DESC, leaf DESC LIMIT $" + strconv.Itoa(len(args)), args
}

// line reads an entry's event from the ledger, checked against its hash.
func (r *Record) line(ctx context.Context, e Entry) Line {
	l := Line{Entry: e}
	raw, err := r.book.Event(ctx, e.Leaf)
	if err != nil {
		l.Damaged = true
		return l
	}
	want, ok := entry(e.Leaf, raw)
	if l.Event, err = ledger.ParseEvent(raw); err != nil || !ok || want != e {
		l.Damaged = true
	}
	return l
}
