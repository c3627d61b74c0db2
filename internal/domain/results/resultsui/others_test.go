package resultsui_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// A practice sees its own partner's results and deliveries and nothing else;
// what is not its own answers, byte for byte, as what does not exist.
func TestAPracticeSeesItsOwnAlone(t *testing.T) {
	l := newLab(t)
	set := l.set()
	set.Routes = append(set.Routes, results.Route{Name: "north", From: "other", To: []string{"northgate"}, Stage: results.Carry})
	l.Apply(set)
	both := l.take(oru("C1", "4711", "100"))
	theirs := l.takeFrom("other", oru("C2", "4711", "200"))
	l.deliver()
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	const doc = "provider@riverside"
	l.get(doc, "/results").want(t, 200, both.String(), "Riverside Family Practice: accepted").not(t, theirs.String(), "Northgate", "northgate")
	l.get(doc, path(both)).want(t, 200, "Riverside Family Practice’s system accepted this result.").not(t, "Northgate", "northgate", "Send again", "Hold")
	l.get(doc, "/results?partner=northgate").want(t, 200).not(t, both.String(), theirs.String(), "Northgate")
	csv := l.get(doc, "/results?format=csv").want(t, 200, both.String())
	csv.not(t, theirs.String(), "northgate")
	to := l.do(doc, "POST", "/results/search", url.Values{"patient": {"4711"}}).want(t, 303).Header().Get("Location")
	l.get(doc, to).want(t, 200, "1 result was found.", both.String()).not(t, theirs.String())
	l.do(doc, "POST", path(both)+"/name", url.Values{}).want(t, 200, "Marchbanks").not(t, "Northgate")
	api := l.get(doc, "/api/v1"+path(both)).want(t, 200, "riverside")
	api.not(t, "northgate")
	l.get(doc, "/api/v1"+path(both)+"/journey").want(t, 200).not(t, "northgate", "Northgate")
	l.send(doc, "POST", "/api/v1/results/search", strings.NewReader(`{"patient":"4711"}`), "application/json").want(t, 200, both.String()).not(t, theirs.String(), "northgate")

	// Every route that names a result, with another's and with an unknown one.
	unknown := event.NewID()
	n := 0
	seqs := map[event.ID]int64{theirs: l.to(theirs, "northgate").Seq, unknown: 7}
	for _, rt := range resultsui.Routes(resultsui.Deps{Results: l.Service}) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		if !strings.Contains(pattern, "/results/{id}") {
			continue
		}
		for _, role := range []string{doc, "laboratory-director@riverside"} {
			var texts []string
			for _, id := range []event.ID{theirs, unknown} {
				p := strings.NewReplacer("{id}", id.String(), "{number}", fmt.Sprint(seqs[id]), "{hold}", event.ID{9}.String()).Replace(pattern)
				var a answer
				if strings.HasPrefix(p, "/api/") {
					body := ""
					if method == "POST" {
						body = `{"reason":"x"}`
					}
					a = l.send(role, method, p, strings.NewReader(body), "application/json", "X-Hold", "1")
				} else if method == "POST" {
					a = l.do(role, method, p, reason, "X-Hold", "1")
				} else {
					a = l.do(role, method, p, nil, "X-Hold", "1")
				}
				a.not(t, "archbanks", "northgate", "Northgate", "F200")
				texts = append(texts, fmt.Sprint(a.Code, strings.ReplaceAll(strings.ReplaceAll(a.Header().Get("Location")+a.text, id.String(), "ID"), fmt.Sprint("/", seqs[id], "/"), "/N/")))
				if a.Code == 200 || a.Code >= 500 {
					t.Errorf("%s %s as %s: status %d", method, p, role, a.Code)
				}
			}
			if texts[0] != texts[1] {
				t.Errorf("%s as %s tells another's from an unknown one:\n%s\n%s", rt.Pattern, role, main(texts[0]), main(texts[1]))
			}
			n++
		}
	}
	if n < 50 {
		t.Errorf("only %d were tried", n)
	}
	// A delivery of another partner of a result that is theirs too.
	number := l.to(both, "northgate").Seq
	for _, act := range []string{"resend", "hold", "release", "again", "proof"} {
		a := l.do("laboratory-director@riverside", "POST", wayPath(both, number, act), reason, "X-Hold", "1")
		b := l.do("laboratory-director@riverside", "POST", wayPath(both, 99999, act), reason, "X-Hold", "1")
		a.text, b.text = strings.ReplaceAll(a.text, fmt.Sprint("/", number, "/"), "/N/"), strings.ReplaceAll(b.text, "/99999/", "/N/")
		if a.Code != 404 || a.text != b.text {
			t.Errorf("%s: %d %d\n%s\n%s", act, a.Code, b.Code, main(a.text), main(b.text))
		}
	}
	// Quarantine is nobody's yet: a narrowed grant does not reach it.
	l.take([]byte(noControl))
	l.get(tech+"@riverside", "/quarantine").want(t, 403)
	a := l.get(tech+"@riverside", "/quarantine/"+l.apart().String()).want(t, 404)
	b := l.get(tech+"@riverside", "/quarantine/"+event.NewID().String()).want(t, 404)
	if a.text != b.text {
		t.Error("a quarantined message is told from an unknown one")
	}
}

