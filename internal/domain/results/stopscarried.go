package results

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// CarriedStop is a standing stop in a form that can be applied without store and
// keys: the bypass does so while the hub is dead. Names says who and what is
// stopped; whoever keeps it keeps it sealed.
type CarriedStop struct {
	Kind   string   `json:"kind"`
	Scope  Scope    `json:"scope"`
	Target string   `json:"target"` // partner, route or test code; else empty
	Names  []string `json:"names,omitempty"`
}

// carried are the scopes a stop of which covers what is still to come.
const carried = "lifted_at IS NULL AND scope IN ('partner', 'route', 'patient', 'order', 'test')"

// StandingNow names the stops that CarriedStops would return: it changes when
// one is placed or lifted.
func (s *Service) StandingNow(ctx context.Context) (string, error) {
	var ids []event.ID
	err := s.db.Query(ctx, "SELECT id FROM results_stops WHERE "+carried+" ORDER BY id", nil, idRow(&ids))
	if err != nil {
		return "", fmt.Errorf("look at the standing stops: %w", err)
	}
	return fmt.Sprint(ids), nil
}

// CarriedStops are the standing stops that cover what is still to come. unknown
// counts those whose patient or order cannot be read any more.
func (s *Service) CarriedStops(ctx context.Context) (out []CarriedStop, unknown int, err error) {
	var about []string // the message that names the patient or order
	err = s.db.Query(ctx, "SELECT kind, scope, target FROM results_stops WHERE "+carried+" ORDER BY id", nil, func(row store.Scanner) error {
		var kind int64
		var scope, target string
		err := row.Scan(&kind, &scope, &target)
		out, about = append(out, CarriedStop{Kind: StopKind(kind).String(), Scope: Scope(scope), Target: target}), append(about, target)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the standing stops: %w", err)
	}
	kept := out[:0]
	for i, x := range out {
		if x.Scope == ScopePatient || x.Scope == ScopeOrder {
			x.Target = ""
			if x.Names, err = s.namesOf(ctx, x.Scope, about[i]); temporary(err) || ctx.Err() != nil {
				return nil, 0, err
			} else if err != nil {
				unknown++
				s.slog.Error("a stop cannot be applied by a bypass: the message that names whom it covers cannot be read", "scope", string(x.Scope), "message", about[i], "error", err)
				continue
			}
		}
		kept = append(kept, x)
	}
	return kept, unknown, nil
}

func (s *Service) namesOf(ctx context.Context, scope Scope, message string) ([]string, error) {
	id, err := event.ParseID(message)
	if err != nil {
		return nil, err
	}
	var sealed []byte
	if err := s.db.QueryRow(ctx, "SELECT body FROM results_messages WHERE id = $1", id[:]).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	_, body, err := s.seal.open("results_messages", id, sealed)
	if err != nil {
		return nil, err
	}
	k, err := keysIn(body)
	if err != nil {
		return nil, err
	}
	return laneNames(k.of(scope)), nil
}

type scopedKeys hl7.Keys

func keysIn(body []byte) (*scopedKeys, error) {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return nil, err
	}
	var k hl7.Keys
	if err := hl7.ReadKeys(body, &head, &k); err != nil {
		return nil, err
	}
	return (*scopedKeys)(&k), nil
}

// of is what a stop of a patient or an order goes by.
func (k *scopedKeys) of(scope Scope) *hl7.Keys {
	if scope == ScopePatient {
		return &hl7.Keys{PatientIDs: k.PatientIDs}
	}
	return &hl7.Keys{Placers: k.Placers, Fillers: k.Fillers}
}

// laneNames are the lanes of some identifiers, in the clear.
func laneNames(k *hl7.Keys) []string {
	var out []string
	eachKey(k, &hl7.Message{}, func(lane bool, _ string, parts ...[]byte) {
		if !lane {
			return
		}
		name := make([]string, len(parts))
		for i, p := range parts {
			name[i] = string(p)
		}
		out = append(out, strings.Join(name, string(rune(hl7.KeySep))))
	})
	return out
}

// Before says whether the stop stands before all that a route sends to a partner;
// an empty route asks for the partner alone.
func (x *CarriedStop) Before(partner, route string) bool {
	return x.Scope == ScopePartner && x.Target == partner || route != "" && x.Scope == ScopeRoute && x.Target == route
}

// Covers says whether the stop covers the message for what it says. What cannot
// be read counts as covered.
func (x *CarriedStop) Covers(body []byte) bool {
	switch x.Scope {
	case ScopeTest:
		return testCodes(body)[strings.ToUpper(x.Target)]
	case ScopePatient, ScopeOrder:
		k, err := keysIn(body)
		if err != nil {
			return true
		}
		for _, have := range laneNames(k.of(x.Scope)) {
			for _, n := range x.Names {
				if n == have {
					return true
				}
			}
		}
	}
	return false
}
