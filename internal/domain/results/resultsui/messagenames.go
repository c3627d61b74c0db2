package resultsui

import (
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// fieldNames are the fields of HL7 v2.5.1 that people read, by segment (clauses
// 2.15.9, 3.4.2, 4.5.1, 4.5.3, 3.4.3, 7.4.3). A field without a name is told by
// its number: nothing of a message is left out here.
var fieldNames = map[string]map[int]string{
	"MSH": {3: "Sent by", 4: "Sent by, facility", 5: "Sent to", 6: "Sent to, facility", 7: "Written at", 9: "Kind", 10: "Control id", 11: "Processing", 12: "Version", 18: "Character set"},
	"PID": {
		2: "Patient id (external)", 3: "Identifiers", 4: "Alternate identifier", 5: "Name", 6: "Mother’s maiden name", 7: "Birth date", 8: "Sex", 9: "Alias", 10: "Race", 11: "Address",
		13: "Telephone", 14: "Telephone at work", 15: "Language", 16: "Marital status", 18: "Account", 19: "Social security number", 22: "Ethnic group", 29: "Died at", 30: "Died",
	},
	"PV1": {2: "Class", 3: "Location", 7: "Attending", 8: "Referring", 9: "Consulting", 10: "Service", 19: "Visit number", 44: "Admitted at"},
	"ORC": {1: "Order control", 2: "Placer’s number", 3: "Filler’s number", 4: "Group number", 5: "Order status", 9: "At", 12: "Ordered by", 14: "Call back", 21: "Ordering facility", 22: "Facility’s address", 23: "Facility’s telephone", 24: "Provider’s address"},
	"OBR": {
		2: "Placer’s number", 3: "Filler’s number", 4: "Test", 7: "Collected", 8: "Collected until", 10: "Collector", 11: "Action", 13: "Clinical information", 14: "Specimen received", 15: "Specimen source",
		16: "Ordered by", 17: "Call back", 18: "Placer field 1", 19: "Placer field 2", 20: "Filler field 1", 21: "Filler field 2", 22: "Reported", 24: "Section", 25: "Status", 26: "Parent result", 28: "Copies to",
		29: "Parent order", 31: "Reason for study", 32: "Principal interpreter", 33: "Assistant interpreter", 34: "Technician", 35: "Transcriptionist",
	},
	"SPM": {2: "Specimen", 4: "Type", 7: "Collection method", 8: "Source site", 11: "Role", 14: "Description", 17: "Collected", 18: "Received", 20: "Available", 21: "Reject reason", 24: "Condition"},
	"NK1": {2: "Name", 3: "Relationship", 4: "Address", 5: "Telephone"},
}

// fieldTypes are the data types of fields that read better put together: n a
// person's name (XPN, XCN), i an identifier (CX, EI), t a time (TS), c a code
// (CE, CWE), a an address (XAD).
var fieldTypes = map[string]map[int]byte{
	"MSH": {7: 't'},
	"PID": {2: 'i', 3: 'i', 4: 'i', 5: 'n', 6: 'n', 7: 't', 9: 'n', 10: 'c', 11: 'a', 15: 'c', 16: 'c', 18: 'i', 22: 'c', 29: 't'},
	"PV1": {7: 'x', 8: 'x', 9: 'x', 19: 'i', 44: 't'},
	"ORC": {2: 'i', 3: 'i', 4: 'i', 9: 't', 12: 'x', 22: 'a', 24: 'a'},
	"OBR": {2: 'i', 3: 'i', 4: 'c', 7: 't', 8: 't', 10: 'x', 14: 't', 16: 'x', 22: 't', 28: 'x', 31: 'c'},
	"SPM": {4: 'c', 7: 'c', 8: 'c', 11: 'c', 17: 't', 18: 't', 21: 'c', 24: 'c'},
	"NK1": {2: 'n', 3: 'c', 4: 'a'},
}

// readField writes a field for people. What a part says stays as it is written;
// only the order of the parts and what stands between them is ours. As it came it
// stands below.
func readField(v hl7.Value, kind byte) string {
	if kind == 0 {
		return results.Printable(v.Text(), maxValue)
	}
	var out []string
	for _, r := range v.Repetitions() {
		part := func(n int) string { return results.Printable(r.Part(n).Text(), 300) }
		sub := func(n int) string { return results.Printable(r.Part(n).Subpart(1).Text(), 300) }
		text := ""
		switch kind {
		case 'n':
			text = joinText(part(5), part(2), part(3), sub(1), part(4))
		case 'x':
			text = joinText(part(6), part(3), part(4), sub(2), part(5))
			if id := part(1); id != "" {
				text = joinText(text, "("+id+")")
			}
		case 'i':
			text = part(1)
			if a := sub(4); a != "" {
				text += " (" + a + ")"
			} else if a := part(2); a != "" {
				text += " (" + a + ")"
			}
		case 't':
			text = readTime(part(1))
		case 'c':
			if text = part(2); text == "" {
				text = part(1)
			} else if c := part(1); c != "" {
				text += " (" + c + ")"
			}
		case 'a':
			var lines []string
			for n := 1; n <= 6; n++ {
				if s := sub(n); s != "" {
					lines = append(lines, s)
				}
			}
			text = strings.Join(lines, ", ")
		}
		if text == "" {
			text = results.Printable(r.Text(), maxValue)
		}
		if len(out) == 20 {
			out = append(out, "…")
			break
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// readTime writes a DTM (HL7 v2.5.1 2.A.22) as it is meant, without moving it to
// another zone; anything else stays as it is.
func readTime(s string) string {
	body, zone := s, ""
	if i := strings.IndexAny(s, "+-"); i > 0 {
		body, zone = s[:i], " UTC"+s[i:]
	}
	body, _, _ = strings.Cut(body, ".")
	for layout, out := range map[string]string{"20060102": "2 Jan 2006", "200601021504": "2 Jan 2006, 15:04", "20060102150405": "2 Jan 2006, 15:04:05"} {
		if t, err := time.Parse(layout, body); err == nil && len(body) == len(layout) {
			return t.Format(out) + zone
		}
	}
	return s
}

var segmentTitles = map[string]string{
	"MSH": "Message", "SFT": "Software", "PID": "Patient", "PD1": "Patient, additional", "NK1": "Next of kin", "PV1": "Visit", "PV2": "Visit, additional", "ORC": "Order, common part",
	"SPM": "Specimen", "TQ1": "Timing", "CTD": "Contact", "IN1": "Insurance", "GT1": "Guarantor", "DG1": "Diagnosis", "AL1": "Allergy", "FT1": "Financial",
}

func segmentTitle(name string) string {
	if t := segmentTitles[name]; t != "" {
		return t
	}
	if name == "" {
		return "A line that is no segment"
	}
	return "Segment " + name
}

// named lists the fields of a segment that hold something.
func named(s hl7.Segment) []kit.KV {
	var out []kit.KV
	name := s.Name()
	if name == "" {
		return nil // it stands below, as it came
	}
	known := fieldNames[name]
	for n := 1; n <= s.Fields() && len(out) < 80; n++ {
		v := s.Field(n)
		if name == "MSH" && n < 3 || n == 1 && known != nil && known[1] == "" || v.Presence() == hl7.Absent || v.Presence() == hl7.Empty {
			continue
		}
		key := known[n]
		if key == "" {
			key = name + "-" + strconv.Itoa(n)
		}
		text := readField(v, fieldTypes[name][n])
		if v.Presence() == hl7.Null {
			text = "\"\" (to be deleted)"
		}
		out = append(out, kit.KV{Key: key, Value: text})
	}
	return out
}
