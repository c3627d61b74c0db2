package resultsfhir

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// looksPerPage is how many rows one request opens at most beyond those it gives:
	// a page comes short then, and its next link goes on.
	looksPerPage = 600
	// batch is how many rows a stream is asked for at once.
	batch = 64
	// maxPatients is how many patients one identifier may stand for.
	maxPatients = 10
)

// position is where a list stands: what it may show, and where it goes on.
type position struct {
	snap   int64 // rows after it do not belong to the list
	before int64 // the next rows are those before it
}

// stream gives rows with falling numbers before one, at most limit of them.
type stream func(ctx context.Context, before int64, limit int) ([]*row, error)

const where = " AND r.partner = $1 AND r.kind = $2 AND r.seq <= $3 AND r.until > $3 AND r.seq < $4"

var cols = "r." + strings.ReplaceAll(rowCols, ", ", ", r.")

// streams are the narrowest ways by which everything that fits is found. Without
// any, nothing can fit.
func (s *Service) streams(partner string, q *search, snap int64) []stream {
	through := func(from, cond string, arg any) stream {
		return func(ctx context.Context, before int64, limit int) ([]*row, error) {
			args := []any{partner, int64(q.kind), snap, before, int64(limit)}
			if arg != nil {
				args = append(args, arg)
			}
			return s.rows(ctx, s.db, "SELECT "+cols+" FROM "+from+" WHERE "+cond+where+" ORDER BY r.seq DESC LIMIT $5", args...)
		}
	}
	const direct, byToken = "results_fhir_rows r", "results_fhir_tokens t JOIN results_fhir_rows r ON r.seq = t.seq"
	// The join goes by the token's numbers, which are the rows' too.
	token := func(x int64) stream {
		return func(ctx context.Context, before int64, limit int) ([]*row, error) {
			return s.rows(ctx, s.db, "SELECT "+cols+" FROM "+byToken+" WHERE t.token = $6 AND t.seq < $4"+where+" ORDER BY t.seq DESC LIMIT $5",
				partner, int64(q.kind), snap, before, int64(limit), x)
		}
	}
	var out []stream
	if c := q.cond("_id"); c != nil {
		for _, id := range unique(c.ids) {
			out = append(out, through(direct, "r.rid = $6", id[:]))
		}
		return out
	}
	if c := q.cond("identifier"); c != nil && withValues(c) {
		for _, v := range c.tokens {
			for _, x := range tokens(s.vault.IndexVersions(domainIdentifier, identifierParts(partner, q.kind, v.value)...)) {
				out = append(out, token(x))
			}
		}
		return out
	}
	if c := q.cond("patient", "subject", "patient.identifier"); c != nil {
		code := q.cond("code")
		for _, id := range unique(c.ids) {
			if code == nil || !withValues(code) || !q.kind.codeIndexed() {
				out = append(out, through(direct, "r.patient = $6", id[:]))
				continue
			}
			for _, v := range code.tokens {
				for _, x := range tokens(s.vault.IndexVersions(domainCode, codeParts(q.kind, id, v.value)...)) {
					out = append(out, token(x))
				}
			}
		}
		return out
	}
	return []stream{through(direct, "r.kind = $2", nil)}
}

func withValues(c *condition) bool {
	return !slices.ContainsFunc(c.tokens, func(t tokenValue) bool { return t.value == "" })
}

