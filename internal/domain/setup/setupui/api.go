package setupui

import (
	"encoding/hex"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "Configuration"

type none struct{}

type numbered struct {
	Number int64 `path:"number" doc:"number of the draft or revision"`
}

type apiDraft struct {
	Number   int64      `json:"number"`
	Title    string     `json:"title"`
	State    string     `json:"state" doc:"open, applied or discarded"`
	Base     int64      `json:"base" doc:"the revision it was written against"`
	Of       int64      `json:"of,omitempty" doc:"the revision whose contents it is"`
	Version  int64      `json:"version" doc:"grows with each edit; send it back with a change"`
	Writers  []string   `json:"writers"`
	Changed  time.Time  `json:"changed"`
	Revision int64      `json:"revision,omitempty" doc:"what it became"`
	Text     string     `json:"text,omitempty"`
	Look     *apiLook   `json:"look,omitempty" doc:"what it would change; only of an open draft"`
	Asked    []apiAsked `json:"asked,omitempty" doc:"who was asked to decide"`
}

type apiLook struct {
	Problems     config.Problems `json:"problems"`
	Moved        bool            `json:"moved" doc:"another revision was applied since it was begun"`
	Changes      []config.Change `json:"changes"`
	NeedApproval []string        `json:"need_approval,omitempty" doc:"what of it only the laboratory director decides"`
	Steps        []setup.Step    `json:"steps,omitempty"`
	Seen         string          `json:"seen,omitempty" doc:"send it back with a decision: it is what you decide about"`
}

type apiAsked struct {
	Act     string    `json:"act"`
	State   string    `json:"state"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason"`
	Expires time.Time `json:"expires"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
}

func asAPI(x setup.Draft) apiDraft {
	out := apiDraft{
		Number: x.Number, Title: x.Title, State: x.State.String(), Base: x.Base, Of: x.Of, Version: x.Version, Changed: x.Changed, Revision: x.Revision,
	}
	for _, p := range x.Writers {
		out.Writers = append(out.Writers, p.Account)
	}
	return out
}

func lookAPI(l *setup.Look) apiDraft {
	out := asAPI(l.Draft)
	out.Text = string(l.Source)
	if l.State == setup.DraftOpen {
		out.Look = &apiLook{Problems: l.Problems, Moved: l.Moved, Changes: l.Changes, NeedApproval: l.NeedApproval, Steps: l.Steps}
		if l.Seen != (approval.Hash{}) {
			out.Look.Seen = hex.EncodeToString(l.Seen[:])
		}
	}
	for _, q := range []approval.Request{l.Director, l.Apply} {
		if !q.MadeAt.IsZero() {
			out.Asked = append(out.Asked, apiAsked{
				Act: q.Kind, State: q.State.String(), Author: q.Author.Account, Reason: q.Reason, Expires: q.Expires, By: q.By.Account, Why: q.Why,
			})
		}
	}
	return out
}

func (d Deps) configAPI() []web.Route {
	return append(d.readAPI(), d.writeAPI()...)
}

func (d Deps) readAPI() []web.Route {
	return []web.Route{
		web.Op[none, []setup.Revision]{
			Pattern: "GET /api/v1/config/revisions", Needs: authz.ConfigSee, Tag: tag, Summary: "Applied revisions, newest first",
			Do: func(r *http.Request, _ none) ([]setup.Revision, error) { return d.Config.History(r.Context()) },
		}.Route(),
		web.Op[numbered, setup.Text]{
			Pattern: "GET /api/v1/config/revisions/{number}", Needs: authz.ConfigSee, Tag: tag, Summary: "One revision with its text",
			Do: func(r *http.Request, _ numbered) (setup.Text, error) {
				t, _, err := d.revision(r)
				return t, err
			},
		}.Route(),
		web.Op[none, []apiDraft]{
			Pattern: "GET /api/v1/config/drafts", Needs: authz.ConfigSee, Tag: tag, Summary: "Drafts, newest first", Detail: "The newest hundred, those that have ended included.",
			Do: func(r *http.Request, _ none) ([]apiDraft, error) {
				all, err := d.Setup.Drafts(r.Context(), true)
				out := []apiDraft{}
				for _, x := range all {
					out = append(out, asAPI(x))
				}
				return out, err
			},
		}.Route(),
		web.Op[numbered, apiDraft]{
			Pattern: "GET /api/v1/config/drafts/{number}", Needs: authz.ConfigSee, Tag: tag, Summary: "One draft: its text and what it would change",
			Do: func(r *http.Request, _ numbered) (apiDraft, error) {
				l, err := d.lookAt(r)
				if err != nil {
					return apiDraft{}, err
				}
				return lookAPI(l), nil
			},
		}.Route(),
		web.Op[numbered, setup.Run]{
			Pattern: "GET /api/v1/config/drafts/{number}/replay", Needs: authz.ConfigReplay, Tag: tag, Summary: "The last replay of a day against the draft",
			Detail: "Which messages, and when they came, is told to who asked for it, if they may see any patient's identity and values. Others see counts, and none where the draft's rules read the patient's.",
			Do:     func(r *http.Request, in numbered) (setup.Run, error) { return d.replayFor(r, in.Number) },
		}.Route(),
	}
}

type begin struct {
	Title    string `json:"title" doc:"what it is for, in a few words"`
	Text     string `json:"text,omitempty" doc:"the whole text; the one in force where absent"`
	Revision int64  `json:"revision,omitempty" doc:"instead of a text: put this revision in force again"`
}

type change struct {
	Number  int64  `path:"number" doc:"of the draft"`
	Version int64  `json:"version" doc:"the one you have read"`
	Title   string `json:"title"`
	Text    string `json:"text"`
}

type asking struct {
	Number int64  `path:"number" doc:"of the draft"`
	Reason string `json:"reason"`
}

type deciding struct {
	Number    int64    `path:"number" doc:"of the draft"`
	Seen      string   `json:"seen" doc:"look.seen of the draft as you have read it"`
	Reason    string   `json:"reason,omitempty" doc:"for the director's decision, or a refusal"`
	NoOldPath []string `json:"no_old_path,omitempty" doc:"for the director's decision: routes of which you state that there is no old path"`
	Statement string   `json:"statement,omitempty" doc:"to apply alone: why"`
}

type replaying struct {
	Number int64  `path:"number" doc:"of the draft"`
	Day    string `json:"day" doc:"YYYY-MM-DD, UTC"`
}

func (d Deps) drafted(r *http.Request, n int64, err error) (apiDraft, error) {
	if err != nil {
		return apiDraft{}, err
	}
	web.Say(r, "config", "today")
	l, err := d.Setup.Look(r.Context(), n)
	if err != nil {
		return apiDraft{}, err
	}
	return lookAPI(l), nil
}

func (d Deps) writeAPI() []web.Route {
	return []web.Route{
		web.Op[begin, apiDraft]{
			Pattern: "POST /api/v1/config/drafts", Needs: authz.ConfigDraft, Tag: tag, Summary: "Begin a draft", MaxBody: maxText,
			Do: func(r *http.Request, in begin) (apiDraft, error) {
				var x setup.Draft
				var err error
				if in.Revision > 0 {
					x, err = d.Setup.BeginBack(r.Context(), in.Revision, person(r))
				} else if x, err = d.Setup.Begin(r.Context(), in.Title, person(r)); err == nil && in.Text != "" {
					x, err = d.Setup.Save(r.Context(), x.Number, x.Version, x.Title, []byte(in.Text), person(r))
				}
				return d.drafted(r, x.Number, err)
			},
		}.Route(),
		web.Op[change, apiDraft]{
			Pattern: "PUT /api/v1/config/drafts/{number}", Needs: authz.ConfigDraft, Tag: tag, Summary: "Change a draft's text", MaxBody: maxText,
			Do: func(r *http.Request, in change) (apiDraft, error) {
				_, err := d.Setup.Save(r.Context(), in.Number, in.Version, in.Title, []byte(in.Text), person(r))
				return d.drafted(r, in.Number, err)
			},
		}.Route(),
		web.Op[asking, apiDraft]{
			Pattern: "POST /api/v1/config/drafts/{number}/ask", Needs: authz.ConfigDraft, Tag: tag, Summary: "Ask a second person to apply it",
			Do: func(r *http.Request, in asking) (apiDraft, error) {
				_, err := d.Setup.Ask(r.Context(), in.Number, person(r), in.Reason)
				return d.drafted(r, in.Number, err)
			},
		}.Route(),
		web.Op[numbered, apiDraft]{
			Pattern: "POST /api/v1/config/drafts/{number}/refresh", Needs: authz.ConfigDraft, Tag: tag, Summary: "Take in what was applied since it was begun",
			Do: func(r *http.Request, in numbered) (apiDraft, error) {
				_, _, err := d.Setup.Refresh(r.Context(), in.Number, person(r))
				return d.drafted(r, in.Number, err)
			},
		}.Route(),
		web.Op[numbered, apiDraft]{
			Pattern: "DELETE /api/v1/config/drafts/{number}", Needs: authz.ConfigDraft, Tag: tag, Summary: "Discard a draft",
			Do: func(r *http.Request, in numbered) (apiDraft, error) {
				return d.drafted(r, in.Number, d.Setup.Discard(r.Context(), in.Number, person(r)))
			},
		}.Route(),
		d.decideAPI("director", authz.RoutesApprove, "The laboratory director's decision about what of it is theirs", func(r *http.Request, in deciding, h approval.Hash) error {
			_, err := d.Setup.Decide(r.Context(), in.Number, person(r), h, in.NoOldPath, in.Reason)
			return err
		}),
		d.decideAPI("apply", authz.ConfigApply, "Apply it: the second person's yes", func(r *http.Request, in deciding, h approval.Hash) error {
			_, err := d.Setup.Apply(r.Context(), in.Number, person(r), h)
			return err
		}),
		d.decideAPI("alone", authz.ConfigApply, "Apply it where nobody else may, with a statement that is reviewed", func(r *http.Request, in deciding, h approval.Hash) error {
			_, err := d.Setup.ApplyAlone(r.Context(), in.Number, person(r), h, may(r, authz.RoutesApprove), in.NoOldPath, in.Statement)
			return err
		}),
		d.decideAPI("refuse", authz.ConfigSee, "Say no to it, or take one's own question back", func(r *http.Request, in deciding, _ approval.Hash) error {
			l, err := d.lookAt(r)
			if err == nil {
				err = d.mayRefuse(r, l)
			}
			if err != nil {
				return err
			}
			return d.Setup.Refuse(r.Context(), in.Number, person(r), in.Reason)
		}),
		web.Op[replaying, setup.Run]{
			Pattern: "POST /api/v1/config/drafts/{number}/replay", Needs: authz.ConfigReplay, Tag: tag, Summary: "Replay a day's messages against it; it is recorded",
			Do: func(r *http.Request, in replaying) (setup.Run, error) {
				day, err := time.Parse(time.DateOnly, in.Day)
				if err != nil {
					return setup.Run{}, setup.ErrDay
				}
				if err := d.Setup.StartReplay(r.Context(), in.Number, day, person(r), reveals(r)); err != nil {
					return setup.Run{}, err
				}
				return d.replayFor(r, in.Number)
			},
		}.Route(),
	}
}

func (d Deps) decideAPI(act string, needs authz.Permission, summary string, do func(*http.Request, deciding, approval.Hash) error) web.Route {
	return web.Op[deciding, apiDraft]{
		Pattern: "POST /api/v1/config/drafts/{number}/" + act, Needs: needs, Tag: tag, Summary: summary,
		Do: func(r *http.Request, in deciding) (apiDraft, error) {
			h, err := parseHash(in.Seen)
			if err != nil && act != "refuse" {
				return apiDraft{}, err
			}
			return d.drafted(r, in.Number, do(r, in, h))
		},
	}.Route()
}
