package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// reader is a partner's server that keeps what was posted to it.
type reader struct {
	*httptest.Server
	mu  sync.Mutex
	got [][]byte
}

// newReader answers a FHIR transaction as R4 3.1.0.11.2 says, anything else with 204.
func newReader(t *testing.T) *reader {
	t.Helper()
	p := &reader{}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.got = append(p.got, body)
		p.mu.Unlock()
		var b struct{ Entry []json.RawMessage }
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/fhir+json") || json.Unmarshal(body, &b) != nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		entry := strings.TrimSuffix(strings.Repeat(`{"response":{"status":"201 Created"}},`, len(b.Entry)), ",")
		fmt.Fprintf(w, `{"resourceType":"Bundle","type":"transaction-response","entry":[%s]}`, entry)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *reader) only(t *testing.T) []byte {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) != 1 {
		t.Fatalf("it was sent %d times", len(p.got))
	}
	return p.got[0]
}

func (p *reader) fingerprint() string {
	sum := sha256.Sum256(p.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

// TestEveryKindOfDestinationHasItsReceipt: whatever a result went by, the signed receipt
// is about the very bytes that the partner has, names the protocol and the place in the
// ledger, and holds with the laboratory's public key; for other bytes it does not.
func TestEveryKindOfDestinationHasItsReceipt(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	web, fhir, pull, folder := newReader(t), newReader(t), newPuller(t, s), t.TempDir()
	ca, err := demo.NewCA(time.Now(), time.Hour)
	must(err)
	must(ca.Write(s.dir, "hub"))
	tls := func(of *reader) string {
		return fmt.Sprintf("tls: {fingerprint: %q, certificate: %s, key: %s}", of.fingerprint(), filepath.Join(s.dir, "hub.pem"), filepath.Join(s.dir, "hub.key"))
	}
	partners := partnerAt("hl7", newPractice(t).addr) + pull.partners + "  page: {name: Page, destination: {portal: {}}}\n" +
		fmt.Sprintf("  files: {name: Files, destination: {folder: {path: %q}}}\n", folder) +
		fmt.Sprintf("  web: {name: Web, destination: {http: {url: %q, %s}}}\n", web.URL, tls(web)) +
		fmt.Sprintf("  r4: {name: R4, destination: {fhir: {base: %q, auth: {kind: none}, %s}}}\n", fhir.URL, tls(fhir))
	src := strings.Replace(s.source(partners, "hl7, north, page, files, web, r4", "carry"), "sources:\n", pull.node+"sources:\n", 1)
	c := s.parse(src)
	h := s.open()
	must(stated(ctx, h, c))
	_, err = h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	addrs, _ := s.serve(h, c)
	body := mappable(t)[0]
	if code, err := dial(t, addrs["lis"]).send(body); err != nil || code[1:] != "A" {
		t.Fatal(code, err)
	}
	all := func() []results.Delivery {
		list, err := h.Results.List(ctx, results.Page{})
		must(err)
		return list[0].Deliveries
	}
	done := func() bool {
		for _, d := range all() {
			if d.State != results.Done {
				return false
			}
		}
		return len(all()) == 6
	}
	defer func() {
		if t.Failed() {
			t.Logf("%+v", all())
		}
	}()
	eventually(t, "every partner has it", done)
	key := strings.Join(h.Vault.VerifierKeys(), "\n") + "\n"
	for _, d := range all() {
		var there []byte // as the partner has it
		want := map[string]string{"hl7": "mllp", "north": "fhir", "page": "portal", "files": "folder", "web": "http", "r4": "fhir"}[d.Partner]
		switch d.Partner {
		case "hl7":
			there = []byte(body)
		case "files":
			there, err = os.ReadFile(inFolder(folder, "*.hl7")[0])
			must(err)
		case "web":
			there = web.only(t)
		case "r4":
			there = fhir.only(t)
		default: // lies here: as its reader is shown it
			there, err = h.Results.Sent(ctx, d.Seq)
			must(err)
		}
		signed, name, err := h.Results.Receipt(ctx, d.Seq)
		if err != nil || !strings.HasSuffix(name, receipt.Suffix) || filepath.Base(name) != name {
			t.Errorf("%s: %q, %v", d.Partner, name, err)
			continue
		}
		st, err := receipt.Parse(signed)
		if err != nil || st.Protocol != want || st.Partner != d.Partner || st.Event != d.Level || st.Ledger == nil || st.Ledger.Leaf != d.DoneLeaf {
			t.Errorf("%s: %v %s", d.Partner, err, signed)
		}
		for _, x := range []struct {
			bytes []byte
			holds bool
		}{{there, true}, {append(bytes.Clone(there), ' '), false}} {
			print, err := receipt.PrintOf(bytes.NewReader(x.bytes))
			must(err)
			if rep := receipt.Verify(signed, print, key); rep.Holds() != x.holds {
				t.Errorf("%s: holds is not %v:\n%s\n%s", d.Partner, x.holds, rep.Text(), signed)
			}
		}
		if bytes.Contains(signed, []byte("PID")) || d.Partner == "hl7" && d.Level != "accepted" || d.Partner == "page" && d.Level != "placed" {
			t.Errorf("%s: %s", d.Partner, signed)
		}
	}
}
