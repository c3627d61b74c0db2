package portal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// How a result was looked at.
const (
	HowPage     = "page"
	HowPDF      = "pdf"
	HowDocument = "document"
	HowFile     = "file" // the message as it is, or in a file of all new ones
)

// Shown is a result as a person of a practice gets it.
type Shown struct {
	Item
	Report *Report
	Body   []byte
	// Later is the item that supersedes it, Earlier those it supersedes. LaterKept: there
	// is a later one that this person does not see; what is shown is not to be used all
	// the same.
	Later     *Item
	LaterKept bool
	Earlier   []Item
	// Others are items about one of its orders that neither supersedes: parts.
	Others []Item
	// NotSame: the patient of the version before was named otherwise.
	NotSame bool
}

// Receipt gives a person the signed receipt of a result that they may see: about the bytes
// of its message as a file.
func (s *Service) Receipt(ctx context.Context, p *Person, id event.ID) ([]byte, error) {
	x, err := s.item(ctx, s.DB, p, id)
	if err != nil {
		return nil, err
	}
	if s.Receipts == nil {
		return nil, ErrNotFound
	}
	return s.Receipts.Receipt(ctx, x.Delivery, "portal-"+p.Account)
}

// Open gives a result to a person, once it is written who looked.
func (s *Service) Open(ctx context.Context, p *Person, id event.ID, how string) (*Shown, error) {
	x, err := s.item(ctx, s.DB, p, id)
	if err != nil {
		return nil, err
	}
	out := &Shown{Item: x}
	if out.Body, err = s.Results.Sent(ctx, x.Delivery); err != nil {
		return nil, err
	}
	if out.Report, err = Read(out.Body, x.Label.Charset); err != nil {
		return nil, err
	}
	if err := s.versions(ctx, p, out); err != nil {
		return nil, err
	}
	if err := s.looked(ctx, p, []Item{x}, how); err != nil {
		return nil, err
	}
	return out, nil
}

