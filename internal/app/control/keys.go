package control

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// The kinds of facts of this package.
const (
	// KindRotation is written before the keys change: a rotation that nobody
	// recorded does not happen, one that failed after it is in the log.
	KindRotation = "keys.rotation_ordered"
	KindAudited  = "ledger.audited"
)

// signer names the signing key among the purposes.
const signer = "signer"

func (s *Server) keys(r *http.Request) (any, error) { return s.operate(r).Keys(r.Context()) }

func (s *Server) rotate(r *http.Request) (any, error) {
	var ask Rotate
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	st, err := s.Vault.Status()
	if err != nil {
		return nil, err
	}
	known := []string{signer}
	for _, k := range st.Keys {
		// The index key is left out: every blind index, duplicate detection among
		// them, would have to be built anew first.
		if p := string(k.Purpose); k.Purpose != vault.PurposeIndex && !slices.Contains(known, p) {
			known = append(known, p)
		}
	}
	if len(ask.What) == 0 || len(ask.What) > len(known) {
		return nil, &Error{Invalid, "name what to rotate: " + strings.Join(known, ", ")}
	}
	for _, w := range ask.What {
		if w == string(vault.PurposeIndex) {
			return nil, &Error{Conflict, "the index key is not rotated: repeated messages would no longer be recognised, and a correction could overtake its result; docs/develop/decisions/index-key.md says what to do when it has leaked"}
		}
		if !slices.Contains(known, w) {
			return nil, &Error{Invalid, "what can be rotated is: " + strings.Join(known, ", ")}
		}
	}
	if strings.TrimSpace(ask.Reason) == "" {
		return nil, &Error{Invalid, "name why the keys are rotated"}
	}
	who := by(r, ask.Reason)
	for _, w := range ask.What {
		err := s.publish(r.Context(), ledger.Event{
			Kind: KindRotation, At: s.Now().UnixMicro(),
			IDs:   ledger.Pairs{{K: "by", V: ledger.Code(who.Who)}, {K: "key", V: ledger.Code(w)}},
			Codes: ledger.Pairs{{K: "reason", V: ledger.Code(who.Reason)}},
		})
		if err != nil {
			return nil, err
		}
		if w == signer {
			err = s.Vault.RotateSigner(r.Context(), s.Now())
		} else {
			err = s.Vault.Rotate(r.Context(), vault.Purpose(w), s.Now())
		}
		if err != nil {
			return nil, err
		}
		s.Slog.Info("a key was rotated", "key", w, "by", who.Who)
	}
	if slices.Contains(ask.What, signer) && s.Reload != nil {
		// Witnesses in folders check our signature: they learn the new key.
		if _, err := s.Reload(r.Context()); err != nil {
			s.Slog.Error("after a new signing key witnesses could not be made ready; labwarden reload tries again", "error", err)
		}
	}
	if st, err = s.Vault.Status(); err != nil {
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
