package demo

// The three ordering practices of the demo, by partner key.
const (
	Riverside = "riverside" // HL7 v2 over MLLP/TLS
	StBrigid  = "stbrigid"  // FHIR R4 over HTTPS
	Northgate = "northgate" // encrypted folder (age)
)

// Practice says what makes a result belong to a partner: the ordering providers
// (OBR-16 or ORC-12, first component) and the account (PID-18, first
// component), which counts where a message names no provider.
type Practice struct {
	Partner   string
	Kind      string // clinic kind: mllp, fhir or folder
	Facility  string // ORC-21 and MSH-6
	Providers []string
	Account   string
}

// Practices returns the demo's three practices.
func Practices() []Practice {
	return []Practice{
		{Riverside, KindMLLP, "RIVERSIDE FAMILY PRACTICE", []string{"RV101", "RV102"}, "RVS-4410"},
		{StBrigid, KindFHIR, "ST BRIGID CLINIC", []string{"SB201", "SB202"}, "STB-2207"},
		{Northgate, KindFolder, "NORTHGATE ASSOCIATES", []string{"NG301", "NG302"}, "NGT-8815"},
	}
}

// File is one entry of the manifest.
type File struct {
	// File is the name under messages/. The order of the manifest is the order
	// of sending.
	File string
	// Kind says in a word what the file shows ("critical", "moved", "batch").
	Kind string
	// Partners holds, for each message the file presents, to whom it is due. A
	// batch has more than one message; a malformed file presents one thing that
	// is due to nobody.
	Partners [][]string
	// Malformed files must end in quarantine.
	Malformed bool
}

// Batch reports whether the file presents its messages in a batch envelope.
func (f File) Batch() bool { return f.Kind == "batch" }

