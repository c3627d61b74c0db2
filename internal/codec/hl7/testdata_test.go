package hl7

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sample is a self-written ORU of about 2 kB with the usual variety.
var sample = strings.Join([]string{
	`MSH|^~\&|LABSYS|NORTHLAB^34D0000001^CLIA|CLINIC|RIVERSIDE|20260302081512-0500||ORU^R01^ORU_R01|NL0000012345|P|2.5.1|||AL|NE||UNICODE UTF-8`,
	`PID|1||44556677^^^NORTHLAB&1.2.3.4&ISO^MR~990011^^^RIVER^PI||Testmann^Éva^M^^^^L||19710405|F|||12 Elm St^^Springfield^MA^01101^USA||^PRN^PH^^1^413^5550100`,
	`PV1|1|O|OPD^^^RIVERSIDE||||1234567890^Sample^Ada^^^^^^NPI`,
	`ORC|RE|P1001^CLINIC|F2002^LABSYS||CM||||20260302073000|||1234567890^Sample^Ada^^^^^^NPI`,
	`OBR|1|P1001^CLINIC|F2002^LABSYS|24323-8^Comprehensive metabolic panel^LN|||20260302070000||||||||BLD|1234567890^Sample^Ada^^^^^^NPI||||||20260302081400||CH|F`,
	`OBX|1|NM|2345-7^Glucose^LN||512|mg/dL|70-99|HH|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|2|NM|2951-2^Sodium^LN||138|mmol/L|136-145|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|3|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|4|NM|2160-0^Creatinine^LN||0.9|mg/dL|0.6-1.1|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|5|TX|8251-1^Comment^LN||Repeated \T\ confirmed\.br\called 08:14 \E\ read back||||||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`NTE|1|L|Specimen slightly haemolysed.`,
	`OBX|6|NM|17861-6^Calcium^LN||9.4|mg/dL|8.6-10.3|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|7|NM|1975-2^Bilirubin^LN||0.8|mg/dL|0.2-1.2|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`OBX|8|NM|1751-7^Albumin^LN||4.2|g/dL|3.5-5.0|N|||F|||20260302070000|||||20260302081300||||Northlab^^^^^CLIA^XX^^^34D0000001|1 Lab Way^^Springfield^MA^01101`,
	`SPM|1|SP77&CLINIC^SP88&LABSYS||119297000^Blood^SCT|||||||P^Patient^HL70369||||||20260302070000|20260302072000`,
	`ZLB|1|local^data|""`,
}, "\r") + "\r"

// corpus calls f for every message file of the public corpus; it skips, loudly,
// where the corpus is absent.
func corpus(t *testing.T, f func(t *testing.T, name string, b []byte)) {
	t.Helper()
	dir := corpusDir()
	if dir == "" {
		t.Skip("SKIPPED: shared/corpus/hl7 is not beside the project and LABWARDEN_SHARED is not set: the real messages were not tried")
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".hl7" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		rel, _ := filepath.Rel(dir, path)
		f(t, filepath.ToSlash(rel), b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 200 {
		t.Errorf("only %d corpus files found", n)
	}
}

func corpusDir() string {
	var try []string
	if s := os.Getenv("LABWARDEN_SHARED"); s != "" {
		try = append(try, s)
	}
	if wd, err := os.Getwd(); err == nil {
		for d := wd; ; d = filepath.Dir(d) {
			try = append(try, filepath.Join(d, "shared"))
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	for _, d := range try {
		d = filepath.Join(d, "corpus", "hl7")
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			return d
		}
	}
	return ""
}

func mustParse(t testing.TB, s string) *Message {
	t.Helper()
	m, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return m
}

func mustPath(t testing.TB, s string) Path {
	t.Helper()
	p, err := ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
