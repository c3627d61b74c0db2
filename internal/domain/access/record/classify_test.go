package record

import (
	"testing"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// What is passed over unread is what nobody did: whoever is named, in whichever
// field, keeps an event in the record, and so does its area.
func TestWhatIsPassedOverUnread(t *testing.T) {
	events := []ledger.Event{
		{Kind: "message.received", At: 1, IDs: ledger.Pairs{{K: "message", V: "0198"}}},
		{Kind: "message.viewed", At: 1, IDs: ledger.Pairs{{K: "account", V: "okafor"}}},
		{Kind: "message.viewed", At: 1, IDs: ledger.Pairs{{K: "by", V: "okafor"}}},
		{Kind: "config.applied", At: 1, Codes: ledger.Pairs{{K: "by", V: "okafor"}}},
		{Kind: "signin.refused", At: 1},
		{Kind: "session.ended", At: 1, IDs: ledger.Pairs{{K: "person", V: "0198"}}},
		{Kind: "delivery.accepted", At: 1, Codes: ledger.Pairs{{K: "said", V: "by:account"}}},
	}
	for _, area := range aboutPeople {
		events = append(events, ledger.Event{Kind: area + ".one", At: 1})
	}
	passed := 0
	for _, e := range events {
		raw, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ledger.ParseEvent(raw)
		if err != nil {
			t.Fatal(err)
		}
		if m := machines(raw); m {
			passed++
			if actor(&back) != "" {
				t.Errorf("%s is passed over, and %q did it", raw, actor(&back))
			}
		}
		if _, ok := entry(0, raw); ok == machines(raw) {
			t.Errorf("%s: in the record %v", raw, ok)
		}
	}
	if passed != 2 {
		t.Errorf("%d of the two that nobody did are passed over", passed)
	}
}