// looked writes that a person looked at items, before anything is shown. A file
// counts as fetched, everything else as opened.
func (s *Service) looked(ctx context.Context, p *Person, items []Item, how string) error {
	now := s.Now()
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range items {
			x := &items[i]
			id := event.NewID()
			_, err := s.tags.Exec(ctx, tx, taggedOpenings, id[:], "INSERT INTO partners_portal_openings (id, item, partner, person, how, at) VALUES ($1, $2, $3, $4, $5, $6)",
				id[:], x.ID[:], x.Partner, p.ID[:], how, micro(now))
			if err != nil {
				return err
			}
			set := "fresh = 0, opened_by = CASE WHEN opened_at = 0 THEN $1 ELSE opened_by END, opened_at = CASE WHEN opened_at = 0 THEN $2 ELSE opened_at END WHERE id = $3"
			if how == HowFile {
				set = "fresh = 0, opened_by = COALESCE(opened_by, $1), fetched_at = $2 WHERE id = $3"
			}
			if _, err := s.tags.Exec(ctx, tx, taggedItems, x.ID[:], "UPDATE partners_portal_items SET "+set, p.ID[:], micro(now), x.ID[:]); err != nil {
				return err
			}
			kind := KindOpened
			if how == HowFile {
				kind = KindFetched
			}
			ids := ledger.Pairs{pair("person", p.ID), pair("item", x.ID), pair("message", x.Message), code("partner", x.Partner), code("delivery", fmt.Sprint(x.Delivery))}
			if err := s.fact(ctx, tx, kind, ids, ledger.Pairs{code("how", how)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write who looked: %w", err)
	}
	for i := range items {
		if !items[i].Opened.IsZero() || !items[i].Fetched.IsZero() {
			continue
		}
		if err := s.Results.Opened(context.WithoutCancel(ctx), items[i].Delivery, now, "portal"); err != nil {
			s.Log.Error("that a practice opened a result could not be told to its delivery", "delivery", items[i].Delivery, "error", err)
		}
	}
	return nil
}

// versions finds what supersedes an item, what it supersedes, and other parts.
func (s *Service) versions(ctx context.Context, p *Person, out *Shown) error {
	if out.Superseded != (event.ID{}) {
		later, err := s.item(ctx, s.DB, p, out.Superseded)
		switch {
		case err == nil:
			out.Later = &later
		case errors.Is(err, ErrNotFound):
			out.LaterKept = true
		default:
			return err
		}
	}
	seen := map[event.ID]bool{out.ID: true}
	err := s.DB.Query(ctx, itemColumns+`WHERE i.partner = $1 AND i.id IN (SELECT b.item FROM partners_portal_orders a JOIN partners_portal_orders b
		ON b.partner = a.partner AND b.order_key = a.order_key WHERE a.item = $2) ORDER BY i.delivery DESC LIMIT 50`, []any{out.Partner, out.ID[:]}, func(row store.Scanner) error {
		x, err := s.scanItem(row)
		if err != nil || seen[x.ID] || !x.shown(p) {
			return err
		}
		seen[x.ID] = true
		switch {
		case x.Superseded == out.ID:
			out.Earlier = append(out.Earlier, x)
			out.NotSame = out.NotSame || x.Label.Patient != out.Label.Patient || x.Label.Born != out.Label.Born
		case out.Later == nil || x.ID != out.Later.ID:
			out.Others = append(out.Others, x)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find other versions: %w", err)
	}
	return nil
}

// Batch is every new result of a person in one file, each written down as fetched: in
// the order in which they were taken, so that a correction never comes before what it
// corrects, within a file and from one file to the next.
func (s *Service) Batch(ctx context.Context, p *Person, partner string) (items []Item, messages [][]byte, err error) {
	if is, _ := p.Of(partner); !is {
		return nil, nil, ErrNotFound
	}
	all, err := s.oldest(ctx, p, partner, batchMost)
	if err != nil {
		return nil, nil, err
	}
	size := 0
	for _, x := range all {
		body, err := s.Results.Sent(ctx, x.Delivery)
		if errors.Is(err, ErrGone) || errors.Is(err, ErrSoon) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if size += len(body); size > batchBytes && len(items) > 0 {
			break // the rest comes with the next file
		}
		if err := s.genuine(ctx, s.DB, taggedItems, x.ID[:]); err != nil {
			return nil, nil, err
		}
		items, messages = append(items, x), append(messages, body)
	}
	if len(items) == 0 {
		return nil, nil, ErrNotFound
	}
	if err := s.looked(ctx, p, items, HowFile); err != nil {
		return nil, nil, err
	}
	return items, messages, nil
}

// oldest are the new results that a person may see, as they were taken.
func (s *Service) oldest(ctx context.Context, p *Person, partner string, most int) ([]Item, error) {
	where, args := forWhere(p, []any{partner, int64(most)})
	var out []Item
	err := s.DB.Query(ctx, itemColumns+"WHERE i.partner = $1 AND i.fresh = 1 AND "+shownWhere+where+" ORDER BY i.delivery LIMIT $2", args, func(row store.Scanner) error {
		x, err := s.scanItem(row)
		if err == nil && x.shown(p) {
			out = append(out, x)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list new results: %w", err)
	}
	slices.SortStableFunc(out, func(a, b Item) int { return compare(a.place(), b.place()) })
	return out, nil
}

const (
	batchMost  = 500
	batchBytes = 64 << 20
)

// Opening is one look, as the laboratory sees it.
type Opening struct {
	At       time.Time
	Person   event.ID
	Name     string
	How      string
	Item     event.ID
	Message  event.ID
	Delivery int64
}

// Openings are the last looks of a practice's people, newest first; of one message
// where that is named.
func (s *Service) Openings(ctx context.Context, partner string, message event.ID, limit int) ([]Opening, error) {
	where, args := "o.partner = $1", []any{partner, int64(limit)}
	if message != (event.ID{}) {
		where, args = where+" AND i.message = $3", append(args, message[:])
	}
	var out []Opening
	err := s.DB.Query(ctx, `SELECT o.at, o.person, p.name, o.how, i.id, i.message, i.delivery FROM partners_portal_openings o JOIN partners_portal_items i ON i.id = o.item
		JOIN partners_portal_people p ON p.id = o.person WHERE `+where+" ORDER BY o.at DESC, o.id DESC LIMIT $2", args, func(row store.Scanner) error {
		var x Opening
		var at int64
		var person, item, message []byte
		err := row.Scan(&at, &person, &x.Name, &x.How, &item, &message, &x.Delivery)
		if err != nil {
			return err
		}
		x.At = moment(at)
		var e1, e2, e3 error
		x.Person, e1 = event.IDFromBytes(person)
		x.Item, e2 = event.IDFromBytes(item)
		x.Message, e3 = event.IDFromBytes(message)
		out = append(out, x)
		return errors.Join(e1, e2, e3)
	})
	if err != nil {
		return nil, fmt.Errorf("list openings: %w", err)
	}
	return out, nil
}
