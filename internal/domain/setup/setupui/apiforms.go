package setupui

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type newPartner struct {
	Name        string   `json:"name" doc:"as people read it"`
	Key         string   `json:"key,omitempty" doc:"short name, for good; made from the name where absent"`
	Providers   []string `json:"providers,omitempty" doc:"its ordering providers (NPI); results of others are held, never sent there"`
	Accounts    []string `json:"accounts,omitempty" doc:"its client accounts, where no providers are given"`
	ContactName string   `json:"contact_name,omitempty" doc:"whom to tell of maintenance"`
	Contact     string   `json:"contact,omitempty" doc:"their mail address"`
	Kind        string   `json:"kind" doc:"mllp, fhir, http, folder, sftp, ftps, sftp-box, ftps-box, fhir-pull or portal"`
	Address     string   `json:"address,omitempty" doc:"of mllp, sftp and ftps: host:port"`
	URL         string   `json:"url,omitempty" doc:"of fhir and http"`
	CA          string   `json:"ca,omitempty" doc:"a PEM file on the hub: the authority that vouches for their certificate"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"SHA-256 of the only certificate that is accepted"`
	ServerName  string   `json:"server_name,omitempty" doc:"name in the certificate where it is not the host's"`
	Token       string   `json:"token,omitempty" doc:"name of a stored secret: the bearer token of http, the signing key of fhir, our private key or password of sftp and ftps"`
	TokenURL    string   `json:"token_url,omitempty" doc:"of fhir with OAuth 2"`
	ClientID    string   `json:"client_id,omitempty" doc:"of fhir with OAuth 2: our name there; of fhir-pull: their program's name here"`
	Path        string   `json:"path,omitempty" doc:"of a folder"`
	User        string   `json:"user,omitempty" doc:"of sftp and ftps: our name there"`
	HostKeys    []string `json:"host_keys,omitempty" doc:"of sftp: fingerprints of the host keys that are believed"`
	Dir         string   `json:"dir,omitempty" doc:"of sftp and ftps: the folder there"`
	Password    bool     `json:"password,omitempty" doc:"of sftp: the secret is a password, not a private key"`
	SSHKeys     []string `json:"ssh_keys,omitempty" doc:"of sftp-box: the partner's public keys; without any it signs in with a password and a code"`
	From        []string `json:"from,omitempty" doc:"of a box: networks that the partner connects from"`
	JWKS        string   `json:"jwks,omitempty" doc:"of fhir-pull: a file on the hub with the public keys of their program"`
	Source      string   `json:"source" doc:"where its results come from"`
	When        string   `json:"when,omitempty" doc:"only messages that fit this condition"`
	OldPath     string   `json:"old_path,omitempty" doc:"the source that gets a copy of what the old path sends"`
}

func (n newPartner) typed() setup.NewPartner {
	return setup.NewPartner{
		Name: n.Name, Key: n.Key, Providers: strings.Join(n.Providers, "\n"), Accounts: strings.Join(n.Accounts, "\n"), ContactName: n.ContactName,
		Contact: n.Contact, Kind: n.Kind, Address: n.Address, URL: n.URL, CA: n.CA, Fingerprint: n.Fingerprint, ServerName: n.ServerName,
		Token: n.Token, TokenURL: n.TokenURL, ClientID: n.ClientID, Path: n.Path, Source: n.Source, When: n.When, OldPath: n.OldPath,
		User: n.User, HostKeys: strings.Join(n.HostKeys, "\n"), Dir: n.Dir, Password: n.Password, SSHKeys: strings.Join(n.SSHKeys, "\n"), From: strings.Join(n.From, "\n"), JWKS: n.JWKS,
	}
}

