package hl7

import "bytes"

// lines cuts a message into segments without allocating and in linear time.
//
// The standard ends a segment with CR (HL7 v2.5.1 2.5.4). CRLF and LF occur in
// files, and every kind is kept as it came. A bare LF is an end when the
// message began with LF ends; in a message of CR ends it is data, save where a
// segment plainly follows it or nothing does: overlooking a PID there would put
// a result into the wrong patient's lane.
type lines struct {
	b       []byte
	fs      byte
	pos     int
	cr, lf  int // next CR and LF at or after pos; len(b) if none
	lfEnds  bool
	started bool
}

func newLines(b []byte, fs byte) lines { return lines{b: b, fs: fs} }

func indexFrom(b []byte, from int, c byte) int {
	if from >= len(b) {
		return len(b)
	}
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// next returns the bounds of the next segment's text and where the one after it
// begins; ok is false at the end. Empty lines are returned as empty segments.
func (l *lines) next() (start, end, after int, ok bool) {
	if l.pos >= len(l.b) {
		return 0, 0, 0, false
	}
	if !l.started {
		l.started = true
		l.cr, l.lf = indexFrom(l.b, l.pos, '\r'), indexFrom(l.b, l.pos, '\n')
		l.lfEnds = l.lf < l.cr
	}
	start = l.pos
	if l.cr < start {
		l.cr = indexFrom(l.b, start, '\r')
	}
	if l.lf < start {
		l.lf = indexFrom(l.b, start, '\n')
	}
	for l.lf < l.cr && !l.lfEnds && !l.segmentAt(l.lf+1) {
		l.lf = indexFrom(l.b, l.lf+1, '\n')
	}
	end = min(l.cr, l.lf)
	after = end
	if after < len(l.b) {
		after++
		if l.b[end] == '\r' && after < len(l.b) && l.b[after] == '\n' {
			after++
		}
	}
	l.pos = after
	return start, end, after, true
}

// newMessage takes up a header line [start, end) as the beginning of a message of
// its own: its first end decides anew what ends the lines, as it does for a
// reader who gets that message alone. It returns the line's bounds by that rule.
func (l *lines) newMessage(start, end, after int) (lineEnd, lineAfter int) {
	lf := max(l.lf, end)
	if i := bytes.IndexByte(l.b[start:end], '\n'); i >= 0 {
		lf = start + i
	}
	if l.lfEnds = lf < l.cr; l.lfEnds && lf < end {
		l.lf, l.pos = lf, lf+1
		return lf, lf + 1
	}
	return end, after
}

// segmentAt reports whether a segment, or nothing more, follows at i.
func (l *lines) segmentAt(i int) bool {
	if n := len(l.b) - len(bytes.TrimLeft(l.b[min(i, len(l.b)):], "\x1c")); n == len(l.b) || n > i && (l.b[n] == '\r' || l.b[n] == '\n') {
		return true // the end, or the end block of the transport
	}
	return i+3 < len(l.b) && validSegmentID(l.b[i:i+3]) && (l.b[i+3] == l.fs || headerAt(l.b[i:]))
}

// headerAt reports whether b begins a header that defines delimiters of its own
// (HL7 v2.5.1 2.5.4): another message of the same file may have others, and to
// overlook it would hide its results in a field of the message before.
func headerAt(b []byte) bool {
	if len(b) < 5 {
		return false
	}
	switch string(b[:3]) {
	case "MSH", "FHS", "BHS":
		return delimiter(b[3]) && delimiter(b[4]) && b[3] != b[4]
	}
	return false
}
