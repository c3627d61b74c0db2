package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/labwarden/labwarden/internal/demo"
)

// demoConfiguration is the demo's labwarden.yaml: one source, three partners,
// and a route to each by who ordered.
func demoConfiguration(dir string, addrs map[string]string, recipient string) string {
	var b strings.Builder
	tls := func(name string) string { return filepath.Join(dir, "tls", name) }
	fmt.Fprintf(&b, `lab: {name: Hollowfen Laboratory, id: hollowfen}
node:
  data: %s
  seals: [{kind: keyfile, path: %s}]
  control: {socket: %s}
  bypass: {key: %s}
  metrics: {listen: "127.0.0.1:0"}
  tls: {certificate: %s, key: %s}
sources:
  lis: {mllp: {listen: "127.0.0.1:0", tls: {client_ca: %s}}, from: [127.0.0.1/32]}
partners:
`, filepath.Join(dir, "data"), filepath.Join(dir, "root.key"), filepath.Join(dir, "hub.sock"), filepath.Join(dir, "bypass.key"), tls("hub.pem"), tls("hub.key"), tls("ca.pem"))
	for _, p := range demo.Practices() {
		fmt.Fprintf(&b, "  %s:\n    name: %q\n    accounts: [%q]\n    providers: [", p.Partner, p.Facility, p.Account)
		for _, id := range p.Providers {
			fmt.Fprintf(&b, "{id: %q, authority: HOLLOWFEN}, ", id)
		}
		fmt.Fprintf(&b, "]\n    retry: {first: 500ms, max: 5s}\n    destination:\n")
		switch p.Kind {
		case demo.KindMLLP:
			fmt.Fprintf(&b, "      mllp: {address: %q, tls: {ca: %s, server_name: %s}}\n", addrs[p.Partner], tls("ca.pem"), p.Partner)
		case demo.KindFHIR:
			fmt.Fprintf(&b, "      fhir: {base: %q, tls: {ca: %s, server_name: %s}}\n", addrs[p.Partner], tls("ca.pem"), p.Partner)
		case demo.KindFolder:
			fmt.Fprintf(&b, "      folder: {path: %s}\n      encrypt: {age: [%s]}\n", addrs[p.Partner], recipient)
		}
	}
	b.WriteString("routes:\n")
	for _, p := range demo.Practices() {
		ids := `["` + strings.Join(p.Providers, `", "`) + `"]`
		when := fmt.Sprintf(`any(providers, # in %s) || (len(providers) == 0 && account == %q)`, ids, p.Account)
		fmt.Fprintf(&b, "  - {name: %s-results, from: lis, to: [%s], stage: carry, when: %q}\n", p.Partner, p.Partner, when)
	}
	return b.String()
}
