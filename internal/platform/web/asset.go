package web

import (
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// assetRoutes serve stylesheet, scripts, fonts and icons from the program.
func assetRoutes() []Route {
	return []Route{{
		Pattern: "GET /assets/{name...}", Access: Open, Why: "stylesheet, scripts and fonts hold nothing of the laboratory",
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			a, ok := kit.Asset(r.PathValue("name"))
			if !ok {
				return NotFound("There is no such file.")
			}
			h := w.Header()
			h.Set("Content-Type", a.Type)
			h.Set("ETag", `"`+a.Hash+`"`)
			if r.URL.Query().Get("v") == a.Hash {
				h.Set("Cache-Control", "public, max-age=31536000, immutable")
			} else {
				h.Set("Cache-Control", "public, max-age=300")
			}
			if r.Header.Get("If-None-Match") == `"`+a.Hash+`"` {
				w.WriteHeader(http.StatusNotModified)
				return nil
			}
			body := a.Body
			if len(a.Gzip) > 0 {
				h.Set("Vary", "Accept-Encoding")
				if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
					h.Set("Content-Encoding", "gzip")
					body = a.Gzip
				}
			}
			_, _ = w.Write(body)
			return nil
		},
	}}
}
