package hl7fhir

import "fmt"

// Note is one field with content that the bundle does not carry, or carries
// otherwise than the receiver may expect. It holds no content of the message.
type Note struct {
	// Path names the place in the message: OBX(2)-5(1).1.
	Path string
	Why  string
}

func (n Note) String() string { return n.Path + ": " + n.Why }

// Reasons that the converter itself gives.
const (
	whyUnmapped  = "has no place in the mapping"
	whyNull      = "explicit null: FHIR has no instruction to delete, left empty"
	whySegment   = "segment is not mapped"
	whyCode      = "code is not in the table: kept with its own system"
	whyNoSystem  = "code without coding system: kept without one"
	whyStatus    = "status is absent or not in the table: sent as unknown"
	whyNumber    = "not a plain number: kept as text"
	whyTime      = "not a valid time: left out"
	whyZone      = "time without zone: reduced to its date"
	whyPrecision = "FHIR cannot hold this precision: reduced to its date"
	whyNoPatient = "no patient identifier: the receiver cannot match this patient"
	whyNoOrder   = "no order number: a correction cannot find this report"
	whyAmbiguous = "several reports share order number and code: told apart by position"
	whyDiffers   = "differs from the same identifier in OBR: OBR's is used"
)

func (c *conv) note(path, why string) { c.notes = append(c.notes, Note{path, why}) }

// losses adds a note for each leaf with content that nothing took: per field
// when the whole field was passed over, else per component.
func (c *conv) losses() {
	for _, s := range c.src {
		for f := range s.fields {
			c.fieldLosses(s, f)
		}
	}
}

func (c *conv) fieldLosses(s *segment, f int) {
	taken, content := false, false
	for _, r := range s.fields[f] {
		for _, comp := range r {
			for i := range comp {
				taken = taken || comp[i].used && (comp[i].text != "" || comp[i].null)
				content = content || comp[i].text != ""
			}
		}
	}
	why := whyUnmapped
	if !mappedSegments[s.name] {
		why = whySegment
	}
	if content && !taken {
		c.note(s.path(f+1), why)
	}
	for r := range s.fields[f] {
		for n := range s.fields[f][r] {
			for m, l := range s.fields[f][r][n] {
				if !l.null && (l.used || l.text == "" || !taken) {
					continue
				}
				p := s.path(f + 1)
				if len(s.fields[f]) > 1 {
					p += fmt.Sprintf("(%d)", r+1)
				}
				if len(s.fields[f][r]) > 1 || len(s.fields[f][r][n]) > 1 {
					p += fmt.Sprintf(".%d", n+1)
				}
				if len(s.fields[f][r][n]) > 1 {
					p += fmt.Sprintf(".%d", m+1)
				}
				if l.null {
					c.note(p, whyNull)
				} else {
					c.note(p, why)
				}
			}
		}
	}
}

var mappedSegments = map[string]bool{
	"MSH": true, "PID": true, "ORC": true, "OBR": true, "OBX": true, "NTE": true, "SPM": true, "TQ1": true, "NK1": true, "PD1": true,
}
