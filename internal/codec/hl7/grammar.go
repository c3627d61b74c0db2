package hl7

import "strings"

// structures are the message structures that are checked, in the notation of
// HL7 v2.5.1 2.12: [ ] optional, { } repeating, A|B one of them. Each is the
// union of versions 2.1 to 2.9, so that a message is faulted only where no
// version allows it. Sources: chapters 3 (ADT), 4 (ORM, OML), 7 (ORU, OUL) and
// 9 (MDM) of the standard.
var structures = compileAll(map[string]string{
	"ACK": `MSH [{ARV}] [{SFT}] [UAC] MSA [{ERR}]`,

	"ORU_R01": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}]
		{ [ PID [PD1] [{PRT}] [{ARV}] [{NTE}] [{NK1}] [{OBX [{PRT}]}] [PV1 [PV2] [{PRT}]] ]
		  { [ORC [{NTE}] [{PRT}]] OBR [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}] [CTD]
		    [{OBX [{PRT}] [{NTE}]}] [{FT1}] [{CTI}]
		    [{SPM [{NTE}] [{PRT}] [{OBX [{PRT}] [{NTE}]}]}] [{DEV [{OBX}]}] } } [DSC]`,

	"ORU_R30": `MSH [{ARV}] [{SFT}] [UAC] PID [PD1] [{PRT}] [{ARV}] [{NTE}] [{OBX [{PRT}]}] [PV1 [PV2] [{PRT}]]
		ORC [{NTE}] [{PRT}] OBR [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}] [CTD] { OBX [{PRT}] [{NTE}] } [DSC]`,

	"OUL_R21": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}] [PID [PD1] [{PRT}] [{NTE}]] [PV1 [PV2] [{PRT}]]
		{ [SAC [SID]] [ORC] OBR [{NTE}] [{TQ1 [{TQ2}]}]
		  [{OBX [{PRT}] [TCD] [{SID}] [{NTE}]}] [{CTI}] } [DSC]`,

	"OUL_R22": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}]
		[PID [PD1] [{PRT}] [{ARV}] [{NTE}] [{OBX [{PRT}]}]] [{NK1}] [PV1 [PV2] [{PRT}]]
		{ SPM [{PRT}] [{NTE}] [{OBX [{PRT}]}] [{SAC [INV]}]
		  { [ORC [{PRT}]] OBR [ORC [{NTE}] [{PRT}]] [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}]
		    [{OBX [{PRT}] [TCD] [{SID}] [{INV}] [{NTE}]}] [{CTI}] } } [{DEV [{OBX}]}] [DSC]`,

	"OUL_R23": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}]
		[PID [PD1] [{PRT}] [{ARV}] [{NTE}] [{OBX [{PRT}]}]] [{NK1}] [PV1 [PV2] [{PRT}]]
		{ SPM [{PRT}] [{NTE}] [{OBX [{PRT}]}]
		  { SAC [INV] [{NTE}]
		    { [ORC [{PRT}]] OBR [ORC [{NTE}] [{PRT}]] [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}]
		      [{OBX [{PRT}] [TCD] [{SID}] [{INV}] [{NTE}]}] [{CTI}] } } } [{DEV [{OBX}]}] [DSC]`,

	"OUL_R24": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}]
		[PID [PD1] [{PRT}] [{ARV}] [{NTE}] [{OBX [{PRT}]}]] [{NK1}] [PV1 [PV2] [{PRT}]]
		{ OBR [ORC [{NTE}] [{PRT}]] [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}]
		  [{SPM [{PRT}] [{NTE}] [{OBX [{PRT}] [TCD] [{SID}] [{NTE}]}] [{SAC [INV]}]}]
		  [{OBX [{PRT}] [TCD] [{SID}] [{INV}] [{NTE}]}] [{CTI}] } [{DEV [{OBX}]}] [DSC]`,

	"ORM_O01": `MSH [{NTE}]
		[PID [PD1] [{NTE}] [PV1 [PV2]] [{IN1 [IN2] [IN3]}] [GT1] [{AL1}]]
		{ ORC [{NTE}] [OBR|RQD|RQ1|RXO|ODS|ODT [{NTE}] [CTD] [{DG1}] [{OBX [{NTE}]}]] [{FT1}] [{CTI}] [BLG] }`,

	"OML_O21": `MSH [{ARV}] [{SFT}] [UAC] [{NTE}]
		[PID [PD1] [{PRT}] [{NTE}] [{NK1}] [{ARV}] [PV1 [PV2] [{PRT}]] [{IN1 [IN2] [IN3]}] [GT1] [{AL1}]]
		{ ORC [{NTE}] [{PRT}] [{TQ1 [{TQ2}]}]
		  [ OBR [TCD] [{NTE}] [{PRT}] [CTD] [{DG1}] [{REL}] [{OBX [{PRT}] [TCD] [{NTE}]}]
		    [{SPM [{NTE}] [{PRT}] [{OBX [{PRT}] [{NTE}]}] [{SAC [{OBX}]}]}] [{SGH}]
		    [{ PID [PD1] [PV1 [PV2]] [{AL1}] { [ORC] OBR [{NTE}] [{TQ1 [{TQ2}]}] [{OBX [{NTE}]}] } }] ]
		  [{FT1}] [{CTI}] [BLG] } [DSC]`,

	"ADT_A01": adtHead + `PID [PD1] [{ARV}] [{ROL|PRT}] [{NK1}] PV1 [PV2] [{ARV}] [{ROL|PRT}] [{DB1}]
		[{OBX [{PRT}]}] [{AL1|IAM}] [{DG1}] [DRG] [{PR1 [{ROL|PRT}]}] [{GT1}] ` + adtInsurance + ` [ACC] [UB1] [UB2] [PDA]`,

	"ADT_A02": adtHead + `PID [PD1] [{ARV}] [{ROL|PRT}] PV1 [PV2] [{ARV}] [{ROL|PRT}] [{DB1}] [{OBX [{PRT}]}] [{DG1}] [PDA]`,

	"ADT_A03": adtHead + `PID [PD1] [{ARV}] [{ROL|PRT}] [{NK1}] PV1 [PV2] [{ARV}] [{ROL|PRT}] [{DB1}]
		[{AL1|IAM}] [{DG1}] [DRG] [{PR1 [{ROL|PRT}]}] [{OBX [{PRT}]}] [{GT1}] ` + adtInsurance + ` [ACC] [PDA]`,

	"ADT_A06": adtHead + `PID [PD1] [{ARV}] [{ROL|PRT}] [MRG] [{NK1}] PV1 [PV2] [{ARV}] [{ROL|PRT}] [{DB1}]
		[{OBX [{PRT}]}] [{AL1|IAM}] [{DG1}] [DRG] [{PR1 [{ROL|PRT}]}] [{GT1}] ` + adtInsurance + ` [ACC] [UB1] [UB2] [PDA]`,

	"ADT_A30": adtHead + `PID [PD1] [{ARV}] MRG`,
	"ADT_A39": adtHead + `{ PID [PD1] [{ARV}] MRG [PV1] }`,

	"MDM_T01": adtHead + `PID [{PRT}] PV1 [{PRT}] [{ORC [{TQ1 [{TQ2}]}] OBR [{NTE}]}] TXA [{PRT}] [CON]`,
	"MDM_T02": adtHead + `PID [{PRT}] PV1 [{PRT}] [{ORC [{TQ1 [{TQ2}]}] OBR [{NTE}]}] TXA [{PRT}] [CON] { OBX [{PRT}] [{NTE}] }`,
})

const (
	adtHead      = `MSH [{ARV}] [{SFT}] [UAC] EVN `
	adtInsurance = `[{IN1 [IN2] [{IN3}] [{ROL|PRT}] [{AUT}] [{RF1}]}]`
)

// structureOf gives the structure of a message by its event, for senders that
// leave MSH-9.3 empty (HL7 v2.5.1 table 0354).
var structureOf = map[string]string{
	"ORU^R01": "ORU_R01", "ORU^R30": "ORU_R30", "ORU^R31": "ORU_R30", "ORU^R32": "ORU_R30",
	"OUL^R21": "OUL_R21", "OUL^R22": "OUL_R22", "OUL^R23": "OUL_R23", "OUL^R24": "OUL_R24",
	"ORM^O01": "ORM_O01", "OML^O21": "OML_O21",
	"ADT^A01": "ADT_A01", "ADT^A04": "ADT_A01", "ADT^A08": "ADT_A01", "ADT^A13": "ADT_A01",
	"ADT^A05": "ADT_A01", "ADT^A14": "ADT_A01", "ADT^A28": "ADT_A01", "ADT^A31": "ADT_A01",
	"ADT^A02": "ADT_A02", "ADT^A09": "ADT_A02", "ADT^A10": "ADT_A02", "ADT^A11": "ADT_A02", "ADT^A12": "ADT_A02",
	"ADT^A21": "ADT_A02", "ADT^A22": "ADT_A02", "ADT^A23": "ADT_A02", "ADT^A25": "ADT_A02", "ADT^A26": "ADT_A02",
	"ADT^A27": "ADT_A02", "ADT^A29": "ADT_A02", "ADT^A32": "ADT_A02", "ADT^A33": "ADT_A02",
	"ADT^A03": "ADT_A03", "ADT^A06": "ADT_A06", "ADT^A07": "ADT_A06",
	"ADT^A34": "ADT_A30", "ADT^A35": "ADT_A30", "ADT^A36": "ADT_A30", "ADT^A46": "ADT_A30",
	"ADT^A47": "ADT_A30", "ADT^A48": "ADT_A30", "ADT^A49": "ADT_A30",
	"ADT^A39": "ADT_A39", "ADT^A40": "ADT_A39", "ADT^A41": "ADT_A39", "ADT^A42": "ADT_A39",
	"MDM^T01": "MDM_T01", "MDM^T03": "MDM_T01", "MDM^T05": "MDM_T01", "MDM^T07": "MDM_T01", "MDM^T09": "MDM_T01", "MDM^T11": "MDM_T01",
	"MDM^T02": "MDM_T02", "MDM^T04": "MDM_T02", "MDM^T06": "MDM_T02", "MDM^T08": "MDM_T02", "MDM^T10": "MDM_T02",
}

// rule is one element of a structure: a segment, or a group of rules.
type rule struct {
	names    []string // of a segment, several for a choice
	group    []rule
	opt, rep bool
	first    map[string]bool // segments it may begin with
	nullable bool            // may be absent altogether
}

type structure struct {
	rules []rule
	known map[string]bool // every segment that occurs in it
}

func compileAll(src map[string]string) map[string]structure {
	out := make(map[string]structure, len(src))
	for name, s := range src {
		for _, c := range [...]string{"[", "]", "{", "}"} {
			s = strings.ReplaceAll(s, c, " "+c+" ")
		}
		st := structure{known: map[string]bool{}}
		st.rules, _ = compile(strings.Fields(s), st.known)
		out[name] = st
	}
	return out
}

// compile reads rules up to a closing bracket and returns the tokens behind it.
// The notation is our own constant; a test reads every structure back.
func compile(tok []string, known map[string]bool) (rules []rule, rest []string) {
	for len(tok) > 0 {
		t := tok[0]
		tok = tok[1:]
		var r rule
		switch t {
		case "]", "}":
			return rules, tok
		case "[", "{":
			r.group, tok = compile(tok, known)
			r.opt, r.rep = t == "[", t == "{"
		default:
			r.names = strings.Split(t, "|")
			for _, n := range r.names {
				known[n] = true
			}
		}
		r.finish()
		rules = append(rules, r)
	}
	return rules, nil
}

func (r *rule) finish() {
	r.first = map[string]bool{}
	for _, n := range r.names {
		r.first[n] = true
	}
	all := r.names == nil
	for i := range r.group {
		for n := range r.group[i].first {
			r.first[n] = true
		}
		if !r.group[i].nullable {
			all = false
			break
		}
	}
	r.nullable = r.opt || all
}
