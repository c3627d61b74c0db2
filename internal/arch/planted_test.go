package arch

import (
	"strings"
	"testing"
)

// Each planted import must be refused, and its neighbour allowed: a checker that
// lets everything pass, or nothing, fails here.
func TestPlantedImports(t *testing.T) {
	for _, c := range []struct {
		from, to string
		refused  string // part of the message, "" when allowed
	}{
		{"internal/domain/detection", "internal/domain/incidents", "internal/domain/* may not import it"},
		{"internal/domain/detection/detectionui", "internal/domain/incidents", "may not import it"},
		{"internal/domain/detectionui", "internal/domain/incidents/incidentsapi", "may not import it"},
		{"internal/domain/detectionui", "internal/domain/detection", ""},
		{"internal/domain/detection/detectionapi", "internal/domain/detection", ""},
		{"internal/domain/results", "internal/channel", ""},
		{"internal/domain/results", "internal/channel/mllp", "may not import it"},
		{"internal/domain/results", "internal/app", "may not import it"},
		{"internal/domain/results/resultsui", "internal/platform/web", ""},
		{"internal/codec/hl7", "internal/codec/astm", "may not import it"},
		{"internal/codec/hl7", "internal/codec/hl7/charset", ""},
		{"internal/codec/hl7", "internal/channel", "may not import it"},
		{"internal/codec/hl7", "time", ""},
		{"internal/codec/hl7", "net", "no clock, network"},
		{"internal/codec/hl7", "log/slog", "no clock, network"},
		{"internal/codec/hl7", "golang.org/x/text/encoding", ""},
		{"internal/codec/hl7", "github.com/klauspost/compress/s2", "third-party"},
		{"internal/convert/hl7fhir", "internal/codec/fhir", ""},
		{"internal/convert/hl7fhir", "internal/convert/astmhl7", "may not import it"},
		{"internal/channel", "internal/codec/hl7", "may not import it"},
		{"internal/channel/mllp", "internal/channel", ""},
		{"internal/channel/mllp", "internal/channel/folder", "may not import it"},
		{"internal/channel/mllp", "internal/platform/config", "may not import it"},
		{"internal/channel/mllp", "filippo.io/age", "third-party"},
		{"internal/channel/envelope", "filippo.io/age/armor", ""},
		{"internal/channel/envelope", "filippo.io/agent", "third-party"},
		{"internal/channel/folder", "golang.zx2c4.com/wireguard/device", "third-party"},
		{"internal/channel/tunnel", "golang.zx2c4.com/wireguard/device", ""},
		{"internal/platform/store", "github.com/jackc/pgx/v5/pgxpool", ""},
		{"internal/platform/ledger", "github.com/jackc/pgx/v5", "third-party"},
		{"internal/domain/results", "modernc.org/sqlite", "third-party"},
		{"internal/domain/detection", "github.com/google/nftables", "third-party"},
		{"internal/domain/firewall", "github.com/google/nftables/expr", ""},
		{"internal/platform/ledger", "internal/platform/store", ""},
		{"internal/platform/ledger", "internal/domain/results", "may not import it"},
		{"internal/platform/web", "internal/channel/mllp", "may not import it"},
		{"internal/node/bypass", "internal/channel/mllp", ""},
		{"internal/node/bypass", "internal/platform/config", ""},
		{"internal/node/bypass", "internal/platform/store", "without a database"},
		{"internal/node/bypass", "internal/domain/results", "may not import it"},
		{"internal/demo", "internal/channel/mllp", ""},
		{"internal/demo", "internal/domain/results", "may not import it"},
		{"internal/demo", "internal/platform/store", "may not import it"},
		{"internal/cli", "internal/demo", ""},
		{"internal/cli", "github.com/spf13/cobra", ""},
		{"internal/app", "internal/domain/incidents", ""},
		{"internal/app", "github.com/spf13/cobra", "third-party"},
		{"cmd/labwarden", "internal/cli", ""},
		{"internal/utilities", "fmt", "no layer in the table"},
		{"pkg/anything", "fmt", "no layer in the table"},
	} {
		to := c.to
		if strings.HasPrefix(to, "internal/") {
			to = module + "/" + to
		}
		got := check(table, []pkg{{ImportPath: module + "/" + c.from, Imports: []string{to}}})
		switch {
		case c.refused == "" && len(got) != 0:
			t.Errorf("%s -> %s: refused: %v", c.from, c.to, got)
		case c.refused != "" && (len(got) != 1 || !strings.Contains(got[0], c.refused)):
			t.Errorf("%s -> %s: got %q, want one line with %q", c.from, c.to, got, c.refused)
		}
	}
}

// Two steps away from the store is still with a database.
func TestPlantedDatabaseBehindAnotherPart(t *testing.T) {
	packages := []pkg{
		{module + "/internal/node/front", []string{module + "/internal/platform/ledger", module + "/internal/platform/config"}},
		{module + "/internal/platform/ledger", []string{module + "/internal/platform/event"}},
		{module + "/internal/platform/event", []string{module + "/internal/platform/store"}},
	}
	got := check(table, packages)
	if len(got) != 1 || !strings.HasPrefix(got[0], "internal/node/front -> internal/platform/ledger: ") {
		t.Errorf("got %q", got)
	}
}

func TestPlantedCircle(t *testing.T) {
	packages := []pkg{
		{module + "/internal/platform/bus", []string{module + "/internal/platform/jobs"}},
		{module + "/internal/platform/jobs/retry", []string{module + "/internal/platform/bus"}},
	}
	if got := check(table, packages); len(got) != 2 || !strings.Contains(got[0], "in a circle") {
		t.Errorf("got %q, want each of the two named", got)
	}
	packages[1].Imports = nil
	if got := check(table, packages); len(got) != 0 {
		t.Errorf("without the circle: %q", got)
	}
}

func TestPlantedSources(t *testing.T) {
	long := "package x\n" + strings.Repeat("\n", maxLines)
	for _, c := range []struct{ path, text, want string }{
		{"internal/domain/results/a.go", "package results\nfunc init() {}\n", "a.go:2: init()"},
		{"internal/domain/results/a.go", "package results\ntype t int\nfunc (t) init() {}\n", ""},
		{"internal/domain/results/a_test.go", "package results\nfunc init() {}\n", ""},
		{"cmd/labwarden/main.go", "package main\nfunc init() {}\n", ""},
		{"internal/platform/web/a.go", "// Code generated by x. DO NOT EDIT.\n\npackage web\nfunc init() {}\n", ""},
		{"internal/platform/util/a.go", "package util\n", "package util: name it"},
		{"internal/platform/util/a_test.go", "package helpers_test\n", "package helpers: name it"},
		{"internal/codec/hl7/a.go", "package hl7\nimport \"time\"\nvar _ = time.Now()\n", "a.go:3: time.Now"},
		{"internal/codec/hl7/a.go", "package hl7\nimport \"time\"\nvar _ time.Time\n", ""},
		{"internal/platform/jobs/a.go", "package jobs\nimport \"time\"\nvar _ = time.Now()\n", ""},
		{"internal/platform/jobs/a.go", long, "501 lines"},
		{"internal/platform/jobs/a.go", strings.TrimSuffix(long, "\n"), ""},
	} {
		got, err := checkSource(c.path, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s %q: got %q, want %q", c.path, c.text[:min(len(c.text), 60)], got, c.want)
		}
	}
	if _, err := checkSource("x.go", []byte("not go")); err == nil {
		t.Error("a file that does not parse passes")
	}
}
