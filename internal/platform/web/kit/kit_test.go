package kit

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

func draw(t *testing.T, c templ.Component) string {
	t.Helper()
	var b strings.Builder
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What a message says stays text, in every place that shows text: HL7 is hostile
// input.
func TestHostileTextStaysText(t *testing.T) {
	const bad = `"><script>alert(1)</script><img src=x onerror=alert(1)>'` + "`" + `</textarea></pre></title>`
	href := "javascript:alert(1)"
	act := &Action{Text: bad, Href: href, Icon: bad}
	field := func(k FieldKind) Field {
		return Field{Name: bad, Label: bad, Hint: bad, Value: bad, Error: bad, Kind: k, Options: []Option{{bad, bad, bad}}, Autocomplete: bad, InputMode: bad, Accept: bad}
	}
	var fields []Field
	for k := TextField; k <= HiddenField; k++ {
		fields = append(fields, field(k))
	}
	kv := []KV{{Key: bad, Value: bad}, {Key: bad, Value: Mono(bad) + Strong(bad), Mono: true}}
	body := templ.Join(
		Sheet(SheetOpts{Title: bad, Sub: bad, More: act}), Acts(*act, Action{Text: bad, Href: href, Post: true}), Foot(Warn, bad), Verdict(Fine, bad, bad, act), Tag(Fine, bad),
		Todo([]TodoItem{{Stopped, bad, bad, act, bad, "results"}}), Ledger([]LedgerItem{{State: Fine, Word: bad, Name: bad, Href: href, Value: bad, Text: bad}}),
		Sums([]Sum{{bad, bad, true}}), Checks([]Check{{Fine, bad, bad, bad}}), Facts(kv), KeyValues(kv), Masked(MaskedOpts{Masked: bad, Reveal: href, Hidden: map[string]string{bad: bad}, What: bad}),
		Tabs(bad, []Tab{{bad, href, true, 2}}), Empty(bad, act), UnknownState(bad), Pre(bad, []Part{{bad, false}, {bad, true}}), Diff(bad, []DiffLine{{'+', bad}, {'-', bad}, {' ', bad}}),
		Stages([]Stage{{bad, href, true, false}}), PrintSheet(kv, Icon(bad), bad), Bars(BarsOpts{Counts: []int{1}, Text: bad}), Squares([]Square{SquareOff}, bad), Progress(1, 2, bad),
		Journey([]Step{{bad, Warn, bad, bad, bad, []Try{{bad, bad}}, true}}), Lane([]Leg{{1, bad, LegWait}}),
		DataTable(Table{
			Caption: bad, View: View{Path: href, Values: url.Values{bad: {bad}}, Sort: bad, Page: 1, Size: 1}, Total: 3, CSV: true, Filters: fields, Columns: []Column{{Name: bad, Sort: bad, Label: bad}},
			Rows: []Row{{Key: bad, Cells: []Cell{{Text: bad, Sub: bad, Href: href, Word: bad, State: new(State)}, C(bad)}}},
		}),
		Form(FormOpts{Action: href, Fields: fields, Submit: bad, Cancel: href, Hidden: map[string]string{bad: bad}, Wrong: bad}),
		Confirm(ConfirmOpts{Title: bad, Text: bad, Facts: kv, Action: href, Button: bad, Cancel: href, Reason: true, ReasonError: bad, ReasonValue: bad, Type: bad, TypeError: bad}),
		Refusal(bad, *act),
	)
	page := draw(t, Layout(
		Shell{Lab: bad, Nav: []NavItem{{bad, href, bad, 1, true, bad}}, Me: &Me{bad, bad}, Banners: []Banner{{Warn, bad, act}}, Nonce: "n", Path: bad, Clock: bad},
		Page{Title: bad, Lead: bad, Rest: bad, Crumbs: []Crumb{{bad, href}, {bad, ""}}, Nav: href, Body: body, Live: []string{bad}, Notice: bad},
	))
	if n := strings.Count(page, "<script"); n != 1 {
		t.Errorf("there are %d scripts; the page's own is one", n)
	}
	for _, s := range []string{"<img", "onerror=alert(1)>'", `href="javascript:`, `action="javascript:`, "</textarea></pre>", " style="} {
		if i := strings.Index(page, s); i >= 0 {
			t.Errorf("%q stands there: …%s…", s, page[max(0, i-80):min(len(page), i+80)])
		}
	}
	if n := strings.Count(page, "alert(1)"); n < 100 {
		t.Errorf("the planted text was drawn %d times only", n)
	}
}

func TestFormsWithoutScriptAndWithErrors(t *testing.T) {
	fields := WithErrors([]Field{{Name: "host", Label: "Their server", Hint: "With a port."}, {Name: "pin", Label: "Pin"}}, map[string]string{"host": "There is no port.", "other": "x"})
	got := draw(t, Form(FormOpts{Action: "/partners", Fields: fields, Submit: "Add"}))
	for _, want := range []string{
		`<form method="post" action="/partners"`, `<label for="f-host">Their server`, `id="f-host-hint"`, `id="f-host-error"`,
		`aria-describedby="f-host-hint f-host-error"`, `aria-invalid="true"`, `<a href="#f-host">Their server: There is no port.</a>`, "1 answer needs another look", `role="alert"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
	if fields[1].Error != "" || strings.Contains(draw(t, Form(FormOpts{Action: "/", Fields: []Field{{Name: "a"}}})), "role=\"alert\"") {
		t.Error("a field without an error has one")
	}
	if s := draw(t, Input(Field{Name: "p", Kind: PasswordField, Value: "hunter2"})); strings.Contains(s, "hunter2") {
		t.Error("a password was written into the page")
	}
}

// Several of one name are ticked, those chosen before stay so, and a wrong one is
// said beside the group; a table that scrolls is a named stop of the keyboard.
func TestChecksAndScrollingTables(t *testing.T) {
	got := draw(t, Input(Field{Name: "p", Label: "Partners", Kind: ChecksField, Optional: true, Error: "No.", Values: []string{"b"}, Options: []Option{{Value: "a", Text: "A"}, {Value: "b", Text: "<b>"}}}))
	for _, want := range []string{`<fieldset`, `<legend>Partners`, `(optional)`, `name="p" value="a">`, `name="p" value="b" checked>`, `<label for="f-p-1">&lt;b&gt;</label>`, `aria-invalid="true"`, `id="f-p-error"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
	table := draw(t, DataTable(Table{Caption: "Open sessions", Columns: []Column{{Name: "Who"}}, Rows: []Row{{Cells: []Cell{C("x")}}}, Total: 100, View: View{Path: "/x", Page: 1, Size: 50}}))
	for _, want := range []string{`<div class="scroll" tabindex="0" role="group" aria-label="Open sessions">`, `<nav aria-label="Pages: Open sessions">`} {
		if !strings.Contains(table, want) {
			t.Errorf("%s\nis not in\n%s", want, table)
		}
	}
}

// A page is drawn again by itself only where a GET of its address draws it.
func TestLiveOnlyWhereAGetDrawsIt(t *testing.T) {
	for _, c := range []struct {
		p    Page
		live bool
	}{
		{Page{Live: []string{"results", "partner:x"}}, true},
		{Page{Live: []string{"results"}, Status: 200}, true},
		{Page{Live: []string{"results"}, Status: 422}, false},
		{Page{}, false},
	} {
		if got := strings.Contains(draw(t, Layout(Shell{}, c.p)), "data-live="); got != c.live {
			t.Errorf("%+v: live is %v", c.p, got)
		}
	}
	if s := draw(t, Layout(Shell{}, Page{Live: []string{"results", "partner:x"}})); !strings.Contains(s, `data-live="/live?t=results&amp;t=partner%3Ax"`) {
		t.Error(s)
	}
	if s := draw(t, Layout(Shell{Clock: "07:40"}, Page{})); strings.Contains(s, "Live") || !strings.Contains(s, "As of 07:40") {
		t.Error("a page that nobody checks says it is live")
	}
}

func TestViewStandsInTheURL(t *testing.T) {
	u, err := url.Parse("/results?state=waiting&empty=&sort=-partner&page=3&format=csv")
	if err != nil {
		t.Fatal(err)
	}
	v := ReadView(u, 50, "-time", "partner")
	for got, want := range map[string]string{
		v.Get("state"): "waiting", v.Sort: "partner",
		v.SortBy("partner"): "/results?sort=partner&state=waiting",
		v.SortBy("time"):    "/results?sort=time&state=waiting",
		v.At(4):             "/results?page=4&sort=-partner&state=waiting",
		v.CSV():             "/results?format=csv&sort=-partner&state=waiting",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !v.Desc || v.Offset() != 100 || !WantsCSV(u) || v.Pages(101) != 3 || v.Pages(0) != 1 {
		t.Errorf("%+v", v)
	}
	for _, bad := range []string{"/r?page=0", "/r?page=-1", "/r?page=99999999999", "/r?page=x", "/r?sort=password"} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if v := ReadView(u, 50, "-time", "partner"); v.Page != 1 || v.Sort != "time" || !v.Desc {
			t.Errorf("%s: %+v", bad, v)
		}
	}
}

func TestCSVIsNotRun(t *testing.T) {
	var b strings.Builder
	c, err := NewCSV(&b, "Order", "Test")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "|x", "＝1", "fine", ""} {
		if err := c.Row("26-118204", s); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "'"); n != 9 {
		t.Errorf("%d of 9 formulas were defused:\n%s", n, b.String())
	}
}

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 21, 7, 40, 12, 0, time.Local)
	for in, want := range map[string]string{
		"/": "/", "/a?b=c": "/a?b=c", "#f": "#f", "?page=2": "?page=2", "": "", "https://labwarden.example/": "https://labwarden.example/",
		"javascript:alert(1)": refused, "JaVaScRiPt:x": refused, "//evil.example": refused, "/\\evil.example": refused, "data:text/html,x": refused, "http://x": refused, "x": refused, "/\tx": refused,
	} {
		if got := string(link(in)); got != want {
			t.Errorf("link(%q) is %q, want %q", in, got, want)
		}
	}
	if here("https://evil.example/") != refused {
		t.Error("a form may send elsewhere")
	}
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(1284): "1,284", Count(1234567): "1,234,567", Count(-1284): "−1,284",
		Many(1, "result", "results"): "1 result", Many(1284, "result", "results"): "1,284 results",
		Initials("Dana Reyes"): "DR", Initials("  "): "?", Initials("Łukasz van der Berg"): "ŁB", Initials("x"): "X",
		Clock(now, now): "07:40", Clock(now.AddDate(0, 0, -7), now): "14 Nov, 07:40", Clock(now.AddDate(-1, 0, 0), now): "21 Nov 2025, 07:40", Clock(time.Time{}, now): "not known",
		Second(now, now): "07:40:12", Ago(now, now): "just now", Ago(now.Add(-48*time.Minute), now): "48 min ago", Ago(now.Add(time.Hour), now): "in 1 h", Ago(time.Time{}, now): "not known",
		Span(19*time.Minute + 38*time.Second): "19 min 38 s", Span(26 * time.Hour): "1 d 2 h", Span(time.Hour): "1 h", Span(250 * time.Millisecond): "250 ms", Span(-time.Minute): "−1 min",
		Date(now, now): "21 Nov", slug("h-", "Results, last 24 hours"): "h-results-last-24-hours",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if s := draw(t, Prose("a "+Mono("<x>")+" b "+Strong("2"))); s != `a <span class="mono">&lt;x&gt;</span> b <strong>2</strong>` {
		t.Error(s)
	}
}

