package certificatesui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const home = "/certificates"

// entry is a line of the calendar.
type entry struct {
	ends time.Time
	bad  bool
	row  kit.Row
}

func state(x *certificates.Issued, now time.Time) (kit.State, string) {
	switch {
	case !x.Revoked.IsZero():
		return kit.Stopped, "Revoked on " + kit.Date(x.Revoked.In(now.Location()), now)
	case !now.Before(x.Ends):
		return kit.Unknown, "Ended"
	case !x.Renewed.IsZero():
		return kit.Unknown, "Another took its place"
	case x.Form == "ssh":
		return kit.Fine, "Good; signed anew by hand"
	case x.Late(now):
		return kit.Warn, "Has not renewed itself"
	}
	switch x.Via {
	case "renewal":
		return kit.Fine, "Good; has renewed itself on " + kit.Date(x.Made.In(now.Location()), now)
	case "hub":
		return kit.Fine, "Good; ours, renews itself"
	}
	return kit.Fine, "Good; not renewed yet"
}

func (d Deps) calendar(w http.ResponseWriter, r *http.Request) error {
	ctx, now := r.Context(), d.clock(r)
	view := kit.ReadView(r.URL, 200)
	all := view.Get("all") == "yes"
	issued, err := d.Certificates.List(ctx, all)
	if err != nil {
		return err
	}
	authorities, err := d.Certificates.Authorities(ctx)
	if err != nil {
		return err
	}
	pins, err := d.Certificates.AllPins(ctx)
	if err != nil {
		return err
	}
	lines := d.lines(r, issued, pins, now)
	bad := 0
	t := kit.Table{
		Caption: "What ends, the first in front", View: view, Total: len(lines), Empty: "Nothing has an end yet.",
		Filters: []kit.Field{{Name: "all", Label: "What is over", Kind: kit.SelectField, Value: view.Get("all"), Options: []kit.Option{{Text: "Left out"}, {Value: "yes", Text: "Shown"}}}},
		Columns: []kit.Column{{Name: "Of"}, {Name: "Ends"}, {Name: "How it stands"}, {Name: "Owner", Wide: true}, {Name: "Act"}},
	}
	for i, x := range lines {
		if x.bad {
			bad++
		}
		if i >= view.Offset() && i < view.Offset()+view.Size {
			t.Rows = append(t.Rows, x.row)
		}
	}
	lead, rest := "No certificate needs you.", "A date never stops results by itself; a revocation does, at once."
	switch {
	case bad > 0:
		lead = kit.Many(bad, "end needs somebody.", "ends need somebody.")
	case len(lines) == 0:
		lead, rest = "Nothing has a certificate yet.", ""
	}
	return web.Render(w, r, kit.Page{
		Title: "Certificates", Lead: lead, Rest: rest, Nav: home, Tools: d.tools(r), Live: []string{"certificates"},
		Body: kit.Columns(kit.Sheet(kit.SheetOpts{Title: "By date", Body: kit.DataTable(t)}), d.authority(authorities, now)),
	})
}

func (d Deps) tools(r *http.Request) templ.Component {
	if !mayIssue(r) {
		return nil
	}
	var acts []templ.Component
	if d.Certificates.Ready() && d.Address() != "" {
		acts = append(acts, kit.Button(kit.Action{Text: "Make a token", Href: home + "/token", Icon: "token"}))
	}
	if d.Certificates.Ready() {
		acts = append(acts, kit.Button(kit.Action{Text: "Sign an SSH key", Href: home + "/ssh", Icon: "key"}))
	}
	return templ.Join(append(acts, kit.Button(kit.Action{Text: "Pin one of theirs", Href: home + "/pin", Icon: "upload"}))...)
}

func (d Deps) lines(r *http.Request, issued []certificates.Issued, pins []certificates.Pin, now time.Time) []entry {
	var out []entry
	for _, e := range d.Ends() {
		s, word := kit.Fine, kit.Date(e.Ends.In(now.Location()), now)
		switch {
		case e.Past:
			s = kit.Stopped
		case e.Due:
			s = kit.Warn
		}
		act := kit.C("")
		if i := slices.IndexFunc(pins, func(p certificates.Pin) bool { return p.Channel == e.Of && p.Ends.Equal(e.Ends) }); i >= 0 && mayIssue(r) {
			act = kit.CLink("Take out", home+"/pins/"+pins[i].ID+"/remove")
		}
		out = append(out, entry{e.Ends, e.Due || e.Past, kit.Row{At: e.Past, Key: e.Of + e.Kind + e.Ends.String() + e.Words, Cells: []kit.Cell{
			{Text: e.Of, Sub: e.Kind}, kit.CState(s, "", word), {Text: e.Words, Sub: e.Advice}, kit.C(orNobody(e.Owner)), act,
		}}})
	}
	for i := range issued {
		x := &issued[i]
		s, word := state(x, now)
		act := kit.C("")
		if x.Live(now) && mayIssue(r) {
			act = kit.CLink("Revoke", home+"/issued/"+x.Serial+"/revoke")
		}
		form := "issued by us"
		if x.Form == "ssh" {
			form = "SSH, issued by us"
		}
		out = append(out, entry{x.Ends, s == kit.Warn, kit.Row{At: s == kit.Warn, Key: x.Serial, Cells: []kit.Cell{
			{Text: x.Identity.String(), Sub: form, Href: home + "/issued/" + x.Serial},
			kit.CState(s, "", kit.Date(x.Ends.In(now.Location()), now)),
			{Text: word},
			kit.C(x.By), act,
		}}})
	}
	slices.SortStableFunc(out, func(a, b entry) int { return a.ends.Compare(b.ends) })
	return out
}

