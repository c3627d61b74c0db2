package tunnelsui

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) one(w http.ResponseWriter, r *http.Request) error {
	t, err := d.Reader.Show(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	now := clock(r)
	s, word := state(&t, now)
	return web.Render(w, r, kit.Page{
		Title: "Tunnel " + t.Name, Lead: title(&t, s), Rest: used(&t), Nav: home, Crumbs: crumbs(kit.Crumb{Name: t.Name}), Live: []string{"tunnels", "alarms"},
		Body: templ.Join(
			kit.Verdict(s, word+since(&t, now)+".", why(t.Words, now), d.next(r, &t, now)),
			kit.Columns(templ.Join(passes(r, &t), line(&t, now)), d.keys(r, &t, now)),
		),
	})
}

// title answers what one comes to this page for.
func title(t *tunnels.Seen, s kit.State) string {
	switch s {
	case kit.Fine:
		return "Tunnel " + t.Name + " is up."
	case kit.Stopped:
		return "Tunnel " + t.Name + " is down."
	case kit.Warn:
		if t.State == "up" {
			return "Tunnel " + t.Name + " is up, and not all of its list passes."
		}
		return "Tunnel " + t.Name + " needs somebody."
	case kit.Unknown:
	}
	if t.State == "waiting" {
		return "Nobody has joined tunnel " + t.Name + " yet."
	}
	return "Tunnel " + t.Name + " is not seen to be up."
}

func used(t *tunnels.Seen) string {
	if len(t.Users) == 0 {
		return "No partner and no source goes through it."
	}
	return "It is the way of " + users(t) + "."
}

func since(t *tunnels.Seen, now time.Time) string {
	if t.Since.IsZero() {
		return ""
	}
	return " since " + kit.Clock(t.Since, now)
}

// next is the one thing to do about a tunnel.
func (d Deps) next(r *http.Request, t *tunnels.Seen, now time.Time) *kit.Action {
	switch {
	case !mayChange(r) || d.Closed() != "":
		return nil
	case t.Standard && t.KeyNumber == 0:
		return &kit.Action{Text: "Make its configuration", Href: at(t.Name) + "/export", Primary: true}
	case over(t, now):
		return &kit.Action{Text: "Make another token", Href: at(t.Name) + "/invite", Primary: true}
	}
	return nil
}

// passes is the list, each line with whether it passes.
func passes(r *http.Request, t *tunnels.Seen) templ.Component {
	var items []kit.Check
	add := func(line, title, text string) {
		c := kit.Check{State: kit.Fine, Word: "Passes", Title: title, Text: text}
		switch {
		case slices.Contains(t.Missing, line):
			c.State, c.Word = kit.Warn, "Does not pass"
			c.Text += " Nobody at the far end has agreed to it yet: labwarden tunnel confirm, there."
		case t.State != "up":
			c.State, c.Word = kit.Unknown, "Passes when the tunnel is up"
		}
		items = append(items, c)
	}
	for _, a := range t.Allow {
		add(a, kit.Mono(a), "At the far side; this hub may connect to it.")
	}
	for _, o := range t.Offers {
		to := "Connections there, at the far machine, come to our source " + kit.Strong(o.Source) + "."
		if t.Standard {
			to = "At this port of the hub's address in the tunnel the device reaches our source " + kit.Strong(o.Source) + "."
		}
		add(o.Listen+" -> "+o.Source, kit.Mono(o.Listen), to)
	}
	o := kit.SheetOpts{Title: "What may pass", Sub: "nothing else does, in either direction", Body: kit.Checks(items)}
	if mayChange(r) {
		o.More = &kit.Action{Text: "Change it", Href: at(t.Name) + "/allow"}
	}
	return kit.Sheet(o)
}

// line is what is seen of the tunnel itself.
func line(t *tunnels.Seen, now time.Time) templ.Component {
	facts := []kit.KV{
		{Key: "Carried by", Value: kindWords(t)},
		{Key: heard(t), Value: moment(t.Handshake, now, "never")},
		{Key: "Far end", Value: orNot(t.From, "not seen"), Mono: t.From != ""},
	}
	if t.Host != "" {
		facts = append(facts, kit.KV{Key: "It calls itself", Value: t.Host, Mono: true})
	}
	return kit.Sheet(kit.SheetOpts{Title: "The line", Sub: "counted since the hub started", Pad: true, Body: kit.KeyValues(append(
		facts,
		kit.KV{Key: "Passing now", Value: moves(t) + ", over the last minute"},
		kit.KV{Key: "Came in all", Value: size(t.In)},
		kit.KV{Key: "Went in all", Value: size(t.Out)},
		kit.KV{Key: "Connections", Value: strconv.Itoa(t.Connections)},
	))})
}

func orNot(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// keys is what proves the two ends to each other, with what can be done.
func (d Deps) keys(r *http.Request, t *tunnels.Seen, now time.Time) templ.Component {
	facts := []kit.KV{{Key: "Added", Value: kit.Stamp(t.MadeAt) + ", by " + t.MadeBy}}
	add := func(key, value string) { facts = append(facts, kit.KV{Key: key, Value: value}) }
	if !t.JoinedAt.IsZero() {
		add("Joined", kit.Stamp(t.JoinedAt))
	}
	if !t.InvitedUntil.IsZero() {
		add("Token", "good until "+kit.Clock(t.InvitedUntil, now))
	}
	if t.KeyNumber > 0 {
		add("Keys", "number "+strconv.FormatInt(t.KeyNumber, 10)+", made "+kit.Clock(t.KeysAt, now))
		quantum := "no: the key in its file is random"
		if t.PostQuantum {
			quantum = "yes: ML-KEM"
		}
		add("Post-quantum", quantum)
	}
	for _, c := range t.Certificates {
		facts = append(facts, kit.KV{Key: "Its certificate", Value: grouped(c), Mono: true})
	}
	body := []templ.Component{kit.KeyValues(facts)}
	if mayChange(r) {
		body = append(body, kit.Buttons(d.acts(t)...))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Keys and far end", Pad: true, Body: templ.Join(body...)})
}

// acts are what can be done; removing also where tunnels are not served.
func (d Deps) acts(t *tunnels.Seen) []kit.Action {
	var out []kit.Action
	switch {
	case d.Closed() != "":
	case t.Standard:
		out = append(out, kit.Action{Text: "Make a configuration", Href: at(t.Name) + "/export", Icon: "download"})
	default:
		if !t.JoinedAt.IsZero() && t.State != "waiting" {
			out = append(out, kit.Action{Text: "Renew the keys now", Href: at(t.Name) + "/rotate", Post: true, Icon: "again"})
		}
		out = append(out, kit.Action{Text: "Make a token", Href: at(t.Name) + "/invite", Icon: "token"})
	}
	return append(out, kit.Action{Text: "Remove it", Href: at(t.Name) + "/remove"})
}

// grouped lets a fingerprint be read out, and wrapped.
func grouped(hex string) string {
	var out []byte
	for i := range len(hex) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, hex[i])
	}
	return string(out)
}
