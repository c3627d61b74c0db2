package portalui

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiMember struct {
	ID      string     `json:"id"`
	Person  string     `json:"person"`
	Name    string     `json:"name"`
	Kind    string     `json:"kind" doc:"member, manager or cover"`
	Until   *time.Time `json:"until,omitempty"`
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

type apiOpening struct {
	At     time.Time `json:"at"`
	Person string    `json:"person"`
	Name   string    `json:"name"`
	How    string    `json:"how" doc:"page, pdf, document or file"`
	Result string    `json:"result" doc:"the message's id"`
}

type apiTold struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind" doc:"missing or wrong"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Result string    `json:"result,omitempty" doc:"the message's id; absent for a period"`
	Again  int       `json:"again" doc:"how many results were made new"`
	Fate   string    `json:"fate,omitempty"`
}

type apiKept struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Rule   string    `json:"rule"`
	Result string    `json:"result" doc:"the message's id"`
}

type apiChange struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Person string    `json:"person"`
	Name   string    `json:"name"`
	What   string    `json:"what" doc:"added, changed, removed or letter"`
	Way    string    `json:"way,omitempty"`
	Answer string    `json:"answer,omitempty" doc:"known or unexpected by the practice, settled by the laboratory; absent: nobody has answered"`
}

type portalOut struct {
	People   []apiMember  `json:"people"`
	Openings []apiOpening `json:"openings" doc:"the last 50, newest first"`
	Told     []apiTold    `json:"told" doc:"what the practice told and nobody has answered"`
	Kept     []apiKept    `json:"kept" doc:"what rules keep back"`
	Changes  []apiChange  `json:"changes" doc:"of how its people sign in, the last 30 days"`
}

type ofPractice struct {
	Key string `path:"key" doc:"the partner's key"`
}

type inviteIn struct {
	Key      string `path:"key" doc:"the partner's key"`
	Name     string `json:"name" doc:"the person's name"`
	Provider string `json:"provider,omitempty" doc:"their identifier as ordering provider"`
	Manager  bool   `json:"manager,omitempty" doc:"may let others cover"`
	Account  string `json:"account,omitempty" doc:"instead of a name: the sign-in name of a person of another practice, who gets no letter"`
	Address  string `json:"address,omitempty" doc:"lines of their postal address for the letter, at most three; kept nowhere"`
}

type letterOut struct {
	Person  string     `json:"person"`
	Account string     `json:"account"`
	Code    string     `json:"code,omitempty" doc:"the letter's code, told this once"`
	Until   *time.Time `json:"until,omitempty"`
	PDF     string     `json:"pdf,omitempty" doc:"the letter as PDF for a window envelope, in base64, told this once"`
}

type letterIn struct {
	Key     string `path:"key" doc:"the partner's key"`
	ID      string `path:"id" doc:"the person's id"`
	Address string `json:"address,omitempty" doc:"lines of their postal address, at most three; kept nowhere"`
}

type personIn struct {
	Key string `path:"key" doc:"the partner's key"`
	ID  string `path:"id" doc:"an id of the list"`
}

type coverIn struct {
	Key     string    `path:"key" doc:"the partner's key"`
	Account string    `json:"account" doc:"their sign-in name in the portal"`
	Until   time.Time `json:"until" doc:"when it ends"`
}

type toldIn struct {
	Key     string `path:"key" doc:"the partner's key"`
	ID      string `path:"id" doc:"an id of told"`
	Outcome string `json:"outcome" doc:"sent again (only where it has come into the portal since) or called them; of a wrong one: not theirs, or it is theirs"`
}

type copyIn struct {
	About string    `json:"about" doc:"who asks for what, kept sealed"`
	Asked time.Time `json:"asked" doc:"when the request came"`
}

type copyOut struct {
	ID       string     `json:"id"`
	About    string     `json:"about,omitempty"`
	Asked    time.Time  `json:"asked"`
	Due      time.Time  `json:"due" doc:"when the last of the law's days is over"`
	Extended *time.Time `json:"extended,omitempty"`
	Policy   *time.Time `json:"policy,omitempty" doc:"when the laboratory's own policy wants it done; due is the law's"`
}

type copiesOut struct {
	Open []copyOut `json:"open" doc:"the most urgent first"`
}

type copyMore struct {
	ID   string `path:"id" doc:"the request's id"`
	Told bool   `json:"told" doc:"the patient was told in writing why it takes longer and until when"`
}

type copyEnd struct {
	ID      string `path:"id" doc:"the request's id"`
	Outcome string `json:"outcome" doc:"given, denied in writing, or taken back"`
}

type noted struct {
	Noted bool `json:"noted"`
}

type nothing struct{}

