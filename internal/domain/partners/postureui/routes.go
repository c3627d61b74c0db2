package postureui

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the page stands on; app fills it.
type Deps struct {
	Lines func(ctx context.Context) ([]posture.Line, error)
	// FIPS says whether this build's cryptography is the validated module.
	FIPS bool
	// Trials are where clients try themselves; nil for none. Partners are the
	// partners' names by their keys.
	Trials   Trials
	Partners func() map[string]string
}

// Answer is the posture for programs.
type Answer struct {
	FIPSBuild bool           `json:"fips_build" doc:"this build's cryptography is the module that is validated under FIPS 140"`
	Lines     []posture.Line `json:"lines" doc:"one for each way"`
}

// Routes are the page and the operation.
func Routes(d Deps) []web.Route {
	return append(d.trialRoutes(), []web.Route{
		{Pattern: "GET /posture", Needs: authz.PartnersSee, Handle: d.page},
		web.Op[struct{}, Answer]{
			Pattern: "GET /api/v1/posture", Needs: authz.PartnersSee, Tag: "Posture", Summary: "How well each way is protected, as last negotiated",
			Do: func(r *http.Request, _ struct{}) (Answer, error) {
				all, err := d.seen(r)
				return Answer{d.FIPS, all}, err
			},
		}.Route(),
	}...)
}

// seen are the lines that the caller may see: whoever sees some partners only has
// those; the laboratory's own are for who sees all.
func (d Deps) seen(r *http.Request) ([]posture.Line, error) {
	all, err := d.Lines(r.Context())
	if err != nil {
		return nil, fmt.Errorf("collect the posture: %w", err)
	}
	scope := web.Scope(r, authz.PartnersSee)
	out := []posture.Line{}
	for _, l := range all {
		if scope.Holds(authz.Object{Partner: l.Partner}) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (d Deps) page(w http.ResponseWriter, r *http.Request) error {
	all, err := d.seen(r)
	if err != nil {
		return err
	}
	if kit.WantsCSV(r.URL) {
		return file(w, all)
	}
	now := web.Now(r).Local()
	t := kit.Table{
		Caption: "Posture", View: kit.View{Path: "/posture", Page: 1, Size: len(all) + 1}, Total: len(all), CSV: true,
		Empty: "There is no channel yet.",
		Columns: []kit.Column{
			{Name: "Channel"},
			{Name: "HHS guidance"},
			{Name: "Last negotiated"},
			{Name: "Post-quantum", Wide: true},
			{Name: "FIPS", Wide: true},
			{Name: "End to end", Wide: true},
		},
	}
	build := kit.Check{State: kit.Unknown, Title: "This build", Text: "Its cryptography is not the module that is validated under FIPS 140: no line can say yes to FIPS or to the guidance. The FIPS build is the recommendation for laboratories in the United States."}
	if d.FIPS {
		build.State, build.Text = kit.Fine, "Its cryptography is the module that is validated under FIPS 140."
	}
	notes := []kit.Check{build}
	for i := range all {
		l := &all[i]
		what, when := negotiated(l, now)
		name := kit.Cell{Text: l.Name, Sub: l.Way}
		if l.Partner != "" {
			name.Href = "/partners/" + l.Partner
		}
		t.Rows = append(t.Rows, kit.Row{
			Key: l.Channel + " " + l.Way, At: l.State == posture.Stopped,
			Cells: []kit.Cell{name, kit.CState(state(l), l.Guidance, l.Guidance), {Text: what, Sub: when, Zero: l.Protocol == ""}, kit.C(l.PostQuantum), kit.C(l.FIPS), kit.C(l.EndToEnd)},
		})
		text := []string{l.Why}
		for _, x := range dates(l, now) {
			text = append(text, x+".")
		}
		if l.Where != "" {
			text = append(text, "At "+l.Where+".")
		}
		notes = append(notes, kit.Check{State: state(l), Word: "Meets the guidance: " + l.Guidance, Title: l.Name + ": " + l.Way, Text: strings.Join(text, " ")})
	}
	first, rest := lead(all)
	tools := []templ.Component{kit.PrintButton("Print")}
	if d.Trials != nil && !web.Scope(r, authz.PartnersTest).Empty() {
		tools = append([]templ.Component{kit.Buttons(kit.Action{Text: "Try a client", Href: tryPage})}, tools...)
	}
	body := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Each way", Sub: "as last negotiated", Body: kit.DataTable(t)})}
	body = append(body, kit.Sheet(kit.SheetOpts{Title: "Why, and until when", Body: kit.Checks(notes)}))
	return web.Render(w, r, kit.Page{Title: "Posture", Lead: first, Rest: rest, Nav: "/posture", Tools: templ.Join(tools...), Body: templ.Join(body...)})
}

// file is the table for a spreadsheet.
func file(w http.ResponseWriter, all []posture.Line) error {
	kit.CSVHead(w.Header(), "posture")
	c, err := kit.NewCSV(w, "channel", "name", "way", "where", "protocol", "cipher", "key exchange", "seen", "post-quantum", "fips", "end to end", "meets hhs guidance", "why", "kind of date", "of", "from", "ends", "owner")
	for i := range all {
		l := &all[i]
		seen := "not seen yet"
		if !l.SeenAt.IsZero() {
			seen = kit.ISO(l.SeenAt)
		}
		cells := []string{l.Channel, l.Name, l.Way, l.Where, l.Protocol, l.Cipher, l.Exchange, seen, l.PostQuantum, l.FIPS, l.EndToEnd, l.Guidance, l.Why}
		ends := l.Dates
		if len(ends) == 0 {
			ends = []posture.Date{{}}
		}
		for _, d := range ends { // a line for each date, so that a spreadsheet can sort by it
			row := append(cells[:len(cells):len(cells)], d.Kind, d.Of, iso(d.From.IsZero(), kit.ISO(d.From)), iso(d.Ends.IsZero(), kit.ISO(d.Ends)), d.Owner)
			if err == nil {
				err = c.Row(row...)
			}
		}
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		return fmt.Errorf("write the posture: %w", err)
	}
	return nil
}

func iso(none bool, s string) string {
	if none {
		return ""
	}
	return s
}
