package resultsui

import (
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// namesPatient: the query goes by what names a patient. An order or specimen
// number is another thing: who looks for one has it already.
func namesPatient(q *results.Query) bool {
	return strings.TrimSpace(q.PatientID+q.Authority+q.LastName+q.BirthDate) != ""
}

// looksForPatients says whether the caller may look for a patient at all: that a
// search finds something tells that the patient was here, and which test was made.
func looksForPatients(r *http.Request) bool { return !web.Scope(r, authz.ResultsReveal).Empty() }

// searchable refuses a search for a patient to whoever may see none, and narrows
// one to where they may.
func searchable(r *http.Request, q *results.Query) error {
	if !namesPatient(q) {
		return nil
	}
	if !looksForPatients(r) {
		if err := web.May(r, authz.ResultsReveal, authz.Object{}); err != nil {
			return err
		}
		return &authz.Denied{Permission: authz.ResultsReveal}
	}
	find, reveal := q.Sees, sightOf(web.Scope(r, authz.ResultsReveal))
	switch {
	case reveal == nil:
	case find == nil:
		q.Sees = reveal
	default:
		q.Sees = func(d *results.Delivery) bool { return find(d) && reveal(d) }
	}
	return nil
}

// saidFor is what a message says of itself as the caller may read it.
func saidFor(r *http.Request, m *results.Summary, s *results.Said) *results.Said {
	if mayReach(r, authz.ResultsReveal, m) {
		return s
	}
	return s.Hidden()
}
