package resultsfhir

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// listLimit is how long making one list may take.
const listLimit = 10 * time.Minute

// list makes the list of an export's parts in the background, once in this
// process. Where two processes do, both come to the same.
func (s *Service) list(x export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listing[x.id] {
		return
	}
	s.listing[x.id] = true
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		ctx, cancel := context.WithTimeout(context.Background(), listLimit)
		defer cancel()
		err := s.listParts(ctx, &x)
		if err != nil {
			s.log.Error("an export could not be listed", "partner", x.partner, "error", err)
			x.state, x.Parts = exportFailed, nil
		}
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return s.keepExport(ctx, tx, &x, false) })
		if err != nil {
			s.log.Error("an export's list could not be kept; the next status request makes it again", "partner", x.partner, "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.listing, x.id)
	}()
}

func (s *Service) listParts(ctx context.Context, x *export) error {
	x.state, x.Parts = exportComplete, nil
	for _, k := range x.Kinds {
		for after := x.Since - 1; ; {
			p := part{Kind: k}
			err := s.db.Query(ctx, "SELECT seq FROM results_fhir_rows WHERE partner = $1 AND kind = $2 AND seq > $3 AND seq <= $4 AND until > $4 ORDER BY seq LIMIT $5",
				[]any{x.partner, int64(k), after, x.snap, int64(partRows)}, func(sc store.Scanner) error {
					if err := sc.Scan(&p.Last); err != nil {
						return err
					}
					if p.Count++; p.Count == 1 {
						p.First = p.Last
					}
					return nil
				})
			if err != nil {
				return err
			}
			if p.Count == 0 {
				break
			}
			if x.Parts = append(x.Parts, p); len(x.Parts) > exportParts {
				return errTooLarge
			}
			if after = p.Last; p.Count < partRows {
				break
			}
		}
	}
	return nil
}

var errTooLarge = invalid("too-costly", "the export is too large")

// exportFile gives one part as NDJSON. What was corrected since the list was made
// is given as it is now; what was erased is not given.
func (s *Service) exportFile(w http.ResponseWriter, a *asked) error {
	ctx := a.Context()
	x, err := s.loadExport(ctx, a)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(a.PathValue("part"))
	if err != nil || n < 0 || n >= len(x.Parts) || x.state != exportComplete {
		return notFound()
	}
	p := x.Parts[n]
	if !a.may(p.Kind.String(), 'r') {
		return forbidden()
	}
	found, err := s.rows(ctx, s.db, "SELECT "+rowCols+" FROM results_fhir_rows WHERE partner = $1 AND kind = $2 AND seq >= $3 AND seq <= $4 AND until > $5 ORDER BY seq",
		x.partner, int64(p.Kind), p.First, p.Last, x.snap)
	if err != nil {
		return err
	}
	rows := found[:0]
	for _, r := range found {
		if !r.current() {
			if r, err = s.newest(ctx, s.db, r.rid); err != nil {
				return err
			}
		}
		if r != nil && r.partner == x.partner {
			rows = append(rows, r)
		}
	}
	var b []byte
	for _, r := range rows {
		b = append(r.served(b), '\n')
	}
	if err := s.given(ctx, a.client, rows, true); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	_, _ = w.Write(b)
	s.picked(ctx, rows)
	return nil
}