// Manifest returns the bundled set in the order of sending.
func Manifest() []File {
	return []File{
		{File: "01-bmp.hl7", Kind: "chemistry", Partners: [][]string{{Riverside}}},
		{File: "02-cmp.hl7", Kind: "chemistry", Partners: [][]string{{StBrigid}}},
		{File: "03-lipid.hl7", Kind: "chemistry", Partners: [][]string{{Northgate}}},
		{File: "04-hba1c.hl7", Kind: "chemistry", Partners: [][]string{{Riverside}}},
		{File: "05-troponin-critical.hl7", Kind: "critical", Partners: [][]string{{StBrigid}}},
		{File: "06-troponin-serial.hl7", Kind: "chemistry", Partners: [][]string{{StBrigid}}},
		{File: "07-iron-b12-folate.hl7", Kind: "chemistry", Partners: [][]string{{Northgate}}},
		{File: "08-glucose-tolerance.hl7", Kind: "chemistry", Partners: [][]string{{StBrigid}}},
		{File: "09-cbc-differential.hl7", Kind: "haematology", Partners: [][]string{{Riverside}}},
		{File: "10-cbc-blasts-critical.hl7", Kind: "critical", Partners: [][]string{{Northgate}}},
		{File: "11-cbc-retic.hl7", Kind: "haematology", Partners: [][]string{{StBrigid}}},
		{File: "12-coag-pt-aptt.hl7", Kind: "coagulation", Partners: [][]string{{StBrigid}}},
		{File: "13-inr-critical.hl7", Kind: "critical", Partners: [][]string{{Riverside}}},
		{File: "14-d-dimer.hl7", Kind: "coagulation", Partners: [][]string{{Northgate}}},
		{File: "15-urinalysis.hl7", Kind: "urinalysis", Partners: [][]string{{Northgate}}},
		{File: "16-urinalysis-microscopy.hl7", Kind: "urinalysis", Partners: [][]string{{Riverside}}},
		{File: "17-urine-culture-preliminary.hl7", Kind: "microbiology", Partners: [][]string{{Riverside}}},
		{File: "18-urine-culture-final.hl7", Kind: "microbiology", Partners: [][]string{{Riverside}}},
		{File: "19-blood-culture-gram-critical.hl7", Kind: "critical", Partners: [][]string{{StBrigid}}},
		{File: "20-blood-culture-final.hl7", Kind: "microbiology", Partners: [][]string{{StBrigid}}},
		{File: "21-wound-culture-mrsa.hl7", Kind: "microbiology", Partners: [][]string{{Northgate}}},
		{File: "22-throat-culture-negative.hl7", Kind: "microbiology", Partners: [][]string{{Riverside}}},
		{File: "23-stool-pcr-panel.hl7", Kind: "molecular", Partners: [][]string{{StBrigid}}},
		{File: "24-hepatitis-serology.hl7", Kind: "serology", Partners: [][]string{{Riverside}}},
		{File: "25-hiv-screen.hl7", Kind: "serology", Partners: [][]string{{StBrigid}}},
		{File: "26-lyme-and-ana-titre.hl7", Kind: "serology", Partners: [][]string{{Northgate}}},
		{File: "27-drug-screen.hl7", Kind: "toxicology", Partners: [][]string{{Riverside}}},
		{File: "28-lithium-level.hl7", Kind: "toxicology", Partners: [][]string{{Northgate}}},
		{File: "29-sars-cov-2-pcr.hl7", Kind: "molecular", Partners: [][]string{{StBrigid}}},
		{File: "30-hpv-genotyping.hl7", Kind: "molecular", Partners: [][]string{{Northgate}}},
		{File: "31-factor-v-leiden.hl7", Kind: "molecular", Partners: [][]string{{Riverside}}},
		{File: "32-pathology-pdf.hl7", Kind: "document", Partners: [][]string{{StBrigid}}},
		{File: "33-coag-consult-pdf.hl7", Kind: "document", Partners: [][]string{{Riverside}}},
		{File: "34-pdf-only-report.hl7", Kind: "document", Partners: [][]string{{Northgate}}},
		{File: "35-tsh-original.hl7", Kind: "original", Partners: [][]string{{StBrigid}}},
		{File: "36-tsh-corrected.hl7", Kind: "correction", Partners: [][]string{{StBrigid}}},
		{File: "37-potassium-original.hl7", Kind: "original", Partners: [][]string{{Riverside}}},
		{File: "38-potassium-corrected.hl7", Kind: "correction", Partners: [][]string{{Riverside}}},
		{File: "39-platelets-original.hl7", Kind: "original", Partners: [][]string{{Northgate}}},
		{File: "40-platelets-corrected.hl7", Kind: "correction", Partners: [][]string{{Northgate}}},
		{File: "41-platelets-corrected-again.hl7", Kind: "correction", Partners: [][]string{{Northgate}}},
		{File: "42-glucose-wrong-patient-original.hl7", Kind: "original", Partners: [][]string{{Riverside}}},
		{File: "43-glucose-wrong-patient-moved.hl7", Kind: "moved", Partners: [][]string{{Riverside}}},
		{File: "44-creatinine-wrong-patient-original.hl7", Kind: "original", Partners: [][]string{{StBrigid}}},
		{File: "45-creatinine-wrong-patient-moved.hl7", Kind: "moved", Partners: [][]string{{StBrigid}}},
		{File: "46-psa-wrong-patient-original.hl7", Kind: "original", Partners: [][]string{{Northgate}}},
		{File: "47-psa-wrong-patient-moved.hl7", Kind: "moved", Partners: [][]string{{Northgate}}},
		{File: "48-cancelled-quantity.hl7", Kind: "cancellation", Partners: [][]string{{Northgate}}},
		{File: "49-cancelled-after-preliminary-original.hl7", Kind: "original", Partners: [][]string{{StBrigid}}},
		{File: "50-cancelled-after-preliminary.hl7", Kind: "cancellation", Partners: [][]string{{StBrigid}}},
		{File: "51-glucose-low-critical.hl7", Kind: "critical", Partners: [][]string{{Riverside}}},
		{File: "52-sodium-critical.hl7", Kind: "critical", Partners: [][]string{{StBrigid}}},
		{File: "53-haemoglobin-critical.hl7", Kind: "critical", Partners: [][]string{{Northgate}}},
		{File: "54-batch-evening.hl7", Kind: "batch", Partners: [][]string{{StBrigid}, {Riverside}, {Northgate}, {StBrigid}}},
		{File: "55-batch-crlf.hl7", Kind: "batch", Partners: [][]string{{Northgate}, {Riverside}}},
		{File: "56-latin1-names.hl7", Kind: "character-set", Partners: [][]string{{StBrigid}}},
		{File: "57-latin1-second.hl7", Kind: "character-set", Partners: [][]string{{Northgate}}},
		{File: "58-latin9-euro.hl7", Kind: "character-set", Partners: [][]string{{Riverside}}},
		{File: "59-utf8-names.hl7", Kind: "character-set", Partners: [][]string{{Riverside}}},
		{File: "60-utf8-scripts.hl7", Kind: "character-set", Partners: [][]string{{StBrigid}}},
		{File: "61-escapes-delimiters.hl7", Kind: "escapes", Partners: [][]string{{Riverside}}},
		{File: "62-escapes-formatting.hl7", Kind: "escapes", Partners: [][]string{{Northgate}}},
		{File: "63-repetitions.hl7", Kind: "repetitions", Partners: [][]string{{StBrigid, Riverside}}},
		{File: "64-copy-to-two.hl7", Kind: "repetitions", Partners: [][]string{{Northgate, StBrigid}}},
		{File: "65-z-segments.hl7", Kind: "z-segments", Partners: [][]string{{Riverside}}},
		{File: "66-z-segments-inline.hl7", Kind: "z-segments", Partners: [][]string{{Northgate}}},
		{File: "67-null-and-empty.hl7", Kind: "null", Partners: [][]string{{StBrigid}}},
		{File: "68-version-2-3.hl7", Kind: "versions", Partners: [][]string{{Riverside}}},
		{File: "69-version-2-3-1.hl7", Kind: "versions", Partners: [][]string{{StBrigid}}},
		{File: "70-version-2-4.hl7", Kind: "versions", Partners: [][]string{{Northgate}}},
		{File: "71-version-2-5.hl7", Kind: "versions", Partners: [][]string{{Riverside}}},
		{File: "72-version-2-6.hl7", Kind: "versions", Partners: [][]string{{StBrigid}}},
		{File: "73-version-2-7.hl7", Kind: "versions", Partners: [][]string{{Northgate}}},
		{File: "74-version-2-8.hl7", Kind: "versions", Partners: [][]string{{Riverside}}},
		{File: "75-oul-r22.hl7", Kind: "structure", Partners: [][]string{{StBrigid}}},
		{File: "76-oul-r24.hl7", Kind: "structure", Partners: [][]string{{Northgate}}},
		{File: "77-long-comments.hl7", Kind: "text", Partners: [][]string{{StBrigid}}},
		{File: "78-pathology-text.hl7", Kind: "text", Partners: [][]string{{Northgate}}},
		{File: "79-line-ends-crlf.hl7", Kind: "line-ends", Partners: [][]string{{Riverside}}},
		{File: "80-line-ends-lf.hl7", Kind: "line-ends", Partners: [][]string{{StBrigid}}},
		{File: "81-no-final-line-end.hl7", Kind: "line-ends", Partners: [][]string{{Northgate}}},
		{File: "82-own-delimiters.hl7", Kind: "delimiters", Partners: [][]string{{Riverside}}},
		{File: "83-enhanced-mode.hl7", Kind: "acknowledgement", Partners: [][]string{{StBrigid}}},
		{File: "84-value-types.hl7", Kind: "value-types", Partners: [][]string{{Riverside}}},
		{File: "85-account-only-riverside.hl7", Kind: "account-routing", Partners: [][]string{{Riverside}}},
		{File: "86-account-only-northgate.hl7", Kind: "account-routing", Partners: [][]string{{Northgate}}},
		{File: "87-malformed-no-msh.hl7", Kind: "malformed", Partners: [][]string{nil}, Malformed: true},
		{File: "88-malformed-msh2.hl7", Kind: "malformed", Partners: [][]string{nil}, Malformed: true},
		{File: "89-malformed-cut-off.hl7", Kind: "malformed", Partners: [][]string{nil}, Malformed: true},
	}
}
