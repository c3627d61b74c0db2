package control

import (
	"context"
	"net/http"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindAudited is the fact that somebody had the ledger recomputed.
const KindAudited = "ledger.audited"

func (s *Server) keys(r *http.Request) (any, error) { return s.operate(r).Keys(r.Context()) }

func (s *Server) rotate(r *http.Request) (any, error) {
	var ask Rotate
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	who := by(r, ask.Reason)
	turn := desk.Rotation{DB: s.DB, Vault: s.Vault, Now: s.Now, Log: s.Slog}
	if s.Reload != nil {
		turn.Reload = func(ctx context.Context) error {
			_, err := s.Reload(ctx)
			return err
		}
	}
	if err := turn.Rotate(r.Context(), ask.What, who.Who, who.Reason); err != nil {
		return nil, err
	}
	st, err := s.Vault.Status()
	if err != nil {
		return nil, err
	}
	return Rotated{ask.What, st}, nil
}

func (s *Server) publish(ctx context.Context, e ledger.Event) error {
	return s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, e)
		return err
	})
}

// decideViews takes a person's decision about the ledger's alarms.
func (s *Server) decideViews(r *http.Request) (any, error) {
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	if s.Decide == nil {
		return nil, &Error{Conflict, "this hub has no witnesses to decide about"}
	}
	who := by(r, why.Reason)
	if err := s.Decide(r.Context(), who.Who, who.Reason); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

// audit recomputes the ledger. That it was done, by whom and with which outcome
// is itself a fact.
func (s *Server) audit(r *http.Request) (any, error) {
	begin := s.Now()
	audit := s.Results.Audit
	if s.Audit != nil {
		audit = s.Audit
	}
	rows, err := audit(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	a := Audit{
		Sound: rows.Found == 0, Leaves: rows.Sound, Rows: rows.Rows, Root: rows.Root, Found: rows.Found,
		At: begin.UTC(), TookMS: s.Now().Sub(begin).Milliseconds(),
	}
	for _, f := range rows.Findings {
		a.Findings = append(a.Findings, f.String())
	}
	outcome := "sound"
	if len(a.Findings) > 0 {
		outcome = "damaged"
		s.Slog.Error("stored rows do not fit the ledger", "rows", rows.Found, "first", a.Findings[0])
	}
	if s.Heard != nil {
		s.Heard(r.Context(), rows)
	}
	if damage := rows.Damage; damage != nil {
		a.Damage, a.Leaf = damage.String(), &damage.Leaf
	}
	err = s.publish(r.Context(), ledger.Event{
		Kind: KindAudited, At: s.Now().UnixMicro(),
		IDs:     ledger.Pairs{{K: "by", V: ledger.Code(by(r, "").Who)}},
		Codes:   ledger.Pairs{{K: "outcome", V: outcome}},
		Numbers: []ledger.Number{{K: "findings", N: rows.Found}, {K: "leaves", N: rows.Leaves}},
	})
	if err != nil && a.Sound {
		return nil, err
	}
	return a, nil // damage is told even if nothing can be written any more
}
