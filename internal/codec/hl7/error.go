package hl7

import (
	"strconv"
	"strings"
)

// Error says what is wrong and where. Its text names segments, fields and
// positions and never holds message content, so it may be logged and shown.
type Error struct {
	// Segment is the three-letter segment name, empty where none applies.
	Segment string
	// Occurrence counts segments of this name from 1; 0 where unknown.
	Occurrence int
	// Field, Repetition, Component are HL7 numbers from 1; 0 where none applies.
	Field, Repetition, Component int
	// Line is the segment's number in the input, from 1; 0 where unknown.
	Line int
	// Offset is the byte in the input, from 0.
	Offset int
	// Code is the condition of HL7 table 0357 to answer with (100 segment
	// sequence error, 101 required field missing, 102 data type error, 103
	// table value not found, 200 unsupported message type ...), empty where
	// no condition fits.
	Code string
	// Msg says what is wrong, in a sentence without the message's content.
	Msg string
}

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString("hl7: ")
	if loc := e.Location(); loc != "" {
		s.WriteString(loc)
		s.WriteString(": ")
	}
	s.WriteString(e.Msg)
	if e.Line > 0 {
		s.WriteString(" (line " + strconv.Itoa(e.Line) + ", byte " + strconv.Itoa(e.Offset) + ")")
	}
	return s.String()
}

// Location is the place as a path, "OBX(2)-5(1).1", fit for AckOptions and
// ParsePath; empty where no segment applies.
func (e *Error) Location() string {
	if e.Segment == "" {
		return ""
	}
	return Path{
		Segment: e.Segment, Occurrence: e.Occurrence, Field: e.Field,
		Repetition: e.Repetition, Component: e.Component,
	}.String()
}

// segmentName is id as it may stand in an error: a stray line may hold
// anything, even a patient's name.
func segmentName(id []byte) string {
	if validSegmentID(id) {
		return string(id)
	}
	return ""
}

// validSegmentID: three characters, the first a capital letter, the others
// capitals or digits (HL7 v2.5.1 2.5.2: three-character code; Z for local ones).
func validSegmentID(id []byte) bool {
	return len(id) == 3 && id[0] >= 'A' && id[0] <= 'Z' && upperOrDigit(id[1]) && upperOrDigit(id[2])
}

func upperOrDigit(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
