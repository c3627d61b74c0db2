package portalui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) colleagues(w http.ResponseWriter, r *http.Request) error {
	return s.drawColleagues(w, r, nil)
}

func (s *site) drawColleagues(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	names, now := s.Portal.Settings().Partners, web.Now(r)
	var parts []templ.Component
	for _, key := range p.Partners() {
		if _, manages := p.Of(key); !manages {
			continue
		}
		all, err := s.Portal.Members(r.Context(), key)
		if err != nil {
			return err
		}
		open, err := s.Portal.ForManager(r.Context(), p, key)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			parts = append(parts, changesSheet(open, key, now))
		}
		t := kit.Table{Caption: "People of " + names[key], Empty: "Nobody.", Columns: []kit.Column{{Name: "Name"}, {Name: "As"}, {Name: "Until"}, {Name: "Act"}}}
		for i := range all {
			m := &all[i]
			if !m.In(now) {
				continue
			}
			until, act := "no end", kit.C("")
			if !m.Until.IsZero() {
				until = kit.Date(m.Until.Add(-time.Second), now)
			}
			if m.Kind == portal.Cover {
				act = kit.CBody(kit.Quick("/colleagues/"+m.ID.String()+"/end?of="+key, "End it", "for "+m.Name))
			}
			t.Rows = append(t.Rows, kit.Row{Key: m.ID.String(), Cells: []kit.Cell{kit.C(m.Name), kit.C(kindWords[m.Kind]), kit.C(until), act}})
		}
		t.Total = len(t.Rows)
		o := kit.FormOpts{Action: "/colleagues", Submit: "Let them cover", Hidden: map[string]string{"of": key}, Fields: []kit.Field{
			{Name: "account", Label: "Their sign-in name", Hint: "They tell you; it stands on their letter. They sign in as always and find your practice beside their own.", Required: true, Max: 64, Value: r.FormValue("account"), ID: "account-" + key},
			{Name: "until", Label: "Last day", Kind: kit.DateField, Required: true, Narrow: true, Value: r.FormValue("until"), ID: "until-" + key},
		}}
		if bad != nil && r.FormValue("of") == key {
			o.Fields = kit.WithErrors(o.Fields, bad.Fields)
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: names[key], Body: kit.DataTable(t)}), kit.Sheet(kit.SheetOpts{Title: "Somebody covers for you", Sub: "it ends by itself", Pad: true, Body: kit.Form(o)}))
	}
	if len(parts) == 0 {
		return web.NotFound("Your laboratory has not asked you to look after colleagues. It does that itself: " + s.phone() + ".")
	}
	out := kit.Page{Title: "Colleagues", Lead: "Who of your practice opens results.", Rest: "New people get a letter from the laboratory.", Nav: "/colleagues", Body: kit.Stacked(parts)}
	if bad != nil {
		out.Status = statusOf(bad)
	}
	return web.Render(w, r, out)
}

var kindWords = map[string]string{portal.Member: "opens results", portal.Manager: "manager", portal.Cover: "covers"}

// managed says whether the person manages the practice that a form names.
func (s *site) managed(r *http.Request) (*portal.Person, string, error) {
	p, err := s.person(r)
	if err != nil {
		return nil, "", err
	}
	of := r.FormValue("of")
	if _, manages := p.Of(of); !manages {
		return nil, "", web.NotFound(noResult)
	}
	return p, of, nil
}

func (s *site) lend(w http.ResponseWriter, r *http.Request) error {
	p, of, err := s.managed(r)
	if err != nil {
		return err
	}
	until, err := time.ParseInLocation(time.DateOnly, r.FormValue("until"), s.Zone)
	if err == nil {
		until = until.AddDate(0, 0, 1)
	}
	if err := s.Portal.Lend(r.Context(), of, r.FormValue("account"), until, "portal:"+p.Account); err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return s.drawColleagues(w, r, e)
	}
	return web.Done(w, r, "/colleagues", "They find your practice's results when they sign in next. It ends by itself.")
}

func (s *site) unlend(w http.ResponseWriter, r *http.Request) error {
	p, of, err := s.managed(r)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	all, err := s.Portal.Members(r.Context(), of)
	if err != nil {
		return err
	}
	for i := range all {
		if m := &all[i]; m.ID == id && m.Kind == portal.Cover && m.Ended.IsZero() {
			if err := s.Portal.Leave(r.Context(), of, id, "portal:"+p.Account); err != nil {
				return err
			}
			return web.Done(w, r, "/colleagues", "They no longer see your practice's results.")
		}
	}
	return web.NotFound(noResult)
}
