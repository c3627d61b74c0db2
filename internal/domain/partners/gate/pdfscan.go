package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// act is something in a PDF that matters here.
type act int

const (
	actScript act = iota
	actLaunch
	actFile
	actForm
	actMedia
	actEvent
	actOpen // an action when it is opened that is not a plain place to show
	actURI
	actEncrypt
	acts
)

// anywhere are names that are looked for in every byte of the file, within
// streams too: they are long enough not to occur by chance. EmbeddedFiles is not
// among them: some programs write an empty list of them; a file in it has an EF.
var anywhere = map[string]act{
	"JavaScript": actScript, "Launch": actLaunch, "EmbeddedFile": actFile, "FileAttachment": actFile,
	"SubmitForm": actForm, "ImportData": actForm, "RichMedia": actMedia, "RichMediaContent": actMedia, "RichMediaSettings": actMedia,
	"Rendition": actMedia,
}

// inObjects are names that act in an object: ISO 32000-1 12.6.4, 7.11.4, 12.7.8.
var inObjects = map[string]act{"GoToE": actLaunch, "GoToR": actLaunch, "Movie": actMedia, "Sound": actMedia}

// pdfScan reads the names of a PDF in one pass.
type pdfScan struct {
	found     [acts]bool
	objects   []packedObjects
	streams   int  // object streams, counted beyond those that are kept
	inObjects bool // this is an unpacked object stream
	plain     bool // it was not packed: it ends with its stream

	inStream bool
	name     []byte // of the name being read, without #xx
	inName   bool
	hex      int  // digits of #xx that are to come
	high     byte // the first of them

	tail   []byte  // the last bytes of the word being read
	before [2]byte // the last two bytes that are no blanks and were before this word
	last   [2]byte // the last two bytes that are no blanks
	wait   string  // a name whose value comes next

	dict dictionary
}

// dictionary is what is known of the object being read.
type dictionary struct{ objStm, first, n, flate, packed bool }

// packedObjects is an object stream: where its bytes begin, and how they are packed.
type packedObjects struct {
	at            int64
	flate, packed bool
}

func (s *pdfScan) scan(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	for pos := int64(0); ; pos++ {
		c, err := b.ReadByte()
		if errors.Is(err, io.EOF) {
			s.end(' ', pos)
			return nil
		}
		if err != nil {
			return err
		}
		if s.inName {
			if s.nameByte(c) {
				continue
			}
			s.nameEnd()
		}
		switch {
		case c == '/':
			s.end(c, pos)
			s.value(c)
			s.inName, s.name, s.hex = true, s.name[:0], 0
		case blank(c), delimiter(c):
			if s.end(c, pos) && s.plain {
				return nil
			}
			if !blank(c) {
				s.value(c)
			}
		default:
			if len(s.tail) == 0 {
				s.before = s.last
				s.value(c)
			}
			if len(s.tail) == 12 {
				s.tail = append(s.tail[:0], s.tail[1:]...)
			}
			s.tail = append(s.tail, c)
		}
		if !blank(c) {
			s.last = [2]byte{s.last[1], c}
		}
	}
}

// blank and delimiter are the classes of ISO 32000-1 7.2.2.
func blank(c byte) bool {
	switch c {
	case ' ', '\n', '\r', '\t', '\f', 0:
		return true
	}
	return false
}

func delimiter(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

// nameByte takes a byte of a name and says whether it was one. #xx is a byte in
// disguise (ISO 32000-1 7.3.5).
func (s *pdfScan) nameByte(c byte) bool {
	if blank(c) || delimiter(c) {
		return false
	}
	if s.hex > 0 {
		if v, ok := nibble(c); ok {
			if s.hex--; s.hex == 1 {
				s.high = v
				return true
			}
			c = s.high<<4 | v
			s.put(c)
			return true
		}
		s.hex = 0
	}
	if c == '#' {
		s.hex = 2
		return true
	}
	s.put(c)
	return true
}

func (s *pdfScan) put(c byte) {
	if len(s.name) < 32 {
		s.name = append(s.name, c)
	}
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// nameEnd judges a name that is whole.
func (s *pdfScan) nameEnd() {
	s.inName = false
	if a, ok := anywhere[string(s.name)]; ok {
		s.found[a] = true
	}
	if s.inStream {
		return
	}
	if a, ok := inObjects[string(s.name)]; ok {
		s.found[a] = true
	}
	s.wait = ""
	switch name := string(s.name); name {
	case "JS", "AA", "EF", "XFA", "OpenAction", "URI", "Encrypt", "Filter":
		s.wait = name
	case "ObjStm":
		s.dict.objStm = true
	case "First":
		s.dict.first = true
	case "N":
		s.dict.n = true
	case "FlateDecode", "Fl":
		s.dict.packed = s.dict.packed || s.dict.flate // twice
		s.dict.flate = true
	case "ASCIIHexDecode", "AHx", "ASCII85Decode", "A85", "LZWDecode", "LZW", "RunLengthDecode", "RL", "Crypt", "Predictor":
		s.dict.packed = true
	}
}

// value judges by its first byte what follows a name.
func (s *pdfScan) value(c byte) {
	if s.wait == "" || s.inStream {
		return
	}
	digit := c >= '0' && c <= '9' || c == '%' // a comment may stand before a value: what it hides is taken for there
	name := s.wait
	s.wait = ""
	switch name {
	case "JS":
		s.found[actScript] = s.found[actScript] || digit || c == '(' || c == '<'
	case "AA":
		s.found[actEvent] = s.found[actEvent] || digit || c == '<'
	case "EF":
		s.found[actFile] = s.found[actFile] || digit || c == '<'
	case "XFA":
		s.found[actForm] = s.found[actForm] || digit || c == '<' || c == '['
	case "OpenAction": // a list is a place to show; what else it is stands elsewhere
		s.found[actOpen] = s.found[actOpen] || c != '['
	case "URI":
		s.found[actURI] = true
	case "Encrypt":
		s.found[actEncrypt] = s.found[actEncrypt] || digit || c == '<'
	case "Filter":
		s.dict.packed = s.dict.packed || digit // it stands elsewhere
	}
}

// end judges a word that is whole, at the byte behind it, and says whether a
// stream has ended.
func (s *pdfScan) end(c byte, pos int64) (over bool) {
	if len(s.tail) == 0 {
		return false
	}
	word := s.tail
	defer func() { s.tail = s.tail[:0] }()
	switch {
	case bytes.HasSuffix(word, []byte("endstream")):
		s.inStream = false
		return true
	case bytes.HasSuffix(word, []byte("endobj")):
	case bytes.HasSuffix(word, []byte("obj")):
		// An object begins, whatever it seemed to be in: what a reader finds by a
		// table must not hide in what looks like a stream.
		s.inStream, s.dict, s.wait = false, dictionary{}, ""
	case bytes.HasSuffix(word, []byte("stream")) && s.before == [2]byte{'>', '>'} && !s.inStream && !s.inObjects:
		s.inStream = true
		if s.dict.objStm || s.dict.first && s.dict.n { // readers go by what points to it, not by its Type
			s.stream(c, pos)
		}
	}
	return false
}

// stream notes an object stream that begins behind the byte c at pos, the end of
// the word or the first byte of its CRLF (ISO 32000-1 7.3.8.1).
func (s *pdfScan) stream(c byte, pos int64) {
	if s.streams++; s.streams > maxObjectStreams {
		return
	}
	at := pos + 1
	if c == '\r' {
		at++ // CR alone is not allowed there
	}
	s.objects = append(s.objects, packedObjects{at, s.dict.flate, s.dict.packed})
}