// Unknown is drawn as unknown, and a scale begins at zero.
func TestChartsAreHonest(t *testing.T) {
	got := bars(BarsOpts{Counts: []int{0, 6, 12, 24}, Waiting: []int{0, 0, 12, 6}, Unknown: []bool{true}})
	want := []bar{{"none", "0", "23", "1"}, {"", "5.5", "18", "6"}, {"w", "11", "12", "12"}, {"w", "16.5", "0", "6"}, {"now", "16.5", "6", "18"}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("bar %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if l := lane([]Leg{{Seconds: 1}, {Seconds: 1147}, {Seconds: 30}}); l[0].y != "4.6" || l[2].y != "21.9" {
		t.Errorf("%+v", l)
	}
	if share(0, 0) != 0 || share(5, 4) != 276 || share(-1, 4) != 0 {
		t.Error("progress beyond its ends")
	}
}

// First load: 120 KB with fonts; scripts: 25 KB (LOOK.md). Fonts are named once
// only, or a browser loads them twice.
func TestAssetsWithinTheirBounds(t *testing.T) {
	total, scripts := 0, 0
	for name, f := range assets {
		n := len(f.Body)
		if f.Gzip != nil {
			n = len(f.Gzip)
			z, err := gzip.NewReader(bytes.NewReader(f.Gzip))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(b, f.Body) {
				t.Errorf("%s: what is compressed is not the same: %v", name, err)
			}
		}
		total += n
		if strings.HasPrefix(f.Type, "text/javascript") {
			scripts += n
		}
	}
	if total > 105<<10 || scripts > 25<<10 {
		t.Errorf("assets %d bytes, scripts %d", total, scripts)
	}
	css, _ := Asset("labwarden.css")
	page := draw(t, Layout(Shell{Nonce: "n"}, Page{Live: []string{"x"}}))
	if font := strings.TrimPrefix(URL("fonts/next.woff2"), "/assets/"); !bytes.Contains(css.Body, []byte("url("+font+")")) || !strings.Contains(page, "/assets/"+font) {
		t.Error("stylesheet and page name the font by different addresses")
	}
	for _, s := range []string{"@import", "http://", "https://", "url(//"} {
		if bytes.Contains(css.Body, []byte(s)) {
			t.Errorf("the stylesheet holds %s", s)
		}
	}
	js, _ := Asset("labwarden.js")
	for _, s := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "createPolicy"} {
		if bytes.Contains(js.Body, []byte(s)) {
			t.Errorf("the script holds %s", s)
		}
	}
}

