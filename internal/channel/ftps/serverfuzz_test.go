package ftps

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/channel/channeltest/boxtest"
)

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"USER a b", "\xff\xf4\xff\xf2ABOR", "quit", "", " ", "STOR  x", "XSHA256 x", "ÄBC x", "RETR \x00", strings.Repeat("A", 5000)} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, size int) {
		c := parseCommand(s)
		for _, r := range c.verb {
			if r < 'A' || r > 'Z' {
				t.Errorf("verb %q", c.verb)
			}
		}
		if !strings.HasSuffix(s, c.arg) {
			t.Errorf("argument %q of %q", c.arg, s)
		}
		if one := oneLine(s); strings.ContainsAny(one, "\r\n\x00\x1b") || !utf8.ValidString(one) || len(one) > 410 {
			t.Errorf("one line %q", one)
		}
		// Read in any pieces, the lines are those of the whole.
		size = 1 + (size&0x7fff)%20
		l := lineReader{r: &pieces{s: s, n: size}, buf: make([]byte, 256)}
		want := strings.Split(s, "\n")
		for i := 0; ; i++ {
			line, err := l.next()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errLineTooLong) {
					t.Fatal(err)
				}
				if errors.Is(err, io.EOF) && i != len(want)-1 {
					t.Errorf("%d lines of %q", i, s)
				}
				return
			}
			if line != strings.TrimSuffix(want[i], "\r") {
				t.Errorf("line %d of %q is %q", i, s, line)
			}
		}
	})
}

type pieces struct {
	s string
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.s == "" {
		return 0, io.EOF
	}
	n := copy(b, p.s[:min(len(p.s), p.n)])
	p.s = p.s[n:]
	return n, nil
}

// addressed is a pipe that says it is a connection on the loopback.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (addressed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

var replyLine = regexp.MustCompile(`^([1-5][0-9][0-9][ -][^\r\n]*| [^\r\n]*)\r\n$`)

// FuzzSession sends whatever there is to a whole session: the part in the clear
// first, then as if TLS stood, signed in or not. Each line that comes back is one
// of a reply; nothing panics and nothing is left open.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"USER fuzz\r\nPASS fuzz\r\nPBSZ 0\r\nPROT P\r\nEPSV\r\nLIST\r\nABOR\r\nQUIT\r\n",
		"CWD inbox\r\nPWD\r\nRNFR a\r\nRNTO b\r\nDELE b\r\nSIZE x\r\nMDTM x\r\nMLST x\r\n",
		"PBSZ 0\r\nPROT P\r\nPASV\r\nREST 5\r\nSTOR inbox/a\r\nSTAT\r\nABOR\r\n",
		"OPTS MLST type;\r\nOPTS UTF8 ON\r\nTYPE I\r\nSTAT results/*\r\nFEAT\r\nHELP\r\n",
		"AUTH TLS\r\nAUTH SSL\r\n", "STAT results/[\r\n", "CWD \x00\r\nCWD ..\\..\r\nXYZZY\r\n\r\n",
		"PROT P\r\nEPSV 2\r\nEPSV ALL\r\nPASV\r\n",
	} {
		f.Add(true, s)
		f.Add(false, s)
	}
	f.Fuzz(func(t *testing.T, signedIn bool, input string) {
		door := &boxtest.Door{}
		box := door.Add("fuzz", "fuzz")
		box.Put("results", "x", []byte("MSH|"))
		srv := &Server{Door: door, TLS: &tls.Config{}, Log: slog.New(slog.DiscardHandler)}
		srv.Limits.Connect = time.Millisecond // nobody comes
		srv.init()
		client, server := net.Pipe()
		addr := addrOf(addressed{}.RemoteAddr())
		srv.census.enter(addr, srv.limits)
		s := newSession(context.Background(), srv, addressed{server}, addr)
		if signedIn {
			s.suite, s.user, s.dataTLS = "TLS 1.3", "fuzz", &tls.Config{}
			if r := s.signIn("fuzz"); r.code != 230 {
				t.Fatal(r)
			}
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if signedIn {
				defer s.close()
				defer context.AfterFunc(s.ctx, func() { server.Close() })()
				s.converse()
				return
			}
			s.serve()
		}()
		go func() {
			_, _ = io.WriteString(client, input+"\r\nABOR\r\nQUIT\r\n")
		}()
		for in := bufio.NewReader(client); ; {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			if !replyLine.MatchString(line) {
				t.Errorf("sent %q", line)
			}
		}
		client.Close()
		<-done
		if n := srv.Stats().Panics; n != 0 {
			t.Errorf("%d panics", n)
		}
		if door.Sessions() != 0 || box.Writing() != 0 || srv.census.all != 0 || srv.census.unsigned != 0 || len(srv.census.partners) != 0 {
			t.Errorf("left open: %d sessions, %d uploads, %d connections", door.Sessions(), box.Writing(), srv.census.all)
		}
		for _, p := range []string{"results", "receipts"} {
			for _, n := range box.Names(p) {
				if n != "x" {
					t.Errorf("%s holds %q", p, n)
				}
			}
		}
	})
}
