package keysui

import (
	"context"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "Partners' keys"

type endFunc = func(ctx context.Context, id event.ID, reason, by string) (keys.Key, error)

// Entry is a key for programs.
type Entry struct {
	ID          string    `json:"id" doc:"its id"`
	Partner     string    `json:"partner" doc:"the partner's key in the configuration"`
	Kind        string    `json:"kind" doc:"age, age-pq, openpgp or cms"`
	Fingerprint string    `json:"fingerprint" doc:"in lower-case hex: an OpenPGP key's own, SHA-256 of a certificate or of an age recipient's text"`
	Name        string    `json:"name" doc:"what the key says of its owner; nobody has checked it"`
	Strength    string    `json:"strength" doc:"its algorithm in words"`
	WeakReason  string    `json:"weak_reason,omitempty" doc:"why a weak key was taken"`
	State       string    `json:"state" doc:"proposed, compared, planned, in use, retiring, replaced, retired or revoked"`
	Ends        time.Time `json:"ends,omitzero" doc:"its own end; it stops nothing"`
	AddedAt     time.Time `json:"added_at" doc:"when it was added"`
	AddedBy     string    `json:"added_by" doc:"by whom"`
	ComparedAt  time.Time `json:"compared_at,omitzero" doc:"when its fingerprint was compared"`
	ComparedBy  string    `json:"compared_by,omitempty" doc:"by whom"`
	With        string    `json:"compared_with,omitempty" doc:"with whom at the partner's"`
	How         string    `json:"compared_how,omitempty" doc:"phone, in person, video or letter"`
	From        time.Time `json:"from,omitzero" doc:"in use from then"`
	Until       time.Time `json:"until,omitzero" doc:"until another takes its place"`
	UsedBy      string    `json:"taken_into_use_by,omitempty" doc:"who took it into use"`
	EndedAt     time.Time `json:"ended_at,omitzero" doc:"when it was retired or revoked"`
	EndedBy     string    `json:"ended_by,omitempty" doc:"by whom"`
	Reason      string    `json:"reason,omitempty" doc:"why it was ended"`
	Material    []byte    `json:"key" doc:"the public key"`
}

func entry(k *keys.Key, now time.Time) Entry {
	return Entry{
		ID: k.ID.String(), Partner: k.Partner, Kind: k.Kind, Fingerprint: k.Fingerprint, Name: k.Name, Strength: k.Strength, WeakReason: k.WeakReason,
		State: k.Stands(now), Ends: k.Ends, AddedAt: k.AddedAt, AddedBy: k.AddedBy, ComparedAt: k.Comparison.At, ComparedBy: k.Comparison.By,
		With: k.Comparison.With, How: k.Comparison.How, From: k.From, Until: k.Until, UsedBy: k.UsedBy, EndedAt: k.EndedAt, EndedBy: k.EndedBy,
		Reason: k.Reason, Material: k.Bytes,
	}
}

type partnerIn struct {
	Key string `path:"key" doc:"the partner's key"`
}

type addIn struct {
	Key        string `path:"key" doc:"the partner's key"`
	File       []byte `json:"file" doc:"the key file: an age recipient, an OpenPGP public key or a certificate"`
	WeakReason string `json:"weak_reason,omitempty" doc:"why a key of less than 3072 bits is taken"`
}

type keyIn struct {
	Key string `path:"key" doc:"the partner's key"`
	ID  string `path:"id" doc:"the key's id"`
}

type compareIn struct {
	Key    string `path:"key" doc:"the partner's key"`
	ID     string `path:"id" doc:"the key's id"`
	Half   string `json:"half" doc:"the second half of the fingerprint as the partner read it out"`
	With   string `json:"with" doc:"the person at the partner's"`
	How    string `json:"how" doc:"phone, in person, video or letter"`
	Number string `json:"number,omitempty" doc:"the number called"`
}

type useIn struct {
	Key     string    `path:"key" doc:"the partner's key"`
	ID      string    `path:"id" doc:"the key's id"`
	From    time.Time `json:"from,omitzero" doc:"in use from then; now where it is left out"`
	Overlap int       `json:"overlap_days,omitempty" doc:"so many days both this and the one in use now open what is sent"`
}

type endIn struct {
	Key    string `path:"key" doc:"the partner's key"`
	ID     string `path:"id" doc:"the key's id"`
	Reason string `json:"reason" doc:"why; it goes into the record"`
}

func ops(d Deps) []web.Route {
	const one = "/api/v1/partners/{key}/keys/{id}"
	told := func(r *http.Request, k keys.Key, err error) (Entry, error) {
		if err == nil {
			said(r, k.Partner)
		}
		return entry(&k, web.Now(r)), err
	}
	end := func(do endFunc) func(r *http.Request, in endIn) (Entry, error) {
		return func(r *http.Request, in endIn) (Entry, error) {
			_, k, err := d.found(r, authz.PartnerKeysUse)
			if err != nil {
				return Entry{}, err
			}
			k, err = do(r.Context(), k.ID, in.Reason, by(r))
			return told(r, k, err)
		}
	}
	return []web.Route{
		web.Op[partnerIn, []Entry]{Pattern: "GET /api/v1/partners/{key}/keys", Needs: authz.PartnersSee, Tag: tag, Summary: "List the keys that a partner's results are encrypted to", Do: func(r *http.Request, in partnerIn) ([]Entry, error) {
			if _, err := d.partner(r, authz.PartnersSee); err != nil {
				return nil, err
			}
			all, err := d.Keys.Of(r.Context(), in.Key)
			out := make([]Entry, len(all))
			for i := range all {
				out[i] = entry(&all[i], web.Now(r))
			}
			return out, err
		}}.Route(),
		web.Op[addIn, Entry]{Pattern: "POST /api/v1/partners/{key}/keys", Needs: authz.PartnerKeys, Tag: tag, Summary: "Add a key; it is not used yet", MaxBody: maxFile, Do: func(r *http.Request, in addIn) (Entry, error) {
			if _, err := d.partner(r, authz.PartnerKeys); err != nil {
				return Entry{}, err
			}
			k, err := d.Keys.Add(r.Context(), in.Key, in.File, in.WeakReason, by(r))
			return told(r, k, err)
		}}.Route(),
		web.Op[keyIn, Entry]{Pattern: "GET " + one, Needs: authz.PartnersSee, Tag: tag, Summary: "One key", Do: func(r *http.Request, _ keyIn) (Entry, error) {
			_, k, err := d.found(r, authz.PartnersSee)
			return entry(&k, web.Now(r)), err
		}}.Route(),
		web.Op[compareIn, Entry]{Pattern: "POST " + one + "/compare", Needs: authz.PartnerKeys, Tag: tag, Summary: "Write down that its fingerprint was compared", Do: func(r *http.Request, in compareIn) (Entry, error) {
			_, k, err := d.found(r, authz.PartnerKeys)
			if err != nil {
				return Entry{}, err
			}
			k, err = d.Keys.Compare(r.Context(), k.ID, keys.Comparison{With: in.With, How: in.How, Number: in.Number}, in.Half, by(r))
			return told(r, k, err)
		}}.Route(),
		web.Op[useIn, Entry]{Pattern: "POST " + one + "/use", Needs: authz.PartnerKeysUse, Tag: tag, Summary: "Take a compared key into use", Detail: "Never by the one who added it.", Do: func(r *http.Request, in useIn) (Entry, error) {
			_, k, err := d.found(r, authz.PartnerKeysUse)
			if err != nil {
				return Entry{}, err
			}
			k, err = d.Keys.Use(r.Context(), k.ID, in.From, in.Overlap, by(r))
			return told(r, k, err)
		}}.Route(),
		web.Op[endIn, Entry]{Pattern: "POST " + one + "/retire", Needs: authz.PartnerKeysUse, Tag: tag, Summary: "Retire a key", Do: end(d.Keys.Retire)}.Route(),
		web.Op[endIn, Entry]{Pattern: "POST " + one + "/revoke", Needs: authz.PartnerKeysUse, Tag: tag, Summary: "Revoke a key; where it was the only one, results wait", Do: end(d.Keys.Revoke)}.Route(),
	}
}
