package hl7fhir

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

const (
	guideMSH = "MSH|^~\\&|A|B|||20260101000000+0000||%s|1|P|2.8.2\r"
	guidePID = "PID|1||7^^^A^MR||Tamsin^Ivo\r"
	guideOBX = "OBX|1|NM|1-8^X^LN||5|g/L^^UCUM|||||F\r"
)

// fits says whether pattern occurs in JSON once blanks are taken out.
func fits(j, pattern string) bool { return strings.Contains(j, strings.ReplaceAll(pattern, "'", `"`)) }

// TestGuideFields checks field by field what the guide's maps say, each alone.
// Cites HL7 v2.5.1 2.A.9, 2.A.11, 2.A.13, 2.A.25, 2.A.46, 2.A.67, 2.A.72, 2.A.85, 2.A.86, 2.A.87, 2.A.89, 2.15.10, 3.4.5, 7.4.3; "Segment NK1 to Patient", "Segment PD1 to Patient", "ORC to ServiceRequest", "OBR to ServiceRequest", "OBR to Specimen", "SPS to Specimen", "Segment SPM to Specimen", "Datatype EIP to Identifier"; org-1, pat-1.
func TestGuideFields(t *testing.T) {
	pad := func(seg string, f int, v string) string { return seg + strings.Repeat("|", f) + v + "\r" }
	for _, c := range []struct{ name, body, kind, want string }{
		{"PD1-3 and PD1-4", "PD1|||House^^9|12^Doe^Ann\r", "Patient", `'generalPractitioner':[{'reference':'urn:uuid:`},
		{
			"NK1", "NK1|1|Poe^Eve|MTH^Mother^HL70063|1 Elm^^X||^WPN^PH^^^^^^^^^5550100|N|20200101|20210101||||||F\r", "Patient",
			`'contact':[{'relationship':[{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0063','code':'MTH'`,
		},
		{"NK1 with nobody", "NK1|1||MTH\r", "Patient", `!contact`},
		{"NK1-13", "NK1|1||||||||||||Acme^^7|" + strings.Repeat("|", 17) + "^^^^^^^^^^^5550100|5 Way\r", "Organization", `'contact':[{'telecom':[{'system':'phone'`},
		{
			"ORC-12 before OBR-16, ORC-24", "ORC|RE|||||||||||8^First^Ann||||||||||||9 Road^^Town\rOBR|1||F1|T|||||||||||||9^Second^Bob\r" + guideOBX, "Practitioner",
			`'value':'8'}],'name':[{'family':'First','given':['Ann']}],'address':[{'line':['9 Road'],'city':'Town'}]`,
		},
		{"ORC-21 to 23", pad("ORC", 12, "8^First") + "OBR|1||F1|T\r", "PractitionerRole", "!"},
		{"ORC-21 alone", "ORC|RE" + strings.Repeat("|", 20) + "Acme^^7|5 Way|^WPN^PH^^^^^^^^^5550100\rOBR|1||F1|T\r", "ServiceRequest", `'requester':{'reference':'urn:uuid:`},
		{"ORC-12 and ORC-21", "ORC|RE|||||||||||8^First^Ann|||||||||Acme^^7\rOBR|1||F1|T\r", "PractitionerRole", `'practitioner':{'reference':'urn:uuid:`},
		{"ORC-29, ORC-33, ORC-38", "ORC|RE" + strings.Repeat("|", 28) + "I^Inpatient^HL70482||||N2||||| G3\rOBR|1||F1|T\r", "ServiceRequest", `'locationCode':[{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0482','code':'I'`},
		{"ORC-38", "ORC|RE" + strings.Repeat("|", 37) + "G3\rOBR|1||F1|T\r", "ServiceRequest", `'code':'FGN'}]},'system':'urn:labwarden:local:authority:B','value':'G3'`},
		{"OBR-6", "OBR|1||F1|T||20260101\r", "ServiceRequest", `'occurrenceDateTime':'2026-01-01'`},
		{"OBR-9, OBR-39", "OBR|1||F1|T|||||5^mL|" + strings.Repeat("|", 29) + "HEM^Haemolysed~late\r", "Specimen", `'note':[{'text':'HEM, Haemolysed'},{'text':'late'}]`},
		{"OBR-9", "OBR|1||F1|T|||||5^mL\r", "Specimen", `'quantity':{'value':5,'unit':'mL'}`},
		{"OBR-15.2 and .6", "OBR|1||F1|T|||||||||||SER^EDTA&&HL70371^^^^MOD\r", "Specimen", `'container':[{'additiveCodeableConcept':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0371','code':'EDTA'}]}}],'condition':[{'coding':[{'code':'MOD'`},
		{"OBR-29", pad("OBR|1||F1|T||||||||||||||||||||||||", 1, "P9^N&F9") + guideOBX, "ServiceRequest", `'basedOn':[{'type':'ServiceRequest','identifier':{'type':{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0203','code':'PGN'}]}`},
		{"OBR-34", "OBR|1||F1|T" + strings.Repeat("|", 30) + "5&Tech&Una^20260101\r" + guideOBX, "PractitionerRole", `'period':{'start':'2026-01-01'}`},
		{"OBR-46", "OBR|1||F1|T" + strings.Repeat("|", 42) + "77^Left^L\r", "ServiceRequest", `'orderDetail':[{'coding':[{'system':'urn:labwarden:local:code:B:L','code':'77'`},
		{"OBR-53", "OBR|1||F1|T" + strings.Repeat("|", 49) + "N2\r", "ServiceRequest", `'value':'N2'`},
		{"OBX-25", "OBR|1||F1|T\rOBX|1|ST|X||y||||||F||||||||||||Lab^^3|1 Way|5^Chief^Ida\r", "PractitionerRole", `'code':[{'coding':[{'system':'http://terminology.hl7.org/CodeSystem/v2-0912','code':'MDIR'}]}]`},
		{"several codes", "OBR|1||F1|T\rOBX|1|CWE|X||A^a^L~B^b^L||||||F\r", "Observation", `'component':[{'code':{'coding':[{'code':'X'}]},'valueCodeableConcept':{'coding':[{'system':'urn:labwarden:local:code:B:L','code':'A','display':'a'}]}},{'code'`},
		{"several lines", "OBR|1||F1|T\rOBX|1|TX|X||a~b||||||F\r", "Observation", `'valueString':'a\nb'`},
		{"NTE-5, NTE-6", "OBR|1||F1|T\r" + guideOBX + "NTE|1||said||6^Poe^Eve|20260101\r", "Observation", `'time':'2026-01-01','text':'said'`},
		{"SPM-6, 20, 31, 32", "OBR|1||F1|T\r" + guideOBX + "SPM|1|P1^F1||BLD||EDTA^^HL70371||||||||||||||Y" + strings.Repeat("|", 11) + "O9|S9\r", "Specimen", `'status':'available'`},
		{"SPM-3", "OBR|1||F1|T\r" + guideOBX + "SPM|1||M1^M2|BLD\r", "Specimen", `'parent':[{'type':'Specimen','identifier'`},
		{"SPM-32", "OBR|1||F1|T\r" + guideOBX + "SPM|1|||BLD" + strings.Repeat("|", 28) + "S9\r", "Specimen", `'code':'SHIP'`},
	} {
		body := fmt.Sprintf(guideMSH, "ORU^R01^ORU_R01") + guidePID + c.body
		if !strings.Contains(c.body, "OBR|") {
			body += "OBR|1||F1|T\r" + guideOBX
		}
		b, _ := convert(t, []byte(body), testOptions())
		for _, e := range check(b) {
			t.Errorf("%s: %s", c.name, e)
		}
		all := ""
		for _, e := range b.Entry {
			if j := asJSON(t, e.Resource); strings.HasPrefix(j, `{"resourceType":"`+c.kind+`"`) {
				all += j
			}
		}
		if not, is := strings.CutPrefix(c.want, "!"); is {
			if not == "" && all != "" || not != "" && strings.Contains(all, not) {
				t.Errorf("%s: %s", c.name, all)
			}
		} else if !fits(all, c.want) {
			t.Errorf("%s:\nwant %s\n got %s", c.name, c.want, all)
		}
	}
}

