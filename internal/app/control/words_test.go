package control

import (
	"slices"
	"testing"
	"time"
)

func TestStatusInWords(t *testing.T) {
	now := time.Date(2026, 5, 4, 7, 30, 0, 0, time.FixedZone("EST", -5*3600))
	at := func(h, m int) time.Time { return time.Date(2026, 5, 4, h, m, 0, 0, now.Location()).UTC() }
	well := Store{Writable: true}
	for name, c := range map[string]struct {
		st    Status
		need  []string
		state string
		says  []string
	}{
		"all is well": {
			st:    Status{Store: well, Today: Today{Received: 1284, Acknowledged: 1284}, Partners: []Partner{{Name: "Riverside", Heard: at(7, 0)}}},
			state: "fine", says: []string{"Everything is running.", "1,284 results came in today; of the deliveries 1,284 were acknowledged by their receivers.", "Nothing waits."},
		},
		"a few on their way": {
			st:    Status{Store: well, Partners: []Partner{{Name: "Riverside", Heard: at(7, 0), Waiting: 1, Oldest: at(7, 29), alarmAfter: time.Hour}}},
			state: "fine", says: []string{"Everything is running.", "No result has come in today.", "1 result waits to be sent."},
		},
		"partner refuses": {
			st:    Status{Store: well, Partners: []Partner{{Name: "Riverside", Waiting: 14, DownSince: at(6, 52), NextTry: at(7, 31), Why: "rejected"}}},
			state: "needs_you", says: []string{"14 results wait for Riverside. Their server has refused us since 06:52; the next try is at 07:31.", "No result has come in today."},
		},
		"waits too long": {
			st:    Status{Store: well, Partners: []Partner{{Name: "Riverside", Heard: at(5, 0), Waiting: 2, Oldest: at(5, 0).Add(-24 * time.Hour), alarmAfter: time.Hour}}},
			state: "needs_you", says: []string{"2 results wait for Riverside, the oldest since 2026-05-03 05:00; that is longer than agreed.", "No result has come in today."},
		},
		"store": {
			st: Status{}, state: "needs_you",
			says: []string{"The store does not take writes: no result is accepted until it does. Look at disk space and the hub's log.", "No result has come in today.", "Nothing waits."},
		},
		"certificate": {
			st: Status{Store: well, Dates: []Date{
				{Of: "node", Kind: DateOurs, Ends: now.Add(-time.Hour), Owner: "M. Okafor"},
				{Of: "source lis", Kind: DateOurs, Ends: now.Add(49 * time.Hour), Owner: "M. Okafor"},
				{Of: "partner x", Kind: DateOurs, Ends: now.Add(40 * 24 * time.Hour)},
			}},
			state: "needs_you",
			says: []string{
				"The certificate of node ended on 2026-05-04; others will refuse us when they connect anew. Put a renewed one in its place, then run labwarden reload. Owner: M. Okafor.",
				"The certificate of source lis ends on 2026-05-06, in 2 days. Put a renewed one in its place, then run labwarden reload. Owner: M. Okafor.",
				"No result has come in today.", "Nothing waits.",
			},
		},
		"calls and stops": {
			st:   Status{Store: well, Calls: OpenCalls{Overdue: 2, Open: 3}, Stops: OpenStops{Standing: 4, Expired: 1, ImpactDue: 2, OverADay: 1, LiftAsked: 1}},
			need: []string{"Metrics are not served."}, state: "needs_you",
			says: []string{
				"2 phone calls are overdue: labwarden calls list.",
				"1 phone task is open: labwarden calls list.",
				"1 stop has passed its time and waits for its owner: labwarden stops list.",
				"2 stops must be looked at for what they do to patients: labwarden stops list.",
				"1 stop is to be lifted and waits for a second person: labwarden stops list.",
				"1 stop has stood for more than 24 hours: labwarden stops list --over 24h.",
				"Metrics are not served.", "No result has come in today.", "Nothing waits.",
			},
		},
		"nothing goes there": {
			st:    Status{Store: well, Partners: []Partner{{Name: "Riverside", Heard: at(7, 0), Stops: []Gate{{"clinical", "Ann Example", at(6, 0)}}}}},
			state: "needs_you", says: []string{"Nothing goes to Riverside: a clinical stop of Ann Example stands since 06:00.", "No result has come in today.", "Nothing waits."},
		},
		"held, stopped, apart, not started": {
			st:   Status{Store: well, Quarantine: 2, Partners: []Partner{{Key: "r", Name: "Riverside", Heard: at(5, 0), Held: 1, NeedsPerson: 3}}},
			need: []string{"Metrics are not served."}, state: "needs_you",
			says: []string{
				"Metrics are not served.",
				`3 results to Riverside need a person: labwarden results list --partner r --state "needs a person".`,
				"1 result to Riverside is held: labwarden results list --partner r --state held.",
				"2 messages in quarantine wait for a person: labwarden quarantine list.",
				"No result has come in today.", "Nothing waits.",
			},
		},
	} {
		c.st.say(now, c.need)
		if c.st.State != c.state || !slices.Equal(c.st.Sentences, c.says) {
			t.Errorf("%s: %s\n%q, want\n%q", name, c.st.State, c.st.Sentences, c.says)
		}
	}
}
