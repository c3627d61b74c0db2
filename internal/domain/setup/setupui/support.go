package setupui

import (
	"errors"
	"net/http"
	"reflect"
	"strconv"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) supportRoutes() []web.Route {
	if d.Bundles == nil {
		return nil
	}
	return []web.Route{
		{Pattern: "GET /support", Needs: authz.SupportMake, Handle: d.supportPage},
		{Pattern: "POST /support", Needs: authz.SupportMake, Handle: d.makeBundle},
		{Pattern: "GET /support/bundle.zip", Needs: authz.SupportMake, Handle: d.fetchBundle, Stream: true},
		web.Op[none, setup.BundleState]{
			Pattern: "GET /api/v1/support/bundle", Needs: authz.SupportMake, Tag: "Support", Summary: "How the last support bundle is",
			Do: func(*http.Request, none) (setup.BundleState, error) { return d.Bundles.State(), nil },
		}.Route(),
		web.Op[none, setup.BundleState]{
			Pattern: "POST /api/v1/support/bundle", Needs: authz.SupportMake, Tag: "Support", Summary: "Begin to make a support bundle",
			Do: func(r *http.Request, _ none) (setup.BundleState, error) {
				err := d.Bundles.Start(r.Context(), web.Who(r).Account)
				return d.Bundles.State(), err
			},
		}.Route(),
		{
			Pattern: "GET /api/v1/support/bundle.zip", Needs: authz.SupportMake, Handle: d.fetchBundle, Stream: true,
			Doc: &web.Doc{Tag: "Support", Summary: "The last support bundle", In: reflect.TypeFor[none](), Out: reflect.TypeFor[[]byte](), Produces: "application/zip"},
		},
	}
}

func (d Deps) supportPage(w http.ResponseWriter, r *http.Request) error {
	st, now := d.Bundles.State(), d.now(r)
	p := kit.Page{
		Title: "Support bundle", Lead: "A file for support that names no patient.", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Support bundle"}}, Live: []string{"support"},
	}
	again := &kit.Action{Text: "Make one", Href: "/support", Post: true, Primary: true}
	switch {
	case st.Busy():
		p.Body = kit.Verdict(kit.Unknown, "It is being made since "+kit.Clock(st.Began.In(d.zone()), now),
			"What tells who a patient is in a stored message is looked for in it: "+things(int(st.Values), "value", "values")+" so far. The more is stored, the longer it takes, at most an hour; the page goes on by itself, and you can leave it.", nil)
	case st.Problem != "":
		p.Body = kit.Verdict(kit.Stopped, "There is no bundle", st.Problem, again)
	case st.Ready:
		m := st.Manifest.Proof
		text := things(int(m.Values), "value", "values") + " of " + things(int(m.Messages), "stored message", "stored messages") + " were looked for in " + things(int(m.Words), "word", "words") + ", and none was found. Kept for an hour."
		p.Body = kit.Verdict(kit.Fine, "The bundle holds no patient data, looked at "+kit.Clock(st.Ended.In(d.zone()), now), text, &kit.Action{Text: "Download", Href: "/support/bundle.zip", Primary: true, Icon: "download"})
	default:
		p.Body = kit.Verdict(kit.Unknown, "None was made in the last hour", "It is made on this machine and goes nowhere by itself.", again)
	}
	if st.Ready {
		var rows []kit.Row
		for _, x := range st.Manifest.Parts {
			rows = append(rows, kit.Row{Cells: []kit.Cell{kit.CMono(x.Name), kit.CNum(x.Bytes), kit.CMono(x.SHA256[:16])}})
		}
		p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "What is in it", Sub: kit.Count(st.Bytes) + " bytes", Body: kit.DataTable(kit.Table{
			Caption: "Files in the bundle", View: kit.View{Path: "/support"}, Rows: rows, Total: len(rows), Columns: []kit.Column{{Name: "File"}, {Name: "Bytes", Num: true}, {Name: "Fingerprint"}},
		})}))
		if m := st.Manifest.Proof; m.Unreadable > 0 || m.TooShort > 0 {
			p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "What could not be looked for", Body: kit.Checks([]kit.Check{
				{State: kit.Unknown, Word: "Not looked at", Title: things(int(m.Unreadable), "message", "messages") + " erased, damaged or no HL7"},
				{State: kit.Unknown, Word: "Too short", Title: things(int(m.TooShort), "value", "values") + " too short to tell anybody apart"},
			})}))
		}
	}
	p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "What a bundle holds, and what not", Pad: true, Body: kit.KeyValues([]kit.KV{
		{Key: "In it", Value: "Versions, the shape of the configuration, counts, metrics, ages of keys, migrations"},
		{Key: "Not in it", Value: "Names of the laboratory, partners, sources, people and hosts; secrets; logs; messages"},
	})}))
	return web.Render(w, r, p)
}

func (d Deps) makeBundle(w http.ResponseWriter, r *http.Request) error {
	if err := d.Bundles.Start(r.Context(), web.Who(r).Account); err != nil && !errors.Is(err, setup.ErrBundleBusy) {
		return err
	}
	web.Say(r, "support")
	return web.Done(w, r, "/support", "")
}

func (d Deps) fetchBundle(w http.ResponseWriter, _ *http.Request) error {
	zip, err := d.Bundles.Zip()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="labwarden-support.zip"`)
	h.Set("Content-Length", strconv.Itoa(len(zip)))
	_, _ = w.Write(zip) // the caller may have gone
	return nil
}
