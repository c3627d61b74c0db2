package setupui_test

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAPartnerInTwelveClicks: from Today to the test message, each click counted.
func TestAPartnerInTwelveClicks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		clicks := 0
		click := func(p page, words ...string) page {
			t.Helper()
			clicks++
			if p.code != 303 {
				p.says(200, words...)
			}
			return p
		}
		click(r.get("ann", "/settings"), `href="/setup/partner"`)
		click(r.get("ann", "/setup/partner"), "HL7 over TLS", "FHIR", "HTTPS post", "Folder")
		click(r.get("ann", "/setup/partner/mllp"), `name="fingerprint"`)
		form := []string{
			"name", "Harbor Reference Lab", "providers", "1234567893", "address", "hl7.harbor.example:2576",
			"fingerprint", strings.Repeat("AB:", 31) + "AB", "source", "lis",
		}
		click(r.post("ann", "/setup/partner/mllp", form...)).goes("/config/drafts/1")
		r.get("ann", "/config/drafts/1").says(200, "Partner harbor-reference-lab is added.", "# asked for by Dr. Hale", "Ask for it")
		click(r.get("ann", "/config/drafts/1/ask"))
		click(r.post("ann", "/config/drafts/1/ask", "confirm", "yes", "reason", "a new client")).goes("/config/drafts/1")
		click(r.get("bob", "/config/drafts/1"), "Apply it") // Today: Review it
		q := click(r.get("bob", "/config/drafts/1/apply"))
		click(r.post("bob", "/config/drafts/1/apply", "confirm", "yes", "seen", q.hidden("seen"))).goes("/config/drafts/1")
		r.get("bob", "/config/drafts/1").says(200, `href="/partners/harbor-reference-lab/test"`)
		clicks += 2 // Send a test message, and the page's own button
		if clicks > 12 {
			t.Errorf("%d clicks", clicks)
		}
		if !strings.Contains(r.lab.Revisions[1].Source, "# asked for by Dr. Hale") {
			t.Error("comments are gone")
		}
	})
}

// TestWhatIsWrongStandsBesideItsField: and what was typed stays.
func TestWhatIsWrongStandsBesideItsField(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		p := r.post("ann", "/setup/partner/mllp", "name", "Harbor <x>", "address", "nowhere", "source", "lis", "providers", "1")
		p.says(422, `id="f-fingerprint-error"`, "Harbor &lt;x&gt;")
		p = r.post("ann", "/setup/partner/http", "name", "Harbor", "url", "http://plain.example", "source", "lis", "providers", "1")
		p.says(422, `id="f-url-error"`, "plaintext")
		r.get("ann", "/setup/partner/pigeon").says(404)
		r.post("ann", "/setup/partner/pigeon").says(404)
		r.get("sam", "/setup/partner").says(403)
		r.post("ann", "/setup/source", "key", "lis", "kind", "mllp").says(422, "There is a source of this name already.", `id="f-listen-error"`)
		r.post("ann", "/setup/source", "key", "copy", "kind", "mllp", "listen", "127.0.0.1:2590", "fingerprint", strings.Repeat("ab", 32)).goes("/config/drafts/1")
		r.facts.Sources = nil
		r.get("ann", "/setup/partner/mllp").says(200, "First a source")
	})
}

// TestTheSetUpShowsWhatThereIs.
func TestTheSetUpShowsWhatThereIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("ann", "/setup").says(200, "steps are open.", "No partner&#39;s system has accepted", "/partners/north/test", "Nobody has shown yet that the recovery shares are kept")
		r.facts.Partners[0].Tested = r.now
		r.get("ann", "/setup").says(200, "Everything that results need is here.", "A test message was accepted")
		r.api("ann", "GET", "/setup", "").says(200, `"state":"done"`, `"state":"advised"`)
		r.get("tina", "/setup").says(403)
		r.get("ann", "/setup/shares").says(200, "any 3 of them")
		r.post("ann", "/setup/shares", "line", "nonsense").says(422, "not the first line").without("nonsense")
		r.post("tina", "/setup/shares", "line", "x").says(403)
		r.get("tina", "/settings").says(200, "Maintenance").without("Secrets", "/config")
		r.get("carl", "/settings").says(200, "There is nothing here for your roles.")
		r.get("dr-lee", "/settings").says(200, "Configuration", "revision <strong>1</strong>").without("Add a partner")
	})
}
