package hl7

import (
	"bytes"
	"errors"
	"iter"
)

// Part is one message of a file or batch.
type Part struct {
	// Body is the message with its line ends, without blank lines behind it.
	Body []byte
	// Offset is where Body starts in the input, Line that line's number from 1.
	Offset, Line int
	// Index counts messages from 1. File and Batch count the FHS and BHS it
	// stands under, 0 outside of one.
	Index, File, Batch int
}

// Split gives each message of b: a single one, several behind one another, or
// those within FHS/BHS/BTS/FTS (HL7 v2.5.1 2.10.3). A byte order mark, MLLP
// block characters and blank lines between messages are passed over. What is
// wrong with the envelope comes as an error (*Error) with an empty Part, and the
// iteration goes on: a count in BTS-1 or FTS-1 that differs, a trailer that is
// missing, a line outside any message. As counts stand at the end, a caller who
// must know first takes SplitAll.
func Split(b []byte) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		s := splitter{b: b, yield: yield}
		s.run()
	}
}

// SplitAll is Split gathered; the error joins all that was wrong (at most a
// hundred of them are kept).
func SplitAll(b []byte) ([]Part, error) {
	var parts []Part
	var errs []error
	for p, err := range Split(b) {
		switch {
		case err == nil:
			parts = append(parts, p)
		case len(errs) < 100:
			errs = append(errs, err)
		}
	}
	return parts, errors.Join(errs...)
}

type splitter struct {
	b     []byte
	yield func(Part, error) bool
	stop  bool

	cur       Part
	end       int // of the current message, 0 when there is none
	n         int // messages so far
	files     int
	batches   int
	inFile    bool
	inBatch   bool
	fileFrom  int // batches when the file began
	batchFrom int // messages when the batch began
	stray     bool
	bare      bool // the file holds messages outside of any BHS
}

func (s *splitter) run() {
	l := newLines(s.b, '|')
	for line := 1; !s.stop; line++ {
		start, end, after, ok := l.next()
		if !ok {
			break
		}
		start += envelope(s.b[start:end])
		kind := kindOf(s.b[start:end])
		if kind == "MSH" {
			end, after = l.newMessage(start, end, after)
		}
		t := s.b[start:end]
		if bare := bytes.TrimRight(t, "\x1c"); len(bare) < len(t) { // an MLLP end block right behind the last segment
			t, after = bare, start+len(bare)
		}
		if len(bytes.TrimLeft(t, " \t\n")) == 0 { // an LF in a message of CR ends is data, and still nothing to see
			continue
		}
		switch kind {
		case "MSH", "FHS", "BHS": // each header sets the separator of what follows it
			if len(t) > 3 {
				l.fs = t[3]
			}
		}
		switch kind {
		case "MSH":
			s.flush()
			s.n++
			s.cur = Part{Offset: start, Line: line, Index: s.n}
			if s.inFile {
				s.cur.File = s.files
			}
			if s.inBatch {
				s.cur.Batch = s.batches
			} else {
				s.bare = true
			}
			s.end, s.stray = after, false
		case "FHS":
			s.closeFile(line, start, false)
			s.files++
			s.inFile, s.fileFrom, s.bare = true, s.batches, false
		case "BHS":
			s.closeBatch(line, start, false)
			s.batches++
			s.inBatch, s.batchFrom = true, s.n
		case "BTS":
			s.flush()
			if !s.inBatch {
				s.fail("BTS", line, start, "a batch trailer without a batch header")
			} else {
				have := s.n - s.batchFrom
				s.count("BTS", t, have, have, line, start, "the batch holds another number of messages than BTS-1 says") // HL7 v2.5.1 2.15.3
				s.closeBatch(line, start, true)
			}
		case "FTS":
			s.flush()
			s.closeBatch(line, start, false)
			if !s.inFile {
				s.fail("FTS", line, start, "a file trailer without a file header")
			} else {
				have, most := s.batches-s.fileFrom, s.batches-s.fileFrom
				if s.bare { // BHS and BTS are optional: senders count such a batch or do not (HL7 v2.5.1 2.10.3.1)
					most++
				}
				s.count("FTS", t, have, most, line, start, "the file holds another number of batches than FTS-1 says")
				s.closeFile(line, start, true)
			}
		default:
			if s.end > 0 {
				s.end = after
			} else if !s.stray {
				s.stray = true // once for a run of them
				s.fail(segmentName(t[:min(3, len(t))]), line, start, "a line outside any message")
			}
		}
	}
	s.closeFile(0, len(s.b), false)
}

// kindOf is the name of a line that may be a segment, empty for any other.
func kindOf(t []byte) string {
	t = bytes.TrimRight(t, "\x1c")
	if len(t) == 3 || len(t) > 3 && (delimiter(t[3]) || t[3] == '\n') {
		return string(t[:3])
	}
	return ""
}

// envelope is the number of bytes at the start of a line that belong to the
// transport: byte order mark, MLLP block characters, blanks of a blank line.
func envelope(t []byte) int {
	n := 0
	if len(t) >= 3 && t[0] == 0xEF && t[1] == 0xBB && t[2] == 0xBF {
		n = 3
	}
	for n < len(t) && (t[n] == 0x0B || t[n] == 0x1C || t[n] == 0x1A) {
		n++
	}
	for i := n; i < len(t); i++ {
		if t[i] != ' ' && t[i] != '\t' {
			return n
		}
	}
	return len(t)
}

func (s *splitter) emit(p Part, err error) {
	if !s.stop && !s.yield(p, err) {
		s.stop = true
	}
}

func (s *splitter) flush() {
	if s.end == 0 {
		return
	}
	s.cur.Body = s.b[s.cur.Offset:s.end:s.end]
	s.end = 0
	s.emit(s.cur, nil)
}

func (s *splitter) fail(seg string, line, offset int, msg string) {
	s.emit(Part{}, &Error{Segment: seg, Line: line, Offset: offset, Code: "100", Msg: msg})
}

func (s *splitter) closeBatch(line, offset int, trailer bool) {
	s.flush()
	if s.inBatch && !trailer {
		s.fail("BTS", line, offset, "the batch has no trailer: it may have been cut off")
	}
	s.inBatch = false
}

func (s *splitter) closeFile(line, offset int, trailer bool) {
	s.closeBatch(line, offset, trailer)
	if s.inFile && !trailer {
		s.fail("FTS", line, offset, "the file has no trailer: it may have been cut off")
	}
	s.inFile = false
}

// count compares field 1 of a trailer, if it is filled, with what there was: have
// to most.
func (s *splitter) count(seg string, t []byte, have, most, line, offset int, msg string) {
	if len(t) < 5 {
		return
	}
	v := first(t[4:], t[3])
	n := 0
	for _, c := range v {
		if c < '0' || c > '9' || n > 1<<40 {
			s.fail(seg, line, offset, "the count in the trailer is no number")
			return
		}
		n = n*10 + int(c-'0')
	}
	if len(v) > 0 && (n < have || n > most) {
		s.fail(seg, line, offset, msg)
	}
}