func TestEveryIconIsThere(t *testing.T) {
	for other, name := range iconNames {
		if iconPaths[name] == "" || iconInside(other) == "" {
			t.Errorf("%s: there is no drawing %s", other, name)
		}
	}
	for name, d := range iconPaths {
		if !strings.HasPrefix(d, "<") || strings.Contains(d, "script") || strings.Contains(d, " on") || strings.Contains(d, "style") {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestEveryPageCanBeLeft: whoever is signed in can sign out on each page.
func TestEveryPageCanBeLeft(t *testing.T) {
	for _, p := range []Page{{Title: "Today"}, {Title: "Not done", Status: 403}, {Title: "Settings", Body: UnknownState("x")}} {
		if s := draw(t, Layout(Shell{Me: &Me{Name: "Lena Hahn", Role: "Technologist"}}, p)); strings.Count(s, `action="/sign-out"`) != 1 || !strings.Contains(s, ">Sign out</button>") {
			t.Errorf("%s cannot be left", p.Title)
		}
	}
	if s := draw(t, Layout(Shell{}, Page{Title: "Sign in"})); strings.Contains(s, "/sign-out") {
		t.Error("who is not signed in can sign out")
	}
}

func BenchmarkPage(b *testing.B) {
	rows := make([]Row, 50)
	for i := range rows {
		rows[i] = Row{Cells: []Cell{CState(Fine, "", "Riverside Family Practice"), CBody(Bars(BarsOpts{Counts: make([]int, 24)})), CNum(412), CNum(0), CNum(0), C("07:39")}}
	}
	p := Page{Title: "Today", Lead: "All is well.", Body: DataTable(Table{Columns: make([]Column, 6), Rows: rows, Flow: true})}
	for b.Loop() {
		if err := Layout(Shell{Nav: make([]NavItem, 9)}, p).Render(context.Background(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