// A result that is held because it may not be the practice's own is not shown
// to it, also where it was planned for its partner.
func TestAPracticeDoesNotSeeWhatIsHeldFromIt(t *testing.T) {
	l := newLab(t)
	set := l.set()
	set.Routes[0].Owner = func(partner string, _ results.Look) (string, error) {
		if partner == "riverside" {
			return "not theirs", nil
		}
		return "", nil
	}
	l.Apply(set)
	id := l.take(oru("C1", "4711", "100"))
	const doc = "provider@riverside"
	l.get(doc, path(id)).want(t, 404)
	l.get(doc, "/results").want(t, 200, "No result has come in yet.")
	l.do(doc, "POST", path(id)+"/name", url.Values{}).want(t, 404)
	l.get(tech+"@riverside", path(id)).want(t, 200, "This result is held.")
	l.do(tech, "POST", wayPath(id, l.to(id, "riverside").Seq, "release"), reason, "X-Hold", "1").want(t, 303)
	l.get(doc, path(id)).want(t, 200, "on its way to Riverside")
}

// hostile is content that would break out of a page, a line or a file.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</textarea><svg onload=alert(1)>`, `javascript:alert(1)`, `{{7*7}}${7*7}`,
	"\u202Eevil\u202C", "zero\u200Bwidth", `=HYPERLINK("http://x")`, `\X0D\\X0A\Set-Cookie: a=b`, strings.Repeat("A", 5000), "\ue000mono\ue002",
}

