package witness

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

func TestCheckStart(t *testing.T) {
	ctx := context.Background()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	seen := func(l *lab) Seen {
		return SeenCheckpoint("the second host", ledger.Checkpoint{Size: l.head.Size, Root: l.head.Root()}, at)
	}
	sound := func(n int) *lab { return newLab(t, "lab").grow(n, "a") }
	broken := sound(20)
	broken.rows.Rows = broken.rows.Rows[:18]
	for _, tt := range []struct {
		name    string
		l       *lab
		seen    []Seen
		verdict Verdict
		missing int64
		words   string
	}{
		{"nobody saw it", sound(20), nil, Unwitnessed, 0, "cannot be said"},
		{"seen before", sound(20), []Seen{seen(sound(13))}, Sound, 0, "first 13 of the ledger's 20"},
		{"seen now", sound(20), []Seen{seen(sound(20)), seen(sound(13))}, Sound, 0, "first 20 of"},
		{"empty and unseen", sound(0), []Seen{seen(sound(0))}, Sound, 0, ""},
		{"put back", sound(20), []Seen{seen(sound(13)), seen(sound(50)), seen(sound(30))}, Rollback, 30, "has 20 entries, but witness the second host confirmed 50 on 2026-03-01 at 08:00:00 UTC: 30 are missing"},
		{"put back, size only", sound(20), []Seen{{Witness: "w", Size: 21}}, Rollback, 1, "1 are missing"},
		{"size only", sound(20), []Seen{{Witness: "w", Size: 19}}, Sound, 0, "not compared"},
		{"rewritten", sound(20), []Seen{seen(sound(50)), seen(newLab(t, "lab").grow(5, "a").grow(5, "b"))}, Rewritten, 0, "past was changed"},
		{"rows gone", broken, nil, Broken, 0, "do not fit its head"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := CheckStart(ctx, tt.l.reader(), tt.l.head, tt.seen...)
			if err != nil {
				t.Fatal(err)
			}
			if a.Verdict != tt.verdict || a.Missing != tt.missing || !strings.Contains(a.Text, tt.words) {
				t.Errorf("got %v: %s", a.Verdict, a.Text)
			}
			if a.Raised() != (tt.verdict >= Rollback) {
				t.Errorf("raised %v", a.Raised())
			}
			if a.Raised() && !strings.Contains(a.Text, "until a person") {
				t.Errorf("does not say what follows: %s", a.Text)
			}
		})
	}
}
