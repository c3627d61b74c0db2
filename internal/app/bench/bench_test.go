package bench

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestMain lets the test binary be its own load generator.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench-load" {
		os.Exit(loadMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func loadMain(args []string) int {
	a := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		a[args[i]] = args[i+1]
	}
	conns, _ := strconv.Atoi(a["--connections"])
	base, _ := strconv.Atoi(a["--base"])
	count, _ := strconv.ParseInt(a["--count"], 10, 64)
	d, _ := time.ParseDuration(a["--time"])
	ctx := context.Background()
	l, err := RunLoad(ctx, LoadArgs{Hub: a["--hub"], Certs: a["--certs"], Connections: conns, Base: base, Time: d, Count: count})
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	if json.NewEncoder(os.Stdout).Encode(l) != nil {
		return 1
	}
	return 0
}

func TestSmallRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{
		Engine: "sqlite", Conns: 8, Partners: 1, Time: time.Second, Travel: 2 * time.Second, Before: 500,
		Dir: t.TempDir(), Out: t.Output(), Load: []string{self, "bench-load"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.IntakeRate <= 0 || r.Bare <= 0 || r.IntakeOne <= 0 || r.DiskPerByte <= 0 {
		t.Fatalf("nothing measured: %+v", r)
	}
	if r.Travel.Delivered < r.Travel.In.Messages {
		t.Fatalf("%d messages were acknowledged, %d arrived", r.Travel.In.Messages, r.Travel.Delivered)
	}
}
