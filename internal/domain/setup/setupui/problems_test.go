package setupui_test

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAProblemIsReportedAndAnswered: by anybody, read by them and by who answers,
// and by nobody else.
func TestAProblemIsReportedAndAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.server.Report = "/problems/new"
		r.get("tina", "/problems/new").says(200, "Name no patient", `href="/problems/new?page=%2Fproblems%2Fnew"`)
		r.get("tina", "/problems/new?page=%2Fconfig%2Frevisions%2F%7Bnumber%7D&ref=ABCDEFG2").says(200, "/config/revisions/{number}", "ABCDEFG2")
		r.get("tina", "/problems/new?page=%2Fresults%2Fjane&ref=jane").says(200).without("jane")
		r.post("tina", "/problems", "words", " ").says(422, "Say what happened")
		r.post("tina", "/problems", "words", "The <search> never ends.", "page", "/config/revisions/{number}", "ref", "ABCDEFG2").goes("/problems/1")
		r.post("carl", "/problems", "words", "too slow", "page", "/results/jane").goes("/problems/2")
		r.get("tina", "/problems/1").says(200, "The &lt;search&gt; never ends.", "This report waits for somebody.").without("Answer it")
		r.get("carl", "/problems/1").says(404)
		r.get("carl", "/problems").says(200, "Problem 2").without("Problem 1")
		r.post("carl", "/problems/2/take").says(403)
		r.post("paul", "/problems/2/answer", "answer", "x").says(403)

		src := setupui.Sources(r.deps())
		items := 0
		for _, s := range src {
			if s.Name == "reported problems" {
				list, err := s.Look(t.Context(), r.people["ann"], r.now)
				r.must(err)
				for _, x := range list {
					if strings.Contains(x.Title+x.Text, "search") {
						t.Error("Today says what was reported")
					}
				}
				items = len(list)
			}
		}
		if items != 2 {
			t.Errorf("%d items on Today", items)
		}
		r.get("ann", "/problems").says(200, "2 reports wait for an answer.", "Problem 1", "Problem 2")
		r.post("ann", "/problems/1/take").goes("/problems/1")
		r.post("bob", "/problems/1/take").says(409)
		r.get("bob", "/problems/1").says(200, "ann sees to this report.", "ABCDEFG2")
		r.post("bob", "/problems/1/answer", "answer", "").says(422, "Write an answer")
		r.post("bob", "/problems/1/answer", "answer", "It is mended.").goes("/problems/1")
		r.get("tina", "/problems/1").says(200, "bob has answered this report.", "It is mended.")

		r.api("tina", "POST", "/problems", `{"words":"again","page":"/results/jane"}`).says(422)
		r.api("tina", "POST", "/problems", `{"words":"again","page":"/maintenance"}`).says(200, `"number":3`, `"state":"open"`)
		r.api("carl", "GET", "/problems/3", "").says(404)
		r.api("carl", "POST", "/problems/3/take", "").says(403)
		r.api("sam", "POST", "/problems/3/take", "").says(200, `"taken_by":"sam"`)
		r.api("sam", "POST", "/problems/3/answer", `{"answer":"seen"}`).says(200, `"state":"answered"`)
		r.api("sam", "POST", "/problems/3/answer", `{"answer":"seen"}`).says(409)
		r.api("sam", "POST", "/problems/9/answer", `{"answer":"seen"}`).says(404)
		r.api("tina", "GET", "/problems", "").says(200, `"answer":"seen"`).without("too slow")
	})
}
