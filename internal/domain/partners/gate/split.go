package gate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// splitter cuts a file of HL7 messages as hl7.Split does, from a stream: single
// messages, several behind one another, and those within FHS/BHS/BTS/FTS (HL7
// v2.5.1 2.10.3).
type splitter struct {
	r        *bufio.Reader
	messages int
	over     bool // nothing can be read behind a message that is too long

	cur       bytes.Buffer
	batches   int
	fileFrom  int
	batchFrom int
	inFile    bool
	inBatch   bool
	bare      bool // the file holds messages outside of any batch
	stray     bool
}

// next gives the next message, until it is changed by the call after; a *refusal
// for what is wrong with the envelope, after which it goes on; io.EOF at the end.
func (s *splitter) next() ([]byte, error) {
	s.cur.Reset()
	in := false // within a message
	for {
		kind, err := s.kind()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if errors.Is(err, io.EOF) {
			if in {
				return s.message(), nil
			}
			return nil, s.end()
		}
		if in && kind != "" {
			return s.message(), nil // the line stays for the next call
		}
		if kind == "MSH" {
			in, s.stray = true, false
			s.messages++
			s.bare = s.bare || !s.inBatch
		}
		keep := in
		line, err := s.line(keep)
		if err != nil {
			return nil, err
		}
		if keep || len(bytes.Trim(line, " \t\r\n\x1c\x1a\x0b")) == 0 {
			continue
		}
		if err := s.envelope(kind, line); err != nil {
			return nil, err
		}
	}
}

func (s *splitter) message() []byte { return bytes.TrimRight(s.cur.Bytes(), "\x1c\r\n") }

// kind is what the line that comes begins: MSH, FHS, BHS, BTS, FTS, or "" for any
// other. Marks of the transport before it are passed over.
func (s *splitter) kind() (string, error) {
	p, err := s.r.Peek(5)
	for len(p) > 0 { // byte order marks, MLLP's start and end of a block, the end of a DOS file
		n := 1
		if string(p[:min(3, len(p))]) == "\xef\xbb\xbf" {
			n = 3
		} else if p[0] != 0x0b && p[0] != 0x1c && p[0] != 0x1a {
			break
		}
		_, _ = s.r.Discard(n)
		p, err = s.r.Peek(5)
	}
	if len(p) == 0 {
		return "", err
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if len(p) < 3 || len(p) > 3 && !separates(p[3]) && p[3] != '\r' && p[3] != '\n' {
		return "", nil
	}
	switch kind := string(p[:3]); kind {
	case "MSH", "FHS", "BHS", "BTS", "FTS":
		return kind, nil
	}
	return "", nil
}

// line takes a line with its end: into the message, or else its first bytes back.
func (s *splitter) line(keep bool) ([]byte, error) {
	var first []byte
	for {
		if _, err := s.r.Peek(1); errors.Is(err, io.EOF) {
			return first, nil
		} else if err != nil {
			return nil, err
		}
		p, _ := s.r.Peek(s.r.Buffered())
		n, ended := 0, false
		for n < len(p) && !ended {
			ended = p[n] == '\r' || p[n] == '\n'
			n++
		}
		switch {
		case keep && s.cur.Len()+n > maxPart:
			s.over = true
			return nil, unreadable(CauseForm, fmt.Sprintf("HL7 message %d of the file is larger than %s. Send what is in it in smaller messages.", s.messages, bytesText(maxPart)))
		case keep:
			s.cur.Write(p[:n])
		default:
			first = append(first, p[:min(n, 64-min(len(first), 64))]...)
		}
		_, _ = s.r.Discard(n)
		if ended {
			return first, nil
		}
	}
}

// envelope follows headers and trailers of files and batches.
func (s *splitter) envelope(kind string, line []byte) error {
	switch kind {
	case "FHS":
		err := s.closeFile()
		s.inFile, s.fileFrom, s.bare = true, s.batches, false
		return err
	case "BHS":
		err := s.closeBatch()
		s.batches++
		s.inBatch, s.batchFrom = true, s.messages
		return err
	case "BTS":
		if !s.inBatch {
			return envelopeError("a batch ends (BTS) that did not begin (BHS)")
		}
		have := s.messages - s.batchFrom
		s.inBatch = false
		if !s.counts(line, have, have) { // HL7 v2.5.1 2.15.3
			return envelopeError("a batch holds another number of messages than its trailer says (BTS-1)")
		}
	case "FTS":
		if !s.inFile {
			return envelopeError("a file ends (FTS) that did not begin (FHS)")
		}
		have := s.batches - s.fileFrom
		most := have
		if s.bare { // BHS and BTS are optional: senders count such a batch or do not (HL7 v2.5.1 2.10.3.1)
			most++
		}
		if err := s.closeBatch(); err != nil {
			s.inFile = false
			return err
		}
		s.inFile = false
		if !s.counts(line, have, most) {
			return envelopeError("it holds another number of batches than its trailer says (FTS-1)")
		}
	default:
		if !s.stray {
			s.stray = true
			return envelopeError("a line stands outside any message")
		}
	}
	return nil
}

func envelopeError(what string) error {
	return unreadable(CauseForm, "The HL7 file is not whole: "+what+". Make it anew and send it again.")
}

func (s *splitter) closeBatch() error {
	was := s.inBatch
	s.inBatch = false
	if was {
		return envelopeError("a batch has no trailer (BTS), so it may have been cut off")
	}
	return nil
}

func (s *splitter) closeFile() error {
	if err := s.closeBatch(); err != nil {
		return err
	}
	was := s.inFile
	s.inFile = false
	if was {
		return envelopeError("it has no trailer (FTS), so it may have been cut off")
	}
	return nil
}

func (s *splitter) end() error {
	if err := s.closeFile(); err != nil {
		return err
	}
	return io.EOF
}

// counts compares field 1 of a trailer, if it is filled, with what there was.
func (s *splitter) counts(line []byte, have, most int) bool {
	if len(line) < 5 {
		return true
	}
	v, _, _ := bytes.Cut(bytes.TrimRight(line[4:], "\r\n\x1c"), line[3:4])
	if len(v) == 0 {
		return true
	}
	n, err := strconv.Atoi(string(v))
	return err == nil && n >= have && n <= most
}
