package accountsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type findingsIn struct {
	System string `query:"system" doc:"the system's key; all where it is left out"`
	All    bool   `query:"all" doc:"true: those that ended too"`
}

type closeIn struct {
	ID     string `path:"id" doc:"the finding's id"`
	Reason string `json:"reason" doc:"why it may stay as it is"`
	Until  string `json:"until" doc:"the day on which it is asked again, within a year"`
}

type assignIn struct {
	ID    string `path:"id" doc:"the finding's id"`
	Owner string `json:"owner" doc:"the account of who settles it"`
	Due   string `json:"due" doc:"until when"`
}

type whoseIn struct {
	ID     string        `path:"id" doc:"the account's id"`
	Kind   accounts.Kind `json:"kind" doc:"not matched, a person's, shared, a program's or a vendor's"`
	Person string        `json:"person,omitempty" doc:"a person's id, for a person's"`
	Owner  string        `json:"owner,omitempty" doc:"the account of who answers for it, for shared and a program's"`
	Vendor string        `json:"vendor,omitempty" doc:"a vendor's id, for a vendor's"`
	Reason string        `json:"reason,omitempty" doc:"why it is shared, or what it is for"`
}

func dayIn(name, v string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		return t, &accounts.FieldError{Field: name, Message: "Write a date as 2027-05-31."}
	}
	return t, nil
}

func findingOps(d Deps) []web.Route {
	return []web.Route{
		web.Op[findingsIn, []FindingEntry]{Pattern: "GET /api/v1/accounts/findings", Needs: authz.AccountsSee, Tag: tag, Summary: "List what was found about accounts", Do: func(r *http.Request, in findingsIn) ([]FindingEntry, error) {
			all, err := d.Accounts.Findings(r.Context(), in.System, in.All)
			out := make([]FindingEntry, len(all))
			for i := range all {
				out[i] = FindingEntry{all[i].ID.String(), all[i].Account.String(), all[i]}
			}
			return out, err
		}}.Route(),
		web.Op[closeIn, Done]{Pattern: "POST /api/v1/accounts/findings/{id}/close", Needs: authz.AccountsImport, Tag: tag, Summary: "Close a finding with a reason", Do: func(r *http.Request, in closeIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			until, err := dayIn("until", in.Until)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.Close(r.Context(), id, in.Reason, until, by(r))
		}}.Route(),
		web.Op[assignIn, Done]{Pattern: "POST /api/v1/accounts/findings/{id}/assign", Needs: authz.AccountsImport, Tag: tag, Summary: "Give a finding to somebody", Do: func(r *http.Request, in assignIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			due, err := dayIn("due", in.Due)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.Assign(r.Context(), id, in.Owner, due, by(r))
		}}.Route(),
		web.Op[whoseIn, Done]{Pattern: "POST /api/v1/accounts/of/{id}", Needs: authz.AccountsImport, Tag: tag, Summary: "Say whose an account is", Do: func(r *http.Request, in whoseIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.Settle(r.Context(), id, accounts.Whose{Kind: in.Kind, Person: in.Person, Owner: in.Owner, Vendor: in.Vendor, Reason: in.Reason}, by(r))
		}}.Route(),
	}
}

const reviewTag = "Access review"

// ReviewLines is a review with its lines.
type ReviewLines struct {
	accounts.Review
	// Seal is empty where a signed review is what was signed.
	Seal  string      `json:"seal,omitempty" doc:"for a signed review: what does not fit its signature; left out where all does"`
	Items []LineEntry `json:"items" doc:"what everybody has, and the decisions"`
}

// LineEntry is a line with its id.
type LineEntry struct {
	ID string `json:"id" doc:"its id"`
	accounts.Line
}

type quarterIn struct {
	Quarter string `path:"quarter" doc:"such as 2026-Q4"`
}

