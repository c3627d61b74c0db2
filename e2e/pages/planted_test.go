package pages

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// What is wrong on purpose is found: otherwise a page that passes says nothing.
func TestPagesFindsWhatIsPlanted(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-abc'; require-trusted-types-for 'script'; trusted-types 'none'")
		_, _ = w.Write([]byte(`<!doctype html><html><title>Planted</title><body><main><p style="color:#eee">This is hard to read.</p>
<button type="button">Dead</button><img src="https://elsewhere.invalid/x.png"><pre>` + strings.Repeat("m", 900) + `</pre><input>
<script nonce="abc">document.body.innerHTML += "<b>x</b>"</script><script>alert(1)</script></main>`))
	})
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	r := Try(t, Plan{
		Base: srv.URL, Later: 100, Shots: t.TempDir(),
		Pages: []Page{{Name: "planted", Path: "/", Expect: "not there"}},
		Jobs:  []Job{{Name: "cannot", Steps: []Step{{Do: "goto", Path: "/"}, {Do: "value", At: "input", Is: "something"}}}},
	})
	for _, kind := range []string{
		"axe html-has-lang", "axe image-alt", "axe label", "scrolls sideways", "outside", "h1", "dead button", "later load", "missing", "failed",
		"style-src-attr", "script-src-elem", "require-trusted-types-for",
	} {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == kind }) {
			t.Errorf("%q was planted and not found", kind)
		}
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Logf("%+v", f)
		}
	}
}