// TestResultMessages: every message type that has a map gives a whole bundle.
func TestResultMessages(t *testing.T) {
	for event, body := range map[string]string{
		"ORU^R01^ORU_R01": guidePID + "ORC|RE||F1\rOBR|1||F1|T\r" + guideOBX,
		"ORU^R30^ORU_R30": guidePID + "ORC|NW||F1\rOBR|1||F1|T\r" + guideOBX,
		"ORU^R31^ORU_R30": guidePID + "ORC|NW||F1\rOBR|1||F1|T\r" + guideOBX,
		"ORU^R32":         guidePID + "ORC|NW||F1\rOBR|1||F1|T\r" + guideOBX,
		"OUL^R21^OUL_R21": guidePID + "SAC|1\rORC|RE||F1\rOBR|1||F1|T\r" + guideOBX,
		"OUL^R22^OUL_R22": guidePID + "SPM|1|^S1||BLD\rSAC|1\rOBR|1||F1|T\rORC|RE||F1\r" + guideOBX,
		"OUL^R23^OUL_R23": guidePID + "SPM|1|^S1||BLD\rSAC|1\rOBR|1||F1|T\rORC|RE||F1\r" + guideOBX,
		"OUL^R24^OUL_R24": guidePID + "OBR|1||F1|T\rORC|RE||F1\rSPM|1|^S1||BLD\rSAC|1\r" + guideOBX,
	} {
		b, _ := convert(t, []byte(fmt.Sprintf(guideMSH, event)+body), testOptions())
		for _, e := range check(b) {
			t.Errorf("%s: %s", event, e)
		}
		o := observation(t, b, "1-8")
		reports := resources(t, b, "DiagnosticReport")
		if o.ValueQuantity == nil || o.ValueQuantity.Value != "5" || len(reports) != 1 || fmt.Sprint(reports[0]["result"]) == "<nil>" {
			t.Errorf("%s: %+v, %v", event, o, reports)
		}
		if sent := strings.Contains(body, "SPM|"); sent != (len(resources(t, b, "Specimen")) == 1) || sent && o.Specimen == nil {
			t.Errorf("%s: specimens %v, of the result %v", event, resources(t, b, "Specimen"), o.Specimen)
		}
	}
	for _, event := range []string{"ORU^R33", "ORU^W01", "OUL^R25"} {
		m, err := hl7.Parse([]byte(fmt.Sprintf(guideMSH, event) + guidePID + "OBR|1||F1|T\r" + guideOBX))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Convert(m, testOptions()); err == nil {
			t.Errorf("%s was converted", event)
		}
	}
}

