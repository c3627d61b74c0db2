package accountsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "Other systems' accounts"

// Done is the answer of an operation that only acts.
type Done struct {
	Done bool `json:"done" doc:"always true"`
}

// SystemState is a system and how it stands.
type SystemState struct {
	accounts.System
	State string `json:"state" doc:"how it stands, in words; a list that is too old is not known, never fine"`
	Open  int    `json:"open_findings" doc:"how many findings are open"`
}

// AccountEntry is an account with its id.
type AccountEntry struct {
	ID string `json:"id" doc:"its id"`
	accounts.Account
}

// ListPreview is an offered list with its id.
type ListPreview struct {
	ID string `json:"id" doc:"the list's id, to take it"`
	accounts.Preview
}

// FindingEntry is a finding with its ids.
type FindingEntry struct {
	ID      string `json:"id" doc:"its id"`
	Account string `json:"account_id" doc:"the account it is about"`
	accounts.Finding
}

type keyIn struct {
	Key string `path:"key" doc:"the system's key"`
}

type idIn struct {
	ID string `path:"id" doc:"its id"`
}

func parse(id string) (event.ID, error) {
	v, err := event.ParseID(id)
	if err != nil {
		return v, web.NotFound(nothing)
	}
	return v, nil
}

func systemOps(d Deps) []web.Route {
	return []web.Route{
		web.Op[struct{}, []SystemState]{Pattern: "GET /api/v1/accounts/systems", Needs: authz.AccountsSee, Tag: tag, Summary: "List the systems whose accounts are looked at", Do: func(r *http.Request, _ struct{}) ([]SystemState, error) {
			all, err := d.everySystem(r)
			out := make([]SystemState, len(all))
			for i := range all {
				out[i] = SystemState{all[i].System, all[i].word, len(all[i].open)}
			}
			return out, err
		}}.Route(),
		web.Op[systemIn, Done]{Pattern: "POST /api/v1/accounts/systems", Needs: authz.AccountsImport, Tag: tag, Summary: "Add a system", Do: func(r *http.Request, in systemIn) (Done, error) {
			return Done{true}, d.Accounts.AddSystem(r.Context(), in.system(in.Key), by(r))
		}}.Route(),
		web.Op[changeSystemIn, Done]{Pattern: "POST /api/v1/accounts/systems/{key}", Needs: authz.AccountsImport, Tag: tag, Summary: "Change a system", Do: func(r *http.Request, in changeSystemIn) (Done, error) {
			x := systemIn{Name: in.Name, Kind: in.Kind, Owner: in.Owner, EveryDays: in.EveryDays, AdminGroups: in.AdminGroups}
			return Done{true}, d.Accounts.ChangeSystem(r.Context(), x.system(in.Key), by(r))
		}}.Route(),
		web.Op[keyIn, Done]{Pattern: "POST /api/v1/accounts/systems/{key}/end", Needs: authz.AccountsImport, Tag: tag, Summary: "Say that a system is no longer there", Do: func(r *http.Request, in keyIn) (Done, error) {
			return Done{true}, d.Accounts.EndSystem(r.Context(), in.Key, by(r))
		}}.Route(),
		web.Op[keyIn, []AccountEntry]{Pattern: "GET /api/v1/accounts/systems/{key}/accounts", Needs: authz.AccountsSee, Tag: tag, Summary: "List a system's accounts as its last list has them", Do: func(r *http.Request, in keyIn) ([]AccountEntry, error) {
			if _, err := d.Accounts.System(r.Context(), in.Key); err != nil {
				return nil, err
			}
			all, err := d.Accounts.Accounts(r.Context(), in.Key)
			out := make([]AccountEntry, len(all))
			for i := range all {
				out[i] = AccountEntry{all[i].ID.String(), all[i]}
			}
			return out, err
		}}.Route(),
		web.Op[listIn, ListPreview]{
			Pattern: "POST /api/v1/accounts/systems/{key}/lists", Needs: authz.AccountsImport, Tag: tag, Summary: "Offer a list of accounts; nothing changes yet", MaxBody: maxUpload * 3 / 2,
			Do: func(r *http.Request, in listIn) (ListPreview, error) {
				asOf := time.Time{}
				if in.AsOf != "" {
					var err error
					if asOf, err = time.Parse(time.DateOnly, in.AsOf); err != nil {
						return ListPreview{}, &accounts.FieldError{Field: "as_of", Message: "Write a date as 2027-05-31."}
					}
				}
				p, err := d.Accounts.Offer(r.Context(), in.Key, in.File, asOf, by(r))
				return ListPreview{p.Import.ID.String(), p}, err
			},
		}.Route(),
		web.Op[mapIn, ListPreview]{Pattern: "POST /api/v1/accounts/lists/{id}/columns", Needs: authz.AccountsImport, Tag: tag, Summary: "Say which column of an offered list is what", Do: func(r *http.Request, in mapIn) (ListPreview, error) {
			id, err := parse(in.ID)
			if err != nil {
				return ListPreview{}, err
			}
			m := accounts.Mapping{Columns: map[accounts.Field]string{}, Dates: in.Dates}
			for k, v := range in.Columns {
				m.Columns[accounts.Field(k)] = v
			}
			p, err := d.Accounts.Map(r.Context(), id, m, by(r))
			return ListPreview{in.ID, p}, err
		}}.Route(),
		web.Op[takeIn, accounts.Import]{Pattern: "POST /api/v1/accounts/lists/{id}/take", Needs: authz.AccountsImport, Tag: tag, Summary: "Take an offered list", Do: func(r *http.Request, in takeIn) (accounts.Import, error) {
			id, err := parse(in.ID)
			if err != nil {
				return accounts.Import{}, err
			}
			return d.Accounts.Take(r.Context(), id, in.Whole, by(r))
		}}.Route(),
		web.Op[idIn, Done]{Pattern: "POST /api/v1/accounts/lists/{id}/discard", Needs: authz.AccountsImport, Tag: tag, Summary: "Put an offered list aside", Do: func(r *http.Request, in idIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.Discard(r.Context(), id, by(r))
		}}.Route(),
	}
}

