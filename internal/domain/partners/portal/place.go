package portal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Label is what a list shows of a result.
type Label struct {
	Patient   string   `json:"patient"`
	Born      string   `json:"born,omitempty"`
	Tests     []string `json:"tests,omitempty"`
	Collected string   `json:"collected,omitempty"`
	Provider  string   `json:"provider,omitempty"`
	Status    string   `json:"status,omitempty"`
	Orders    []string `json:"orders,omitempty"` // filler numbers
	Documents int      `json:"documents,omitempty"`
	Flags     int      `json:"flags,omitempty"` // observations that the LIS flagged
	Charset   string   `json:"charset,omitempty"`
	Lab       string   `json:"lab,omitempty"`   // which laboratory, where the hub serves several
	Order     int64    `json:"order,omitempty"` // in the intake, where it is not the delivery
}

func labelOf(r *Report) Label {
	l := Label{Patient: r.Patient.Name, Born: r.Patient.Born, Documents: len(r.Documents)}
	if l.Patient == "" {
		l.Patient = strings.Join(r.Patient.IDs, ", ")
	}
	for i := range r.Orders {
		o := &r.Orders[i]
		if o.Test != "" && !slices.Contains(l.Tests, o.Test) && len(l.Tests) < 12 {
			l.Tests = append(l.Tests, o.Test)
		}
		if o.Filler != "" && !slices.Contains(l.Orders, o.Filler) && len(l.Orders) < 12 {
			l.Orders = append(l.Orders, o.Filler)
		}
		if l.Collected == "" {
			l.Collected = o.Collected
		}
		if l.Provider == "" {
			l.Provider = o.Provider
		}
		if l.Status == "" || o.Status == "C" {
			l.Status = o.StatusWord
		}
		for j := range o.Rows {
			if o.Rows[j].Abnormal {
				l.Flags++
			}
		}
	}
	return l
}

func labelPlace(id event.ID) vault.Where {
	return vault.Where{Table: "partners_portal_items", Column: "label", Row: id[:]}
}

// keysOf are keyed indexes of the orders of a report (number and service), and of
// each observation below them (identifier and sub-id as well).
func (s *Service) keysOf(r *Report) (orders [][]byte, observations []byte) {
	add := func(to [][]byte, domain string, parts ...string) [][]byte {
		raw := make([][]byte, len(parts))
		for i, p := range parts {
			raw[i] = []byte(p)
		}
		k := s.Vault.Index(domain, raw...)
		if slices.ContainsFunc(to, func(x []byte) bool { return bytes.Equal(x, k[:]) }) {
			return to
		}
		return append(to, k[:])
	}
	var seen [][]byte
	for i := range r.Orders {
		o := &r.Orders[i]
		number := "F" + o.Filler
		if o.Filler == "" {
			number = "P" + o.Placer
		}
		if number == "P" {
			continue // nothing names it: it supersedes nothing and nothing supersedes it
		}
		orders = add(orders, "portal order", number, o.Code)
		for j := range o.Rows {
			seen = add(seen, "portal observation", number, o.Code, o.Rows[j].Code, o.Rows[j].Sub)
		}
	}
	slices.SortFunc(seen, bytes.Compare)
	return orders, bytes.Join(seen, nil)
}

const keySize = 16

// holdsAll says whether every key of small is in large. Empty holds nothing.
func holdsAll(large, small []byte) bool {
	if len(small) == 0 {
		return false
	}
	for i := 0; i+keySize <= len(small); i += keySize {
		at := false
		for j := 0; j+keySize <= len(large) && !at; j += keySize {
			at = bytes.Equal(small[i:i+keySize], large[j:j+keySize])
		}
		if !at {
			return false
		}
	}
	return true
}

// Parcel is a result that is to be put into a practice's portal.
type Parcel struct {
	Delivery int64
	Message  event.ID
	Partner  string
	Body     []byte
	// Charset is the source's, for a message whose MSH-18 is empty; may be empty.
	Charset string
	// Order ascends with the intake of the message; 0: Delivery does. A message that a
	// person sends again has a new delivery and its old place in this order.
	Order int64
	// Lab is the name of the site it came from; empty where there are none.
	Lab string
}

// Placed says what became of it.
type Placed struct {
	At       time.Time
	Withheld string // the rule that keeps it back
}

