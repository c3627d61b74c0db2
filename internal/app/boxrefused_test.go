package app

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/node/front"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
)

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestAPartnerThatIsKeptOutOfItsBox: OpenSSH's sftp with a certificate of ours that
// has ended, or whose days have not begun by the hub's clock, and a password whose
// codes are those of another day: refused, with words in the log that say why, and
// an alarm that is over when the partner gets in.
func TestAPartnerThatIsKeptOutOfItsBox(t *testing.T) {
	for _, name := range []string{"sftp", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(name + " is missing")
			}
			t.Skip("SKIPPED: " + name + " is not installed: tools/setup.sh installs it")
		}
	}
	f, clock, log := newFiled(t), &moving{}, &lines{}
	f.clock, f.log = clock.now, slog.New(slog.NewTextHandler(log, nil))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	short, err := os.MkdirTemp("/tmp", "lwr") //nolint:usetesting // a Unix socket's address is short
	must(err)
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	socket, at := filepath.Join(short, "f", "s"), portalPort(t)
	src := f.source("  p:\n    name: Practice One\n    destination: {mllp: {address: \"127.0.0.1:1\"}}\n    box: {certificates: true, password: true}\n", "p", "shadow")
	src = strings.Replace(src, "  seals:", "  front: {socket: \""+socket+"\", sftp: {listen: \""+at+"\"}}\n  seals:", 1)
	writeFile(t, f.file, src)
	h := f.open(t)
	f.serve(h, f.parse(src))
	initCA(t, h)
	fctx, leave := context.WithCancel(context.Background())
	gone, ready := make(chan struct{}), make(chan struct{}, 8)
	go func() {
		defer close(gone)
		_ = (&front.Front{Socket: socket, Log: slog.New(slog.DiscardHandler), Ready: func(map[string]string) { ready <- struct{}{} }}).Run(fctx)
	}()
	t.Cleanup(func() { leave(); <-gone })
	<-ready

	id := filepath.Join(short, "id")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", id).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	public, err := os.ReadFile(id + ".pub")
	must(err)
	sign := func() (serial string) {
		t.Helper()
		x, line, err := h.rooms.certificates.SignSSH(t.Context(), "p", public, 1, annCA)
		must(err)
		writeFile(t, id+"-cert.pub", string(line))
		return x.Serial
	}
	host, port, _ := net.SplitHostPort(at)
	sftp := func() error {
		cmd := exec.CommandContext(t.Context(), "sftp", "-q", "-b", "-", "-P", port, "-F", "none", "-i", id, "-o", "CertificateFile="+id+"-cert.pub", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "p@"+host)
		cmd.Stdin = strings.NewReader("ls\n")
		return cmd.Run()
	}
	refused := func(what, words string) {
		t.Helper()
		if sftp() == nil {
			t.Fatal(what, "lets in")
		}
		a := live(h, kindBoxRefused, "p")
		if a.Number == 0 || a.Severity != alarm.Urgent || !strings.Contains(a.Sentence, words) {
			t.Errorf("%s: %+v", what, a)
		}
		if said := log.text(); !strings.Contains(said, "a partner's SSH certificate is refused") || !strings.Contains(said, words) || !strings.Contains(said, "partner=p") {
			t.Errorf("%s: the log does not say so", what)
		}
		if n := strings.Count(log.text(), "a partner's SSH certificate is refused"); n != 1 {
			t.Errorf("%s: said %d times", what, n)
		}
		_ = log.alarms() // forgets what was said
	}
	sign()
	must(sftp())
	clock.forward(2 * day)
	_ = sftp()
	refused("a certificate that has ended", "this SSH certificate is valid from "+when(time.Now().Add(-time.Hour))[:8])
	sign()
	must(sftp())
	if a := live(h, kindBoxRefused, "p"); a.Number != 0 {
		t.Errorf("it got in, and still: %+v", a)
	}
	clock.forward(-2 * day)
	refused("a certificate of days to come", "the hub's clock says "+when(clock.now())[:10])
	clock.forward(2 * day)
	must(sftp())

	// A session that goes on while its certificate is revoked.
	serial := sign()
	pem, err := os.ReadFile(id)
	must(err)
	key, err := ssh.ParsePrivateKey(pem)
	must(err)
	line, err := os.ReadFile(id + "-cert.pub")
	must(err)
	shown, _, _, _, err := ssh.ParseAuthorizedKey(line)
	must(err)
	signer, err := ssh.NewCertSigner(shown.(*ssh.Certificate), key)
	must(err)
	conn, err := ssh.Dial("tcp", at, &ssh.ClientConfig{User: "p", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	must(err)
	defer conn.Close()
	files, err := pkgsftp.NewClient(conn)
	must(err)
	half, err := files.Create("/inbox/half.csv")
	must(err)
	_, err = half.Write(make([]byte, 300_000))
	must(err)
	_, err = files.ReadDir("/inbox")
	must(err)
	_, err = h.rooms.certificates.Revoke(t.Context(), serial, annCA)
	must(err)
	began := time.Now()
	for ; err == nil; _, err = files.ReadDir("/inbox") {
		if time.Since(began) > 2*time.Second {
			t.Fatal("the session with a revoked certificate goes on")
		}
	}
	t.Logf("cut %v after the certificate was revoked", time.Since(began).Round(time.Millisecond))
	if sftp() == nil {
		t.Error("the revoked certificate lets in")
	}
	left, _, err := h.rooms.boxes.List(t.Context(), "p", channel.BoxInbox, event.ID{}, 10)
	must(err)
	if len(left) != 0 {
		t.Errorf("a file that was not whole is there: %s", left[0].Name)
	}
	sign()
	must(sftp())

	// The hub's clock is right, the partner's is two days behind; and then right.
	l, err := h.rooms.entry.Make(t.Context(), "p", "Millbrook", "ann")
	must(err)
	come := func(at time.Time) error {
		code, err := totp.GenerateCode(l.Seed, at)
		must(err)
		c, err := ssh.Dial("tcp", host+":"+port, &ssh.ClientConfig{User: "p", Auth: []ssh.AuthMethod{ssh.Password(l.Password + code)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	for range entry.TooMany {
		if come(time.Now()) == nil {
			t.Fatal("a code of another day lets in")
		}
	}
	want(t, h, kindBoxRefused, "p", alarm.Urgent, "with codes that are wrong")
	if !strings.Contains(log.text(), "a partner's password is shown with wrong codes") {
		t.Error("the log does not say so")
	}
	clock.forward(2 * time.Minute)
	must(come(clock.now()))
	if a := live(h, kindBoxRefused, "p"); a.Number != 0 {
		t.Errorf("it got in, and still: %+v", a)
	}
}

// TestClocksOffByADay: certificates that were made today, and a hub whose clock says
// yesterday: neither a sender nor a partner is believed, the log names both times,
// and people are told. When the clock is right, what waited goes.
func TestClocksOffByADay(t *testing.T) {
	for _, sender := range []bool{true, false} {
		f, p, clock, log := newFiled(t), newPapers(t, "hub", "lis", "clinic"), &moving{}, &lines{}
		f.clock, f.log = clock.now, slog.New(slog.NewTextHandler(log, nil))
		clock.forward(-day)
		clinic := secured(t, p)
		src := strings.Replace(f.secure(p, clinic.addr, ""), "name: Practice,", "name: Practice, retry: {first: 100ms, max: 1s, breaker: {failures: 1, pause: 1s}},", 1)
		if !sender { // it comes from this machine, and the partner is the one not believed
			src = strings.Replace(src, ", tls: {client_ca: "+p.path("ca.pem")+"}", "", 1)
		}
		writeFile(t, f.file, src)
		h := f.open(t)
		addrs, _ := f.serve(h, f.parse(src))
		look := newLookout(h)
		says := "is not yet valid: current time " + clock.now().UTC().Format(time.DateOnly)
		if sender {
			if x, _, err := p.dial(addrs["lis"], "lis"); err == nil {
				if _, err = x.send(result("A")); err == nil {
					t.Fatal("a certificate that is not valid yet got in")
				}
			}
			eventually(t, "the log says which clock says what", func() bool { return strings.Contains(log.text(), says) })
			look.look(t.Context()) // counts from here
			look.look(t.Context())
			want(t, h, kindTurnedAway, "lis", alarm.Warning, "Source lis turned connections away")
			clock.forward(day)
			l, _, err := p.dial(addrs["lis"], "lis")
			if err != nil {
				t.Fatal(err)
			}
			mustSend(t, l, "B")
		} else {
			mustSend(t, dial(t, addrs["lis"]), "B")
			eventually(t, "the log says which clock says what", func() bool {
				return strings.Contains(log.text(), "the other end's certificate is refused; results wait") && strings.Contains(log.text(), "the hub's clock says "+clock.now().UTC().Format(time.DateOnly))
			})
			clock.forward(time.Hour)
			look.look(t.Context())
			want(t, h, kindSilent, "p", alarm.Urgent, "(unreachable: its certificate is valid from ")
			if got, _ := clinic.list(); len(got) != 0 {
				t.Error("a partner that is not believed got", got)
			}
			clock.forward(day - time.Hour)
		}
		eventually(t, "the result there", func() bool { got, _ := clinic.list(); return len(got) == 1 })
	}
}
