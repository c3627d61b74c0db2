package accessui

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// A subset of SCIM 2.0 (RFC 7643, RFC 7644): Users made, read, listed, filtered
// by userName, replaced, patched and ended. What is here is what personnel
// systems and identity providers use to bring people in and out.

const (
	scimBase  = "/api/scim/v2"
	scimUser  = "urn:ietf:params:scim:schemas:core:2.0:User"         // RFC 7643 4.1
	scimList  = "urn:ietf:params:scim:api:messages:2.0:ListResponse" // RFC 7644 3.4.2
	scimError = "urn:ietf:params:scim:api:messages:2.0:Error"        // RFC 7644 3.12
	scimPatch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"      // RFC 7644 3.5.2
	scimType  = "application/scim+json"                              // RFC 7644 8.1
	scimPage  = 200
)

func (u *ui) scimRoutes() []web.Route {
	route := func(pattern string, h web.Handler) web.Route {
		method, path, _ := strings.Cut(pattern, " ")
		return web.Route{Pattern: method + " " + scimBase + path, Needs: authz.Provision, Handle: scimErrors(h)}
	}
	return []web.Route{
		route("GET /ServiceProviderConfig", scimConfig),
		route("GET /Users", u.scimUsers),
		route("POST /Users", u.scimCreate),
		route("GET /Users/{id}", u.scimGet),
		route("PUT /Users/{id}", u.scimReplace),
		route("PATCH /Users/{id}", u.scimPatch),
		route("DELETE /Users/{id}", u.scimDelete),
	}
}

// scimAnswer is a User as it is answered, and as it is sent.
type scimAnswer struct {
	Schemas    []string    `json:"schemas"`
	ID         string      `json:"id,omitempty"`
	ExternalID string      `json:"externalId,omitempty"`
	UserName   string      `json:"userName"`
	Display    string      `json:"displayName,omitempty"`
	Name       *scimName   `json:"name,omitempty"`
	Emails     []scimValue `json:"emails,omitempty"`
	Roles      []scimValue `json:"roles,omitempty"`
	Active     *scimBool   `json:"active,omitempty"`
	Meta       *scimMeta   `json:"meta,omitempty"`

	rolesSaid bool // a patch said something about roles
}

type scimName struct {
	Formatted string `json:"formatted,omitempty"`
	Given     string `json:"givenName,omitempty"`
	Family    string `json:"familyName,omitempty"`
}

type scimValue struct {
	Value   string `json:"value"`
	Type    string `json:"type,omitempty"`
	Primary bool   `json:"primary,omitempty"`
}

type scimMeta struct {
	Type     string    `json:"resourceType"`
	Created  time.Time `json:"created"`
	Modified time.Time `json:"lastModified"`
	Location string    `json:"location"`
}

// scimBool takes "False" for false too: a widespread provider sends it so.
type scimBool bool

func (b *scimBool) UnmarshalJSON(raw []byte) error {
	v, err := strconv.ParseBool(strings.ToLower(strings.Trim(string(raw), `"`)))
	*b = scimBool(v)
	return err
}

// scimErrors answers errors in SCIM's own form.
func scimErrors(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		var ref *access.Refusal
		if !errors.As(err, &ref) {
			return err
		}
		status, kind := http.StatusBadRequest, "invalidValue"
		switch {
		case ref.Kind == access.KindNotFound:
			status, kind = http.StatusNotFound, ""
		case ref.Kind == access.KindConflict && ref.Field == "account":
			status, kind = http.StatusConflict, "uniqueness"
		case ref.Kind == access.KindConflict && ref.Field == "userName":
			kind = "mutability"
		case ref.Kind == access.KindConflict:
			status, kind = http.StatusConflict, ""
		case ref.Field == "filter":
			kind = "invalidFilter"
		}
		return scimJSON(w, status, struct {
			Schemas []string `json:"schemas"`
			Type    string   `json:"scimType,omitempty"`
			Detail  string   `json:"detail"`
			Status  string   `json:"status"`
		}{[]string{scimError}, kind, ref.Text, strconv.Itoa(status)})
	}
}

func scimJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", scimType)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the caller may have gone
	return nil
}

func (u *ui) scimOf(p access.Person) scimAnswer {
	active := scimBool(p.State != access.Ended)
	x := scimAnswer{
		Schemas: []string{scimUser}, ID: p.ID.String(), ExternalID: p.External, UserName: p.Account, Display: p.Name, Name: &scimName{Formatted: p.Name}, Active: &active,
		Meta: &scimMeta{"User", p.Made, p.Changed, u.address() + scimBase + "/Users/" + p.ID.String()},
	}
	if p.Mail != "" {
		x.Emails = []scimValue{{Value: p.Mail, Type: "work", Primary: true}}
	}
	return x
}

// known is what the domain takes of it.
func (x scimAnswer) known() access.Known {
	k := access.Known{External: x.ExternalID, Account: x.UserName, Name: x.Display}
	if k.External == "" {
		k.External = x.UserName
	}
	if k.Name == "" && x.Name != nil {
		k.Name = x.Name.Formatted
		if k.Name == "" {
			k.Name = strings.TrimSpace(x.Name.Given + " " + x.Name.Family)
		}
	}
	for _, m := range x.Emails {
		if k.Mail == "" || m.Primary {
			k.Mail = m.Value
		}
	}
	if x.Roles != nil {
		k.Words = []string{}
		for _, v := range x.Roles {
			k.Words = append(k.Words, v.Value)
		}
	}
	k.Out = x.Active != nil && !bool(*x.Active)
	return k
}

