package bench

import (
	"testing"
	"time"
)

func TestSmallRun(t *testing.T) {
	r, err := Run(t.Context(), Options{Engine: "sqlite", Conns: 8, Partners: 1, Time: time.Second, Dir: t.TempDir(), Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Intake <= 0 || r.Bare <= 0 || r.IntakeOne <= 0 || r.DiskPerByte <= 0 {
		t.Fatalf("nothing measured: %+v", r)
	}
}
