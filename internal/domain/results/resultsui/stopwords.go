package resultsui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A stop's words are sealed: they may say whose results it keeps. Whoever may read
// them is shown them by a POST, which is recorded first.
func stopWordRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "POST /stops/{id}/words", Needs: authz.StopsRead, Handle: d.stopWords},
		// A page that a POST drew is lost on a reload: its address leads back.
		{Pattern: "GET /stops/{id}/words", Needs: authz.PartnersSee, Handle: func(w http.ResponseWriter, r *http.Request) error {
			return web.Done(w, r, "/stops/"+r.PathValue("id"), "")
		}},
		web.Op[stopWordsIn, StopWordsAnswer]{
			Pattern: "POST /api/v1/stops/{id}/words", Needs: authz.StopsRead, Tag: "Stops", Summary: "The sealed words of a stop",
			Detail: "They may be about patients: the look is recorded first, and without a record there is no answer.", Do: d.opStopWords,
		}.Route(),
	}
}

// readableStop finds the stop in the address and asks whether its words may be read,
// of each partner it is about.
func (d Deps) readableStop(r *http.Request) (*results.Stopped, error) {
	s, err := d.findStop(r)
	if err != nil {
		return nil, err
	}
	for _, o := range slices.Concat(d.ofStop(s)...) {
		if err := web.May(r, authz.StopsRead, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (d Deps) stopWords(w http.ResponseWriter, r *http.Request) error {
	s, err := d.readableStop(r)
	if err != nil {
		return err
	}
	words, err := d.Results.StopWords(r.Context(), s.ID, as(r, "read-words"))
	if err != nil {
		return missing(err, noStop)
	}
	path := "/stops/" + s.ID.String()
	body := kit.Empty("No words were written beside the reason.", nil)
	if words != "" {
		body = kit.Pre("What was written when the stop was placed", []kit.Part{{Text: printableLines(words)}})
	}
	return web.Render(w, r, kit.Page{
		Title: "A stop in words", Lead: "What was written when it was placed.", Rest: "This look is recorded.", Nav: "/stops",
		Crumbs: []kit.Crumb{{Name: "Stops", Href: "/stops"}, {Name: "Stop", Href: path}, {Name: "In words"}},
		Body: stack(kit.Sheet(kit.SheetOpts{Title: "In words", Sub: "by " + s.PlacedBy, Body: templ.Join(body,
			kit.Acts(kit.Action{Text: "Back to the stop", Href: path, Icon: "back"}))})),
	})
}

// printableLines is a text as it was typed, line by line.
func printableLines(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, results.Printable(strings.TrimRight(line, "\r\n"), 2000))
	}
	return strings.Join(out, "\n")
}

type stopWordsIn struct {
	ID     string `path:"id" doc:"the stop's id"`
	Reason string `json:"reason" doc:"why, at most 200 characters; no patient data"`
}

// StopWordsAnswer is what was written when a stop was placed.
type StopWordsAnswer struct {
	ID    string `json:"id"`
	Words string `json:"words" doc:"empty where nothing was written beside the reason"`
}

func (d Deps) opStopWords(r *http.Request, in stopWordsIn) (StopWordsAnswer, error) {
	s, err := d.readableStop(r)
	if err != nil {
		return StopWordsAnswer{}, err
	}
	reason, err := checked(in.Reason)
	if err != nil {
		return StopWordsAnswer{}, err
	}
	words, err := d.Results.StopWords(r.Context(), s.ID, as(r, reason))
	return StopWordsAnswer{s.ID.String(), words}, missing(err, noStop)
}
