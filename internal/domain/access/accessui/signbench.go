package accessui

import (
	"errors"
	"net/http"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// awayFromBenches refuses a one-time link at a shared bench: what it makes (a way
// to sign in, and a session) belongs to one person, and the next one sits down at
// the bench in a minute. The link stays good for another device.
func (s *signing) awayFromBenches(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, err := s.Access.BenchOf(r)
		if errors.Is(err, access.ErrNotFound) {
			return h(w, r)
		}
		if err != nil {
			return err
		}
		no := &web.Error{Kind: web.KindDenied, Message: "This device is a shared bench. Open the link at a device that only you use: it still works there."}
		if r.Header.Get("Content-Type") == "application/json" {
			return answer(w, nil, no)
		}
		return no
	}
}