func scimRead(r *http.Request, v any) error {
	ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if ct = strings.TrimSpace(ct); ct != scimType && ct != "application/json" {
		return &access.Refusal{Kind: access.KindInvalid, Text: "Send the body as Content-Type: " + scimType}
	}
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return err
		}
		return &access.Refusal{Kind: access.KindInvalid, Text: "The body cannot be read as a SCIM message."}
	}
	return nil
}

func scimConfig(w http.ResponseWriter, _ *http.Request) error {
	type yes struct {
		Supported bool `json:"supported"`
	}
	return scimJSON(w, http.StatusOK, map[string]any{ // RFC 7643 5
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":   yes{true}, "bulk": map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0}, "filter": map[string]any{"supported": true, "maxResults": scimPage},
		"changePassword": yes{}, "sort": yes{}, "etag": yes{},
		"authenticationSchemes": []map[string]string{{"type": "oauthbearertoken", "name": "Bearer token", "description": "A token of a service account that may provision people."}},
	})
}

func (u *ui) scimUsers(w http.ResponseWriter, r *http.Request) error {
	all, err := u.s.Provisioned(r.Context(), web.Who(r))
	if err != nil {
		return err
	}
	if f := strings.TrimSpace(r.URL.Query().Get("filter")); f != "" {
		name, err := scimFilter(f)
		if err != nil {
			return err
		}
		var found []access.Person
		for _, p := range all {
			if strings.EqualFold(p.Account, name) {
				found = append(found, p)
			}
		}
		all = found
	}
	first, size := 1, scimPage // RFC 7644 3.4.2.4: less than 1 is 1
	if n, err := strconv.Atoi(r.URL.Query().Get("startIndex")); err == nil {
		first = max(1, n)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("count")); err == nil {
		size = min(max(0, n), scimPage)
	}
	from := min(first-1, len(all))
	users := []scimAnswer{}
	for _, p := range all[from:min(from+size, len(all))] {
		x, err := u.scimWhole(r, p)
		if err != nil {
			return err
		}
		users = append(users, x)
	}
	return scimJSON(w, http.StatusOK, map[string]any{"schemas": []string{scimList}, "totalResults": len(all), "startIndex": first, "itemsPerPage": len(users), "Resources": users})
}

// scimFilter reads userName eq "NAME" (RFC 7644 3.4.2.2), which is all that is
// understood.
func scimFilter(f string) (string, error) {
	parts := strings.Fields(f)
	if len(parts) >= 3 && strings.EqualFold(parts[0], "userName") && strings.EqualFold(parts[1], "eq") {
		var name string
		if err := json.Unmarshal([]byte(strings.Join(parts[2:], " ")), &name); err == nil {
			return name, nil
		}
	}
	return "", &access.Refusal{Kind: access.KindInvalid, Field: "filter", Text: `Only the filter userName eq "NAME" is understood.`}
}

func (u *ui) scimCreate(w http.ResponseWriter, r *http.Request) error {
	var x scimAnswer
	if err := scimRead(r, &x); err != nil {
		return err
	}
	k := x.known()
	all, err := u.s.Provisioned(r.Context(), web.Who(r))
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.External == k.External {
			return &access.Refusal{Kind: access.KindConflict, Field: "account", Text: "This user exists."}
		}
	}
	p, err := u.s.Provision(r.Context(), web.Who(r), k)
	if err != nil {
		return err
	}
	web.Say(r, livePeople)
	w.Header().Set("Location", u.address()+scimBase+"/Users/"+p.ID.String())
	return u.scimShow(w, r, http.StatusCreated, p)
}

func (u *ui) scimFind(r *http.Request) (access.Person, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return access.Person{}, err
	}
	all, err := u.s.Provisioned(r.Context(), web.Who(r))
	if err != nil {
		return access.Person{}, err
	}
	for _, p := range all {
		if p.ID == id {
			return p, nil
		}
	}
	return access.Person{}, access.ErrNotFound
}

func (u *ui) scimGet(w http.ResponseWriter, r *http.Request) error {
	p, err := u.scimFind(r)
	if err != nil {
		return err
	}
	return u.scimShow(w, r, http.StatusOK, p)
}

// scimKeep writes a user that was found and changed.
func (u *ui) scimKeep(w http.ResponseWriter, r *http.Request, p access.Person, x scimAnswer) error {
	k := x.known()
	if x.ExternalID != "" && x.ExternalID != p.External {
		return &access.Refusal{Kind: access.KindConflict, Field: "userName", Text: "externalId does not change."}
	}
	k.External = p.External
	p, err := u.s.Provision(r.Context(), web.Who(r), k)
	if err != nil {
		return err
	}
	web.Say(r, livePeople)
	return u.scimShow(w, r, http.StatusOK, p)
}

func (u *ui) scimReplace(w http.ResponseWriter, r *http.Request) error {
	p, err := u.scimFind(r)
	if err != nil {
		return err
	}
	var x scimAnswer
	if err := scimRead(r, &x); err != nil {
		return err
	}
	return u.scimKeep(w, r, p, x)
}

func (u *ui) scimDelete(w http.ResponseWriter, r *http.Request) error {
	p, err := u.scimFind(r)
	if err != nil {
		return err
	}
	if p.State == access.Ended {
		return access.ErrNotFound
	}
	x := u.scimOf(p)
	k := x.known()
	k.External, k.Out = p.External, true
	if _, err := u.s.Provision(r.Context(), web.Who(r), k); err != nil {
		return err
	}
	web.Say(r, livePeople)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
