package hl7fhir

import (
	"slices"
	"strings"
	"testing"
)

// TestTablesHoldR4Codes: a table may give only codes of the R4 value set it maps to
// (http://hl7.org/fhir/R4/, required bindings), and every table is looked at here.
// Cites tables 0001, 0002, 0038, 0078, 0085, 0123, 0136, 0190, 0200, 0201, 0202, 0396, 0485 and
// "Table HL70001 to Administrative Gender", "Table HL70002 to V3 MaritalStatus", "Table HL70078 to V3 ObservationInterpretation",
// "Table HL70085 to Observation Status", "Table HL70123[Queries] to Diagnostic Report Status", "Table HL70136 to Specimen Status",
// "Table HL70190 to Address Use", "Table HL70200 to Name Use", "Table HL70201 to Contact Point Use",
// "Table HL70202 to Contact Point System", "Table HL70485 to Request Priority".
func TestTablesHoldR4Codes(t *testing.T) {
	codes := map[string]string{
		"address-use":        "home work temp old billing",
		"gender":             "male female other unknown",
		"name-use":           "usual official temp nickname anonymous old maiden",
		"observation-status": "registered preliminary final amended corrected cancelled entered-in-error unknown",
		"order-status":       "draft active on-hold revoked completed entered-in-error unknown",
		"priority":           "routine urgent asap stat",
		"report-status":      "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown",
		"specimen-status":    "available unavailable unsatisfactory entered-in-error",
		"telecom-system":     "phone fax email pager url sms other",
		"telecom-use":        "home work temp old mobile",
	}
	seen := 0
	for name, table := range tables() {
		if len(table) == 0 {
			t.Errorf("%s is empty", name)
		}
		for from, to := range table {
			switch name {
			case "authorities", "coding-systems":
				if !strings.HasPrefix(to, "http://") && !strings.HasPrefix(to, "urn:oid:") {
					t.Errorf("%s: %s gives %q, no URI", name, from, to)
				}
			case "interpretation": // the two systems share their codes
				if from != to {
					t.Errorf("%s: %s gives %s", name, from, to)
				}
			case "marital-status":
				code, null := strings.CutPrefix(to, "NullFlavor ")
				if !null && !strings.Contains("ACDILMPSTUW", code) || null && !slices.Contains([]string{"UNK", "OTH", "NAVU"}, code) {
					t.Errorf("%s: %s gives %s", name, from, to)
				}
			default:
				if !slices.Contains(strings.Fields(codes[name]), to) {
					t.Errorf("%s: %s gives %q, not in %q", name, from, to, codes[name])
				}
			}
		}
		if codes[name] != "" {
			seen++
		}
	}
	if seen != len(codes) {
		t.Errorf("%d of %d tables were found", seen, len(codes))
	}
}
