package ftps_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

func TestSession(t *testing.T) {
	r := started(t, func(s *ftps.Server) { s.Banner = "Northern Laboratory" })
	r.box.Put(channel.BoxResults, "one.hl7", []byte("MSH|one"))
	r.box.Put(channel.BoxResults, "two.txt", []byte("MSH|two\r\n"))
	c := r.dial().signIn()
	c.do(215, "SYST")
	c.do(200, "NOOP")
	c.do(200, "OPTS UTF8 ON")
	c.do(501, "OPTS NOTHING")
	for _, ok := range []string{"TYPE I", "TYPE A", "TYPE A N", "type L 8", "MODE S", "STRU F"} {
		c.do(200, "%s", ok)
	}
	for _, no := range []string{"TYPE E", "TYPE", "MODE B", "STRU R"} {
		c.do(504, "%s", no)
	}
	c.do(202, "ALLO 10")
	c.do(502, "WHAT")
	c.do(226, "ABOR")
	c.do(425, "RETR /results/one.hl7")
	c.do(213, "SIZE results/one.hl7")
	if text := c.do(213, "MDTM results/one.hl7"); len(text) != len("213 20260101000000\r\n") {
		t.Error(text)
	}
	if text := c.do(250, "MLST results/one.hl7"); !strings.Contains(text, "\r\n type=file;size=7;modify=") || !strings.Contains(text, "; /results/one.hl7\r\n") {
		t.Error(text)
	}
	if text := c.do(213, "STAT results"); !strings.Contains(text, "one.hl7\r\n") {
		t.Error(text)
	}
	if text := c.do(211, "STAT"); !strings.Contains(text, "Secured by TLS 1.3") {
		t.Error(text)
	}
	// ASCII type, the same bytes.
	c.do(200, "TYPE A")
	if got, code, _ := c.download("RETR results/two.txt"); code != 226 || string(got) != "MSH|two\r\n" {
		t.Errorf("%q %d", got, code)
	}
	for cmd, want := range map[string]string{
		"NLST":               "inbox\r\nreceipts\r\nresults\r\n",
		"NLST results":       "results/one.hl7\r\nresults/two.txt\r\n",
		"NLST -a /results/":  "/results/one.hl7\r\n/results/two.txt\r\n",
		"NLST results/*.hl7": "results/one.hl7\r\n",
		"NLST results/?wo.*": "results/two.txt\r\n",
		"NLST inbox":         "",
	} {
		if got, code, text := c.download("%s", cmd); code != 226 || string(got) != want {
			t.Errorf("%s: %q %s", cmd, got, text)
		}
	}
	if got, _, _ := c.download("LIST -la results/one.hl7"); !strings.HasPrefix(string(got), "-rw-rw----   1 lab      lab                 7 ") || !strings.HasSuffix(string(got), " one.hl7\r\n") {
		t.Errorf("LIST: %q", got)
	}
	if text := c.do(200, "OPTS MLST Type;size;nothing;"); text != "200 MLST OPTS type;size;\r\n" {
		t.Error(text)
	}
	if got, _, _ := c.download("MLSD results"); string(got) != "type=file;size=7; one.hl7\r\ntype=file;size=9; two.txt\r\n" {
		t.Errorf("MLSD: %q", got)
	}
	if _, code, _ := c.download("MLSD results/one.hl7"); code != 501 {
		t.Errorf("MLSD of a file: %d", code)
	}
	c.do(200, "EPSV ALL")
	c.do(503, "PASV")
	c.do(522, "EPSV 2")
	c.do(229, "EPSV 1")
	c.do(221, "QUIT")
	r.resumed(8)
	if s := r.server.Stats(); s.SignIns != 1 || s.Downloads != 1 || s.Uploads != 0 {
		t.Errorf("%+v", s)
	}
}

