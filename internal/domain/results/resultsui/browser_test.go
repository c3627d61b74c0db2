package resultsui_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/channel"
)

// TestResultPagesInABrowser looks at the pages of results as a browser draws them,
// with hostile content too: no script of a message runs, nothing breaks the policy
// or the width.
func TestResultPagesInABrowser(t *testing.T) {
	l := newLab(t)
	l.at = time.Now()
	l.box["northgate"].set(&channel.Error{Class: channel.Unreachable, Code: "refused"})
	two := l.take(oru("MB90417", "4711", "26-118204"))
	h := strings.NewReplacer("|", "!", "^", "!", "~", "!", "&", "!").Replace(strings.Join(hostile[:8], " ") + hostile[10][:400])
	hid := l.take([]byte(strings.Join([]string{
		`MSH|^~\&|` + h + `|` + h + `|` + h + `|` + h + `|20260504073900||ORU^R01^ORU_R01|CX|P|2.5.1`, `PID|1|` + h + `|9^^^` + h + `^MR|` + h + `|` + h + `^` + h + `||19610412|` + h,
		`OBR|1|` + h + `|` + h + `|` + h + `^` + h + `^LN|||` + h + `|||||||` + h + `|` + h + `||` + h + `^` + h + `^` + h, `OBX|1|NM|` + h + `^` + h + `||` + h + `|` + h + `|` + h + `|` + h, `NTE|1|` + h + `|` + h, `ZXX|1|` + h,
	}, "\r") + "\r"))
	l.deliver()
	l.do(tech, "POST", path(two)+"/name", url.Values{})
	held := l.take(oru("MB90419", "4712", "26-118206"))
	l.do(tech, "POST", wayPath(held, l.to(held, "riverside").Seq, "hold"), reason, "X-Hold", "1")
	l.take([]byte("nothing at all"))
	l.takeFrom("other", oru("N", "4711", "1"))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Role", "laboratory-director")
		if strings.Contains(r.URL.RawQuery, "role=compliance") {
			r.Header.Set("X-Role", "compliance-officer")
		}
		r.Header.Set("X-Hold", "1")
		l.h.ServeHTTP(w, r)
	}))
	defer srv.Close()
	p := func(name, path string, steps ...pages.Step) pages.Page {
		return pages.Page{Name: "journey-" + name, Path: path, Steps: steps, Narrow: true, Print: true}
	}
	wrong := p("search-wrong", "/results", pages.Step{Do: "click", At: "main form[action='/results/search'].form button"})
	confirm := p("confirm-wrong", wayPath(two, 0, "resend"), pages.Step{Do: "click", At: "main form button"})
	message := pages.Step{Do: "click", At: "form[action$='/message'] button"}
	// A page that a form leads to counts the load of the page before it as well.
	plan := pages.Plan{Base: srv.URL, First: 140 << 10, Pages: []pages.Page{
		p("list", "/results"), p("result", path(two)), p("hostile", path(hid)), p("hostile-message", path(hid), message), p("quarantine", "/quarantine"),
	}}
	if all := os.Getenv("LABWARDEN_ALL_PAGES") != ""; all {
		plan.Pages = append(plan.Pages,
			p("held", path(held)), p("record", path(two)+"?role=compliance"), p("item", "/quarantine/"+l.apart().String()), p("message", path(two), message),
			p("name", path(two), pages.Step{Do: "click", At: "form[action$='/name'] button"}), p("resend", wayPath(two, 0, "resend")), wrong, confirm,
			p("replay", "/quarantine/replay?cause=no_route"), p("empty", "/results?partner=riverside&state=refused"),
		)
	}
	if r := pages.Look(t, plan); len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
}