type decideIn struct {
	Quarter  string            `path:"quarter" doc:"such as 2026-Q4"`
	Lines    []string          `json:"lines" doc:"ids of lines, at most 200: all are decided or none"`
	Decision accounts.Decision `json:"decision" doc:"keep or remove"`
	Reason   string            `json:"reason,omitempty" doc:"needed to remove"`
}

type signIn struct {
	Quarter string `path:"quarter" doc:"such as 2026-Q4"`
	Remark  string `json:"remark,omitempty" doc:"a remark that goes with the signature"`
}

type howIn struct {
	ID  string `path:"id" doc:"the line's id"`
	How string `json:"how" doc:"how it was removed"`
}

func entries(lines []accounts.Line) []LineEntry {
	out := make([]LineEntry, len(lines))
	for i := range lines {
		out[i] = LineEntry{lines[i].ID.String(), lines[i]}
	}
	return out
}

func reviewOps(d Deps) []web.Route {
	return []web.Route{
		web.Op[struct{}, []accounts.Review]{Pattern: "GET /api/v1/access-reviews", Needs: authz.AccountsSee, Tag: reviewTag, Summary: "List the access reviews", Do: func(r *http.Request, _ struct{}) ([]accounts.Review, error) {
			return d.Accounts.Reviews(r.Context())
		}}.Route(),
		web.Op[quarterIn, ReviewLines]{Pattern: "GET /api/v1/access-reviews/{quarter}", Needs: authz.AccountsSee, Tag: reviewTag, Summary: "One access review with its lines", Do: func(r *http.Request, in quarterIn) (ReviewLines, error) {
			v, err := d.readReview(r.Context(), in.Quarter, by(r))
			if err != nil {
				return ReviewLines{}, err
			}
			return ReviewLines{v.Review, v.frozen, entries(v.lines)}, nil
		}}.Route(),
		web.Op[decideIn, Done]{Pattern: "POST /api/v1/access-reviews/{quarter}/decide", Needs: authz.AccessReview, Tag: reviewTag, Summary: "Decide about lines; never one's own", Do: func(r *http.Request, in decideIn) (Done, error) {
			ids := make([]event.ID, len(in.Lines))
			for i, v := range in.Lines {
				id, err := parse(v)
				if err != nil {
					return Done{}, err
				}
				ids[i] = id
			}
			return Done{true}, d.Accounts.Decide(r.Context(), in.Quarter, ids, in.Decision, in.Reason, by(r))
		}}.Route(),
		web.Op[signIn, accounts.Review]{Pattern: "POST /api/v1/access-reviews/{quarter}/sign", Needs: authz.AccessReview, Tag: reviewTag, Summary: "Sign a review off", Do: func(r *http.Request, in signIn) (accounts.Review, error) {
			return d.Accounts.Sign(r.Context(), in.Quarter, in.Remark, by(r))
		}}.Route(),
		web.Op[struct{}, []LineEntry]{Pattern: "GET /api/v1/removals", Needs: authz.AccountsSee, Tag: reviewTag, Summary: "List removals that wait to be done", Do: func(r *http.Request, _ struct{}) ([]LineEntry, error) {
			all, err := d.Accounts.Tasks(r.Context())
			return entries(all), err
		}}.Route(),
		web.Op[howIn, Done]{Pattern: "POST /api/v1/removals/{id}", Needs: authz.AccountsImport, Tag: reviewTag, Summary: "Say that a removal in another system was done", Do: func(r *http.Request, in howIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.Done(r.Context(), id, in.How, by(r))
		}}.Route(),
	}
}

const vendorTag = "Vendors"

// VendorEntry is an entry of the register with its id.
type VendorEntry struct {
	ID string `json:"id" doc:"its id"`
	accounts.Vendor
	State   string   `json:"state" doc:"how it stands, in words"`
	Missing []string `json:"missing,omitempty" doc:"what the register lacks"`
}