func unique(ids []event.ID) []event.ID {
	out := slices.Clone(ids)
	slices.SortFunc(out, func(a, b event.ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(out)
}

// page is what one request gives, and where the list goes on.
type page struct {
	rows []*row
	next *position // nil: nothing is left
}

// find fills one page.
func (s *Service) find(ctx context.Context, partner string, q *search, at position) (page, error) {
	if err := s.chain(ctx, partner, q, at.snap); err != nil {
		return page{}, err
	}
	lo, hi, err := s.window(ctx, q)
	if err != nil {
		return page{}, err
	}
	streams := s.streams(partner, q, at.snap)
	at.before = min(at.before, hi)
	var out page
	for looks := 0; ; {
		some, end, err := merge(ctx, streams, at.before, lo)
		if err != nil {
			return page{}, err
		}
		for _, r := range some {
			at.before = r.seq
			looks++
			shown := r
			if !r.current() {
				// It was replaced while the list was read: its place shows what is true
				// now, if that still fits (a correction may be another patient's). An
				// erased one has none.
				if shown, err = s.newest(ctx, s.db, r.rid); err != nil {
					return page{}, err
				}
				if shown == nil || shown.partner != partner {
					continue
				}
			}
			if q.fits(shown, membersOf(shown.resource)) {
				out.rows = append(out.rows, shown)
			}
			if len(out.rows) == q.count || looks >= looksPerPage+q.count {
				next := at
				if out.next = &next; end && r == some[len(some)-1] {
					out.next = nil
				}
				return out, nil
			}
		}
		if end {
			return out, nil
		}
	}
}

// merge takes the next rows of all streams together, each row once. end says that
// none follows.
func merge(ctx context.Context, streams []stream, before, lo int64) (out []*row, end bool, err error) {
	end = true
	floor := lo // rows above it are complete
	for _, st := range streams {
		some, err := st(ctx, before, batch)
		if err != nil {
			return nil, false, err
		}
		if len(some) == batch && some[batch-1].seq > lo {
			end = false
			floor = max(floor, some[batch-1].seq)
		}
		out = append(out, some...)
	}
	out = slices.DeleteFunc(out, func(r *row) bool { return r.seq < floor })
	slices.SortFunc(out, func(a, b *row) int { return cmp.Compare(b.seq, a.seq) })
	return slices.CompactFunc(out, func(a, b *row) bool { return a.seq == b.seq }), end, nil
}

// chain finds the patients of patient.identifier.
func (s *Service) chain(ctx context.Context, partner string, q *search, snap int64) error {
	c := q.cond("patient.identifier")
	if c == nil {
		return nil
	}
	sub := &search{kind: kindPatient, count: maxPatients + 1, conds: []condition{{param: paramOf(kindPatient, "identifier"), tokens: c.tokens}}}
	if !withValues(&sub.conds[0]) {
		return invalid("value", "patient.identifier needs a value, not a system alone")
	}
	found, err := s.find(ctx, partner, sub, position{snap: snap, before: math.MaxInt64})
	if err != nil {
		return err
	}
	if len(found.rows) > maxPatients {
		return invalid("too-costly", "patient.identifier stands for more than %d patients; write its system too", maxPatients)
	}
	c.ids = nil
	for _, r := range found.rows {
		c.ids = append(c.ids, r.rid)
	}
	return nil
}

// window is between which rows _lastUpdated leaves anything: times ascend with
// the rows, so its ends are looked up and nothing is read beyond them.
func (s *Service) window(ctx context.Context, q *search) (lo, hi int64, err error) {
	lo, hi = 0, math.MaxInt64
	for _, c := range q.conds {
		if c.param.form != formInstant || len(c.moments) != 1 {
			continue
		}
		m := c.moments[0]
		if slices.Contains([]string{"eq", "ge", "gt"}, m.prefix) {
			first, err := s.firstSince(ctx, m.from.UnixMicro())
			if err != nil {
				return 0, 0, err
			}
			lo = max(lo, first)
		}
		if slices.Contains([]string{"eq", "le", "lt"}, m.prefix) {
			first, err := s.firstSince(ctx, m.to.UnixMicro())
			if err != nil {
				return 0, 0, err
			}
			hi = min(hi, first)
		}
	}
	return lo, hi, nil
}

// firstSince is the number of the first row that was placed at a time or later,
// by halving: rows have no index by their times.
func (s *Service) firstSince(ctx context.Context, at int64) (int64, error) {
	top, latest, err := s.snap(ctx, s.db)
	if err != nil || latest < at {
		return top + 1, err
	}
	lo, hi := int64(0), top // the answer is in (lo, hi]
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		var seq, when int64
		err := s.db.Query(ctx, "SELECT seq, at FROM results_fhir_rows WHERE seq <= $1 ORDER BY seq DESC LIMIT 1", []any{mid}, func(sc store.Scanner) error {
			return sc.Scan(&seq, &when)
		})
		if err != nil {
			return 0, fmt.Errorf("look up a time: %w", err)
		}
		if seq != 0 && when >= at {
			hi = seq
		} else {
			lo = mid
		}
	}
	return hi, nil
}

// including are the resources that the rows of a page name by the members that
// the search's includes follow.
func (s *Service) including(ctx context.Context, partner string, q *search, rows []*row) ([]*row, error) {
	have := map[event.ID]bool{}
	for _, r := range rows {
		have[r.rid] = true
	}
	var out []*row
	for _, value := range q.includes {
		of, rest, _ := strings.Cut(value, ":")
		what, target, _ := strings.Cut(rest, ":")
		k, _ := kindOf(of)
		paths, _ := includePaths(k, what)
		for _, r := range rows {
			if r.kind != k {
				continue
			}
			m := membersOf(r.resource)
			for _, path := range paths {
				for _, ref := range m.references(path) {
					to, id, _ := strings.Cut(ref, "/")
					rid, err := event.ParseID(id)
					if err != nil || have[rid] || target != "" && to != target {
						continue
					}
					have[rid] = true
					x, err := s.newest(ctx, s.db, rid)
					if err != nil {
						return nil, err
					}
					if x != nil && x.partner == partner {
						out = append(out, x)
					}
					if len(out) > maxIncluded {
						return nil, invalid("too-costly", "more than %d resources would be included; ask for fewer with _count", maxIncluded)
					}
				}
			}
		}
	}
	return out, nil
}

const maxIncluded = 2000