// A PDF in OBX-5 comes out byte for byte in presentedForm.
func TestEmbeddedPDF(t *testing.T) {
	pdf := append([]byte("%PDF-1.4\n"), bytes.Repeat([]byte{0, '|', '^', '~', '\\', '&', '\r', 0xff}, 4000)...)
	body := fmt.Sprintf(guideMSH, "ORU^R01") + guidePID + "OBR|1||F1|T\rOBX|1|ED|PDF^Report^L||LAB^application^pdf^Base64^" + base64.StdEncoding.EncodeToString(pdf) + "||||||F\r"
	b, _ := convert(t, []byte(body), testOptions())
	for _, e := range b.Entry {
		if r, ok := e.Resource.(fhir.DiagnosticReport); ok {
			if len(r.PresentedForm) != 1 || !bytes.Equal(r.PresentedForm[0].Data, pdf) || r.PresentedForm[0].ContentType != "application/pdf" || r.PresentedForm[0].Title != "Report" {
				t.Errorf("presentedForm has %d entries or another content", len(r.PresentedForm))
			}
		}
	}
	if n := len(resources(t, b, "Observation")); n != 0 {
		t.Errorf("%d observations beside the document", n)
	}
}

// Two people under one number: the first name stands, and a note says so.
func TestPeopleUnderOneNumber(t *testing.T) {
	_, notes := convert(t, []byte(fmt.Sprintf(guideMSH, "ORU^R01")+guidePID+"OBR|1||F1|T||||||1^Collector^Ann||||||1^Orderer^Bob\r"+guideOBX), testOptions())
	if !noted(notes, "OBR-10", "the first stands") && !noted(notes, "OBR-16", "the first stands") {
		t.Errorf("no note: %v", notes)
	}
}
