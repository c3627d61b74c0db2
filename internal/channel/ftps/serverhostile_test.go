package ftps_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

func TestNothingIsAnsweredBeforeTLS(t *testing.T) {
	r := started(t, nil)
	c := r.dial()
	for _, line := range []string{"USER northgate", "PASS x", "LIST", "PASV", "STAT", "SYST", "PBSZ 0", "PROT P", "RETR /results/x", "SITE EXEC id", "HELP"} {
		c.do(530, "%s", line)
	}
	c.do(504, "AUTH SSL")
	c.do(500, "")
	c.do(500, "\x00\x01\x02")
	if text := c.do(211, "FEAT"); !strings.Contains(text, " AUTH TLS\r\n") {
		t.Errorf("FEAT: %q", text)
	}
	c.signIn()
	for _, p := range []string{"C", "S", "E"} {
		c.do(536, "PROT %s", p)
	}
	c.do(533, "CCC")
	c.do(503, "AUTH TLS")
	c.do(503, "USER other")
}

func TestDataWithoutProtectionIsRefused(t *testing.T) {
	r := started(t, nil)
	c := r.dial().encrypt()
	c.do(503, "PASS x")
	c.do(503, "PROT P")
	c.do(530, "LIST")
	c.do(331, "USER %s", user)
	c.do(230, "PASS %s", password)
	c.do(521, "EPSV")
	c.do(521, "PASV")
	c.do(521, "LIST")
}

// TestPipelinedBeforeTLS is CVE-2011-0411: what was sent in the clear behind AUTH
// must not be taken for what the encrypted client says.
func TestPipelinedBeforeTLS(t *testing.T) {
	r := started(t, nil)
	c := r.dial()
	c.send("AUTH TLS\r\nUSER %s\r\nPASS %s", user, password)
	if code, text := c.reply(); code != 421 {
		t.Errorf("reply %d: %s", code, text)
	}
	if code, text := c.reply(); code != 0 {
		t.Errorf("the connection lives: %d %s", code, text)
	}
	if n := len(r.door.Asked()); n != 0 {
		t.Errorf("%d sign-ins", n)
	}
	if n := r.server.Stats().Pipelined; n != 1 {
		t.Errorf("%d counted", n)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	r := started(t, nil)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}
		},
		"no forward secrecy": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		},
	} {
		c := r.dial()
		change(c.conf)
		c.do(234, "AUTH TLS")
		if err := tls.Client(c.raw, c.conf).Handshake(); err == nil {
			t.Errorf("%s: the handshake succeeds", name)
		}
	}
}

// TestStolenDataConnection: whoever connects to a client's passive port gets and
// gives nothing unless it has that client's own TLS session.
func TestStolenDataConnection(t *testing.T) {
	secret := []byte("MSH|secret")
	versions(t, func(t *testing.T, change func(*ftps.Server), version string) {
		r := started(t, change)
		r.door.Add("thief", "t")
		r.box.Put(channel.BoxResults, "one.hl7", secret)
		victim := r.dial()
		if version == "1.2" {
			victim.conf.MaxVersion = tls.VersionTLS12
		}
		victim.signIn()
		// The thief has a session of its own, and tickets of it.
		thief := r.dial()
		thief.conf.MaxVersion = victim.conf.MaxVersion
		thief.encrypt()
		thief.do(331, "USER thief")
		thief.do(230, "PASS t")

		kept := &tls.Config{RootCAs: r.ca.Pool, ServerName: "localhost", MaxVersion: victim.conf.MaxVersion, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
		for name, conf := range map[string]*tls.Config{
			"without a session":                  {RootCAs: r.ca.Pool, ServerName: "localhost", MaxVersion: victim.conf.MaxVersion},
			"with another session's tickets":     thief.conf,
			"with a ticket of a refused attempt": kept, // the second try has what the first one was given
		} {
			stolen := thief.knock(victim.passive())
			victim.send("RETR /results/one.hl7")
			victim.want(150)
			tc := tls.Client(stolen, conf)
			_ = tc.Handshake()
			if tc.ConnectionState().DidResume {
				t.Errorf("%s: the thief's session was resumed", name)
			}
			got, _ := io.ReadAll(tc)
			if len(got) != 0 {
				t.Errorf("%s: the thief reads %q", name, got)
			}
			if text := victim.want(522); !strings.Contains(text, "reuse TLS sessions") {
				t.Errorf("%s: %s", name, text)
			}

			stolen = thief.knock(victim.passive())
			victim.send("STOR /inbox/forged.hl7")
			victim.want(150)
			tc = tls.Client(stolen, conf)
			_, _ = tc.Write([]byte("forged"))
			tc.Close()
			victim.want(522)
			if n := r.box.Names(channel.BoxInbox); len(n) != 0 {
				t.Errorf("%s: the inbox holds %q", name, n)
			}
		}
		// The victim goes on.
		if got, code, _ := victim.download("RETR /results/one.hl7"); code != 226 || !bytes.Equal(got, secret) {
			t.Errorf("the victim reads %q, %d", got, code)
		}
	})
}

// TestAStrangersAddress: it neither gets the port nor takes it from its owner.
func TestAStrangersAddress(t *testing.T) {
	r := started(t, nil)
	r.box.Put(channel.BoxResults, "one.hl7", []byte("MSH|"))
	c := r.dial().signIn()
	at := c.passive()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 3 {
		d, err := from.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		_ = d.SetDeadline(time.Now().Add(10 * time.Second))
		if n, err := d.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("a stranger reads %d bytes, %v", n, err)
		}
		d.Close()
	}
	d := c.knock(at)
	c.do(150, "RETR /results/one.hl7")
	got, err := io.ReadAll(tls.Client(d, c.conf))
	if string(got) != "MSH|" || err != nil {
		t.Errorf("the owner reads %q, %v", got, err)
	}
	c.want(226)
	if n := r.server.Stats().DataForeign; n != 3 {
		t.Errorf("%d strangers counted", n)
	}
}