// Place puts a result into a practice's portal; the same delivery again changes
// nothing. An error wraps ErrUnfit where the result cannot be shown at all.
func (s *Service) Place(ctx context.Context, p Parcel) (Placed, error) {
	report, err := Read(p.Body, p.Charset)
	if err != nil {
		return Placed{}, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	id, now := event.NewID(), s.Now()
	shown := labelOf(report)
	shown.Charset, shown.Lab = p.Charset, p.Lab
	if p.Order != p.Delivery {
		shown.Order = p.Order
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return Placed{}, fmt.Errorf("label a result: %w", err)
	}
	label, err := s.Vault.Seal(bodies, labelPlace(id), nil, text)
	if err != nil {
		return Placed{}, fmt.Errorf("seal a label: %w", err)
	}
	orders, observations := s.keysOf(report)
	out := Placed{At: now}
	withheld, only := judge(s.Settings().Rules, report, p.Partner, now.In(s.Zone))
	out.Withheld = withheld
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var there int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM partners_portal_items WHERE delivery = $1", p.Delivery).Scan(&there); err != nil || there > 0 {
			return err
		}
		_, err := s.tags.Exec(ctx, tx, taggedItems, id[:], `INSERT INTO partners_portal_items
			(id, delivery, message, partner, placed_at, label, observations, superseded, urgent, withheld, released_at, released_by, only_for, hidden_at, fresh, opened_at, opened_by, fetched_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9, 0, '', $10, 0, 1, 0, NULL, 0)`,
			id[:], p.Delivery, p.Message[:], p.Partner, micro(now), label, observations, flag(report.Critical), withheld, only)
		if err != nil {
			return err
		}
		if err := s.supersede(ctx, tx, p.Partner, id, place{order: cmp.Or(p.Order, p.Delivery), delivery: p.Delivery}, orders, observations); err != nil {
			return err
		}
		if withheld == "" && only == "" {
			if err := s.standsFor(ctx, tx, id, &p); err != nil {
				return err
			}
		}
		kind, codes := KindPlaced, ledger.Pairs(nil)
		if withheld != "" {
			kind, codes = KindWithheld, ledger.Pairs{code("rule", withheld)}
		}
		return s.fact(ctx, tx, kind, ledger.Pairs{pair("item", id), pair("message", p.Message), code("partner", p.Partner), code("delivery", fmt.Sprint(p.Delivery))}, codes)
	})
	if err != nil {
		return Placed{}, fmt.Errorf("put a result into the portal: %w", err)
	}
	return out, nil
}

// place is where an item stands among others: by the intake of its message, and of the
// same message by its delivery.
type place struct{ order, delivery int64 }

func (p place) before(q place) bool {
	return compare(p, q) < 0
}

func compare(p, q place) int {
	return cmp.Or(cmp.Compare(p.order, q.order), cmp.Compare(p.delivery, q.delivery))
}

// supersede notes the orders of a new item, and marks the earlier items of the
// practice all of whose observations it holds again. Earlier and later are by the order
// in which messages were taken: a message that is sent again does not supersede its own
// correction.
func (s *Service) supersede(ctx context.Context, tx *store.Tx, partner string, id event.ID, here place, orders [][]byte, observations []byte) error {
	if len(orders) == 0 {
		return nil
	}
	type other struct {
		id, observations []byte
		place
	}
	others := map[string]other{}
	for _, key := range orders {
		err := tx.Query(ctx, `SELECT i.id, i.observations, i.label, i.delivery FROM partners_portal_orders o JOIN partners_portal_items i ON i.id = o.item
			WHERE o.partner = $1 AND o.order_key = $2`, []any{partner, key}, func(row store.Scanner) error {
			var x other
			var sealed []byte
			if err := row.Scan(&x.id, &x.observations, &sealed, &x.delivery); err != nil {
				return err
			}
			of, err := event.IDFromBytes(x.id)
			if err != nil {
				return err
			}
			label, err := s.label(of, sealed)
			x.order = cmp.Or(label.Order, x.delivery)
			others[string(x.id)] = x
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, key := range orders {
		if _, err := tx.Exec(ctx, "INSERT INTO partners_portal_orders (item, partner, order_key) VALUES ($1, $2, $3)", id[:], partner, key); err != nil {
			return err
		}
	}
	if err := s.tags.Put(ctx, tx, taggedOrders, id[:]); err != nil {
		return err
	}
	mark := func(old, by []byte) error {
		_, err := s.tags.Exec(ctx, tx, taggedItems, old, "UPDATE partners_portal_items SET superseded = $1 WHERE id = $2", by, old)
		return err
	}
	var newer []byte // the latest item that holds all of it
	var newerAt place
	for _, x := range others {
		switch {
		case x.before(here) && holdsAll(observations, x.observations):
			if err := mark(x.id, id[:]); err != nil {
				return err
			}
		case here.before(x.place) && holdsAll(x.observations, observations) && newerAt.before(x.place):
			newer, newerAt = x.id, x.place
		}
	}
	if newer != nil {
		return mark(id[:], newer)
	}
	return nil
}
