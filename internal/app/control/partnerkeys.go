package control

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// PartnerKey is a key that a partner's results are encrypted to.
type PartnerKey struct {
	ID          string    `json:"id"`
	Partner     string    `json:"partner"`
	Kind        string    `json:"kind"`
	Fingerprint string    `json:"fingerprint"`
	Name        string    `json:"name"`
	Strength    string    `json:"strength"`
	State       string    `json:"state"`
	Ends        time.Time `json:"ends,omitzero"`
	From        time.Time `json:"from,omitzero"`
	Until       time.Time `json:"until,omitzero"`
}

func partnerKey(k *keys.Key, now time.Time) PartnerKey {
	return PartnerKey{k.ID.String(), k.Partner, k.Kind, k.Fingerprint, k.Name, k.Strength, k.Stands(now), k.Ends, k.From, k.Until}
}

// AddPartnerKey proposes a key; WeakReason says why a weak one is taken.
type AddPartnerKey struct {
	File       []byte `json:"file"`
	WeakReason string `json:"weak_reason,omitempty"`
}

// PartnerKeyAct is what is done with one: compare, use, retire or revoke, and
// what that needs.
type PartnerKeyAct struct {
	// Half, With, How and Number are of compare.
	Half   string `json:"half,omitempty"`
	With   string `json:"with,omitempty"`
	How    string `json:"how,omitempty"`
	Number string `json:"number,omitempty"`
	// From and Overlap are of use.
	From    time.Time `json:"from,omitzero"`
	Overlap int       `json:"overlap_days,omitempty"`
	// Reason is of retire and revoke.
	Reason string `json:"reason,omitempty"`
}

// partnerKeyRoutes are what can be asked of the register of keys.
func (s *Server) partnerKeyRoutes() map[string]route {
	return map[string]route{
		"GET /v1/partners/{partner}/keys":  s.partnerKeys,
		"POST /v1/partners/{partner}/keys": s.addPartnerKey,
		"POST /v1/partner-keys/{id}/{act}": s.actOnPartnerKey,
	}
}

func (s *Server) partnerKeys(r *http.Request) (any, error) {
	if !s.PartnerKeys.Has(r.PathValue("partner")) {
		return nil, &Error{NotFound, "there is no partner of this name in the configuration"}
	}
	all, err := s.PartnerKeys.Of(r.Context(), r.PathValue("partner"))
	out := make([]PartnerKey, len(all))
	for i := range all {
		out[i] = partnerKey(&all[i], s.Now())
	}
	return out, err
}

func (s *Server) addPartnerKey(r *http.Request) (any, error) {
	var in AddPartnerKey
	if err := read(r, &in); err != nil {
		return nil, err
	}
	k, err := s.PartnerKeys.Add(r.Context(), r.PathValue("partner"), in.File, in.WeakReason, by(r, "").Who)
	return partnerKey(&k, s.Now()), keyError(err)
}

func (s *Server) actOnPartnerKey(r *http.Request) (any, error) {
	var in PartnerKeyAct
	if err := read(r, &in); err != nil {
		return nil, err
	}
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return nil, &Error{NotFound, "there is no such key; `labwarden partner key list` shows them"}
	}
	var k keys.Key
	who := by(r, "").Who
	switch r.PathValue("act") {
	case "compare":
		k, err = s.PartnerKeys.Compare(r.Context(), id, keys.Comparison{With: in.With, How: in.How, Number: in.Number}, in.Half, who)
	case "use":
		k, err = s.PartnerKeys.Use(r.Context(), id, in.From, in.Overlap, who)
	case "retire":
		k, err = s.PartnerKeys.Retire(r.Context(), id, in.Reason, who)
	case "revoke":
		k, err = s.PartnerKeys.Revoke(r.Context(), id, in.Reason, who)
	default:
		return nil, &Error{NotFound, "a key can be compared, taken into use, retired and revoked"}
	}
	return partnerKey(&k, s.Now()), keyError(err)
}

// keyError says the register's errors to who asked.
func keyError(err error) error {
	if f := (*keys.FieldError)(nil); errors.As(err, &f) {
		return &Error{Invalid, f.Message}
	}
	for _, x := range []struct {
		is   error
		kind Kind
	}{
		{keys.ErrInvalid, Invalid},
		{keys.ErrSecond, Denied},
		{keys.ErrNotFound, NotFound},
		{keys.ErrConflict, Conflict},
		{keys.ErrDamaged, Conflict},
	} {
		if errors.Is(err, x.is) {
			return &Error{x.kind, x.is.Error()}
		}
	}
	return err
}

// PartnerKeys lists the keys that a partner's results are encrypted to.
func (c *Client) PartnerKeys(ctx context.Context, partner string) ([]PartnerKey, error) {
	return ask[[]PartnerKey](ctx, c, "/v1/partners/"+url.PathEscape(partner)+"/keys", nil)
}

// AddPartnerKey proposes one.
func (c *Client) AddPartnerKey(ctx context.Context, partner string, in AddPartnerKey) (PartnerKey, error) {
	return ask[PartnerKey](ctx, c, "/v1/partners/"+url.PathEscape(partner)+"/keys", in)
}

// ActOnPartnerKey compares, uses, retires or revokes one.
func (c *Client) ActOnPartnerKey(ctx context.Context, id, act string, in PartnerKeyAct) (PartnerKey, error) {
	return ask[PartnerKey](ctx, c, "/v1/partner-keys/"+url.PathEscape(id)+"/"+act, in)
}