func TestActiveModeIsRefused(t *testing.T) {
	r := started(t, nil)
	aim, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer aim.Close()
	port := aim.Addr().(*net.TCPAddr).Port
	c := r.dial().signIn()
	c.do(502, "PORT 127,0,0,1,%d,%d", port>>8, port&255)
	c.do(502, "EPRT |1|127.0.0.1|%d|", port)
	c.do(425, "LIST")
	_ = aim.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := aim.Accept(); err == nil {
		t.Error("the server connected to where it was told")
	}
}

func TestPathTricks(t *testing.T) {
	r := started(t, nil)
	r.box.Put(channel.BoxResults, "one.hl7", []byte("MSH|"))
	c := r.dial().signIn()
	for _, p := range []string{
		"/etc/passwd", "../../../../etc/passwd", "results/../../etc/passwd", "/results/one.hl7/../../../etc/passwd", "/proc/self/environ",
		"results/one.hl7\x00.txt", "/results/\x00", "/results/" + strings.Repeat("a", 201), strings.Repeat("../", 1300) + "etc/passwd",
		"/results/\xc0\xae\xc0\xae/x", "/results/one\u200b.hl7", "/results/one.hl7\u0301", "/RESULTS/one.hl7", "/results/sub/one.hl7", "~root", "/results/..\\..\\x",
		"/results /one.hl7", "/results/one.hl7 ", "C:\\x", "/results/a:b", "//server/share", "/resultsX/one.hl7", "/results/ one.hl7",
	} {
		for _, verb := range []string{"SIZE", "MDTM", "DELE", "RNFR", "CWD", "MLST"} {
			if c.send("%s %s", verb, p); true {
				if code, text := c.reply(); code < 500 || code > 553 {
					t.Errorf("%s %q: %s", verb, p, text)
				}
			}
		}
		if _, code, text := c.download("RETR %s", p); code < 500 {
			t.Errorf("RETR %q: %s", p, text)
		}
		if code, text := c.upload(p, []byte("x")); code < 500 {
			t.Errorf("STOR %q: %s", p, text)
		}
	}
	c.do(350, "RNFR /results/one.hl7")
	c.do(553, "RNTO /inbox/one.hl7")
	c.do(503, "RNTO /inbox/one.hl7")
	for range 50 {
		c.do(250, "CWD ..")
	}
	if text := c.do(257, "PWD"); !strings.Contains(text, `"/"`) {
		t.Errorf("above the root: %s", text)
	}
	c.do(250, "CWD inbox")
	c.do(250, "CWD ../results/./")
	c.do(213, "SIZE one.hl7")
	if n := r.box.Names(channel.BoxInbox); len(n) != 0 {
		t.Errorf("the inbox holds %q", n)
	}
	for _, verb := range []string{"SITE EXEC id", "SITE CHMOD 777 x", "EXEC id", "REIN", "SMNT /", "HASH x", "XSHA256 x", "APPE x", "STOU"} {
		c.send("%s", verb)
		if code, text := c.reply(); code < 500 {
			t.Errorf("%s: %s", verb, text)
		}
	}
	c.do(550, "MKD /inbox/new")
	c.do(550, "RMD /inbox")
	c.do(550, "DELE /inbox")
}

// TestPassiveExhaustion: one partner that asks for ports and never comes does not
// keep another from its transfer.
func TestPassiveExhaustion(t *testing.T) {
	first := freeRange(t, 8)
	r := started(t, func(s *ftps.Server) {
		s.Passive = ftps.Passive{First: first, Last: first + 7, PerAddr: 7}
	})
	other := r.door.Add("riverside", "r")
	other.Put(channel.BoxResults, "one.hl7", []byte("MSH|"))
	refused := 0
	var greedy []*client
	for range 6 {
		c := r.dial().signIn()
		greedy = append(greedy, c)
		c.send("EPSV")
		switch code, text := c.reply(); code {
		case 229:
		case 425:
			refused++
		default:
			t.Errorf("EPSV: %s", text)
		}
	}
	if refused != 4 {
		t.Errorf("%d of 6 sessions of one partner were refused a port; a quarter of 8 may have one", refused)
	}
	// Asking again in a session gives the old port back first.
	for range 20 {
		greedy[0].do(229, "EPSV")
	}
	c := r.dial().encrypt()
	c.do(331, "USER riverside")
	c.do(230, "PASS r")
	c.do(200, "PBSZ 0")
	c.do(200, "PROT P")
	for range 20 {
		if got, code, text := c.download("RETR /results/one.hl7"); code != 226 || string(got) != "MSH|" {
			t.Fatalf("the other partner: %q %d %s", got, code, text)
		}
	}
	// Ports come back when their sessions end.
	for _, g := range greedy {
		g.do(221, "QUIT")
	}
	again := r.dial().signIn()
	eventually(t, "a port is free again", func() bool {
		again.send("EPSV")
		code, _ := again.reply()
		return code == 229
	})
}

// freeRange finds n ports in a row that nobody listens on now.
func freeRange(t *testing.T, n int) uint16 {
	t.Helper()
	for base := 42000; base < 60000; base += n {
		free := true
		for i := range n {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
			if err != nil {
				free = false
				break
			}
			ln.Close()
		}
		if free {
			return uint16(base)
		}
	}
	t.Fatal("no free range of ports")
	return 0
}
