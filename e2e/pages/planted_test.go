package pages

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/e2e/npm"
)

// A plan can sign in with a passkey and with codes: the steps for that work.
func TestPagesPasskeyAndCode(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Passkey</title><main><label>Code <input id="code"></label></main></html>`))
	})
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	base := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	// The standard for such codes gives 287082 for this secret at 59 seconds.
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	Look(t, Plan{Base: base, Trust: []*x509.Certificate{srv.Certificate()}, Shots: t.TempDir(), Jobs: []Job{{Name: "passkey", Steps: []Step{
		{Do: "passkey"},
		{Do: "goto", Path: "/"},
		{Do: "eval", Code: `navigator.credentials.create({publicKey: {
			challenge: new Uint8Array(32), rp: {id: "localhost", name: "x"}, user: {id: new Uint8Array(16), name: "dana", displayName: "Dana"},
			pubKeyCredParams: [{type: "public-key", alg: -7}, {type: "public-key", alg: -257}], authenticatorSelection: {residentKey: "required", userVerification: "required"},
		}}).then(c => { document.querySelector("main").append("made " + c.type); })`},
		{Do: "see", Text: "made public-key"},
		{Do: "totp", At: "#code", Secret: secret},
		{Do: "eval", Code: `if (!/^[0-9]{6}$/.test(document.querySelector("#code").value)) throw new Error("no code")`},
	}}}})
	dir, node := npm.Install(t, npm.Root(t), "the codes were not tried", false)
	cmd := exec.CommandContext(t.Context(), node, "-e", `process.stdout.write(require("./steps.js").totp("`+secret+`", 59000))`)
	cmd.Dir = dir
	if out, err := cmd.Output(); err != nil || string(out) != "287082" {
		t.Errorf("the code is %q, %v", out, err)
	}
}

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

// A browser that stops answering ends the look with what it was at, and not the
// whole test run.
func TestPagesBrowserHangs(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Loops</title><main>Loops</main><script>setTimeout(() => { for (;;); }, 50)</script>`))
	})
	srv := httptest.NewTLSServer(mux)
	defer func() { srv.CloseClientConnections(); srv.Close() }()
	r := Try(t, Plan{Base: srv.URL, Shots: t.TempDir(), Patience: 4000, Pages: []Page{{Name: "loops", Path: "/"}}})
	if !strings.Contains(r.Hung, "loops") {
		t.Errorf("it does not say that the browser hung at the page: %+v", r)
	}
}
