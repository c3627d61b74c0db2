package resultsui

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// partnerAskTest asks before a test message is sent.
func (d Deps) partnerAskTest(w http.ResponseWriter, r *http.Request) error {
	v, err := d.find(r, authz.PartnersTest)
	if err != nil {
		return err
	}
	return d.askTest(w, r, &v, "")
}

func (d Deps) askTest(w http.ResponseWriter, r *http.Request, v *partnerView, wrong string) error {
	p := kit.Page{
		Title: "Test message", Lead: "Send a test message to " + v.name + "?", Nav: "/partners",
		Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: v.name, Href: "/partners/" + v.Partner}, {Name: "Test message"}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: "One message goes out now",
			Text: "It is marked as a test (processing id T), is about a patient called TEST, holds no value and no order of yours. " +
				"It goes beside what waits and changes nothing about that. Tell them before you send it: a system that ignores the mark could file it.",
			Facts:  []kit.KV{{Key: "To", Value: v.name}, {Key: "How", Value: v.by}},
			Action: "/partners/" + v.Partner + "/test", Button: "Send the test", Cancel: "/partners/" + v.Partner,
			Reason: true, ReasonError: wrong, ReasonValue: r.PostFormValue("reason"),
		}),
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

// partnerTest sends it and shows what was answered.
func (d Deps) partnerTest(w http.ResponseWriter, r *http.Request) error {
	v, err := d.find(r, authz.PartnersTest)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return d.askTest(w, r, &v, "Say why, in a few words.")
	}
	if r.PostFormValue("confirm") != "yes" {
		return d.askTest(w, r, &v, "")
	}
	t, err := d.Results.SendTest(r.Context(), v.Partner, as(r, reason))
	if err != nil {
		return err
	}
	a := testedOf(t)
	state, title := kit.Fine, v.name+"'s system accepted the test message."
	if !a.Accepted {
		state, title = kit.Stopped, v.name+"'s system did not accept the test message."
		if a.Answered {
			state = kit.Warn
		}
	}
	facts := []kit.KV{
		{Key: "Sent", Value: kit.Stamp(t.At)},
		{Key: "Control id", Value: a.ControlID, Mono: true},
		{Key: "Answer", Value: orNone(a.Code, "none")},
		{Key: "They wrote", Value: orNone(a.Text, "nothing")},
		{Key: "Took", Value: kit.Span(t.Took)},
		{Key: "Encryption", Value: orNone(a.TLS, "none seen")},
	}
	if a.Fingerprint != "" {
		facts = append(facts, kit.KV{Key: "Their certificate", Value: a.Fingerprint, Mono: true})
	}
	return web.Render(w, r, kit.Page{
		Title: "Test message", Lead: title, Nav: "/partners",
		Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: v.name, Href: "/partners/" + v.Partner}, {Name: "Test message"}},
		Body: templ.Join(
			kit.Verdict(state, a.Words, a.Meaning, nil),
			kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Receipt", Body: templ.Join(kit.KeyValues(facts), kit.Acts(
				kit.Action{Text: "Back to " + v.name, Href: "/partners/" + v.Partner, Primary: true},
				kit.Action{Text: "Send another", Href: "/partners/" + v.Partner + "/test"},
			))}), nil),
		),
	})
}

func orNone(s, none string) string {
	if s == "" {
		return none
	}
	return s
}

// testedOf puts the outcome in words.
func testedOf(t results.Tested) TestAnswer {
	a := TestAnswer{At: t.At, ControlID: t.ControlID, TookMS: t.Took.Milliseconds(), Text: t.Text}
	peer := t.Receipt.Peer
	if x := t.Refused; x != nil {
		a.Code, peer = x.Code, x.Peer
		switch x.Class {
		case channel.Rejected:
			a.Answered, a.Words = true, "It was refused ("+x.Code+")"
			a.Meaning = "The line works and their system reads what we send. Many systems take no tests while they run for patients, and answer so; what they wrote says whether it is that."
		case channel.Busy:
			a.Answered, a.Words = true, "Their system answered that it cannot now ("+x.Code+")"
			a.Meaning = "The line works. Try again later; results are tried again by themselves."
		case channel.Unanswered:
			a.Words, a.Meaning = "It was handed over and no usable answer came", "They may have it. Ask them to look for the control id below."
		case channel.Unfit, channel.Misconfigured:
			a.Words, a.Meaning = "Our own side could not send it", "The hub's log says why. Results to them wait for the same reason."
		default:
			a.Words, a.Meaning = "Their server could not be reached", "Nothing was handed over. Look at the address, the firewall and the certificates, theirs and ours."
		}
	} else {
		a.Accepted, a.Answered, a.Code = true, true, t.Receipt.Code
		switch t.Receipt.Level {
		case channel.Accepted:
			a.Words, a.Meaning = "Their system accepted it ("+t.Receipt.Code+")", "Their application answered for it. That a chart would show it is not proved by this."
		case channel.Committed:
			a.Words, a.Meaning = "Their system took it ("+t.Receipt.Code+")", "It answers for keeping the message, not yet for having filed it."
		default:
			a.Answered, a.Words, a.Meaning = false, "It was placed", "A file was put in its folder. Nobody answers there: whether they collect it is not seen from here."
		}
	}
	a.TLS, a.Fingerprint = peer.TLS, peer.Fingerprint
	return a
}
