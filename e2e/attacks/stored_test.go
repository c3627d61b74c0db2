package attacks

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// tags walks a page's tags as a browser would find them, and calls each with the
// tag's name and attributes.
func tags(page string, each func(name string, attrs map[string]string)) {
	for {
		i := strings.IndexByte(page, '<')
		if i < 0 || i+1 == len(page) {
			return
		}
		page = page[i+1:]
		if c := page[0]; c != '/' && c != '!' && (c|0x20 < 'a' || c|0x20 > 'z') {
			continue
		}
		end := strings.IndexAny(page, " \t\n>/")
		if page[0] == '/' {
			end = strings.IndexByte(page, '>')
		}
		if end < 0 {
			return
		}
		name, attrs := strings.ToLower(page[:end]), map[string]string{}
		page = page[end:]
		for page != "" && page[0] != '>' {
			page = strings.TrimLeft(page, " \t\n/")
			stop := strings.IndexAny(page, "= \t\n>/")
			if stop <= 0 {
				break
			}
			key := strings.ToLower(page[:stop])
			page = page[stop:]
			value := ""
			if strings.HasPrefix(page, "=") {
				page = page[1:]
				q := byte(0)
				if page != "" && (page[0] == '"' || page[0] == '\'') {
					q, page = page[0], page[1:]
				}
				close := strings.IndexAny(page, " \t\n>")
				if q != 0 {
					close = strings.IndexByte(page, q)
				}
				if close < 0 {
					close = len(page)
				}
				value = page[:close]
				if page = page[close:]; q != 0 && page != "" {
					page = page[1:]
				}
			}
			attrs[key] = html.UnescapeString(value)
		}
		each(name, attrs)
	}
}

// harmless fails where hostile text has become part of an answer's structure.
func harmless(t testing.TB, what string, r reply) {
	t.Helper()
	kind := r.head.Get("Content-Type")
	if r.head.Get("X-Content-Type-Options") != "nosniff" || r.head.Get("X-Zqx") != "" || strings.Contains(strings.Join(r.head.Values("Set-Cookie"), ""), "zqx") {
		t.Errorf("%s: headers %v", what, r.head)
	}
	if r.status >= 500 {
		t.Errorf("%s: status %d", what, r.status)
	}
	switch {
	case strings.HasPrefix(kind, "text/html"):
		tags(r.body, func(name string, attrs map[string]string) {
			if strings.Contains(name, "zqx") || strings.HasPrefix(name, "!--") {
				t.Errorf("%s: the tag <%s> stands in the page", what, name)
			}
			for k, v := range attrs {
				if strings.HasPrefix(k, "on") || k == "style" || k == "srcdoc" || strings.Contains(k, "zqx") {
					t.Errorf("%s: <%s %s=%q>", what, name, k, v)
				}
				if v = strings.ToLower(strings.TrimSpace(v)); (k == "href" || k == "action" || k == "src" || k == "formaction") && v != "" && !strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "#") && !strings.HasPrefix(v, "?") {
					t.Errorf("%s: <%s %s=%q> leads elsewhere", what, name, k, v)
				}
			}
			if name == "script" && attrs["nonce"] == "" {
				t.Errorf("%s: a script without a nonce", what)
			}
		})
		for _, bad := range []string{"49${", "}}49", "{{49", "${49"} {
			if strings.Contains(r.body, bad) {
				t.Errorf("%s: a template was carried out", what)
			}
		}
		if strings.ContainsAny(r.body, "\u202e\u200b") {
			t.Errorf("%s: characters that command stand in the page", what)
		}
	case strings.HasPrefix(kind, "application/json"):
		if !json.Valid([]byte(r.body)) || strings.Contains(r.body, "<zqx") {
			t.Errorf("%s: JSON is broken, or holds < as it is", what)
		}
	case strings.HasPrefix(kind, "text/csv"):
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(r.body, "\ufeff"))).ReadAll()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("%s: a cell that a spreadsheet carries out: %q", what, cell)
				}
			}
		}
		if !strings.HasPrefix(r.head.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: a table that is not downloaded", what)
		}
	default:
		if !strings.HasPrefix(r.head.Get("Content-Disposition"), "attachment") && r.body != "" && r.status < 300 {
			t.Errorf("%s: %q is shown as it is", what, kind)
		}
	}
}

var action = regexp.MustCompile(`<form[^>]*action="([^"]*)"`)