func (l lab) ops() []web.Route {
	const tag, copies = "Portal", "Patients' copies"
	return []web.Route{
		web.Op[ofPractice, portalOut]{Pattern: "GET /api/v1/portal/{key}", Needs: authz.PortalSee, Tag: tag, Summary: "A practice's portal: its people, openings and what it told", Do: l.opPractice}.Route(),
		web.Op[inviteIn, letterOut]{Pattern: "POST /api/v1/portal/{key}/invite", Needs: authz.PortalInvite, Tag: tag, Summary: "Invite a person by letter", Detail: "The code is told once and kept nowhere, and so is the letter.", Do: l.opInvite}.Route(),
		web.Op[letterIn, letterOut]{Pattern: "POST /api/v1/portal/{key}/people/{id}/letter", Needs: authz.PortalInvite, Tag: tag, Summary: "Write another letter for a person", Do: l.opRewrite}.Route(),
		web.Op[personIn, noted]{Pattern: "POST /api/v1/portal/{key}/members/{id}/end", Needs: authz.PortalInvite, Tag: tag, Summary: "End a person's access to a practice", Do: l.opEnd}.Route(),
		web.Op[coverIn, noted]{Pattern: "POST /api/v1/portal/{key}/cover", Needs: authz.PortalInvite, Tag: tag, Summary: "Let a person cover for a time", Do: l.opCover}.Route(),
		web.Op[personIn, noted]{Pattern: "POST /api/v1/portal/{key}/changes/{id}", Needs: authz.PortalAnswer, Tag: tag, Summary: "Say that a change of how somebody signs in is settled", Do: l.opSettle}.Route(),
		web.Op[toldIn, noted]{Pattern: "POST /api/v1/portal/{key}/told/{id}", Needs: authz.PortalAnswer, Tag: tag, Summary: "Say what came of what a practice told", Do: l.opTold}.Route(),
		web.Op[personIn, noted]{Pattern: "POST /api/v1/portal/{key}/items/{id}/release", Needs: authz.PortalAnswer, Tag: tag, Summary: "Show a practice what a rule keeps back", Do: l.opRelease}.Route(),
		web.Op[nothing, copiesOut]{Pattern: "GET /api/v1/patient-copies", Needs: authz.PatientCopies, Tag: copies, Summary: "Patients who wait for a copy of their results", Do: l.opCopies}.Route(),
		web.Op[copyIn, copyOut]{Pattern: "POST /api/v1/patient-copies", Needs: authz.PatientCopies, Tag: copies, Summary: "Open a patient's request for a copy", Detail: "The patient stands in the body, never in an address.", Do: l.opAskCopy}.Route(),
		web.Op[copyMore, noted]{Pattern: "POST /api/v1/patient-copies/{id}/extend", Needs: authz.PatientCopies, Tag: copies, Summary: "Give a request 30 more days, once", Do: l.opExtendCopy}.Route(),
		web.Op[copyEnd, noted]{Pattern: "POST /api/v1/patient-copies/{id}/end", Needs: authz.PatientCopies, Tag: copies, Summary: "End a patient's request", Do: l.opEndCopy}.Route(),
	}
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (l lab) opPractice(r *http.Request, _ ofPractice) (portalOut, error) {
	out := portalOut{People: []apiMember{}, Openings: []apiOpening{}, Told: []apiTold{}, Kept: []apiKept{}, Changes: []apiChange{}}
	key, _, err := l.key(r, authz.PortalSee)
	if err != nil {
		return out, err
	}
	ctx := r.Context()
	members, err := l.Portal.Members(ctx, key)
	if err != nil {
		return out, err
	}
	for i := range members {
		m := &members[i]
		out.People = append(out.People, apiMember{m.ID.String(), m.Person.String(), m.Name, m.Kind, at(m.Until), at(m.Ended)})
	}
	looks, err := l.Portal.Openings(ctx, key, event.ID{}, 50)
	if err != nil {
		return out, err
	}
	for i := range looks {
		x := &looks[i]
		out.Openings = append(out.Openings, apiOpening{x.At, x.Person.String(), x.Name, x.How, x.Message.String()})
	}
	told, err := l.Portal.Tellings(ctx, key, false, 100)
	if err != nil {
		return out, err
	}
	for i := range told {
		t := &told[i]
		a := apiTold{ID: t.ID.String(), Kind: t.Kind, At: t.At, By: t.Name, Again: t.Again, Fate: t.Fate}
		if t.Item != (event.ID{}) {
			a.Result = t.Message.String()
		}
		out.Told = append(out.Told, a)
	}
	kept, err := l.Portal.Withheld(ctx, key, 100)
	for i := range kept {
		x := &kept[i]
		out.Kept = append(out.Kept, apiKept{x.ID.String(), x.Placed, x.Withheld, x.Message.String()})
	}
	if err != nil {
		return out, err
	}
	changes, err := l.Portal.Changes(ctx, key)
	for i := range changes {
		c := &changes[i]
		out.Changes = append(out.Changes, apiChange{c.ID.String(), c.At, c.Person.String(), c.Name, c.What, c.Way, c.Answer})
	}
	return out, err
}

func (l lab) opInvite(r *http.Request, v inviteIn) (letterOut, error) {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return letterOut{}, err
	}
	to, err := addressLines(v.Address)
	if err != nil {
		return letterOut{}, err
	}
	in := portal.Invitation{Partner: key, Name: v.Name, Provider: v.Provider, Manager: v.Manager, Account: v.Account, By: web.Who(r).Account}
	p, x, err := l.Portal.Invite(r.Context(), in)
	if err != nil {
		return letterOut{}, err
	}
	if x == nil {
		return letterOut{Person: p.ID.String(), Account: p.Account}, nil
	}
	return l.letterOf(name, x, to)
}

