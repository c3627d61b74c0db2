package crash

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// link is a sender that shares nothing with the hub: frame out, frame in
// (HL7 v2 Transport Specification: MLLP, release 1, 2).
type link struct {
	net.Conn
	r *bufio.Reader
}

func dial(addr string, conf *tls.Config) (*link, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	var c net.Conn
	var err error
	if conf == nil {
		c, err = d.Dial("tcp", addr)
	} else {
		c, err = tls.DialWithDialer(&d, "tcp", addr, conf)
	}
	if err != nil {
		return nil, err
	}
	return &link{c, bufio.NewReader(c)}, nil
}

var errAnswer = errors.New("not an MLLP answer")

// send gives MSA-1 and what MSA-3 or ERR-8 say.
func (l *link) send(body []byte, patience time.Duration) (code, text string, err error) {
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", "", err
	}
	if _, err := l.Write(append(append([]byte{0x0b}, body...), 0x1c, '\r')); err != nil {
		return "", "", err
	}
	return l.answer()
}

func (l *link) answer() (code, text string, err error) {
	b, err := l.r.ReadBytes(0x1c)
	if err != nil {
		return "", "", err
	}
	if cr, err := l.r.ReadByte(); err != nil || cr != '\r' || b[0] != 0x0b {
		return "", "", errAnswer
	}
	b = b[1 : len(b)-1]
	if len(b) < 4 {
		return "", "", errAnswer
	}
	sep := string(b[3])
	for _, seg := range strings.Split(string(b), "\r") {
		f := strings.Split(seg, sep)
		if f[0] == "MSA" && len(f) > 1 {
			code = f[1]
			if len(f) > 3 {
				text = f[3]
			}
		}
		if f[0] == "ERR" && len(f) > 8 && text == "" {
			text = f[8]
		}
	}
	if code == "" {
		return "", "", fmt.Errorf("%w: no MSA", errAnswer)
	}
	return code, text, nil
}

// parts cuts a file into its messages: each begins at a line MSH and ends before
// the next one or a line of the batch's envelope. A file without a line MSH is
// one thing.
func parts(file []byte) [][]byte {
	var out [][]byte
	in := false
	for _, line := range bytes.SplitAfter(bytes.ReplaceAll(file, []byte("\r\n"), []byte("\x00\n")), []byte("\n")) {
		for _, seg := range bytes.SplitAfter(line, []byte("\r")) {
			seg = bytes.ReplaceAll(seg, []byte("\x00\n"), []byte("\r\n"))
			if len(seg) == 0 {
				continue
			}
			name := string(seg[:min(3, len(seg))])
			switch {
			case name == "MSH":
				out, in = append(out, bytes.Clone(seg)), true
			case name == "FHS" || name == "BHS" || name == "BTS" || name == "FTS":
				in = false
			case in:
				out[len(out)-1] = append(out[len(out)-1], seg...)
			}
		}
	}
	if len(out) == 0 {
		return [][]byte{file}
	}
	return out
}