func TestUploadsAreWholeOrNothing(t *testing.T) {
	body := random(1_000_000)
	cut := func(t *testing.T, c *client, name string, n int, end func(raw net.Conn)) {
		t.Helper()
		raw := c.knock(c.passive())
		c.do(150, "STOR %s", name)
		d := tls.Client(raw, c.conf)
		if _, err := d.Write(body[:n]); err != nil {
			t.Fatal(err)
		}
		end(raw)
	}
	fin := func(raw net.Conn) { _ = raw.(*net.TCPConn).CloseWrite() }
	reset := func(raw net.Conn) { _ = raw.(*net.TCPConn).SetLinger(0); raw.Close() }
	unseen := func(t *testing.T, r *rig) {
		t.Helper()
		if n := r.box.Names(channel.BoxInbox); len(n) != 0 {
			t.Errorf("the inbox holds %q", n)
		}
	}
	t.Run("TCP ends between two records, and it goes on", func(t *testing.T) {
		versions(t, func(t *testing.T, change func(*ftps.Server), version string) {
			r := started(t, change)
			c := r.dial()
			if version == "1.2" {
				c.conf.MaxVersion = tls.VersionTLS12
			}
			c.signIn()
			cut(t, c, "/inbox/x.hl7", 600_000, fin)
			if text := c.want(426); !strings.Contains(text, "close_notify") {
				t.Error(text)
			}
			unseen(t, r)
			if got, _, _ := c.download("NLST inbox"); len(got) != 0 {
				t.Errorf("listed: %q", got)
			}
			// Only from where it broke, and only that name.
			if text := c.do(213, "SIZE /inbox/x.hl7"); text != "213 600000\r\n" {
				t.Error(text)
			}
			for rest, name := range map[int]string{599_999: "x.hl7", 600_001: "x.hl7", 600_000: "y.hl7"} {
				at := c.knock(c.passive())
				c.do(350, "REST %d", rest)
				c.do(554, "STOR /inbox/%s", name)
				at.Close()
			}
			raw := c.knock(c.passive())
			c.do(350, "REST 600000")
			c.do(150, "STOR /inbox/x.hl7")
			d := tls.Client(raw, c.conf)
			if _, err := d.Write(body[600_000:]); err != nil {
				t.Fatal(err)
			}
			d.Close()
			c.want(226)
			if got, _ := r.box.Get(channel.BoxInbox, "x.hl7"); !bytes.Equal(got, body) {
				t.Errorf("stored %d bytes", len(got))
			}
		})
	})
	t.Run("reset", func(t *testing.T) {
		r := started(t, nil)
		c := r.dial().signIn()
		cut(t, c, "/inbox/x.hl7", 300_000, reset)
		c.want(426)
		unseen(t, r)
		// From the start again.
		if code, text := c.upload("/inbox/x.hl7", body); code != 226 {
			t.Error(text)
		}
	})
	t.Run("the client goes", func(t *testing.T) {
		r := started(t, nil)
		c := r.dial().signIn()
		cut(t, c, "/inbox/x.hl7", 300_000, func(net.Conn) { c.raw.Close() })
		eventually(t, "the session ends", func() bool { return r.door.Sessions() == 0 })
		unseen(t, r)
	})
	t.Run("aborted", func(t *testing.T) {
		r := started(t, nil)
		c := r.dial().signIn()
		cut(t, c, "/inbox/x.hl7", 300_000, func(net.Conn) {
			c.do(211, "STAT")
			c.send("\xff\xf4\xff\xf2ABOR")
		})
		c.want(426)
		c.want(226)
		c.do(200, "NOOP")
		unseen(t, r)
	})
	t.Run("refused on arrival", func(t *testing.T) {
		r := started(t, nil)
		r.box.Judge = func(string, []byte) error { return channel.Refuse("Not a message:\r\n226 all is well\r\n\x1b[2J") }
		c := r.dial().signIn()
		if code, text := c.upload("/inbox/x.hl7", body); code != 550 || strings.Count(text, "\n") != 1 || strings.Contains(text, "\x1b") {
			t.Errorf("%d %q", code, text)
		}
		unseen(t, r)
	})
	t.Run("refused before", func(t *testing.T) {
		r := started(t, nil)
		c := r.dial().signIn()
		if code, text := c.upload("/results/x.hl7", body); code != 553 {
			t.Error(text)
		}
		if code, text := c.upload("/inbox/x.hl7", body); code != 226 {
			t.Error(text)
		}
		if code, text := c.upload("/inbox/x.hl7", body); code != 553 {
			t.Error(text)
		}
	})
}

func TestDownloadsFromAnyPlace(t *testing.T) {
	body := random(500_000)
	r := started(t, nil)
	r.box.Put(channel.BoxResults, "one.bin", body)
	c := r.dial().signIn()
	for _, from := range []int{0, 1, 131_071, 131_072, 499_999, 500_000} {
		c.do(350, "REST %d", from)
		if got, code, text := c.download("RETR /results/one.bin"); code != 226 || !bytes.Equal(got, body[from:]) {
			t.Errorf("from %d: %d bytes, %s", from, len(got), text)
		}
	}
	if got, _, _ := c.download("RETR /results/one.bin"); !bytes.Equal(got, body) {
		t.Errorf("REST lasts longer than its transfer: %d bytes", len(got))
	}
	c.do(350, "REST 500001")
	if _, code, text := c.download("RETR /results/one.bin"); code != 554 {
		t.Error(text)
	}
	for _, no := range []string{"-1", "x", "", "99999999999999999999"} {
		c.do(501, "REST %s", no)
	}
	c.do(350, "REST 7")
	c.do(250, "CWD /results") // and with it REST is forgotten
	if got, _, _ := c.download("RETR one.bin"); !bytes.Equal(got, body) {
		t.Errorf("%d bytes", len(got))
	}
}

// TestAbortOfADownload: the server is heard while it sends.
func TestAbortOfADownload(t *testing.T) {
	r := started(t, nil)
	r.box.Put(channel.BoxResults, "big.bin", make([]byte, 64<<20))
	c := r.dial().signIn()
	d := tls.Client(c.knock(c.passive()), c.conf)
	c.do(150, "RETR /results/big.bin")
	if _, err := io.ReadFull(d, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.do(426, "ABOR")
	c.want(226)
	// What was sent while a transfer ran waits for its end.
	d = tls.Client(c.knock(c.passive()), c.conf)
	c.send("RETR /results/big.bin\r\nPWD\r\nNOOP")
	n, err := io.Copy(io.Discard, d)
	if n != 64<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	var codes []int
	for range 4 {
		code, _ := c.reply()
		codes = append(codes, code)
	}
	if !slices.Equal(codes, []int{150, 226, 257, 200}) {
		t.Errorf("replies %v", codes)
	}
}
