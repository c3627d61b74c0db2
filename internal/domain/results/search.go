package results

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Query says what to look for. What is given must hold all together; times and
// partners alone are allowed, a name or a birth date alone is not.
type Query struct {
	// Order is an order, specimen or accession number, without its authority.
	Order string
	// PatientID is an identifier of the patient; with Authority only one that
	// this authority assigned.
	PatientID, Authority string
	// LastName and BirthDate (YYYY-MM-DD or YYYYMMDD) go together. Case and
	// blanks do not count.
	LastName, BirthDate string
	// Partner wants a delivery to this partner, State one in this state, both
	// one to this partner in this state.
	Partner string
	State   *State
	// Site wants what came in for this site.
	Site string
	// From and To bound when it was taken, To not included. They are found by
	// the order of arrival: where a clock was set back by more than an hour,
	// look further.
	From, To time.Time
	// Sees chooses the deliveries that may be seen: nothing else is found or
	// listed. nil: all.
	Sees Sight
}

// Names says that the query names a patient or an order: such a search is
// recorded (RecordSearch) before it is made for a person.
func (q *Query) Names() bool {
	return strings.TrimSpace(q.Order+q.PatientID+q.Authority+q.LastName+q.BirthDate) != ""
}

// Hits is a part of what was found, newest first.
type Hits struct {
	Messages []Summary
	// Next goes into Page.Before to look further; 0 means that there is no
	// more. It may be set though Messages is short: one call reads a bounded
	// part of the list.
	Next int64
	// Looked is about how many messages were looked at for it.
	Looked int
	// Indexed is up to which leaf a search by order, patient or name can find.
	Indexed int64
}

// scanLimit is how many messages one call looks at when no index names them.
const scanLimit = 5000

// Search finds messages. It holds and returns no patient data.
func (s *Service) Search(ctx context.Context, q Query, p Page) (Hits, error) {
	if p.Limit <= 0 {
		p.Limit = 50
	}
	p.Limit = min(p.Limit, 500)
	if p.Before <= 0 {
		p.Before = 1 << 62
	}
	wanted, err := s.wanted(q)
	if err != nil {
		return Hits{}, err
	}
	lo := int64(-1)
	if !q.From.IsZero() {
		if lo, err = s.leafAt(ctx, q.From.Add(-time.Hour)); err != nil {
			return Hits{}, err
		}
	}
	if !q.To.IsZero() {
		hi, err := s.leafAt(ctx, q.To.Add(time.Hour))
		if err != nil {
			return Hits{}, err
		}
		p.Before = min(p.Before, hi)
	}
	var h Hits
	if h.Indexed, err = s.indexed(ctx, s.db); err != nil {
		return h, err
	}
	next := s.scan(q, lo)
	if len(wanted) > 0 {
		leaves, err := s.find(ctx, wanted)
		if err != nil {
			return h, err
		}
		next = s.listed(leaves, lo)
	} else if q.State != nil && (*q.State == Held || *q.State == NeedsPerson) {
		next = s.stopped(q, lo)
	} else if q.State != nil && *q.State == Waiting && q.Partner != "" {
		few, err := s.fewWait(ctx, q.Partner)
		if err != nil {
			return h, err
		}
		if few {
			next = s.waiting(q, lo)
		}
	}
	for len(h.Messages) <= p.Limit {
		batch, at, err := next(ctx, p.Before)
		if err != nil {
			return h, err
		}
		if batch, err = s.withDeliveries(ctx, batch); err != nil {
			return h, err
		}
		for _, m := range batch {
			if m.Erased && len(wanted) > 0 {
				continue // its entries are still to go: it is not found by what it said
			}
			if m.Narrow(q.Sees) && q.fits(&m) {
				h.Messages = append(h.Messages, m)
			}
		}
		h.Looked += pageRead
		if at == 0 {
			p.Before = 0
			break
		}
		if p.Before = at; h.Looked >= scanLimit {
			break
		}
	}
	if len(h.Messages) > p.Limit {
		h.Messages = h.Messages[:p.Limit]
		h.Next = h.Messages[p.Limit-1].Leaf
	} else {
		h.Next = p.Before
	}
	return h, nil
}

// wanted are the keys asked for: in each list one must be found.
func (s *Service) wanted(q Query) ([][]searchKey, error) {
	index := everyIndex(s.vault)
	var out [][]searchKey
	if q.Order != "" {
		out = append(out, index(domainOrder, []byte(strings.TrimSpace(q.Order))))
	}
	switch id := []byte(strings.TrimSpace(q.PatientID)); {
	case len(id) == 0 && q.Authority != "":
		return nil, fmt.Errorf("%w: an authority without the patient's identifier", ErrInvalid)
	case len(id) > 0 && q.Authority != "":
		out = append(out, index(domainPatient, id, []byte(lowerASCII(strings.TrimSpace(q.Authority)))))
	case len(id) > 0:
		out = append(out, index(domainPatient, id))
	}
	if q.LastName != "" || q.BirthDate != "" {
		last, birth := normalName(q.LastName), normalDate(q.BirthDate)
		if last == "" || birth == "" {
			return nil, fmt.Errorf("%w: last name and whole birth date are looked for together", ErrInvalid)
		}
		out = append(out, index(domainPerson, []byte(last), []byte(birth)))
	}
	return out, nil
}

// lowerASCII is what hl7.ReadKeys does to an authority.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// find returns the leaves that have a key of every list, newest first.
func (s *Service) find(ctx context.Context, lists [][]searchKey) ([]int64, error) {
	var out []int64
	for i, keys := range lists {
		var have []int64
		for _, k := range keys {
			// CROSS JOIN: SQLite then goes through the runs and looks a block up for each;
			// left to choose it reads the whole index.
			err := s.db.Query(ctx, `SELECT r.first, d.data FROM results_search_runs r CROSS JOIN results_search d
				WHERE d.run = r.first AND d.block = (CAST($1 AS BIGINT) >> CAST(63 - r.bits AS INTEGER))`, []any{int64(k)}, func(row store.Scanner) error {
				var first int64
				var data []byte
				if err := row.Scan(&first, &data); err != nil {
					return err
				}
				return eachEntry(first, data, func(e searchEntry) {
					if e.key == k {
						have = append(have, e.leaf)
					}
				})
			})
			if err != nil {
				return nil, fmt.Errorf("look in the search index: %w", err)
			}
		}
		slices.Sort(have)
		have = slices.Compact(have)
		if i == 0 {
			out = have
			continue
		}
		out = slices.DeleteFunc(out, func(leaf int64) bool { _, ok := slices.BinarySearch(have, leaf); return !ok })
	}
	slices.Reverse(out)
	return out, nil
}

// fits checks what no index answers.
func (q *Query) fits(m *Summary) bool {
	if !q.From.IsZero() && m.ReceivedAt.Before(q.From) || !q.To.IsZero() && !m.ReceivedAt.Before(q.To) {
		return false
	}
	if q.Site != "" && m.Site != q.Site {
		return false
	}
	if q.Partner == "" && q.State == nil {
		return true
	}
	for _, d := range m.Deliveries {
		if (q.Partner == "" || d.Partner == q.Partner) && (q.State == nil || d.State == *q.State) {
			return true
		}
	}
	return false
}

// keysOfBody is for retention and tests: what a body is found by, under every
// key version.
func (s *Service) keysOfBody(body []byte, accession []int) []searchKey {
	k := hl7.Keys{AccessionFields: accession}
	return searchKeys(nil, everyIndex(s.vault), body, &k)
}
