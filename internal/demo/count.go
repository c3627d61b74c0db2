package demo

import (
	"fmt"
	"slices"
)

// Item is one message of which the hub says that it keeps it.
type Item struct {
	SHA256 string `json:"sha256"`
	// Partner names the one delivery that is held; empty means the whole
	// message.
	Partner string `json:"partner,omitempty"`
}

// HubSay is the only thing the count takes from the hub.
type HubSay struct {
	Quarantined []Item `json:"quarantined"`
	Held        []Item `json:"held"`
}

// ClinicList is what one clinic says it received.
type ClinicList struct {
	Partner, Kind string
	Lines         []ClinicLine
}

// Books are the lists to compare.
type Books struct {
	LIS     []LISLine
	Clinics []ClinicList
	Expect  []Expectation
	Hub     HubSay
	// Transformed names messages by SHA-256 whose route changes them, so that
	// an HL7 or folder partner is matched by control id and not by bytes.
	Transformed map[string]bool
}

// Tally is the outcome. Messages are counted in Received and Quarantined, one
// message to one partner in all others.
type Tally struct {
	// Received: presented by the LIS at least once.
	Received int
	// Quarantined: presented and, as the hub says, in quarantine as a whole.
	Quarantined int
	// Held: due, not delivered, and the hub says that it holds or quarantines it.
	Held int
	// Delivered: due and accepted by the clinic (or taken from its folder).
	Delivered int
	// Acknowledged: of Delivered, those the clinic answered. A file is not.
	Acknowledged int
	// Lost: answered AA or CA by the hub, or answered with a refusal but not in
	// quarantine, due, and neither delivered, held nor quarantined. Also what
	// arrived only with other bytes or without ever being accepted.
	Lost int
	// Unanswered: due and not delivered, but the hub never answered the LIS for
	// it either, so the LIS still has it. It is a problem, not a loss.
	Unanswered int
	// Doubled: arrivals of the same message at the same clinic beyond the first.
	Doubled int
	// OutOfOrder: first arrivals overtaken by a later message of the same
	// patient or order number.
	OutOfOrder int
	// WrongPartner: arrivals at a clinic to which the message is not due.
	WrongPartner int
	// Problems says in words what is wrong; empty when nothing is. Doubles are
	// no problem by themselves: delivery is at least once.
	Problems []string
}

// OK reports that nothing is lost and nothing else is wrong.
func (t Tally) OK() bool { return t.Lost == 0 && t.OutOfOrder == 0 && len(t.Problems) == 0 }

func (t *Tally) problem(format string, a ...any) {
	t.Problems = append(t.Problems, fmt.Sprintf(format, a...))
}

// message is one expectation and what the LIS's list says of it.
type message struct {
	Expectation
	seq    int
	keys   []string
	orders []string
	code   string // the hub's answer to the LIS
}

// Count compares the lists.
func Count(b Books) Tally {
	var t Tally
	sent := t.presented(b)
	t.Received = len(sent)
	arrivals := make([]matched, len(b.Clinics))
	for i, c := range b.Clinics {
		arrivals[i] = match(c, sent, b.Transformed)
		t.judgeArrivals(c, arrivals[i])
		t.judgeOrder(c, arrivals[i])
	}
	whole, single := kept(b.Hub)
	for _, m := range sent {
		if whole[m.SHA256] {
			t.Quarantined++
			delete(whole, m.SHA256)
			if !m.Quarantine {
				t.problem("%s is in quarantine but should not be", m.Name)
			}
			if m.Quarantine && positive(m.code) {
				t.problem("%s is malformed but was answered %s", m.Name, m.code)
			}
			// It may have been delivered to some before it came there.
			t.deliveries(m, b.Clinics, arrivals, func(string) bool { return true })
			continue
		}
		if m.Quarantine {
			t.Lost++
			t.problem("LOST: %s belongs in quarantine and is not there", m.Name)
			continue
		}
		t.deliveries(m, b.Clinics, arrivals, func(partner string) bool {
			return single[Item{m.SHA256, partner}] || single[Item{m.SHA256, ""}]
		})
	}
	for _, i := range b.Hub.Quarantined {
		if whole[i.SHA256] {
			t.problem("the hub names a message in quarantine that the LIS never presented (%.12s)", i.SHA256)
			delete(whole, i.SHA256)
		}
	}
	return t
}

func kept(h HubSay) (whole map[string]bool, single map[Item]bool) {
	whole, single = map[string]bool{}, map[Item]bool{}
	for _, i := range h.Quarantined {
		if i.Partner == "" {
			whole[i.SHA256] = true
		} else {
			single[i] = true
		}
	}
	for _, i := range h.Held {
		single[i] = true
	}
	return whole, single
}

// presented joins the expectations with the LIS's list, in the order of first
// presentation.
func (t *Tally) presented(b Books) []*message {
	by := map[string]*message{}
	for _, e := range b.Expect {
		if by[e.SHA256] != nil {
			t.problem("%s and %s are the same bytes: they cannot be told apart", by[e.SHA256].Name, e.Name)
			continue
		}
		by[e.SHA256] = &message{Expectation: e}
	}
	var sent []*message
	foreign := map[string]bool{}
	for _, l := range b.LIS {
		m := by[l.SHA256]
		if m == nil {
			if l.SHA256 != "" && !foreign[l.SHA256] {
				foreign[l.SHA256] = true
				t.problem("the LIS presented what nobody expects: %s#%d", l.File, l.Index)
			}
			continue
		}
		switch l.Event {
		case Presented:
			if m.seq == 0 {
				m.seq, m.keys, m.orders = l.Seq, l.Keys, l.Orders
				sent = append(sent, m)
			}
		case Replied:
			m.code = l.Code
		}
	}
	slices.SortStableFunc(sent, func(a, b *message) int { return a.seq - b.seq })
	if n := len(by) - len(sent); n > 0 {
		t.problem("%d messages were never presented by the LIS", n)
	}
	return sent
}

func (t *Tally) deliveries(m *message, clinics []ClinicList, arrivals []matched, isKept func(string) bool) {
	for _, partner := range m.Partners {
		i := slices.IndexFunc(clinics, func(c ClinicList) bool { return c.Partner == partner })
		if i < 0 {
			t.problem("there is no list of %s", partner)
			continue
		}
		hits := arrivals[i].of[m]
		got := slices.ContainsFunc(hits, func(l ClinicLine) bool { return accepted(l) })
		switch {
		case got:
			t.Delivered++
			if clinics[i].Kind != KindFolder {
				t.Acknowledged++
			}
		case isKept(partner):
			t.Held++
		case m.code == "":
			t.Unanswered++
			t.problem("%s was never answered and %s does not have it", m.Name, partner)
		default:
			t.Lost++
			how := "never arrived at"
			if len(hits) > 0 {
				how = fmt.Sprintf("arrived %d times but was never accepted at", len(hits))
			} else if arrivals[i].changed[m] {
				how = "arrived with other bytes at"
			}
			t.problem("LOST: %s, answered %s, %s %s", m.Name, m.code, how, partner)
		}
	}
}

// accepted reports that the clinic took it: AA or CA, a 2xx, a file.
func accepted(l ClinicLine) bool {
	return positive(l.Code) || l.Code == "taken" || len(l.Code) == 3 && l.Code[0] == '2'
}
