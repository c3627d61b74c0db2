package resultsfhir

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// by is how the record names a client.
func (c *Client) by() results.By { return results.By{Who: Account(c.ID), Reason: "fhir-pull"} }

// Account is how the record names a partner's program.
func Account(client string) string { return "fhir." + client }

// given records that these resources go to the client, before they do. It fails
// closed. Who only learns of a practitioner or an organization looks at no result.
func (s *Service) given(ctx context.Context, c *Client, rows []*row, export bool) error {
	seen := map[event.ID]bool{}
	var looks []results.Pulled
	for _, r := range rows {
		if r.patient == (event.ID{}) || seen[r.messageID] {
			continue
		}
		seen[r.messageID] = true
		looks = append(looks, results.Pulled{ID: r.messageID, Leaf: r.message})
	}
	if len(looks) == 0 {
		return nil
	}
	return s.looks.RecordPulls(ctx, looks, export, c.by())
}

// picked notes that reports were fetched. The result has been given by then: what
// cannot be noted now is noted with the next fetch.
func (s *Service) picked(ctx context.Context, rows []*row) {
	ctx = context.WithoutCancel(ctx)
	reports := map[int64][]*row{}
	for _, r := range rows {
		if r.kind == kindReport && r.current() {
			reports[r.delivery] = append(reports[r.delivery], r)
		}
	}
	news, err := s.pickUp(ctx, slices.Collect(maps.Keys(reports)), s.pickUps)
	// What a report replaced will not be fetched any more: it is settled here, and
	// nobody is told that it was picked up.
	var older []int64
	for _, d := range news {
		for _, r := range reports[d] {
			if r.version == 1 || err != nil {
				continue
			}
			var before []*row
			before, err = s.rows(ctx, s.db, "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1 AND seq < $2", r.rid[:], r.seq)
			for _, x := range before {
				older = append(older, x.delivery)
			}
		}
	}
	if err == nil {
		_, err = s.pickUp(ctx, older, nil)
	}
	if err != nil {
		s.log.Error("a pick-up could not be noted; the next fetch notes it", "error", err)
	}
}

// atOnce is how many deliveries one statement looks up.
const atOnce = 50

// pickUp notes those of the deliveries that were not picked up yet, and returns
// them. tell hears of each, where it is not nil.
func (s *Service) pickUp(ctx context.Context, deliveries []int64, tell PickUps) (news []int64, err error) {
	for part := range slices.Chunk(deliveries, atOnce) {
		all, err := s.unpicked(ctx, part)
		if err != nil {
			return news, err
		}
		now := s.now()
		var open []int64
		for _, d := range all {
			if tell != nil {
				err := tell.PickedUp(ctx, d, now, results.PickupRead)
				if errors.Is(err, results.ErrConflict) {
					continue // fetched before its delivery was written down: the next fetch notes it
				}
				if err != nil && !errors.Is(err, results.ErrNotFound) {
					return news, fmt.Errorf("note a pick-up: %w", err)
				}
			}
			open = append(open, d)
		}
		if len(open) == 0 {
			continue
		}
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, d := range open {
				_, err := s.tags.Exec(ctx, tx, taggedPlaced, d, "UPDATE results_fhir_placed SET picked_at = $1 WHERE delivery = $2 AND picked_at IS NULL", now.UnixMicro(), d)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return news, fmt.Errorf("note pick-ups: %w", err)
		}
		news = append(news, open...)
	}
	return news, nil
}

// unpicked are those of the deliveries of which no report was fetched yet.
func (s *Service) unpicked(ctx context.Context, deliveries []int64) ([]int64, error) {
	args := make([]any, atOnce) // always as many: one query text, one plan
	marks := make([]string, atOnce)
	for i := range args {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), int64(-1)
		if i < len(deliveries) {
			args[i] = deliveries[i]
		}
	}
	var out []int64
	err := s.db.Query(ctx, "SELECT delivery FROM results_fhir_placed WHERE picked_at IS NULL AND delivery IN ("+strings.Join(marks, ", ")+")", args, func(sc store.Scanner) error {
		var d int64
		err := sc.Scan(&d)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for pick-ups: %w", err)
	}
	return out, nil
}