// walk looks at every page that links lead to, and at what its forms of looking
// show; it returns how many there were and how many showed hostile text.
func (b *browser) walk(who string, most int, starts ...string) (pages, shown int) {
	b.t.Helper()
	seen, queue := map[string]bool{}, slices.Clone(starts)
	kinds := map[string]int{} // pages of one kind; not each of a hundred results
	looking := regexp.MustCompile(`^/(results/[^/]+/(message|name)|quarantine/[^/]+/message|calls/[^/]+/show|record/mine|record/export)$`)
	note := func(what string, r reply) {
		pages++
		harmless(b.t, who+": "+what, r)
		if strings.Contains(r.body, "zqx") {
			shown++
		}
		for _, m := range action.FindAllStringSubmatch(r.body, -1) {
			if to := html.UnescapeString(m[1]); looking.MatchString(to) && !seen["POST "+to] && len(queue) < 10*most {
				seen["POST "+to] = true
				queue = append(queue, "POST "+to)
			}
		}
		tags(r.body, func(name string, attrs map[string]string) {
			to := attrs["href"]
			if name == "a" && strings.HasPrefix(to, "/") && !seen[to] && !strings.HasPrefix(to, "/assets/") {
				seen[to] = true
				queue = append(queue, to)
			}
		})
	}
	ids := regexp.MustCompile(`[0-9a-f-]{36}|\d+|[A-Z2-7]{26}`)
	for len(queue) > 0 && pages < most {
		at := queue[0]
		queue = queue[1:]
		kind := ids.ReplaceAllString(at, "*")
		if kinds[kind]++; kinds[kind] > 18 {
			continue
		}
		if to, post := strings.CutPrefix(at, "POST "); post {
			note(at, b.post(to, "format", "csv", "reason", "a look"))
			continue
		}
		note(at, b.get(at))
	}
	return pages, shown
}

// What a laboratory's system and a partner's answers hold is hostile; so are the
// names of partners and people and of their devices. It goes through the real
// doors, and then every page is looked at.
func TestHostileMessagesOnEveryPage(t *testing.T) {
	t.Parallel()
	quoted := strings.ReplaceAll(`"><zqx onzqx=1> {{7*7}}`, "'", "''")
	h := newHub(t, fmt.Sprintf("  good: {name: '%s', destination: {mllp: {address: %q}}}\n  strict: {name: '=zqx(1)', destination: {mllp: {address: %q}}}\n",
		quoted, clinic(t, "AA"), clinic(t, "AR")), "good, strict")
	for i, x := range hostile {
		if ack := h.present(message(i, x)); !strings.Contains(ack, "MSA|A") {
			t.Fatalf("%q: %q", x, ack)
		}
	}
	h.present(field(hostile[0]))                                                // no HL7
	h.present(strings.Replace(message(90, hostile[0]), "|C90|", "||", 1))       // no number
	h.present(strings.Replace(message(1, hostile[3]), "ORU^R01", "ADT^A01", 1)) // a number that was used
	dana := h.administrator()
	director := dana.invite("bell", `"><zqx onzqx=1>Bell`, "laboratory-director", "")
	people := map[string]*browser{"administrator": dana, "director": director, "technologist": dana.invite("lena", "=zqx(1)", "technologist", "")}
	people["compliance officer"] = dana.invite("hahn", "' onzqx='1", "compliance-officer", "")
	starts := []string{
		"/", "/results", "/quarantine", "/partners", "/calls", "/stops", "/alarms", "/record", "/record/mine", "/people", "/me", "/routes", "/config", "/results?format=csv", "/quarantine?format=csv", "/people?format=csv", "/partners?format=csv",
		"/accounts?format=csv", "/accounts/findings?format=csv", "/vendors?format=csv", "/api/v1/quarantine", "/api/v1/partners", "/api/v1/calls", "/api/v1/today", "/api/v1/people", "/api/v1/routes", "/api/v1/record", "/api/v1/alarms",
	}
	// Until both partners have answered.
	for end := time.Now().Add(10 * time.Second); !strings.Contains(director.get("/results?state=needs-person").body, "/results/0") && time.Now().Before(end); {
		director.get("/live/none")
	}
	most := 70
	if bars() == "whole" {
		most = 1000
	}
	for who, b := range people {
		for _, e := range hostile { // what people type, and what stands in addresses
			q := strings.NewReplacer("%", "%25", "&", "%26", "+", "%2b", " ", "%20", "\t", "%09", "#", "%23", "\"", "%22", "<", "%3c", ">", "%3e", "{", "%7b", "}", "%7d").Replace(e)
			for _, at := range []string{"/results?partner=", "/quarantine?source=", "/record?who=", "/people?find="} {
				harmlessInput(t, who+": "+at+e, b.get(at+q))
			}
		}
		pages, shown := b.walk(who, most, starts...)
		t.Logf("%s: %d pages, %d show something of the hostile text", who, pages, shown)
		if pages < 40 || shown < 10 {
			t.Errorf("%s: %d pages, %d with the text", who, pages, shown)
		}
	}
}

// harmlessInput is harmless for one's own words, which may come back in a field.
func harmlessInput(t testing.TB, what string, r reply) {
	t.Helper()
	r.body = strings.NewReplacer("\u202e", "", "\u200b", "").Replace(r.body)
	harmless(t, what, r)
}
