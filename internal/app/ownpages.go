package app

import (
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/certificates/certificatesui"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// certificatePages is what the pages of certificates stand on.
func (h *Hub) certificatePages(c *config.Config) certificatesui.Deps {
	return certificatesui.Deps{
		Certificates: h.rooms.certificates, Address: func() string { return enrolAddress(h.current(c)) }, Changed: h.certificatesChanged, Zone: time.Local,
		Ends: func() []certificatesui.End {
			now := h.now()
			var out []certificatesui.End
			for _, d := range h.endings(h.current(c), now) {
				if d.Kind == control.DateIssued {
					continue // the page has it with what was issued
				}
				_, due := d.Threshold(now)
				out = append(out, certificatesui.End{
					Of: d.Of, Kind: d.Kind, Words: d.Words(now.Local()), Advice: d.Advice(), Owner: d.Owner, Ends: d.End(), Due: due, Past: !d.End().After(now),
				})
			}
			return out
		},
		Channels: func() [][2]string {
			now := h.current(c)
			var out [][2]string
			for _, key := range sorted(now.Partners) {
				out = append(out, [2]string{"partner " + key, now.Partners[key].Name})
			}
			for _, key := range sorted(now.Sources) {
				out = append(out, [2]string{"source " + key, "Source " + key})
			}
			return out
		},
	}
}
