package app

import (
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// setups has drafts that wait and drafts that were applied alone, shares that
// were shown, maintenance windows, and problem reports; and what was negotiated.
func (w *worked) setups() {
	w.t.Helper()
	w.h.rooms.sightings.saw("partner p", "TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768")
	w.h.rooms.sightings.saw("pages", "")
	w.must(w.h.rooms.sightings.keep(w.ctx))
	svc := w.h.rooms.setup
	ann, bert := approval.Person{ID: event.ID{1}, Account: "anna"}, approval.Person{ID: event.ID{2}, Account: "bert"}
	for i, name := range []string{"R", "S", "T", "U"} {
		d, err := svc.Begin(w.ctx, "draft "+name, ann)
		w.must(err)
		text := string(d.Source)
		d, err = svc.Save(w.ctx, d.Number, d.Version, d.Title, []byte(strings.Replace(text, "p: {name: ", "p: {name: "+name, 1)), ann)
		w.must(err)
		l, err := svc.Ask(w.ctx, d.Number, ann, "a test")
		w.must(err)
		switch i {
		case 0:
			_, err = svc.Apply(w.ctx, d.Number, bert, l.Seen)
			w.must(err)
		case 1, 2:
			_, err = svc.ApplyAlone(w.ctx, d.Number, ann, l.Seen, false, nil, "Nobody else is here who could do it.")
			w.must(err)
		}
	}
	done, err := svc.Alone(w.ctx, true)
	w.must(err)
	w.must(svc.Review(w.ctx, done[0].ID, bert, setup.InOrder, "looked at it"))
	for i := range 2 {
		_, err := svc.OpenWindow(w.ctx, setup.Window{Partners: []string{"p"}, Until: w.h.now().Add(time.Hour * time.Duration(i+1)), Reason: "a test", Tell: true}, ann)
		w.must(err)
	}
	w.must(svc.TickWindows(w.ctx))
	for i := range int64(3) {
		p, err := svc.ReportProblem(w.ctx, setup.Problem{Words: "it is slow", Page: "/results/{id}", Reference: "ABCDEFG2"}, ann)
		w.must(err)
		if i > 0 {
			w.must(svc.TakeProblem(w.ctx, p.Number, bert))
		}
		if i > 1 {
			w.must(svc.AnswerProblem(w.ctx, p.Number, "it is quicker now", bert))
		}
	}
}
