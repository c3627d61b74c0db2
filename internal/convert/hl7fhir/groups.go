package hl7fhir

import "strings"

// The grouping of ORU_R01 (v2.5.1 7.3.1) and OUL_R21 to R24 (7.3.5 to 7.3.8).

type patientGroup struct {
	pid    *segment
	notes  []*segment
	kin    []*segment
	pd1    *segment
	orders []*order
}

type order struct {
	orc, obr, tq1 *segment
	notes         []*segment
	obs           []*result
	specimens     []*sample
}

type result struct {
	obx   *segment
	notes []*segment
}

type sample struct {
	spm   *segment
	notes []*segment
	obs   []*result
}

// group walks the segments once. A new PID begins a new patient: nothing is
// ever carried over from the one before.
func group(segs []*segment, oul string) []*patientGroup {
	var (
		out    []*patientGroup
		g      *patientGroup
		o      *order
		spec   *sample
		orc    *segment
		notes  *[]*segment
		shared = oul == "R22" || oul == "R23" // the specimen stands before its orders
	)
	for _, s := range segs {
		switch s.name {
		case "PID":
			g, o, spec, orc = &patientGroup{pid: s}, nil, nil, nil
			out, notes = append(out, g), &g.notes
		case "PD1":
			if g != nil && g.pd1 == nil {
				g.pd1, notes = s, nil
			}
		case "NK1":
			if g != nil {
				g.kin, notes = append(g.kin, s), nil
			}
		case "ORC":
			if oul != "" && o != nil && o.orc == nil && len(o.obs) == 0 {
				o.orc, notes = s, &o.notes
				continue
			}
			orc, notes = s, nil
		case "OBR":
			if g == nil {
				continue
			}
			o = &order{orc: orc, obr: s}
			if shared && spec != nil {
				o.specimens = []*sample{spec}
			} else {
				spec = nil
			}
			orc, g.orders, notes = nil, append(g.orders, o), &o.notes
		case "TQ1":
			if o != nil && o.tq1 == nil {
				o.tq1 = s
			}
		case "SPM":
			if g == nil {
				continue
			}
			spec = &sample{spm: s}
			notes = &spec.notes
			if shared {
				o = nil
			} else if o != nil {
				o.specimens = append(o.specimens, spec)
			}
		case "OBX":
			r := &result{obx: s}
			notes = &r.notes
			switch {
			case oul == "R24" && o != nil, spec == nil && o != nil, shared && o != nil:
				// In R24 a result may follow the specimen: an ambiguous OBX is shown
				// as a result, never hidden as a remark on the specimen.
				o.obs = append(o.obs, r)
			case spec != nil:
				spec.obs = append(spec.obs, r)
			default:
				notes = nil
			}
		case "NTE":
			if notes != nil {
				*notes = append(*notes, s)
			}
		}
	}
	return out
}

// oulTrigger is the trigger of an OUL message by MSH-9, empty for ORU; ok is
// false for any other message.
func oulTrigger(code, trigger, structure string) (oul string, ok bool) {
	switch code {
	case "ORU":
		switch trigger { // the point-of-care forms hold one patient and one order
		case "R30", "R31", "R32":
			return "", true
		}
		return "", trigger == "R01" || trigger == "" && (structure == "ORU_R01" || structure == "")
	case "OUL":
		if trigger == "" {
			trigger = strings.TrimPrefix(structure, "OUL_")
		}
		switch trigger {
		case "R21", "R22", "R23", "R24":
			return trigger, true
		}
	}
	return "", false
}