type newSource struct {
	Key         string   `json:"key" doc:"short name"`
	Kind        string   `json:"kind" doc:"mllp or folder"`
	Listen      string   `json:"listen,omitempty" doc:"of mllp: address of this machine and port it connects to"`
	Fingerprint string   `json:"fingerprint,omitempty" doc:"SHA-256 of the only certificate that gets in"`
	ClientCA    string   `json:"client_ca,omitempty" doc:"a PEM file on the hub: the authority that vouches for it"`
	From        []string `json:"from,omitempty" doc:"networks it connects from"`
	Site        string   `json:"site,omitempty" doc:"of the laboratory it belongs to"`
	Path        string   `json:"path,omitempty" doc:"of a folder"`
}

type shareLine struct {
	Line string `json:"line" doc:"the first line of any share, which is no secret; never send more of it"`
}

type wentBack struct {
	Number int64  `path:"number" doc:"of the revision"`
	Reason string `json:"reason" doc:"whoever applies it reads this"`
}

type against struct {
	Number  int64 `path:"number" doc:"of the revision"`
	Against int64 `query:"against" doc:"the revision before it where absent"`
}

type apiCompared struct {
	From    int64           `json:"from"`
	To      int64           `json:"to"`
	Changes []config.Change `json:"changes"`
}

type apiAlone struct {
	ID         string    `json:"id"`
	Draft      int64     `json:"draft"`
	Revision   int64     `json:"revision" doc:"0: it did not come into force"`
	By         string    `json:"by"`
	At         time.Time `json:"at"`
	Statement  string    `json:"statement"`
	Verdict    string    `json:"verdict" doc:"in-order or not-in-order; empty: nobody has reviewed it"`
	Reviewer   string    `json:"reviewer,omitempty"`
	ReviewedAt time.Time `json:"reviewed_at,omitzero"`
	Note       string    `json:"note,omitempty"`
}

type reviewing struct {
	ID      string `path:"id" doc:"of the act"`
	Verdict string `json:"verdict" doc:"in-order or not-in-order"`
	Note    string `json:"note" doc:"what you looked at, or what is not in order"`
}

