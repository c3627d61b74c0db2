package resultsui_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// TestMaskedRolesReadNoOrderNumbers: an order number is a patient's to whoever has a
// list of them. Those who may see no patient read its end, not who ordered it, and
// find by a number they have but not by a name or a patient's identifier.
func TestMaskedRolesReadNoOrderNumbers(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "777128", "SPM|1|SP888345^SF888346|SP|SER"))
	l.deliver()
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	numbers := []string{"F777128", "P777128", "SF888346", "SP888345", "777128", "Sandoval"}
	byPatient := []url.Values{{"patient": {"4711"}}, {"last": {"Marchbanks"}, "born": {"1961-04-12"}}, {"order": {"F777128"}, "patient": {"4711"}}}
	byPatientAPI := []string{`{"patient":"4711"}`, `{"last_name":"Marchbanks","birth_date":"1961-04-12"}`, `{"order":"F777128","patient":"4711"}`}
	for _, role := range []string{"auditor", "administrator", "security-officer"} {
		before := len(l.events(results.KindSearched))
		l.get(role, "/results").want(t, 200, id.String(), "Glucose", "…128", "Find a result by its number").not(t, numbers...)
		l.get(role, path(id)).want(t, 200, "Glucose", "…128", "not shown to your role").not(t, numbers...)
		l.get(role, "/api/v1"+path(id)+"/journey").want(t, 200, "…128").not(t, numbers...)
		l.get(role, "/results").not(t, `name="patient"`, `name="last"`)
		for _, form := range byPatient {
			l.do(role, "POST", "/results/search", form).want(t, 403).not(t, id.String())
		}
		for _, body := range byPatientAPI {
			l.send(role, "POST", "/api/v1/results/search", strings.NewReader(body), "application/json").want(t, 403).not(t, id.String())
		}
		if n := len(l.events(results.KindSearched)); n != before {
			t.Errorf("%s: %d searches were recorded that were not made", role, n-before)
		}
		// The number on the tube in one's hand, exactly; recorded.
		to := l.do(role, "POST", "/results/search", url.Values{"order": {"F777128"}}).want(t, 303).Header().Get("Location")
		l.get(role, to).want(t, 200, "1 result was found.", id.String(), "…128").not(t, numbers...)
		l.send(role, "POST", "/api/v1/results/search", strings.NewReader(`{"order":"SF888346"}`), "application/json").want(t, 200, id.String())
		if n := len(l.events(results.KindSearched)); n != before+2 {
			t.Errorf("%s: %d searches are on record", role, n-before)
		}
		// What others look for is theirs.
		to = l.do(tech, "POST", "/results/search", byPatient[0]).want(t, 303).Header().Get("Location")
		l.get(role, to).want(t, 200, "This search has ended.").not(t, id.String())
	}
	l.get(tech, "/results").want(t, 200, "F777128", "Find a patient’s results", `name="patient"`)
	l.get(tech, path(id)).want(t, 200, "F777128", "P777128", "Sandoval")
	l.get(tech, "/api/v1"+path(id)+"/journey").want(t, 200, "F777128")
}
