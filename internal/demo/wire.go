package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// The reading of HL7 here is small on purpose and shares nothing with the
// hub's codec: see the package comment.

// facts is what a counterpart needs to know of one message.
type facts struct {
	OK        bool // a header that can be read, with a control id
	Control   string
	Accept    string   // MSH-15
	App       string   // MSH-16
	Patients  []string // PID-3: id and authority, hashed
	Fillers   []string // OBR-3, ORC-3
	Placers   []string // OBR-2, ORC-2
	Providers []string // OBR-16, ORC-12
	Accounts  []string // PID-18
}

// keys are what orders one message after another: patient, filler and placer.
func (f facts) keys() []string {
	var k []string
	for _, p := range f.Patients {
		k = append(k, "patient "+p)
	}
	for _, o := range f.Fillers {
		k = append(k, "filler "+o)
	}
	for _, o := range f.Placers {
		k = append(k, "placer "+o)
	}
	return k
}

// segments splits by the message's own field separator; seg[n] is field n. For
// MSH, field 1 is the separator itself (HL7 v2.5.1 2.15.9.1). enc is MSH-2, or
// empty where it cannot be used.
func segments(body []byte) (segs [][]string, enc string) {
	if len(body) < 4 || !bytes.HasPrefix(body, []byte("MSH")) {
		return nil, ""
	}
	sep := string(body[3])
	for _, l := range strings.FieldsFunc(string(body), func(r rune) bool { return r == '\r' || r == '\n' }) {
		f := strings.Split(l, sep)
		if f[0] == "MSH" {
			f = slices.Insert(f, 1, sep)
		}
		segs = append(segs, f)
	}
	if len(segs[0]) > 2 && delimiters(sep+segs[0][2]) {
		enc = segs[0][2]
	}
	return segs, enc
}

// delimiters reports that s can part fields: printable, no letters or digits,
// none twice.
func delimiters(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if c <= ' ' || c >= 0x7f || letter || strings.IndexByte(s[i+1:], c) >= 0 {
			return false
		}
	}
	return true
}

func field(seg []string, n int) string {
	if n < len(seg) {
		return seg[n]
	}
	return ""
}

func add(to *[]string, v string) {
	if v != "" && v != `""` && !slices.Contains(*to, v) {
		*to = append(*to, v)
	}
}

func readFacts(body []byte) facts {
	segs, enc := segments(body)
	var f facts
	if len(enc) < 2 {
		return f
	}
	comp, rep := enc[:1], enc[1:2]
	first := func(v string) string { a, _, _ := strings.Cut(v, comp); return a }
	each := func(to *[]string, v string) {
		for r := range strings.SplitSeq(v, rep) {
			add(to, first(r))
		}
	}
	for _, s := range segs {
		switch s[0] {
		case "MSH":
			f.Control, f.Accept, f.App = first(field(s, 10)), field(s, 15), field(s, 16)
			f.OK = f.Control != ""
		case "PID":
			for r := range strings.SplitSeq(field(s, 3), rep) {
				c := strings.Split(r, comp)
				if c[0] != "" {
					add(&f.Patients, hash([]byte(c[0] + "\x00" + field(c, 3)))[:16])
				}
			}
			each(&f.Accounts, field(s, 18))
		case "ORC", "OBR":
			add(&f.Placers, first(field(s, 2)))
			add(&f.Fillers, first(field(s, 3)))
			if s[0] == "OBR" {
				each(&f.Providers, field(s, 16))
			} else {
				each(&f.Providers, field(s, 12))
			}
		}
	}
	return f
}

// PartnersOf says to whom a message is due by its ordering providers or, where
// it names none, its account; nil where neither is known.
func PartnersOf(body []byte) []string {
	f := readFacts(body)
	var to []string
	for _, v := range f.Providers {
		for _, p := range Practices() {
			if slices.Contains(p.Providers, v) {
				add(&to, p.Partner)
			}
		}
	}
	if len(f.Providers) > 0 {
		return to
	}
	for _, p := range Practices() {
		if slices.Contains(f.Accounts, p.Account) {
			add(&to, p.Partner)
		}
	}
	return to
}

// splitBatch returns the messages of a batch file (HL7 v2.5.1 2.10.3), line
// ends included, envelope segments left out.
func splitBatch(body []byte) [][]byte {
	var out [][]byte
	start := -1
	for i := 0; i < len(body); i = nextLine(body, i) {
		switch string(body[i:min(i+3, len(body))]) {
		case "MSH", "BHS", "BTS", "FHS", "FTS":
			if start >= 0 {
				out = append(out, body[start:i])
			}
			start = -1
			if body[i] == 'M' {
				start = i
			}
		}
	}
	if start >= 0 {
		out = append(out, body[start:])
	}
	return out
}

func nextLine(b []byte, i int) int {
	n := bytes.IndexAny(b[i:], "\r\n")
	if n < 0 {
		return len(b)
	}
	for i += n; i < len(b) && (b[i] == '\r' || b[i] == '\n'); i++ {
	}
	return i
}

// batchControl is BHS-11 (or FHS-11) of a batch: what a single reply to the
// whole batch names in MSA-2.
func batchControl(body []byte) []string {
	var ids []string
	for l := range strings.FieldsFuncSeq(string(body), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if (strings.HasPrefix(l, "BHS") || strings.HasPrefix(l, "FHS")) && len(l) > 3 {
			add(&ids, field(strings.Split(l, l[3:4]), 10))
		}
	}
	return ids
}

// answer is one MSA of a reply.
type answer struct{ Code, Control, Text string }

// readAnswers returns every MSA of a frame, be it one ACK or a batch of them.
func readAnswers(frame []byte) []answer {
	parts := [][]byte{frame}
	if bytes.HasPrefix(frame, []byte("FHS")) || bytes.HasPrefix(frame, []byte("BHS")) {
		parts = splitBatch(frame)
	}
	var out []answer
	for _, p := range parts {
		segs, _ := segments(p)
		for _, s := range segs {
			if s[0] == "MSA" {
				out = append(out, answer{field(s, 1), field(s, 2), field(s, 3)})
			}
			// A reason may stand in ERR-8 instead (HL7 v2.5.1 2.15.5.8).
			if s[0] == "ERR" && len(out) > 0 && out[len(out)-1].Text == "" {
				out[len(out)-1].Text = field(s, 8)
			}
		}
	}
	return out
}

func positive(code string) bool { return code == "AA" || code == "CA" }

func hash(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