// formAPI is what forms of pages write, for programs.
func (d Deps) formAPI() []web.Route {
	return []web.Route{
		web.Op[newPartner, apiDraft]{
			Pattern: "POST /api/v1/setup/partners", Needs: authz.ConfigDraft, Tag: "Set-up", Summary: "Write a draft that adds a partner and its route",
			Detail: "Nothing is applied: the draft is looked at and applied like any other. The route begins in shadow.",
			Do: func(r *http.Request, in newPartner) (apiDraft, error) {
				x, err := d.Setup.BeginPartner(r.Context(), in.typed(), person(r))
				return d.drafted(r, x.Number, beside(err))
			},
		}.Route(),
		web.Op[newSource, apiDraft]{
			Pattern: "POST /api/v1/setup/sources", Needs: authz.ConfigDraft, Tag: "Set-up", Summary: "Write a draft that adds a source",
			Do: func(r *http.Request, in newSource) (apiDraft, error) {
				x, err := d.Setup.BeginSource(r.Context(), setup.NewSource{
					Key: in.Key, Kind: in.Kind, Listen: in.Listen, ClientCA: in.ClientCA, Fingerprint: in.Fingerprint, From: strings.Join(in.From, "\n"), Site: in.Site, Path: in.Path,
				}, person(r))
				return d.drafted(r, x.Number, beside(err))
			},
		}.Route(),
		web.Op[shareLine, none]{
			Pattern: "POST /api/v1/setup/shares", Needs: authz.KeysSee, Tag: "Set-up", Summary: "Show that somebody has a recovery share, by its first line",
			Do: func(r *http.Request, in shareLine) (none, error) {
				err := d.shareShown(r, in.Line)
				if said := shareWrong(err); said != "" {
					return none{}, &web.Error{Kind: web.KindInvalid, Message: said, Fields: map[string]string{"line": said}}
				}
				return none{}, err
			},
		}.Route(),
		web.Op[against, apiCompared]{
			Pattern: "GET /api/v1/config/revisions/{number}/changes", Needs: authz.ConfigSee, Tag: tag, Summary: "What is different in a revision",
			Do: func(r *http.Request, in against) (apiCompared, error) {
				to, _, err := d.revision(r)
				if err != nil {
					return apiCompared{}, err
				}
				if in.Against == 0 {
					in.Against = to.Number - 1
				}
				if in.Against < 1 {
					return apiCompared{To: to.Number, Changes: []config.Change{}}, nil
				}
				if all, err := d.Config.History(r.Context()); err != nil || in.Against > all[0].Number {
					return apiCompared{}, errors.Join(err, web.NotFound(noRevision))
				}
				c, err := d.Config.Compare(r.Context(), in.Against, setup.Target{Number: to.Number})
				return apiCompared{in.Against, to.Number, append([]config.Change{}, c.Changes...)}, err
			},
		}.Route(),
		web.Op[wentBack, apiDraft]{
			Pattern: "POST /api/v1/config/revisions/{number}/back", Needs: authz.ConfigDraft, Tag: tag,
			Summary: "Ask a second person to put an earlier revision in force again",
			Do: func(r *http.Request, in wentBack) (apiDraft, error) {
				t, _, err := d.revision(r)
				if err != nil {
					return apiDraft{}, err
				}
				x, err := d.askBack(r, t.Number, in.Reason)
				return d.drafted(r, x.Number, err)
			},
		}.Route(),
		web.Op[none, []apiAlone]{
			Pattern: "GET /api/v1/config/alone", Needs: authz.ReviewActs, Tag: tag, Summary: "What was applied without a second person, newest first",
			Do: func(r *http.Request, _ none) ([]apiAlone, error) {
				all, err := d.Setup.Alone(r.Context(), true)
				out := []apiAlone{}
				for _, a := range all {
					out = append(out, aloneAPI(a))
				}
				return out, err
			},
		}.Route(),
		web.Op[reviewing, none]{
			Pattern: "POST /api/v1/config/alone/{id}", Needs: authz.ReviewActs, Tag: tag, Summary: "Review what was applied without a second person",
			Do: func(r *http.Request, in reviewing) (none, error) {
				id, err := event.ParseID(in.ID)
				if err != nil {
					return none{}, setup.ErrNoAlone
				}
				v := verdict(in.Verdict)
				if v == setup.NotReviewed {
					return none{}, web.Invalid("verdict: write in-order or not-in-order")
				}
				if err := d.Setup.Review(r.Context(), id, person(r), v, in.Note); err != nil {
					return none{}, err
				}
				web.Say(r, "config", "today")
				return none{}, nil
			},
		}.Route(),
	}
}

// beside makes what is wrong with a form's answers an answer about fields, which
// the API names with underscores.
func beside(err error) error {
	var wrong setup.Wrong
	if !errors.As(err, &wrong) {
		return err
	}
	out := &web.Error{Kind: web.KindInvalid, Message: wrong[""], Fields: map[string]string{}}
	if out.Message == "" {
		out.Message = "The answers cannot be taken; see the fields."
	}
	for name, said := range wrong {
		if name != "" {
			out.Fields[strings.ReplaceAll(name, "-", "_")] = said
		}
	}
	return out
}

func verdict(text string) setup.Verdict {
	switch text {
	case "in-order":
		return setup.InOrder
	case "not-in-order":
		return setup.NotInOrder
	}
	return setup.NotReviewed
}

func aloneAPI(a setup.Alone) apiAlone {
	out := apiAlone{
		ID: a.ID.String(), Draft: a.Draft, Revision: a.Revision, By: a.By.Account, At: a.MadeAt, Statement: a.Statement,
		Reviewer: a.Reviewer.Account, ReviewedAt: a.Reviewed, Note: a.Note,
	}
	switch a.Verdict {
	case setup.InOrder:
		out.Verdict = "in-order"
	case setup.NotInOrder:
		out.Verdict = "not-in-order"
	}
	return out
}
