package portal

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// Report is a result as it is shown: what the LIS wrote, in its order and its words.
// Texts are made printable; nothing is added, computed or left out but what maxRows
// and maxOrders bound, which Cut says.
type Report struct {
	Patient   Patient
	Orders    []Order
	Documents []Document
	Notes     []string // about the patient or the whole
	Lab       string   // sending facility
	Said      string   // the message's own time
	ControlID string
	Critical  bool     // flagged so by the LIS
	Births    []string // PID-7 of each patient group, as Born
	Cut       bool
}

// Patient is who the message says it is about.
type Patient struct {
	Name, Born, Sex string
	IDs             []string
}

// Order is one OBR with what stands below it.
type Order struct {
	Test, Code, Placer, Filler    string
	alternate                     string // the code in another system (OBR-4.4)
	Collected, Received, Reported string
	Provider, ProviderID          string
	CopyTo                        []string
	Status, StatusWord            string
	Specimen                      string
	Rows                          []Row
	Notes                         []string
}

// Row is one observation.
type Row struct {
	Name, Code, Sub  string
	alternate        string   // the code in another system (OBX-3.4)
	Value            []string // lines
	Units, Range     string
	Flag, FlagWord   string // OBX-8, and what HL7 table 0078 calls it
	Status           string // OBX-11, in words where it is not final
	Performed        string // who performed it, where the LIS says so
	Notes            []string
	Document         int // number of the document it holds, from 1; 0 for none
	Abnormal, Urgent bool
}

// Document is a file within the message.
type Document struct {
	Name, Type string
	Data       []byte
}

// PDF says that it can be shown as one.
func (d *Document) PDF() bool { return bytes.HasPrefix(d.Data, []byte("%PDF-")) }

const (
	maxOrders = 200
	maxRows   = 4000
	maxText   = 4000
)

// flagWords are the names of HL7 table 0078 (HL7 v2.5.1, appendix A).
var flagWords = map[string]string{
	"L": "low", "H": "high", "LL": "below the lower panic limit", "HH": "above the upper panic limit", "<": "below the instrument's scale", ">": "above the instrument's scale",
	"A": "abnormal", "AA": "very abnormal", "U": "significant change up", "D": "significant change down", "B": "better", "W": "worse",
	"S": "susceptible", "R": "resistant", "I": "intermediate", "MS": "moderately susceptible", "VS": "very susceptible", "POS": "positive", "NEG": "negative",
}

// statusWords are those of HL7 table 0085 that are not plainly final.
var statusWords = map[string]string{
	"C": "corrected", "D": "deleted by the laboratory", "I": "specimen in the laboratory, result pending", "N": "not asked", "O": "order detail only", "P": "preliminary",
	"R": "entered, not verified", "S": "partial", "U": "status changed to final, not sent again", "W": "wrong: withdrawn by the laboratory", "X": "no result can be had",
}

// orderWords are those of HL7 table 0123.
var orderWords = map[string]string{
	"F": "final", "C": "corrected", "P": "preliminary", "A": "some results", "I": "no results yet: specimen received", "O": "ordered", "S": "no results yet: scheduled",
	"R": "stored, not verified", "X": "cancelled", "Y": "no order on file", "Z": "no record of this patient",
}

// line is one printable line of a text.
func line(s string, most int) string {
	return strings.Join(lines(s, most), " ")
}

// lines are printable lines: what cannot be seen becomes a visible sign.
func lines(s string, most int) []string {
	var out []string
	n := 0
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
		var b strings.Builder
		for _, r := range part {
			if n++; n > most {
				b.WriteRune('…')
				break
			}
			switch {
			case r == '\t':
				b.WriteByte(' ')
			case !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r):
				b.WriteRune('\uFFFD')
			default:
				b.WriteRune(r)
			}
		}
		if text := strings.TrimRight(b.String(), " "); text != "" {
			out = append(out, text)
		}
		if n > most {
			break
		}
	}
	return out
}

func text(v hl7.Value) string { return strings.TrimSpace(line(v.Text(), 300)) }

// coded is what a CE or CWE says, its text before its code.
func coded(v hl7.Value) string {
	for _, n := range []int{9, 2, 1} { // CWE.9 is the text as it was written, CWE.2 the code's
		if t := text(v.Part(n)); t != "" {
			return t
		}
	}
	return ""
}

// named is what a test or observation is called.
func named(v hl7.Value) string {
	for _, n := range []int{2, 5, 1} {
		if t := text(v.Part(n)); t != "" {
			return t
		}
	}
	return ""
}