func orNobody(v string) string {
	if v == "" {
		return "nobody is named"
	}
	return v
}

// authority is what stands beside the calendar.
func (d Deps) authority(all []certificates.Authority, now time.Time) templ.Component {
	var facts []kit.KV
	for _, a := range all {
		switch {
		case a.State == "requested":
			facts = append(facts, kit.KV{Key: "A renewal", Value: "waits for the offline root since " + kit.Date(a.Made.In(now.Location()), now)})
		case a.Form == "x509" && a.State == "in use":
			facts = append(facts, kit.KV{Key: "Issues until", Value: kit.Date(a.Ends.In(now.Location()), now)}, kit.KV{Key: "Its root ends", Value: kit.Date(a.RootEnds.In(now.Location()), now)},
				kit.KV{Key: "SHA-256 of the root", Value: grouped(a.Root), Mono: true})
		case a.Form == "ssh" && a.State == "in use":
			facts = append(facts, kit.KV{Key: "SSH authority", Value: a.Print, Mono: true})
		}
	}
	if !d.Certificates.Ready() {
		return kit.Sheet(kit.SheetOpts{Title: "The laboratory's own authority", Pad: true, Body: kit.UnknownState("There is none yet. It is made at the console, because its root leaves this machine: labwarden ca init --root-out FILE.")})
	}
	if a := d.Address(); a != "" {
		facts = append(facts, kit.KV{Key: "Others enrol at", Value: a, Mono: true})
	} else {
		facts = append(facts, kit.KV{Key: "Others enrol", Value: "nowhere yet: node.enrol is not configured"})
	}
	return kit.Sheet(kit.SheetOpts{Title: "The laboratory's own authority", Pad: true, Body: kit.KeyValues(facts)})
}

// grouped lets a fingerprint be read out, and wrapped.
func grouped(hex string) string {
	var parts []string
	for len(hex) >= 4 {
		parts, hex = append(parts, hex[:4]), hex[4:]
	}
	return strings.Join(parts, " ")
}

func (d Deps) one(w http.ResponseWriter, r *http.Request) error {
	x, err := d.Certificates.Get(r.Context(), r.PathValue("serial"))
	if err != nil {
		return err
	}
	now := d.clock(r)
	s, word := state(&x, now)
	zone := func(t time.Time) string { return kit.Stamp(t.In(now.Location())) }
	names := strings.Join(x.Names, ", ")
	if names == "" {
		names = "none: it is for a client"
	}
	facts := []kit.KV{
		{Key: "For", Value: x.Identity.String()},
		{Key: "Host names and addresses", Value: names},
		{Key: "Begins", Value: zone(x.Begins)},
		{Key: "Ends", Value: zone(x.Ends)},
		{Key: "Issued", Value: zone(x.Made) + ", by " + x.Via + "; let by " + x.By},
		{Key: "Serial number", Value: grouped(x.Serial), Mono: true},
		{Key: "SHA-256", Value: grouped(x.Fingerprint), Mono: true},
	}
	if !x.Revoked.IsZero() {
		facts = append(facts, kit.KV{Key: "Revoked", Value: zone(x.Revoked) + ", by " + x.RevokedBy}, kit.KV{Key: "Why", Value: x.Reason})
	}
	lead := sentence(x.Identity.String() + " has a certificate until " + kit.Date(x.Ends.In(now.Location()), now))
	switch {
	case !x.Revoked.IsZero():
		lead = "This certificate of " + x.Identity.String() + " is refused."
	case !x.Live(now):
		lead = "This certificate of " + x.Identity.String() + " has ended."
	}
	body := templ.Join(kit.KeyValues(facts))
	if x.Live(now) && mayIssue(r) {
		at := home + "/issued/" + x.Serial + "/revoke"
		acts := kit.Buttons(kit.Action{Text: "Revoke this one", Href: at}, kit.Action{Text: "Revoke all of " + x.Identity.String(), Href: at + "?all=yes"})
		if x.Kind == pki.Hub {
			acts = kit.Form(kit.FormOpts{Action: home + "/own/renew", Submit: "Renew ours now", Quick: true})
		}
		body = templ.Join(kit.KeyValues(facts), acts)
	}
	return web.Render(w, r, kit.Page{
		Title: "Certificate of " + x.Identity.String(), Lead: lead, Nav: home,
		Crumbs: []kit.Crumb{{Name: "Certificates", Href: home}, {Name: x.Identity.String()}}, Live: []string{"certificates"},
		Body: templ.Join(kit.Verdict(s, word+".", "", nil), kit.Sheet(kit.SheetOpts{Title: "The certificate", Pad: true, Body: body})),
	})
}