func TestHostileMessagesStayText(t *testing.T) {
	l := newLab(t)
	for i, x := range hostile {
		// Field by field, in everything the pages show.
		h := strings.NewReplacer("|", "!", "^", "!", "~", "!", "&", "!").Replace(x)
		body := strings.Join([]string{
			`MSH|^~\&|` + h + `|` + h + `|` + h + `|` + h + `|20260504073900||ORU^R01^ORU_R01|C` + fmt.Sprint(i) + `|P|2.5.1`,
			`PID|1|` + h + `|9` + fmt.Sprint(i) + `^^^` + h + `^MR~` + h + `|` + h + `|` + h + `^` + h + `^` + h + `||` + h + `|` + h + `|` + h + `|` + h + `|` + h,
			`ORC|` + h + `|` + h + `|` + h + `|` + h + `|` + h + `||||||` + h + `^` + h + `^` + h,
			`OBR|1|` + h + `|` + h + `|` + h + `^` + h + `^LN|||` + h + `|||||||` + h + `|` + h + `||` + h + `^` + h + `^` + h + `||||||` + h + `||CH|` + h + `|||||||` + h + `&` + h + `&` + h,
			`OBX|1|NM|` + h + `^` + h + `||` + h + `|` + h + `|` + h + `|` + h + `|||` + h,
			`OBX|2|TX|` + h + `||` + h + `|` + h + `|` + h + `|` + h + `|||F`,
			`NTE|1|` + h + `|` + h, `SPM|1|` + h + `&` + h + `^` + h + `||` + h, `ZXX|1|` + h, h,
		}, "\r") + "\r"
		id := l.take([]byte(body))
		var pages []answer
		if id != (event.ID{}) {
			pages = append(pages, l.get(tech, path(id)), l.do(tech, "POST", path(id)+"/name", url.Values{}), l.do(tech, "POST", path(id)+"/message", url.Values{}),
				l.get("compliance-officer", path(id)), l.do(tech, "GET", wayPath(id, l.to(id, "riverside").Seq, "hold"), nil, "X-Hold", "1"), l.get("provider@riverside", path(id)))
		}
		l.takeFrom("other", []byte(body))
		l.take([]byte(h + body))
		pages = append(pages, l.get(tech, "/results"), l.get(tech, "/quarantine"))
		q, err := l.Quarantine(t.Context(), false, 1)
		l.ok(err)
		at := "/quarantine/" + q[0].ID.String()
		pages = append(pages, l.get(tech, at), l.do(tech, "POST", at+"/message", url.Values{}))
		// What people type, and what stands in addresses.
		typed := l.do(tech, "POST", "/results/search", url.Values{"last": {x}, "patient": {x}, "order": {x}}).want(t, 422)
		typed.text = strings.NewReplacer("\u202E", "", "\u202C", "", "\u200B", "", "\ue000", "", "\ue002", "").Replace(typed.text) // one's own words, in one's own form
		pages = append(pages, typed, l.do(tech, "POST", at+"/refuse", url.Values{"reason": {x}}), l.get(tech, "/results?partner="+url.QueryEscape(x)+"&from="+url.QueryEscape(x)+"&s="+url.QueryEscape(x)),
			l.get(tech, "/quarantine?source="+url.QueryEscape(x)+"&cause="+url.QueryEscape(x)), l.get(tech, "/results/"+url.PathEscape(x)))
		for n, p := range pages {
			if p.Code >= 500 {
				t.Errorf("hostile %d, page %d: status %d\n%s", i, n, p.Code, l.errs.String())
			}
			harmless(t, fmt.Sprintf("hostile %d, page %d", i, n), p)
		}
		csv := l.get(tech, "/results?format=csv").want(t, 200)
		for line := range strings.Lines(csv.text) {
			for cell := range strings.SplitSeq(strings.TrimSpace(line), ",") {
				if cell = strings.Trim(cell, `"`); cell != "" && strings.ContainsAny(cell[:1], "=+-@\t") {
					t.Errorf("a cell that a spreadsheet runs: %q", cell)
				}
			}
		}
	}
}

// harmless fails where something of a message has become part of the page's
// structure, or a character that commands stands in it.
func harmless(t *testing.T, what string, a answer) {
	t.Helper()
	if strings.Contains(a.Header().Get("Content-Type"), "text/html") {
		low := strings.ToLower(a.text)
		for _, bad := range []string{"<script>alert", "<img", "<svg onload", "onerror=alert(1)>", "<textarea></textarea>", "href=\"javascript:", "action=\"javascript:", "onmouseover='alert", "49{{", "{{49"} {
			if strings.Contains(low, bad) {
				t.Errorf("%s: %q stands in the page", what, bad)
			}
		}
		for _, attr := range []string{" onerror=", " onload=", " onmouseover=", " style="} {
			for _, at := range attributes(low) {
				if strings.Contains(at, attr) {
					t.Errorf("%s: a tag has%s: %s", what, attr, at)
				}
			}
		}
	}
	for _, r := range a.text {
		switch r {
		case '\u202E', '\u202C', '\u200B', 0x1b, '\ue000', '\ue002':
			t.Errorf("%s: the character %U stands in the answer", what, r)
			return
		}
	}
	for k, vs := range a.Header() {
		for _, v := range vs {
			if strings.ContainsAny(v, "\r\n") || strings.EqualFold(k, "a") {
				t.Errorf("%s: header %s: %q", what, k, v)
			}
		}
	}
}

// attributes are the tags of a page, as a browser would cut them: quoted values
// removed.
func attributes(page string) []string {
	var out []string
	for {
		i := strings.IndexByte(page, '<')
		if i < 0 {
			return out
		}
		page = page[i+1:]
		var b strings.Builder
		quote := byte(0)
		j := 0
		for ; j < len(page); j++ {
			c := page[j]
			switch {
			case quote != 0:
				if c == quote {
					quote = 0
				}
				continue
			case c == '"' || c == '\'':
				quote = c
				continue
			}
			if c == '>' {
				break
			}
			b.WriteByte(c)
		}
		out = append(out, b.String())
		page = page[min(j, len(page)):]
	}
}
