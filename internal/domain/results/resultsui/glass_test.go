package resultsui_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// What is seen under break-glass access names it in the ledger, so that whoever
// reviews it finds all of it; what is seen without one names none.
func TestLooksNameTheBreakGlassAccess(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	l.take([]byte(noControl))
	l.deliver()
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	apart := l.apart().String()
	const sec = "security-officer" // sees no patient without it
	glass := event.ID{7, 'g'}.String()
	size := func() int64 {
		t.Helper()
		h, err := l.log.Head(t.Context())
		l.ok(err)
		return h.Size
	}
	// each looks with X-Glass and says what was added to the ledger.
	each := func(what string, look func(headers ...string) answer) {
		t.Helper()
		before := size()
		look("X-Glass", "g").not(t, "do not let you")
		after := size()
		if after == before {
			t.Errorf("%s: nothing is recorded", what)
		}
		for leaf := before; leaf < after; leaf++ {
			raw, err := l.log.Event(t.Context(), leaf)
			l.ok(err)
			e, err := ledger.ParseEvent(raw)
			l.ok(err)
			if e.IDs.Get("glass") != glass {
				t.Errorf("%s: %s does not name the access: %v", what, e.Kind, e.IDs)
			}
		}
	}
	post := func(path string, form url.Values) func(...string) answer {
		return func(h ...string) answer { return l.do(sec, "POST", path, form, h...) }
	}
	api := func(path, body string) func(...string) answer {
		return func(h ...string) answer {
			return l.send(sec, "POST", "/api/v1"+path, strings.NewReader(body), "application/json", h...)
		}
	}
	l.do(sec, "POST", path(id)+"/name", url.Values{}).want(t, 403)
	each("name", post(path(id)+"/name", url.Values{}))
	each("message", post(path(id)+"/message", url.Values{}))
	each("search", post("/results/search", url.Values{"patient": {"4711"}}))
	each("quarantined message", post("/quarantine/"+apart+"/message", url.Values{}))
	each("message by API", api(path(id)+"/message", `{"reason":"x"}`))
	each("search by API", api("/results/search", `{"patient":"4711"}`))
	each("quarantined message by API", api("/quarantine/"+apart+"/message", `{"reason":"x"}`))
	l.do("laboratory-director", "POST", path(id)+"/name", url.Values{}).want(t, 200)
	raw, err := l.log.Event(t.Context(), size()-1)
	l.ok(err)
	if e, err := ledger.ParseEvent(raw); err != nil || e.IDs.Get("glass") != "" || e.Kind != "result.viewed" {
		t.Errorf("%+v %v", e, err)
	}
}
