package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// A mail leads to the page where its alarm is accepted, where there are pages.
func TestLettersLeadToTheAlarm(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	r := &record{Record: Record{Number: 12, Alarm: Alarm{Key: Key{Kind: "disk.low"}, Sentence: "The disk is nearly full.", Advice: "Make room."}, Since: now}}
	n := &notice{id: event.NewID(), alarm: 12, what: Raised, person: "Dana"}
	with, without := letter("Millbrook", "https://lab.example/alarms", n, r, now), letter("Millbrook", "", n, r, now)
	if !strings.Contains(with.Text, "Take it on: https://lab.example/alarms/12\n") || !strings.Contains(with.Text, "labwarden alarms accept 12") {
		t.Errorf("%q", with.Text)
	}
	if strings.Contains(without.Text, "http") || !strings.Contains(without.Text, "Take it on: labwarden alarms accept 12\n") {
		t.Errorf("%q", without.Text)
	}
	if m := several("Millbrook", "https://lab.example/alarms", n, []*record{r, r}, now); !strings.Contains(m.Text, "take them on: https://lab.example/alarms\n") {
		t.Errorf("%q", m.Text)
	}
}
