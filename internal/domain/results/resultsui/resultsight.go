package resultsui

import (
	"net/http"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// noResult is what a result answers that does not exist, and one that is
// somebody else's.
const noResult = "There is no such result."

// sightOf is which deliveries a scope shows; nil is all. A practice sees what
// was sent to it or is on its way: what is held may turn out not to be its own,
// and what was only recorded was never sent.
func sightOf(scope authz.Scope) results.Sight {
	if scope.All {
		return nil
	}
	return func(d *results.Delivery) bool {
		o := ofDelivery(d)
		for _, g := range scope.Grants {
			if !(authz.Scope{Grants: []authz.Grant{g}}).Holds(o) {
				continue
			}
			if g.Role != authz.Provider {
				return true
			}
			switch d.State {
			case results.Waiting, results.NeedsPerson, results.Done, results.Superseded:
				return true
			}
		}
		return false
	}
}

// reaches says whether p may be done to the message, by way of one of the
// deliveries that may be seen; nil, or why not.
func reaches(r *http.Request, p authz.Permission, m *results.Summary) error {
	err := web.May(r, p, authz.Object{Site: m.Site})
	for i := range m.Deliveries {
		if err == nil {
			return nil
		}
		err = web.May(r, p, ofDelivery(&m.Deliveries[i]))
	}
	return err
}

// may is reaches without the reason, for drawing a button. A button that asks to
// confirm who one is first is drawn.
func mayReach(r *http.Request, p authz.Permission, m *results.Summary) bool {
	return offered(reaches(r, p, m))
}

func mayAt(r *http.Request, p authz.Permission, x *results.Delivery) bool {
	return offered(web.May(r, p, ofDelivery(x)))
}

// found reads a message and narrows it to what the caller may see.
func (d Deps) found(r *http.Request, text string) (results.Summary, error) {
	id, err := event.ParseID(text)
	if err != nil {
		return results.Summary{}, web.NotFound(noResult)
	}
	m, err := d.Results.Show(r.Context(), id)
	if err != nil {
		return m, missing(err, noResult)
	}
	if !m.Narrow(sightOf(web.Scope(r, authz.ResultsFind))) {
		return m, web.NotFound(noResult)
	}
	return m, nil
}

// way is one of the message's deliveries that the caller may see.
func way(m *results.Summary, number string) (*results.Delivery, error) {
	for i := range m.Deliveries {
		if numbered(m.Deliveries[i].Seq) == number {
			return &m.Deliveries[i], nil
		}
	}
	return nil, web.NotFound(noResult)
}
