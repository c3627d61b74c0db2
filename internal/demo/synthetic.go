package demo

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// Synthetic yields n valid ORU^R01 messages of about 1.9 kB for load, the same
// for the same seed. Control ids, filler and placer numbers are unique within a
// seed and across seeds; patients repeat (one in about eight orders is of the
// same patient) and the practices take turns at random.
func Synthetic(n int, seed uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		r := rand.New(rand.NewPCG(seed, 0x6c6162)) //nolint:gosec // the same messages for the same seed
		patients := max(n/8, 1)
		at := time.Date(2025, 3, 4, 8, 0, 0, 0, time.UTC)
		for i := range n {
			if !yield(synthetic(r, seed, i, patients, at.Add(time.Duration(i)*time.Second))) {
				return
			}
		}
	}
}

type analyte struct {
	code, unit string
	low, high  float64
	places     int
}

// analytes is a comprehensive metabolic panel without its last tests, cut to
// bring a message to the 1.9 kB of the performance goals.
func analytes() []analyte {
	return []analyte{
		{"2345-7^Glucose SerPl-mCnc^LN", "mg/dL", 70, 99, 0},
		{"3094-0^BUN SerPl-mCnc^LN", "mg/dL", 7, 20, 0},
		{"2160-0^Creat SerPl-mCnc^LN", "mg/dL", 0.6, 1.2, 2},
		{"2951-2^Sodium SerPl-sCnc^LN", "mmol/L", 136, 145, 0},
		{"2823-3^Potassium SerPl-sCnc^LN", "mmol/L", 3.5, 5.1, 1},
		{"2075-0^Chloride SerPl-sCnc^LN", "mmol/L", 98, 107, 0},
		{"2028-9^CO2 SerPl-sCnc^LN", "mmol/L", 22, 29, 0},
		{"17861-6^Calcium SerPl-mCnc^LN", "mg/dL", 8.6, 10.3, 1},
		{"2885-2^Prot SerPl-mCnc^LN", "g/dL", 6.4, 8.3, 1},
		{"1751-7^Albumin SerPl-mCnc^LN", "g/dL", 3.5, 5.2, 1},
		{"1975-2^Bilirub SerPl-mCnc^LN", "mg/dL", 0.2, 1.2, 1},
		{"1920-8^AST SerPl-cCnc^LN", "U/L", 5, 40, 0},
		{"1742-6^ALT SerPl-cCnc^LN", "U/L", 5, 41, 0},
	}
}

func synthetic(r *rand.Rand, seed uint64, i, patients int, at time.Time) []byte {
	p := Practices()[r.IntN(3)]
	doc := p.Providers[r.IntN(len(p.Providers))]
	patient := r.IntN(patients)
	id := fmt.Sprintf("%X-%d", seed, i)
	t := at.Format("20060102150405")
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\r", a...) }
	line(`MSH|^~\&|GLASSWORT|HOLLOWFEN|%s|%s|%s+0000||ORU^R01^ORU_R01|S%s|P|2.5.1|||||USA`, strings.ToUpper(p.Partner), p.Facility, t, id)
	line(`PID|1||%d^^^HOLLOWFEN&2.999.7.1&ISO^MR||Synthetic%d^Load^T||19%02d0%d1%d|%s|||%d Example Row^^Sampleton^MA^00001^USA||^PRN^PH^^1^555^01%02d|||||%s^^^HOLLOWFEN^AN`,
		800000+patient, patient, 30+patient%70, 1+patient%9, patient%10, []string{"F", "M"}[patient%2], 1+patient%900, patient%100, p.Account)
	line(`ORC|RE|P%s|F%s||CM||||%s|||%s^Invented^Provider^^^Dr.^MD^^HOLLOWFEN|||||||||%s`, id, id, t, doc, p.Facility)
	line(`OBR|1|P%s|F%s|24323-8^Comprehensive metabolic 2000 panel - Serum or Plasma^LN|||%s|||||||%s||%s^Invented^Provider^^^Dr.^MD^^HOLLOWFEN||||||%s||CH|F`,
		id, id, at.Add(-90*time.Minute).Format("200601021504"), at.Add(-40*time.Minute).Format("200601021504"), doc, t)
	for n, a := range analytes() {
		v := a.low + (a.high-a.low)*(r.Float64()*1.3-0.15)
		flag := "N"
		if v < a.low {
			flag = "L"
		} else if v > a.high {
			flag = "H"
		}
		line(`OBX|%d|NM|%s||%.*f|%s^%s^UCUM|%.*f-%.*f|%s|||F|||%s`, n+1, a.code, a.places, v, a.unit, a.unit, a.places, a.low, a.places, a.high, flag, at.Add(-90*time.Minute).Format("200601021504"))
	}
	line(`NTE|1|L|Synthetic load message: neither the patient nor the practice nor any of these values exist; random numbers around the reference ranges.`)
	return []byte(b.String())
}
