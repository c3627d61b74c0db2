package hl7fhir

import "strings"

// groupBySubID ties results of one order together by OBX-4 (v2.5.1 7.4.2.4).
// Dotted sub-ids name their parent ("1.2" belongs to "1"). Where several tests
// share one sub-id, the first with a coded value (the organism) holds the others
// (its count, its susceptibilities). Nothing else is tied: a plain row of 1, 2,
// 3 is only a numbering.
func groupBySubID(all []*made) {
	bySub := map[string][]*made{}
	for _, m := range all {
		if m.sub != "" {
			bySub[m.sub] = append(bySub[m.sub], m)
		}
	}
	heads := map[string]*made{}
	for sub, ms := range bySub {
		heads[sub] = ms[0]
		codes := map[string]bool{}
		for _, m := range ms {
			codes[m.code] = true
		}
		if len(codes) < 2 {
			continue
		}
		for _, m := range ms {
			if m.coded {
				heads[sub] = m
				break
			}
		}
	}
	for _, m := range all {
		if m.sub == "" {
			continue
		}
		head := heads[m.sub]
		switch {
		case head == m:
			if at := strings.LastIndexByte(m.sub, '.'); at > 0 {
				if parent := heads[m.sub[:at]]; parent != nil {
					parent.o.HasMember = append(parent.o.HasMember, m.ref)
				}
			}
		case head.coded && head.code != m.code:
			head.o.HasMember = append(head.o.HasMember, m.ref)
		}
	}
}

// joinParent ties an order that was reflexed from a result (OBR-26: the parent's
// OBX-3 and OBX-4) to that result, where the message holds exactly one such.
func (c *conv) joinParent(o *order, all []*made) {
	v := o.obr.rep(26)
	if !v.content() {
		return
	}
	code := v.inner(1)
	k := code.peek(1) + "|" + code.peek(3) + "|" + strings.TrimSpace(v.peek(2))
	if code.peek(1) == "" {
		k = code.peek(2) + "|" + strings.TrimSpace(v.peek(2))
	}
	parents := c.byParent[k]
	if len(parents) != 1 || len(all) == 0 {
		c.note(v.path, "parent result is not in this message, or not alone: not tied")
		return
	}
	code.take()
	v.c(2)
	for _, m := range all {
		if !hasReference(parents[0].HasMember, m.ref) {
			parents[0].HasMember = append(parents[0].HasMember, m.ref)
		}
	}
}
