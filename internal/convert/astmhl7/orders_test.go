package astmhl7

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/codec/astm"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/analyzers"
)

const oml = `MSH|^~\&|LIS|MILLBROOK|chem1||20260301101500||OML^O33^OML_O33|77|P|2.5.1|||||||UNICODE UTF-8
PID|1||LAB-1^^^MILLBROOK^PI||O'Hara^Ada^M||19800229|F
SPM|1|S-77&LIS^||SER|||||||P
ORC|NW
TQ1|1||||||||S
OBR|1|A1||2345-7^Glucose^LN|||20260301093000
ORC|NW
TQ1|1||||||||S
OBR|2|A2||K^Potassium^99EXA
ORC|CA
OBR|3|A3||K^Potassium^L
SPM|2|S-78
ORC|NW
OBR|4|A4||K^Potassium^99EXA
`

func orderModel(t *testing.T) *analyzers.Model {
	t.Helper()
	md, err := analyzers.Read("lw-100", []byte(model))
	if err != nil {
		t.Fatal(err)
	}
	return md
}

func parseHL7(t *testing.T, s string) *hl7.Message {
	t.Helper()
	m, err := hl7.Parse([]byte(strings.ReplaceAll(s, "\n", "\r")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOrders(t *testing.T) {
	b, err := Orders(parseHL7(t, oml), orderModel(t), OrderOptions{Sender: "labwarden", Time: "20260301101500", Answer: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `H|\^&|||labwarden|||||||P|1|20260301101500
P|1||LAB-1||O'Hara^Ada^M||19800229|F
O|1|S-77||^^^GLU\^^^K|S||20260301093000||||N||||SER||||||||||Q
O|2|S-77||^^^K|||||||C||||SER||||||||||Q
O|3|S-78||^^^K|||||||N||||||||||||||Q
L|1|N
`
	if got := strings.ReplaceAll(string(b), "\r", "\n"); got != want {
		t.Errorf("%s", got)
	}
	for name, c := range map[string][2]string{
		"unknown test": {"2345-7^Glucose^LN", "9999-9^New^LN"}, "no specimen": {"S-77&LIS^", ""}, "control": {"ORC|CA", "ORC|HD"},
		"foreign code": {"K^Potassium^L\n", "X^Potassium^L\n"},
	} {
		_, err := Orders(parseHL7(t, strings.Replace(oml, c[0], c[1], 1)), orderModel(t), OrderOptions{})
		var e *OrderError
		if !errors.As(err, &e) || strings.Contains(err.Error(), "Potassium") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Orders(parseHL7(t, strings.Replace(oml, "OML^O33^OML_O33", "ADT^A01", 1)), nil, OrderOptions{}); !errors.Is(err, ErrNoOrders) {
		t.Error(err)
	}
}

func TestQueries(t *testing.T) {
	m, err := astm.Parse([]byte("H|\\^&\rQ|1|^S-1\\^S-2||ALL\rQ|2|S-3^^0||||||||||A\rQ|3|ALL\rL|1|N\r"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(Queries(m, nil)); got != "[{[S-1 S-2] false false map[S-1:[ S-1] S-2:[ S-2]]} {[S-3] false true map[S-3:[S-3  0]]} {[] true false map[]}]" {
		t.Error(got)
	}
	q := parseHL7(t, string(QBP("S|1", "t1", options)))
	if got, _ := q.Get("QPD-3"); got != "S|1" {
		t.Errorf("%q", got)
	}
}

// A device that looks for codes, names and its own query elsewhere.
func TestOrdersEcho(t *testing.T) {
	all, err := analyzers.All()
	if err != nil {
		t.Fatal(err)
	}
	md := analyzers.Find(all, "XN-550")
	m, err := astm.Parse([]byte("H|\\^&|||XN-550^00-24||||||||||E1394-97\rQ|1|2^5^    S-77^B||||||||||N\rL|1|N\r"))
	if err != nil {
		t.Fatal(err)
	}
	q := Queries(m, md)
	if len(q) != 1 || fmt.Sprint(q[0].Specimens) != "[S-77]" {
		t.Fatalf("%v", q)
	}
	text := `MSH|^~\&|LIS|MILLBROOK|hem1||20260301101500||OML^O33^OML_O33|77|P|2.5.1
PID|1||LAB-1||Fluss^Ada||19800229|F
SPM|1|S-77
ORC|NW
OBR|1|A1||6690-2^Leukocytes^LN
ORC|NW
OBR|2|A2||NEUT#^Neutrophils^99SYS
`
	b, err := Orders(parseHL7(t, text), md, OrderOptions{Answer: true, Asked: q[0].Asked})
	want := `H|\^&||||||||||P|1|
P|1|||LAB-1|^Ada^Fluss||19800229|F
O|1|2^5^    S-77^B||^^^^WBC\^^^^NEUT#|||||||N||||||||||||||Q
L|1|N
`
	if got := strings.ReplaceAll(string(b), "\r", "\n"); got != want || err != nil {
		t.Errorf("%s%v", got, err)
	}
	var e *OrderError
	if _, err := Orders(parseHL7(t, text), md, OrderOptions{}); !errors.As(err, &e) {
		t.Error("an order that nobody asked for is written")
	}
	m, _ = astm.Parse([]byte("H|\\^&|||cobas-e411^1|||||host|TSREQ^REAL|P|1\rQ|1|^^000004^40^0^5^^S1^SC||ALL||||||||O\rL|1|N\r"))
	if q := Queries(m, Model(m, all)); len(q) != 1 || fmt.Sprint(q[0].Specimens) != "[000004]" {
		t.Errorf("%v", q)
	}
}

// Whatever the LIS writes, no value of it becomes a record or a field of its own
// at the device.
func FuzzOrders(f *testing.F) {
	f.Add("S-77", "O'Hara|^\\&", "K")
	f.Fuzz(func(t *testing.T, specimen, name, code string) {
		b := hl7.NewWriter().Field(9, "OML", "O33").Field(18, "UNICODE UTF-8").Segment("PID").Field(5, name).Segment("SPM").Field(2, specimen).
			Segment("OBR").Field(4, code, "", "99X").Bytes()
		m, err := hl7.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Orders(m, nil, OrderOptions{})
		if err != nil {
			return
		}
		a, err := astm.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		types := ""
		for r := range a.Records() {
			types += string(r.Type())
			if r.Type() == 'O' && (r.Field(3).Component(2).Text() != "" || r.Field(5).Component(5).Text() != "") {
				t.Fatalf("%q", out)
			}
		}
		if types != "HPOL" {
			t.Fatalf("%s: %q", types, out)
		}
	})
}
