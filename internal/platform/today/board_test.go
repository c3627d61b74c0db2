package today

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

var (
	admin = &authz.Subject{Account: "dana", Level: authz.LevelPasskey, Grants: []authz.Grant{{Role: authz.Administrator}}}
	north = &authz.Subject{Account: "north", Level: authz.LevelTwo, Grants: []authz.Grant{{Role: authz.Provider, Partners: []string{"north"}}}}
	noon  = time.Date(2026, 11, 21, 7, 40, 0, 0, time.UTC)
)

func board(sources ...Source) *Board {
	b := &Board{Log: slog.New(slog.DiscardHandler)}
	b.Add(sources...)
	return b
}

func gives(items ...Item) Source {
	return Source{Name: "partners", Look: func(context.Context, *authz.Subject, time.Time) ([]Item, error) { return items, nil }}
}

func item(rank int, title, partner string) Item {
	return Item{State: kit.Stopped, Rank: rank, Title: title, Needs: authz.PartnersSee, Partner: partner}
}

func titles(g Gathered) []string {
	var out []string
	for _, i := range g.Items {
		out = append(out, i.Title)
	}
	return out
}

func says(t *testing.T, g Gathered, want string) {
	t.Helper()
	lead, rest := g.Sentence()
	if got := strings.TrimSpace(lead + " " + rest); got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestMostUrgentFirst(t *testing.T) {
	late := item(RankStopped, "late", "north")
	late.Since = noon.Add(-time.Hour)
	early := item(RankStopped, "early", "south")
	early.Since = noon.Add(-2 * time.Hour)
	g := board(gives(item(RankLater, "later", "north"), late, early, item(RankPatient, "call", "north"))).Gather(t.Context(), admin, noon)
	if got := titles(g); !slices.Equal(got, []string{"call", "early", "late", "later"}) {
		t.Error(got)
	}
	says(t, g, "Four things need you. Everything else is running.")
}

func TestNothingNeedsYou(t *testing.T) {
	says(t, board(gives()).Gather(t.Context(), admin, noon), "Nothing needs you. Everything is running.")
}

// A failing source is never nothing.
func TestWhatFailsIsSaid(t *testing.T) {
	fails := Source{Name: "the ledger", Look: func(context.Context, *authz.Subject, time.Time) ([]Item, error) { return nil, errors.New("no") }}
	panics := Source{Name: "phone tasks", Look: func(context.Context, *authz.Subject, time.Time) ([]Item, error) { panic("no") }}
	g := board(fails, gives()).Gather(t.Context(), admin, noon)
	says(t, g, "Part of this could not be looked at. Nothing else needs you.")
	if got := titles(g); !slices.Equal(got, []string{"The ledger could not be looked at"}) {
		t.Error(got)
	}
	g = board(fails, panics, gives(item(RankStopped, "stopped", "north"))).Gather(t.Context(), admin, noon)
	says(t, g, "One thing needs you. Part of this could not be looked at.")
	if len(g.Failed) != 2 || len(g.Items) != 3 {
		t.Errorf("%+v", g)
	}
}

// Who sees a part hears nothing of the rest, not even that it runs.
func TestOnlyOnesOwn(t *testing.T) {
	b := board(gives(item(RankStopped, "ours", "north"), item(RankStopped, "theirs", "south"), Item{Title: "without a permission"}))
	asked := false
	b.Add(Source{Name: "keys", Needs: authz.KeysSee, Look: func(context.Context, *authz.Subject, time.Time) ([]Item, error) {
		asked = true
		return nil, errors.New("no")
	}})
	g := b.Gather(t.Context(), north, noon)
	if got := titles(g); !slices.Equal(got, []string{"ours"}) || asked {
		t.Error(got, asked)
	}
	says(t, g, "One thing needs you.")
}

func TestChecks(t *testing.T) {
	b := board(gives())
	line := Line{State: kit.Fine, Name: "Keys"}
	var err error
	b.AddChecks(Check{Name: "keys", Needs: authz.KeysSee, Look: func(context.Context, time.Time) (Line, error) { return line, err }})
	g := b.Gather(t.Context(), admin, noon)
	says(t, g, "Nothing needs you. Everything is running.")
	if len(g.Lines) != 1 || g.Lines[0].At != noon {
		t.Errorf("%+v", g.Lines)
	}
	line.State = kit.Warn
	says(t, b.Gather(t.Context(), admin, noon), "Nothing needs you.")
	line.State, err = kit.Fine, errors.New("no")
	g = b.Gather(t.Context(), admin, noon)
	says(t, g, "Part of this could not be looked at. Nothing else needs you.")
	if g.Lines[0].State != kit.Unknown {
		t.Errorf("%+v", g.Lines)
	}
	if g := b.Gather(t.Context(), north, noon); len(g.Lines) != 0 {
		t.Errorf("a provider sees %+v", g.Lines)
	}
}

// One that hangs costs its patience once, and is asked again when it has ended.
func TestAHangingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		calls := 0
		b := board(gives(item(RankStopped, "stopped", "north")), Source{Name: "the index", Look: func(context.Context, *authz.Subject, time.Time) ([]Item, error) {
			calls++
			<-end
			return nil, nil
		}})
		for i := range 3 {
			at := time.Now()
			g := b.Gather(t.Context(), admin, noon)
			if took := time.Since(at); i == 0 && took != patience || i > 0 && took != 0 {
				t.Errorf("look %d took %v", i, took)
			}
			says(t, g, "One thing needs you. Part of this could not be looked at.")
		}
		close(end)
		synctest.Wait()
		says(t, b.Gather(t.Context(), admin, noon), "One thing needs you. Everything else is running.")
		if calls != 2 {
			t.Errorf("asked %d times", calls)
		}
	})
}

func TestTooMany(t *testing.T) {
	var many []Item
	for range mostItems + 3 {
		many = append(many, item(RankStopped, "x", "north"))
	}
	g := board(gives(many...)).Gather(t.Context(), admin, noon)
	if len(g.Items) != mostItems || g.More != 3 {
		t.Errorf("%d items, %d more", len(g.Items), g.More)
	}
	says(t, g, "43 things need you. Everything else is running.")
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1284: "1,284", 1000000: "1,000,000", -1284: "-1,284"} {
		if got := Group(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{time.Second: "less than a minute", 48 * time.Minute: "48 min", 5 * time.Hour: "5 h", 73 * time.Hour: "3 days"} {
		if got := Ago(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
}
