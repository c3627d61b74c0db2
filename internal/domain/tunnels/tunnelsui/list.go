package tunnelsui

import (
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) list(w http.ResponseWriter, r *http.Request) error {
	now := clock(r)
	all, err := d.Reader.List(r.Context())
	if err != nil {
		return err
	}
	vpns := d.Reader.VPNs()
	p := kit.Page{Title: "Tunnels", Nav: home, Live: []string{"tunnels", "alarms"}}
	p.Lead, p.Rest = lead(all, vpns, now)
	closed := d.Closed()
	if closed == "" && mayChange(r) {
		p.Tools = kit.Button(kit.Action{Text: "Add a tunnel", Href: "/setup/tunnel", Icon: "add"})
	}
	t := kit.Table{
		Caption: "Tunnels", Total: len(all), View: kit.ReadView(r.URL, 500), Empty: "None. A tunnel reaches a device on a partner's network, and lets the partner's programs reach this hub.",
		Columns: []kit.Column{{Name: "Tunnel"}, {Name: "How it is"}, {Name: "Passing"}, {Name: "Last heard"}, {Name: "Used by", Wide: true}},
	}
	for i := range all {
		x := &all[i]
		s, word := state(x, now)
		t.Rows = append(t.Rows, kit.Row{Key: x.Name, At: s == kit.Stopped, Cells: []kit.Cell{
			{Text: x.Name, Sub: kindWords(x), Href: at(x.Name)},
			{State: &s, Text: word, Sub: why(x.Words, now)},
			kit.C(moves(x)), kit.C(moment(x.Handshake, now, "never")), kit.C(users(x)),
		}})
	}
	var main []templ.Component
	if closed != "" {
		main = append(main, kit.Verdict(kit.Unknown, "Tunnels are not served here.", closed, nil))
	}
	main = append(main, kit.Sheet(kit.SheetOpts{Title: "Our tunnels", Sub: "throughput over the last minute", Body: kit.DataTable(t)}))
	if len(vpns) > 0 {
		main = append(main, vpnSheet(r, vpns))
	}
	p.Body = templ.Join(main...)
	return web.Render(w, r, p)
}

func vpnSheet(r *http.Request, vpns []tunnels.VPN) templ.Component {
	now := clock(r)
	t := kit.Table{
		Caption: "VPNs that partners keep", Total: len(vpns), View: kit.ReadView(r.URL, 500),
		Columns: []kit.Column{{Name: "VPN"}, {Name: "How it is"}, {Name: "Cipher, as told"}, {Name: "Ends"}, {Name: "Owner", Wide: true}},
	}
	for i := range vpns {
		v := &vpns[i]
		s, word := vpnState(v)
		t.Rows = append(t.Rows, kit.Row{Key: "vpn " + v.Name, At: s == kit.Stopped, Cells: []kit.Cell{
			{Text: v.Name, Sub: v.Peer}, {State: &s, Text: word, Sub: why(v.Words, now)}, kit.C(v.Cipher), ends(v, now), kit.C(v.Owner),
		}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "VPNs that partners keep", Sub: "watched from here: an address behind each is tried", ID: "vpns", Body: kit.DataTable(t)})
}
