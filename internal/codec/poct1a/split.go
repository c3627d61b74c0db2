package poct1a

import (
	"bytes"
	"fmt"
)

// Limits bound what is taken. A zero field means its default.
type Limits struct {
	Bytes    int // of one document; default 1 MiB, ten times what devices announce
	Elements int // default 50,000
	Depth    int // default 32
}

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	if l.Elements <= 0 {
		l.Elements = 50_000
	}
	if l.Depth <= 0 {
		l.Depth = 32
	}
	return l
}

// Error says where a document could not be read. It never holds content.
type Error struct {
	Offset  int    // of the byte in the document, from 0
	Element string // the nearest, "" for none; only names that the standard could hold
	Msg     string
}

func (e *Error) Error() string {
	if e.Element == "" {
		return fmt.Sprintf("poct1a: byte %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("poct1a: %s, byte %d: %s", e.Element, e.Offset, e.Msg)
}

// Splitter cuts the bytes of a connection into documents: from the first "<" to
// the end of the element that it opens. It looks at each byte once.
type Splitter struct {
	limits Limits
	buf    []byte
	at     int // looked at so far
	depth  int
	seen   bool // the root element has begun
	mark   int  // where the markup began that is open; -1 outside
	quote  byte // the quotation mark that is open in a tag
}

// NewSplitter makes a Splitter.
func NewSplitter(l Limits) *Splitter { return &Splitter{limits: l.orDefault(), mark: -1} }

// Write takes more bytes and gives the documents that are now whole. After an
// error the connection has no boundaries any more: it is over.
func (s *Splitter) Write(b []byte) (documents [][]byte, err error) {
	s.buf = append(s.buf, b...)
	for {
		if s.at == 0 {
			s.skipBlank()
		}
		end, err := s.scan()
		if err != nil {
			return documents, err
		}
		if end == 0 {
			if len(s.buf) > s.limits.Bytes {
				return documents, &Error{Offset: s.limits.Bytes, Msg: "the document is longer than the limit"}
			}
			return documents, nil
		}
		if end > s.limits.Bytes {
			return documents, &Error{Offset: s.limits.Bytes, Msg: "the document is longer than the limit"}
		}
		documents = append(documents, bytes.Clone(s.buf[:end]))
		s.buf = append(s.buf[:0], s.buf[end:]...)
		s.at, s.depth, s.seen, s.mark, s.quote = 0, 0, false, -1, 0
	}
}

// Pending reports whether a document has begun and is not whole.
func (s *Splitter) Pending() bool { return len(s.buf) > 0 }

// skipBlank drops what may stand between documents: blanks, NUL and the control
// characters that some devices put around a message, and a byte order mark.
func (s *Splitter) skipBlank() {
	i := 0
	for i < len(s.buf) && blank(s.buf[i]) {
		i++
	}
	if i > 0 {
		s.buf = append(s.buf[:0], s.buf[i:]...)
	}
}

func blank(c byte) bool { return c <= ' ' || c == 0xef || c == 0xbb || c == 0xbf }

// scan looks for the end of the document; 0: it is not there yet.
func (s *Splitter) scan() (end int, err error) {
	for ; s.at < len(s.buf); s.at++ {
		c := s.buf[s.at]
		switch {
		case s.mark < 0 && c == '<':
			s.mark = s.at
		case s.mark < 0:
			if !s.seen && !blank(c) {
				return 0, &Error{Offset: s.at, Msg: "a document begins with an element"}
			}
		case s.special():
			// Parse says which instructions it takes.
			if c == '>' && s.specialEnds() {
				s.mark = -1
			}
		case s.quote != 0:
			if c == s.quote {
				s.quote = 0
			}
		case c == '"' || c == '\'':
			s.quote = c
		case c == '<':
			return 0, &Error{Offset: s.at, Msg: "a tag within a tag"}
		case c == '>':
			tag := s.buf[s.mark : s.at+1]
			s.mark = -1
			done, err := s.tag(tag)
			if err != nil {
				return 0, err
			}
			if done {
				return s.at + 1, nil
			}
		}
	}
	return 0, nil
}

// special is markup in which quotation marks and tags mean nothing, and how it
// ends.
var special = []struct{ begins, ends string }{{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}}

// special reports whether the open markup is a comment, CDATA or an instruction.
func (s *Splitter) special() bool {
	m := s.buf[s.mark:min(s.at+1, s.mark+len("<![CDATA["))]
	for _, k := range special {
		if bytes.HasPrefix(m, []byte(k.begins)) {
			return true
		}
	}
	return false
}

func (s *Splitter) specialEnds() bool {
	m := s.buf[s.mark : s.at+1]
	for _, k := range special {
		if bytes.HasPrefix(m, []byte(k.begins)) {
			return len(m) >= len(k.begins)+len(k.ends) && bytes.HasSuffix(m, []byte(k.ends))
		}
	}
	return false
}

// tag counts depth; done: the root element ended.
func (s *Splitter) tag(tag []byte) (done bool, err error) {
	switch {
	case len(tag) < 3:
		return false, &Error{Offset: s.at, Msg: "an empty tag"}
	case tag[1] == '!':
		return false, &Error{Offset: s.at, Msg: "a document type is not taken: it could make the document grow"}
	case tag[1] == '/':
		s.depth--
		if s.depth < 0 || !s.seen {
			return false, &Error{Offset: s.at, Msg: "an end without its beginning"}
		}
		return s.depth == 0, nil
	}
	s.seen = true
	if tag[len(tag)-2] == '/' {
		return s.depth == 0, nil
	}
	if s.depth++; s.depth > s.limits.Depth {
		return false, &Error{Offset: s.at, Msg: "elements are nested deeper than the limit"}
	}
	return false, nil
}