type vendorIn struct {
	Name      string       `json:"name" doc:"their name"`
	Purpose   string       `json:"purpose" doc:"what they do for the laboratory"`
	Associate accounts.Tri `json:"business_associate" doc:"yes, no or not known"`
	PHI       accounts.Tri `json:"phi" doc:"whether patient data reaches them: yes, no or not known"`
	Agreement string       `json:"agreement,omitempty" doc:"where the agreement lies"`
	Agreed    string       `json:"agreed,omitempty" doc:"the day of the agreement"`
	Ends      string       `json:"ends,omitempty" doc:"the day on which it ends"`
	Channels  []string     `json:"channels,omitempty" doc:"keys of partners in the configuration"`
	Contact   string       `json:"contact,omitempty" doc:"a name"`
	Mail      string       `json:"mail,omitempty" doc:"a mail address"`
	Phone     string       `json:"phone,omitempty" doc:"a telephone number"`
	Owner     string       `json:"owner" doc:"the account of who is reminded"`
}

type changeVendorIn struct {
	ID    string   `path:"id" doc:"the entry's id"`
	Entry vendorIn `json:"entry" doc:"all of the entry as it is to be"`
}

func (in *vendorIn) vendor() (accounts.Vendor, error) {
	v := accounts.Vendor{
		Name: in.Name, Purpose: in.Purpose, Associate: in.Associate, PHI: in.PHI, Agreement: in.Agreement, Channels: in.Channels, Contact: in.Contact, Mail: in.Mail,
		Phone: in.Phone, Owner: in.Owner,
	}
	var err error
	if in.Agreed != "" {
		if v.Agreed, err = dayIn("agreed", in.Agreed); err != nil {
			return v, err
		}
	}
	if in.Ends != "" {
		v.Ends, err = dayIn("ends", in.Ends)
	}
	return v, err
}

// NewVendor is the id of a new entry.
type NewVendor struct {
	ID string `json:"id" doc:"its id"`
}

type allIn struct {
	All bool `query:"all" doc:"true: those that ended too"`
}

func vendorOps(d Deps) []web.Route {
	return []web.Route{
		web.Op[allIn, []VendorEntry]{Pattern: "GET /api/v1/vendors", Needs: authz.VendorsSee, Tag: vendorTag, Summary: "List business associates and vendors", Do: func(r *http.Request, in allIn) ([]VendorEntry, error) {
			all, err := d.Accounts.Vendors(r.Context(), in.All)
			out := make([]VendorEntry, len(all))
			for i := range all {
				_, word := agreement(&all[i], d.clock(r))
				out[i] = VendorEntry{all[i].ID.String(), all[i], word, all[i].Missing()}
			}
			return out, err
		}}.Route(),
		web.Op[vendorIn, NewVendor]{Pattern: "POST /api/v1/vendors", Needs: authz.VendorsChange, Tag: vendorTag, Summary: "Enter somebody into the register", Do: func(r *http.Request, in vendorIn) (NewVendor, error) {
			v, err := in.vendor()
			if err != nil {
				return NewVendor{}, err
			}
			id, err := d.Accounts.AddVendor(r.Context(), v, by(r))
			return NewVendor{id.String()}, err
		}}.Route(),
		web.Op[changeVendorIn, Done]{Pattern: "POST /api/v1/vendors/{id}", Needs: authz.VendorsChange, Tag: vendorTag, Summary: "Change an entry of the register", Do: func(r *http.Request, in changeVendorIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			v, err := in.Entry.vendor()
			if err != nil {
				return Done{}, err
			}
			v.ID = id
			return Done{true}, d.Accounts.ChangeVendor(r.Context(), v, by(r))
		}}.Route(),
		web.Op[idIn, Done]{Pattern: "POST /api/v1/vendors/{id}/end", Needs: authz.VendorsChange, Tag: vendorTag, Summary: "Say that somebody no longer works for the laboratory", Do: func(r *http.Request, in idIn) (Done, error) {
			id, err := parse(in.ID)
			if err != nil {
				return Done{}, err
			}
			return Done{true}, d.Accounts.EndVendor(r.Context(), id, by(r))
		}}.Route(),
	}
}