func (l lab) letterOf(practice string, x *portal.Letter, to []string) (letterOut, error) {
	body, _, err := letterPDF(l.written(practice, x, to, l.Now()), l.Paper(), l.Now())
	return letterOut{x.Person.ID.String(), x.Person.Account, x.Code, at(x.Until), base64.StdEncoding.EncodeToString(body)}, err
}

func (l lab) opRewrite(r *http.Request, v letterIn) (letterOut, error) {
	key, id, err := l.keyID(r, authz.PortalInvite)
	if err != nil {
		return letterOut{}, err
	}
	to, err := addressLines(v.Address)
	if err != nil {
		return letterOut{}, err
	}
	x, err := l.Portal.Rewrite(r.Context(), key, id, web.Who(r).Account)
	if err != nil {
		return letterOut{}, err
	}
	return l.letterOf(l.Portal.Settings().Partners[key], x, to)
}

func (l lab) keyID(r *http.Request, p authz.Permission) (string, event.ID, error) {
	key, _, err := l.key(r, p)
	if err != nil {
		return "", event.ID{}, err
	}
	id, err := idOf(r, "id")
	return key, id, err
}

func (l lab) opEnd(r *http.Request, _ personIn) (noted, error) {
	key, id, err := l.keyID(r, authz.PortalInvite)
	if err == nil {
		err = l.Portal.Leave(r.Context(), key, id, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opCover(r *http.Request, v coverIn) (noted, error) {
	key, _, err := l.key(r, authz.PortalInvite)
	if err == nil {
		err = l.Portal.Lend(r.Context(), key, v.Account, v.Until, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opSettle(r *http.Request, _ personIn) (noted, error) {
	key, id, err := l.keyID(r, authz.PortalAnswer)
	if err == nil {
		err = l.Portal.SettleChange(r.Context(), key, id, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opTold(r *http.Request, v toldIn) (noted, error) {
	key, id, err := l.keyID(r, authz.PortalAnswer)
	if err == nil {
		err = l.Portal.Answer(r.Context(), key, id, v.Outcome, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opRelease(r *http.Request, _ personIn) (noted, error) {
	key, id, err := l.keyID(r, authz.PortalAnswer)
	if err == nil {
		err = l.Portal.Release(r.Context(), key, id, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opCopies(r *http.Request, _ nothing) (copiesOut, error) {
	out := copiesOut{Open: []copyOut{}}
	list, err := l.Portal.Copies(r.Context(), false, 500)
	for i := range list {
		c := &list[i]
		out.Open = append(out.Open, copyOut{c.ID.String(), c.About, c.Asked, c.Due, at(c.Extended), at(c.Policy)})
	}
	return out, err
}

func (l lab) opAskCopy(r *http.Request, v copyIn) (copyOut, error) {
	id, err := l.Portal.AskCopy(r.Context(), v.About, v.Asked, web.Who(r).Account)
	if err != nil {
		return copyOut{}, err
	}
	return copyOut{ID: id.String(), Asked: v.Asked, Due: l.Portal.CopyDue(v.Asked)}, nil
}

func (l lab) opExtendCopy(r *http.Request, v copyMore) (noted, error) {
	id, err := idOf(r, "id")
	if err == nil {
		err = l.Portal.ExtendCopy(r.Context(), id, v.Told, web.Who(r).Account)
	}
	return noted{err == nil}, err
}

func (l lab) opEndCopy(r *http.Request, v copyEnd) (noted, error) {
	id, err := idOf(r, "id")
	if err == nil {
		err = l.Portal.EndCopy(r.Context(), id, v.Outcome, web.Who(r).Account)
	}
	return noted{err == nil}, err
}
