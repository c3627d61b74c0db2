package setupui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/platform/web"
)

// Zone is where the laboratory is, for times people read.
type Zone func() *time.Location

func (d Deps) zone() *time.Location {
	if d.Zone == nil {
		return time.UTC
	}
	return d.Zone()
}

// now is the time as the laboratory's clocks show it.
func (d Deps) now(r *http.Request) time.Time { return web.Now(r).In(d.zone()) }
