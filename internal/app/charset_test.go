package app

import (
	"bytes"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// TestSourceCharset: what a source writes without saying so in MSH-18 is read by
// its charset setting: by conditions, transformations and the FHIR rendering.
func TestSourceCharset(t *testing.T) {
	c, problems := config.Parse("test", []byte(`lab: {name: Test, id: test}
node: {seals: [{kind: keyfile, path: k}]}
sources:
  lis: {mllp: {listen: "127.0.0.1:0"}, charset: 8859/2}
  other: {mllp: {listen: "127.0.0.1:0"}}
partners:
  p: {name: P, accounts: [A], destination: {fhir: {base: "http://127.0.0.1:1/fhir", auth: {kind: none}}}}
routes:
  - name: r
    from: [lis, other]
    to: [p]
    check: none
    check_reason: test
    stage: carry
    when: field("PID-5.1") == "Wałęsa"
    transform:
      - set: {path: PID-5.2, value: Żaneta}
`), config.Options{Validators: Validators()})
	if c == nil {
		t.Fatal(problems.Err())
	}
	h := &Hub{Vault: vaulttest.New(t)}
	set, err := h.settings(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("MSH|^~\\&|LIS|LAB|||20260102030405+0100||ORU^R01^ORU_R01|M1|P|2.5.1\r" +
		"PID|1||P1^^^LAB^MR||Wa\xb3\xeasa^X\rOBR|1|PL1|FI1|2345-7^Glucose^LN|||20260102030405\rOBX|1|NM|2345-7^Glucose^LN||90|mg/dL|||||F\r")
	if d := set.Decide("lis", body); len(d.Ways) != 1 {
		t.Errorf("the condition does not see the name: %+v", d)
	}
	if d := set.Decide("other", body); len(d.Ways) != 0 {
		t.Errorf("the setting counts for another source: %+v", d)
	}
	sent, err := set.Routes[0].Transform(body)
	if err != nil || !bytes.Contains(sent, []byte("Wa\xb3\xeasa^\xafaneta\r")) {
		t.Errorf("transformed: %v %q", err, sent)
	}
	m, err := set.Partners["p"].Render(results.Rendering{
		Message: channel.Message{ID: "1", Body: sent}, Route: "r", ReceivedAt: time.Unix(1e9, 0), Charset: set.Sources["lis"].Charset,
	})
	if err != nil || !bytes.Contains(m.Body, []byte("Wałęsa")) || !bytes.Contains(m.Body, []byte("Żaneta")) {
		t.Errorf("rendered: %v %s", err, m.Body)
	}
}