type systemIn struct {
	Key         string   `json:"key" doc:"a short word in small letters; it stays"`
	Name        string   `json:"name" doc:"as people call it"`
	Kind        string   `json:"kind" doc:"lis, directory, analyzer, vpn, portal or other"`
	Owner       string   `json:"owner" doc:"the account of who answers for it"`
	EveryDays   int64    `json:"every_days,omitempty" doc:"for how many days a list counts; 100 where it is left out"`
	AdminGroups []string `json:"admin_groups,omitempty" doc:"groups that mean privileged there"`
}

type changeSystemIn struct {
	Key         string   `path:"key" doc:"the system's key"`
	Name        string   `json:"name" doc:"as people call it"`
	Kind        string   `json:"kind" doc:"lis, directory, analyzer, vpn, portal or other"`
	Owner       string   `json:"owner" doc:"the account of who answers for it"`
	EveryDays   int64    `json:"every_days" doc:"for how many days a list counts"`
	AdminGroups []string `json:"admin_groups,omitempty" doc:"groups that mean privileged there"`
}

func (in systemIn) system(key string) accounts.System {
	return accounts.System{Key: key, Name: in.Name, Kind: in.Kind, Owner: in.Owner, EveryDays: in.EveryDays, AdminGroups: in.AdminGroups}
}

type listIn struct {
	Key  string `path:"key" doc:"the system's key"`
	File []byte `json:"file" doc:"the file: CSV, or what net user prints"`
	AsOf string `json:"as_of,omitempty" doc:"the day it was made there, 2027-05-31; today where it is left out"`
}

type mapIn struct {
	ID      string            `path:"id" doc:"the list's id"`
	Columns map[string]string `json:"columns" doc:"for each field (account, name, mail, enabled, disabled, last used, groups, privileged, second factor) the column it is read from"`
	Dates   string            `json:"dates,omitempty" doc:"ymd, dmy or mdy where it cannot be seen"`
}

type takeIn struct {
	ID    string `path:"id" doc:"the list's id"`
	Whole bool   `json:"whole,omitempty" doc:"true: the list is complete, although most accounts at hand are not in it"`
}
