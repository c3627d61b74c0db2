package keysui_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/partners/keysui"
)

func says(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q", w)
		}
	}
}

// A key from its file to its use and its end, as two people do it by the pages.
func TestExchangeByPages(t *testing.T) {
	l := newLab(t)
	const at = "/partners/riverside/keys"
	says(t, l.get(at, 200), "There is no key to encrypt to for Riverside Family Practice: its results wait.", "Add a key", "lab.example/ledger", "sha256sum")
	says(t, l.get("/partners/north/keys", 200), "are not encrypted to these keys", "encrypt: {keys: registered}")
	page, _ := l.upload(at+"/new", "AGE-SECRET-KEY-1XYZ", 422)
	says(t, page, "This is a private key")
	if strings.Contains(page, "1XYZ") {
		t.Error("a private key is drawn again")
	}
	page, _ = l.post(at+"/new", 422, "text", "AGE-SECRET-KEY-1XYZ")
	if strings.Contains(page, "1XYZ") {
		t.Error("a private key is drawn again")
	}
	l.post(at+"/new", 422)
	_, one := l.upload(at+"/new", "age1first", 303)
	k := l.one("riverside")
	ours, theirs := keys.Halves(k.Fingerprint)
	page = l.get(one, 200)
	says(t, page, "Compare this key with Riverside Family Practice before it is used.", "Call Pat Ruiz at +1 555 0100", keys.Spoken(ours[0]), "What you heard", "&lt;i&gt;Riverside&lt;/i&gt;")
	for _, g := range theirs {
		if strings.Contains(page, g) {
			t.Errorf("%s stands on the page: it need not be heard", g)
		}
	}
	page, _ = l.post(one, 422, "half", strings.Join(ours, ""), "with", "Pat Ruiz", "how", keys.ByPhone, "number", "1")
	says(t, page, "These are not the groups of this key. Do not use it")
	l.as("audrey").post(one, 403, "half", half(k.Fingerprint), "with", "Pat", "how", keys.InPerson)
	l.as("dana").post(one, 303, "half", half(k.Fingerprint), "with", "Pat Ruiz", "how", keys.ByPhone, "number", "+1 555 0100")
	says(t, l.get(one, 200), "This key was compared and is not used yet.", "Dana Ross")
	l.get(one+"/use", 403)
	says(t, l.as("sofia").get(one, 200), "Take into use")
	says(t, l.get(one+"/use", 200), "Encrypt results for Riverside Family Practice to this key?", "It is the first one")
	l.post(one+"/use", 422, "from", "tomorrow")
	l.post(one+"/use", 303)
	says(t, l.get(at, 200), "Results for Riverside Family Practice are encrypted to one key.", "since 22")
	l.post(one+"/use", 409)

	// A second one takes its place.
	_, two := l.as("sofia").post(at+"/new", 303, "text", "age1second")
	next := l.one("riverside")
	l.post(two, 303, "half", half(next.Fingerprint), "with", "Pat Ruiz", "how", keys.InPerson)
	page, _ = l.post(two+"/use", 403, "overlap", "7")
	says(t, page, "You added this key")
	_, err := l.keys.Use(t.Context(), next.ID, l.at, 7, "console:root")
	check(t, err)
	says(t, l.get(at, 200), "encrypted to 2 keys", "retiring")
	l.post(one+"/retire", 200, "reason", "x")
	page, _ = l.post(one+"/retire", 422, "confirm", "yes", "reason", " ")
	says(t, page, "Say why")
	l.post(one+"/retire", 303, "confirm", "yes", "reason", "replaced")
	says(t, l.get(two+"/revoke", 200), "It is never used again", "tell the privacy officer")
	page, _ = l.post(two+"/retire", 422, "confirm", "yes", "reason", "no longer")
	says(t, page, "the only key in use")
	l.post(two+"/revoke", 303, "confirm", "yes", "reason", "stolen")
	says(t, l.get(at, 200), "its results wait", "revoked", "retired")
	// Another partner's pages do not show it, and its people see only their own.
	l.get("/partners/north/keys/"+k.ID.String(), 404)
	l.as("pat").get(at, 404)
	l.get("/partners/north/keys", 200)
	l.get("/partners/nobody/keys", 404)
}

func TestExchangeByPrograms(t *testing.T) {
	l := newLab(t)
	const at = "/api/v1/partners/riverside/keys"
	read := func(s string) (e keysui.Entry) {
		t.Helper()
		check(t, json.Unmarshal([]byte(s), &e))
		return e
	}
	file := base64.StdEncoding.EncodeToString([]byte("age1first"))
	l.as("audrey").api("POST", at, `{"file":"`+file+`"}`, 403)
	e := read(l.as("dana").api("POST", at, `{"file":"`+file+`"}`, 200))
	if e.State != "proposed" || string(e.Material) != "age1first" {
		t.Errorf("%+v", e)
	}
	one := at + "/" + e.ID
	l.api("POST", one+"/compare", `{"half":"0000","with":"Pat","how":"in person"}`, 422)
	e = read(l.api("POST", one+"/compare", `{"half":"`+half(e.Fingerprint)+`","with":"Pat","how":"in person"}`, 200))
	if e.State != "compared" || e.ComparedBy != "dana" {
		t.Errorf("%+v", e)
	}
	l.api("POST", one+"/use", `{}`, 403)
	if e = read(l.as("sofia").api("POST", one+"/use", `{"overlap_days":3}`, 200)); e.State != "in use" {
		t.Errorf("%+v", e)
	}
	l.api("POST", one+"/retire", `{"reason":"x"}`, 422)
	if e = read(l.api("POST", one+"/revoke", `{"reason":"lost"}`, 200)); e.State != "revoked" {
		t.Errorf("%+v", e)
	}
	var all []keysui.Entry
	check(t, json.Unmarshal([]byte(l.as("audrey").api("GET", at, "", 200)), &all))
	if len(all) != 1 || all[0].ID != e.ID {
		t.Errorf("%+v", all)
	}
	if got := read(l.api("GET", one, "", 200)); got.Reason != "lost" {
		t.Errorf("%+v", got)
	}
	l.api("GET", at+"/nothing", "", 404)
}

func TestTodayTellsOfKeysThatWait(t *testing.T) {
	l := newLab(t)
	k, err := l.keys.Add(t.Context(), "riverside", []byte("age1first"), "", "dana")
	check(t, err)
	look := func() string {
		t.Helper()
		items, err := l.deps.Today().Look(t.Context(), nil, l.at)
		check(t, err)
		out := ""
		for _, x := range items {
			out += x.Title + "|" + x.Partner + "|" + x.Action.Href
		}
		return out
	}
	if got := look(); got != "A key of Riverside Family Practice waits to be compared|riverside|/partners/riverside/keys/"+k.ID.String() {
		t.Error(got)
	}
	_, err = l.keys.Compare(t.Context(), k.ID, keys.Comparison{With: "Pat", How: keys.InPerson}, half(k.Fingerprint), "dana")
	check(t, err)
	says(t, look(), "waits to be taken into use")
	_, err = l.keys.Use(t.Context(), k.ID, l.at, 0, "sofia")
	check(t, err)
	if got := look(); got != "" {
		t.Error(got)
	}
}
