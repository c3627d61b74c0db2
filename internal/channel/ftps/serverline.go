package ftps

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

var errLineTooLong = errors.New("command line is too long")

// lineReader reads the lines of a control connection into one buffer, which is
// the longest line there is.
type lineReader struct {
	r          io.Reader
	buf        []byte
	start, end int
}

// next gives a line without its end. A line without CR is taken too: old clients
// send such, and there is nothing else it could mean.
func (l *lineReader) next() (string, error) {
	for scanned := l.start; ; {
		if i := bytes.IndexByte(l.buf[scanned:l.end], '\n'); i >= 0 {
			line := l.buf[l.start : scanned+i]
			l.start = scanned + i + 1
			return string(bytes.TrimSuffix(line, []byte{'\r'})), nil
		}
		scanned = l.end
		if l.end == len(l.buf) {
			if l.start == 0 {
				return "", errLineTooLong
			}
			l.end = copy(l.buf, l.buf[l.start:l.end])
			scanned -= l.start
			l.start = 0
		}
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if n == 0 && err != nil {
			return "", err
		}
	}
}

// buffered is how many bytes were read beyond the last line.
func (l *lineReader) buffered() int { return l.end - l.start }

// command is a line of a client, taken apart.
type command struct {
	verb string // upper case; empty when the line is no command
	arg  string // as it was sent
	err  error  // the connection ended, or its line was too long
}

// parseCommand reads a line (RFC 959 5.3). Telnet's signs before ABOR and STAT
// (RFC 959 4.1.3) are passed over.
func parseCommand(line string) command {
	for line != "" && line[0] >= 0xf0 { // IAC, IP, DM and their like
		line = line[1:]
	}
	verb, arg, _ := strings.Cut(line, " ")
	if len(verb) < 3 || len(verb) > 8 {
		return command{arg: arg}
	}
	for i := range len(verb) {
		if c := verb[i] | 0x20; c < 'a' || c > 'z' {
			return command{arg: arg}
		}
	}
	return command{verb: strings.ToUpper(verb), arg: arg}
}

// oneLine makes a reply's text of what may hold anything: one line, bounded,
// without control characters.
func oneLine(text string) string {
	const most = 400
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
