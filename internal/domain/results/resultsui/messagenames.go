package resultsui

import (
	"strconv"

	"github.com/labwarden/labwarden/internal/codec/hl7"
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
		text := field(s, n)
		if v.Presence() == hl7.Null {
			text = "\"\" (to be deleted)"
		}
		out = append(out, kit.KV{Key: key, Value: text})
	}
	return out
}
