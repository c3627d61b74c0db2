package resultsfhir

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
)

func tagged() []*bus.Tagged {
	return []*bus.Tagged{taggedPlaced, taggedGrants, taggedUsed, taggedExports, taggedSubscriptions}
}

// TaggedTables are the tables of this package whose rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, d := range tagged() {
		out = append(out, d.Table)
	}
	return out
}

const auditPage = 200

// Audit names what was changed, moved, added or removed by somebody without the
// key: rows by their seals, what finds them by the rows, the rest by tags.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range tagged() {
		if err := s.tags.Audit(ctx, s.db, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	if err := s.auditSealed(ctx, found); err != nil {
		return err
	}
	if err := s.auditRows(ctx, found); err != nil {
		return err
	}
	if err := s.auditTokens(ctx, found); err != nil {
		return err
	}
	return s.auditPlaced(ctx, found)
}

// auditSealed opens what is sealed and tagged: its tag says that it is the same
// bytes, its seal that they are of this place.
func (s *Service) auditSealed(ctx context.Context, found func(table, row, what string)) error {
	for table, open := range map[string]func(id event.ID, body []byte) error{
		"results_fhir_exports": func(id event.ID, body []byte) error {
			_, err := s.vault.Unseal(sealedWith, exportWhere(id), nil, body)
			return err
		},
		"results_fhir_subscriptions": func(id event.ID, body []byte) error {
			_, err := s.vault.Unseal(sealedWith, subscriptionWhere(id), nil, body)
			return err
		},
	} {
		err := s.db.Query(ctx, "SELECT id, body FROM "+table, nil, func(sc store.Scanner) error {
			var raw, body []byte
			if err := sc.Scan(&raw, &body); err != nil {
				return err
			}
			id, err := event.IDFromBytes(raw)
			if err == nil {
				err = open(id, body)
			}
			if err != nil {
				found(table, fmt.Sprintf("%x", raw), "its body does not open")
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("audit %s: %w", table, err)
		}
	}
	return nil
}

// auditRows opens every row, holds until against the version that follows, and
// looks for each by what it must be found.
func (s *Service) auditRows(ctx context.Context, found func(table, row, what string)) error {
	type bare struct {
		row
		rid, patient, body []byte
	}
	for last := int64(-1 << 62); ; {
		var page []bare
		err := s.db.Query(ctx, "SELECT "+rowCols+" FROM results_fhir_rows WHERE seq > $1 ORDER BY seq LIMIT $2", []any{last, int64(auditPage)}, func(sc store.Scanner) error {
			var b bare
			var k int64
			err := sc.Scan(&b.seq, &b.rid, &b.version, &b.partner, &k, &b.patient, &b.at, &b.until, &b.message, &b.body)
			b.kind = kind(k)
			page = append(page, b)
			return err
		})
		if err != nil {
			return fmt.Errorf("audit resources: %w", err)
		}
		for _, b := range page {
			last = b.seq
			what, lost, err := s.sound(ctx, &b.row, b.rid, b.patient, b.body)
			if err != nil {
				return err
			}
			if what != "" {
				found("results_fhir_rows", strconv.FormatInt(b.seq, 10), what)
			}
			for _, t := range lost {
				found("results_fhir_tokens", strconv.FormatInt(t, 10), "it is missing: a resource is not found by what it should be")
			}
		}
		if len(page) < auditPage {
			return nil
		}
	}
}

func (s *Service) sound(ctx context.Context, r *row, rid, patient, body []byte) (what string, lost []int64, err error) {
	const changed = "it does not open, or its columns are not what is sealed: it was changed or moved"
	if r.rid, err = event.IDFromBytes(rid); err != nil {
		return changed, nil, nil //nolint:nilerr // it is a finding
	}
	if patient != nil {
		if r.patient, err = event.IDFromBytes(patient); err != nil {
			return changed, nil, nil //nolint:nilerr // it is a finding
		}
	}
	if r.open(s.vault, body) != nil {
		return changed, nil, nil
	}
	next := int64(standing)
	err = s.db.Query(ctx, "SELECT seq FROM results_fhir_rows WHERE rid = $1 AND seq > $2 ORDER BY seq LIMIT 1", []any{r.rid[:], r.seq}, func(sc store.Scanner) error {
		return sc.Scan(&next)
	})
	if err != nil {
		return "", nil, fmt.Errorf("audit versions: %w", err)
	}
	if next != r.until {
		what = "the version that replaced it is not the one that follows"
	}
	for _, t := range r.tokens {
		var n int64
		if err := s.db.QueryRow(ctx, "SELECT count(*) FROM results_fhir_tokens WHERE token = $1 AND seq = $2", t, r.seq).Scan(&n); err != nil {
			return "", nil, fmt.Errorf("audit index: %w", err)
		}
		if n != 1 {
			lost = append(lost, t)
		}
	}
	return what, lost, nil
}

// auditTokens looks for entries of the index that no row has.
func (s *Service) auditTokens(ctx context.Context, found func(table, row, what string)) error {
	type pair struct{ token, seq int64 }
	at := pair{-1 << 63, -1 << 63}
	for {
		var page []pair
		err := s.db.Query(ctx, "SELECT token, seq FROM results_fhir_tokens WHERE token > $1 OR token = $1 AND seq > $2 ORDER BY token, seq LIMIT $3",
			[]any{at.token, at.seq, int64(auditPage)}, func(sc store.Scanner) error {
				var p pair
				err := sc.Scan(&p.token, &p.seq)
				page = append(page, p)
				return err
			})
		if err != nil {
			return fmt.Errorf("audit index: %w", err)
		}
		for _, p := range page {
			at = p
			rows, err := s.rows(ctx, s.db, "SELECT "+rowCols+" FROM results_fhir_rows WHERE seq = $1", p.seq)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil || len(rows) != 1 || !slices.Contains(rows[0].tokens, p.token) {
				found("results_fhir_tokens", strconv.FormatInt(p.token, 10), "it leads to a resource that is not found so: it was changed or added")
			}
		}
		if len(page) < auditPage {
			return nil
		}
	}
}

// auditPlaced looks for rows that deliveries made and that are gone, though their
// message is not erased.
func (s *Service) auditPlaced(ctx context.Context, found func(table, row, what string)) error {
	for last := int64(-1); ; {
		n := 0
		err := s.db.Query(ctx, `SELECT p.delivery, p.last_seq - p.first_seq + 1,
				(SELECT count(*) FROM results_fhir_rows r WHERE r.seq >= p.first_seq AND r.seq <= p.last_seq AND r.message = p.message)
			FROM results_fhir_placed p WHERE p.delivery > $1 ORDER BY p.delivery LIMIT $2`, []any{last, int64(auditPage)}, func(sc store.Scanner) error {
			var want, have int64
			if err := sc.Scan(&last, &want, &have); err != nil {
				return err
			}
			if n++; want != have {
				found("results_fhir_rows", strconv.FormatInt(last, 10), "resources of this delivery are missing")
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("audit what was placed: %w", err)
		}
		if n < auditPage {
			return nil
		}
	}
}

// SealedColumns are where this room keeps sealed values, for rewrap.
func SealedColumns() []rewrap.Column {
	id := func(row any) []byte { b, _ := row.([]byte); return b }
	seq := func(row any) []byte { n, _ := row.(int64); return rowWhere(n).Row }
	return []rewrap.Column{
		{Purpose: sealedWith, Table: "results_fhir_rows", Key: "seq", Name: "body", Row: "seq", Place: seq},
		{Purpose: sealedWith, Table: "results_fhir_exports", Key: "id", Name: "body", Row: "id", Place: id},
		{Purpose: sealedWith, Table: "results_fhir_subscriptions", Key: "id", Name: "body", Row: "id", Place: id},
	}
}