// stamp is a DTM as people read it; what cannot be read stays as it is.
func stamp(v hl7.Value) string {
	raw := strings.TrimSpace(v.Part(1).Text())
	body, zone := raw, ""
	if i := strings.IndexAny(raw, "+-"); i > 0 {
		body, zone = raw[:i], " "+raw[i:]
	}
	body, _, _ = strings.Cut(body, ".")
	for n, l := range map[int][2]string{8: {"20060102", "2006-01-02"}, 12: {"200601021504", "2006-01-02 15:04"}, 14: {"20060102150405", "2006-01-02 15:04"}} {
		if len(body) == n {
			if t, err := time.Parse(l[0], body); err == nil {
				return t.Format(l[1]) + line(zone, 6)
			}
		}
	}
	return line(raw, 40)
}

func joined(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

// human is a person of an XCN field: name, else number.
func human(v hl7.Value) (name, id string) {
	id = text(v.Part(1))
	name = joined(text(v.Part(6)), text(v.Part(3)), text(v.Part(4)), text(v.Part(2).Subpart(1)))
	if name == "" {
		name = id
	}
	return name, id
}

// Read reads a message for people. An error says that it is no HL7 message with
// results.
func Read(body []byte, charset string) (*Report, error) {
	cs, _ := hl7.LookupCharset(charset) // none where the source has none
	m, err := hl7.ParseAssuming(body, hl7.Limits{}, cs)
	if err != nil {
		return nil, fmt.Errorf("read a result: it is not readable HL7")
	}
	h := m.Header()
	out := &Report{Lab: line(string(h.SendingFacility), 100), ControlID: line(string(h.ControlID), 60)}
	for _, sign := range m.Signs() {
		out.Critical = out.Critical || sign.Kind == hl7.Critical
	}
	r := reader{out: out}
	for s := range m.Segments("") {
		r.segment(s)
	}
	if len(out.Orders) == 0 {
		return nil, fmt.Errorf("read a result: there is no order in it")
	}
	return out, nil
}

// reader walks a message.
type reader struct {
	out  *Report
	rows int
	orc  [2]string
}

func (r *reader) segment(s hl7.Segment) {
	switch s.Name() {
	case "MSH":
		r.out.Said = stamp(s.Field(7))
	case "PID":
		p := patientOf(s)
		r.out.Births = append(r.out.Births, p.Born)
		if r.out.Patient.Name == "" && len(r.out.Patient.IDs) == 0 {
			r.out.Patient = p
		}
	case "ORC":
		r.orc = [2]string{text(s.Field(2).Part(1)), text(s.Field(3).Part(1))}
	case "OBR":
		if len(r.out.Orders) == maxOrders {
			r.out.Cut = true
			return
		}
		r.out.Orders = append(r.out.Orders, orderOf(s, r.orc))
		r.orc = [2]string{}
	case "OBX":
		r.observation(s)
	case "SPM":
		if o := r.order(); o != nil && o.Specimen == "" {
			o.Specimen = joined(coded(s.Field(4)), coded(s.Field(8)))
		}
	case "NTE":
		r.note(lines(s.Field(3).Text(), maxText))
	}
}

func (r *reader) order() *Order {
	if n := len(r.out.Orders); n > 0 {
		return &r.out.Orders[n-1]
	}
	return nil
}

func (r *reader) note(text []string) {
	o := r.order()
	switch {
	case o == nil:
		r.out.Notes = append(r.out.Notes, text...)
	case len(o.Rows) > 0:
		row := &o.Rows[len(o.Rows)-1]
		row.Notes = append(row.Notes, text...)
	default:
		o.Notes = append(o.Notes, text...)
	}
}

func patientOf(pid hl7.Segment) Patient {
	var p Patient
	for _, n := range pid.Field(5).Repetitions() {
		p.Name = joined(text(n.Part(2)), text(n.Part(3)), text(n.Part(1).Subpart(1)))
		break // the first name counts
	}
	p.Born, p.Sex = stamp(pid.Field(7)), text(pid.Field(8))
	p.Born, _, _ = strings.Cut(p.Born, " ")
	for _, v := range pid.Field(3).Repetitions() {
		id := text(v.Part(1))
		if a := text(v.Part(4).Subpart(1)); a != "" && id != "" {
			id += " (" + a + ")"
		}
		if id != "" && len(p.IDs) < 10 {
			p.IDs = append(p.IDs, id)
		}
	}
	return p
}

func orderOf(s hl7.Segment, orc [2]string) Order {
	o := Order{
		Test: named(s.Field(4)), Code: text(s.Field(4).Part(1)), alternate: text(s.Field(4).Part(4)), Placer: text(s.Field(2).Part(1)), Filler: text(s.Field(3).Part(1)),
		Collected: stamp(s.Field(7)), Received: stamp(s.Field(14)), Reported: stamp(s.Field(22)), Status: strings.ToUpper(text(s.Field(25))), Specimen: text(s.Field(15).Part(1)),
	}
	if o.Placer == "" {
		o.Placer = orc[0]
	}
	if o.Filler == "" {
		o.Filler = orc[1]
	}
	for _, v := range s.Field(16).Repetitions() {
		o.Provider, o.ProviderID = human(v)
		break
	}
	for _, v := range s.Field(28).Repetitions() {
		name, _ := human(v)
		if raw := string(v.Raw()); name == "" && raw != "" && raw != `""` {
			name = "somebody" // named otherwise than by number or name
		}
		if name != "" && len(o.CopyTo) < 20 {
			o.CopyTo = append(o.CopyTo, name)
		}
	}
	if o.StatusWord = orderWords[o.Status]; o.StatusWord == "" && o.Status != "" {
		o.StatusWord = "status " + o.Status
	}
	return o
}

func (r *reader) observation(s hl7.Segment) {
	if r.order() == nil {
		r.out.Orders = append(r.out.Orders, Order{Test: "Results"})
	}
	if r.rows++; r.rows > maxRows {
		r.out.Cut = true
		return
	}
	row := Row{
		Name: named(s.Field(3)), Code: text(s.Field(3).Part(1)), alternate: text(s.Field(3).Part(4)), Sub: text(s.Field(4)), Units: text(s.Field(6).Part(1)), Range: text(s.Field(7)),
		Performed: text(s.Field(23).Part(1)),
	}
	for _, v := range s.Field(8).Repetitions() {
		f := strings.ToUpper(text(v.Part(1)))
		if f == "" || f == "N" {
			continue
		}
		row.Flag, row.Abnormal = joined(row.Flag, f), true
		word := flagWords[f]
		if word == "" {
			word = text(v.Part(2))
		}
		row.FlagWord = joined(row.FlagWord, word)
		row.Urgent = row.Urgent || f == "HH" || f == "LL" || f == "AA"
	}
	status := strings.ToUpper(text(s.Field(11)))
	if row.Status = statusWords[status]; row.Status == "" && status != "F" && status != "" {
		row.Status = "status " + status
	}
	kind := string(s.Field(2).Raw())
	for _, v := range s.Field(5).Repetitions() {
		row.Value = append(row.Value, r.value(kind, v, &row)...)
	}
	o := r.order()
	o.Rows = append(o.Rows, row)
}

// value is one value of an observation in lines, by its type (HL7 v2.5.1 7.4.2.5).
func (r *reader) value(kind string, v hl7.Value, row *Row) []string {
	switch kind {
	case "ED":
		return r.document(v, row)
	case "RP":
		return []string{"a document kept elsewhere: " + text(v.Part(1))}
	case "CE", "CWE", "CNE", "CF":
		return lines(coded(v), maxText)
	case "SN": // comparator, number, separator, number
		return lines(joined(text(v.Part(1)), text(v.Part(2)))+text(v.Part(3))+text(v.Part(4)), maxText)
	case "DT", "TS", "DTM":
		return []string{stamp(v)}
	case "NM", "ST", "TX", "FT", "":
		return lines(v.Text(), maxText)
	}
	var parts []string
	for n := 1; n <= 12; n++ {
		if t := text(v.Part(n)); t != "" {
			parts = append(parts, t)
		}
	}
	return parts
}

// document takes a file out of an ED (HL7 v2.5.1 2.A.24).
func (r *reader) document(v hl7.Value, row *Row) []string {
	raw := v.Part(5).Raw()
	var data []byte
	var err error
	switch enc := text(v.Part(4)); enc {
	case "Base64":
		data, err = base64.StdEncoding.DecodeString(strings.Map(func(c rune) rune {
			if unicode.IsSpace(c) {
				return -1
			}
			return c
		}, string(raw)))
	default:
		data = []byte(v.Part(5).Text())
	}
	if err != nil || len(data) == 0 {
		return []string{"a document that cannot be read; ask the laboratory for it"}
	}
	name := row.Name
	if name == "" {
		name = "Document"
	}
	r.out.Documents = append(r.out.Documents, Document{Name: name, Type: strings.ToLower(text(v.Part(2)) + "/" + text(v.Part(3))), Data: data})
	row.Document = len(r.out.Documents)
	if r.out.Documents[row.Document-1].PDF() {
		return []string{fmt.Sprintf("a PDF of %d KB", (len(data)+1023)/1024)}
	}
	return []string{fmt.Sprintf("a file of %d KB", (len(data)+1023)/1024)}
}
