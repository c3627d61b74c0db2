package results

import (
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func TestTakenFilesAreRemembered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		ctx := t.Context()
		f := TakenFile{Name: "DOE_JANE.hl7", Size: 100, Modified: time.Unix(1e9, 0), Sum: [32]byte{1}}
		known := func(change func(*TakenFile)) bool {
			x := f
			change(&x)
			is, err := l.WasTaken(ctx, "lis", x)
			must(t, err)
			return is
		}
		if known(func(*TakenFile) {}) {
			t.Error("known before it was taken")
		}
		must(t, l.RememberTaken(ctx, "lis", f))
		for _, later := range []bool{false, true} {
			if later {
				l.restart()
			}
			for name, c := range map[string]struct {
				change func(*TakenFile)
				want   bool
			}{
				"itself":        {func(*TakenFile) {}, true},
				"by its looks":  {func(x *TakenFile) { x.Sum = [32]byte{} }, true},
				"touched":       {func(x *TakenFile) { x.Sum, x.Modified = [32]byte{}, time.Unix(1e9+1, 0) }, false},
				"touched, read": {func(x *TakenFile) { x.Modified = time.Unix(1e9+1, 0) }, true},
				"grown":         {func(x *TakenFile) { x.Sum, x.Size = [32]byte{}, 101 }, false},
				"other content": {func(x *TakenFile) { x.Sum = [32]byte{2} }, false},
				"other name":    {func(x *TakenFile) { x.Name = "DOE_JOHN.hl7" }, false},
			} {
				if got := known(c.change); got != c.want {
					t.Errorf("%s: known %v", name, got)
				}
			}
		}
		if is, err := l.WasTaken(ctx, "other", f); err != nil || is {
			t.Errorf("of another source: %v %v", is, err)
		}
		f.Sum, f.Refused = [32]byte{2}, true
		must(t, l.RememberTaken(ctx, "lis", f))
		if !known(func(*TakenFile) {}) || l.count("SELECT count(*) FROM results_taken") != 1 {
			t.Error("its successor of the same name")
		}
		if l.count("SELECT count(*) FROM results_taken WHERE source LIKE '%DOE%'") != 0 {
			t.Error("a name stands in the database")
		}
		l.fits()
		l.exec("UPDATE results_taken SET refused = 0")
		a, err := l.Audit(ctx, nil)
		must(t, err)
		if len(a.Findings) != 1 || a.Findings[0].Table != "results_taken" {
			t.Errorf("%+v", a.Findings)
		}
	})
}
