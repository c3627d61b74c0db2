package demo

import "slices"

// matched is one clinic's list, each arrival with the message it is.
type matched struct {
	of      map[*message][]ClinicLine
	changed map[*message]bool // same control id, other bytes
	first   []*message        // in the order of first arrival
	strange []ClinicLine      // nothing the LIS presented
}

// match finds for each arrival the message it is. HL7 and files go by their
// bytes; what has a known control id but other bytes is "changed", unless its
// route transforms it. FHIR goes by what fhirIdentity documents: the control
// id, else the filler number, the n-th new bundle of an order being its n-th
// message.
func match(c ClinicList, sent []*message, transformed map[string]bool) matched {
	out := matched{of: map[*message][]ClinicLine{}, changed: map[*message]bool{}}
	bySHA, byControl, byOrder := map[string]*message{}, map[string]*message{}, map[string][]*message{}
	for _, m := range sent {
		bySHA[m.SHA256] = m
		if m.Control != "" {
			byControl[m.Control] = m
		}
		if slices.Contains(m.Partners, c.Partner) {
			for _, o := range m.orders {
				byOrder[o] = append(byOrder[o], m)
			}
		}
	}
	known := map[string]*message{} // FHIR: bundles already matched, by bytes
	find := func(l ClinicLine) *message {
		if m := bySHA[l.SHA256]; m != nil {
			return m
		}
		for _, id := range l.Controls {
			m := byControl[id]
			if m == nil {
				continue
			}
			if c.Kind == KindFHIR || transformed[m.SHA256] {
				return m
			}
			out.changed[m] = true
			return nil
		}
		if c.Kind != KindFHIR {
			return nil
		}
		if m := known[l.SHA256]; m != nil {
			return m
		}
		for _, o := range l.Orders {
			for _, m := range byOrder[o] {
				if len(out.of[m]) == 0 {
					known[l.SHA256] = m
					return m
				}
			}
		}
		return nil
	}
	lines := slices.Clone(c.Lines)
	slices.SortStableFunc(lines, func(a, b ClinicLine) int { return a.Seq - b.Seq })
	for _, l := range lines {
		m := find(l)
		if m == nil {
			out.strange = append(out.strange, l)
			continue
		}
		if len(out.of[m]) == 0 {
			out.first = append(out.first, m)
		}
		out.of[m] = append(out.of[m], l)
	}
	return out
}

// judgeArrivals names what came to the wrong place, what nobody sent and what
// the clinic found wrong.
func (t *Tally) judgeArrivals(c ClinicList, a matched) {
	for _, m := range a.first {
		hits := a.of[m]
		t.Doubled += len(hits) - 1
		if !slices.Contains(m.Partners, c.Partner) {
			t.WrongPartner += len(hits)
			t.problem("WRONG PARTNER: %s (control id %s) came to %s, due to %v", m.Name, m.Control, c.Partner, m.Partners)
		}
	}
	for _, l := range a.strange {
		t.problem("%s received what the LIS never presented: number %d, control id %v, %.12s %s", c.Partner, l.Seq, l.Controls, l.SHA256, l.Problem)
	}
}

// judgeOrder compares the order of first arrivals with that of presentation,
// for each patient and each order number.
func (t *Tally) judgeOrder(c ClinicList, a matched) {
	latest := map[string]*message{}
	for _, m := range a.first {
		var over *message
		for _, k := range m.keys {
			if p := latest[k]; p != nil && p.seq > m.seq {
				over = p
			} else {
				latest[k] = m
			}
		}
		if over != nil {
			t.OutOfOrder++
			t.problem("OUT OF ORDER: at %s, %s (presented as %d) came after %s (presented as %d)", c.Partner, m.Name, m.seq, over.Name, over.seq)
		}
	}
}
