package record_test

import (
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// People read by their name, whatever an event names them by, and codes as words.
func TestNames(t *testing.T) {
	n := record.NewNames()
	bell, other := event.NewID(), event.NewID()
	n.Add(bell, "bell", "Dr. H. Bell")
	n.Add(other, "h.bell", "Dr  H  Bell")
	for v, want := range map[string]string{
		"bell": "Dr. H. Bell (bell)", "Dr.-H.-Bell": "Dr. H. Bell", "person:" + bell.String(): "Dr. H. Bell", bell.String(): "Dr. H. Bell",
		"h.bell": "Dr  H  Bell (h.bell)", "hub": "Labwarden", "console": "the console", "stranger": "stranger",
	} {
		if got := n.Who(v); got != want {
			t.Errorf("%s is %q", v, got)
		}
	}
	for _, x := range [][3]string{
		{"owner", "Dr.-H.-Bell", "owner Dr. H. Bell"},
		{"person", bell.String(), "person Dr. H. Bell"},
		{"asked_by", "bell", "asked by Dr. H. Bell"},
		{"role", "auditor", "role Auditor"},
		{"permission", "people.change", "to add, change and end people"},
		{"reason", "no-match", "reason it did not match"},
		{"reason", "the-printer-was-out", "reason: the printer was out"},
		{"page", "GET-/people/-id-/change", "page /people/…/change"},
		{"kind", "result.viewed", "kind Viewed a result"},
		{"read_back", "yes", "read back yes"},
		{"by", "-", ""},
	} {
		if got := n.Detail(x[0], x[1]); got != x[2] {
			t.Errorf("%s %s reads %q", x[0], x[1], got)
		}
	}
	// Two people whose names read alike as codes: the first keeps it, nobody else
	// is taken for them by account.
	n.Add(event.NewID(), "b2", "Dr- H- Bell")
	if got := n.Of("b2"); got != "Dr- H- Bell" {
		t.Error(got)
	}
}

// TestAProgramCarriesItsMaker: what a program saw, whoever made it let it see.
func TestAProgramCarriesItsMaker(t *testing.T) {
	n := record.NewNames()
	n.Add(event.NewID(), "okafor", "Ngozi Okafor")
	n.AddProgram("lis", "Nightly count", "okafor")
	if got := n.Who("lis"); got != "Nightly count, a program that Ngozi Okafor made (lis)" {
		t.Error(got)
	}
}
