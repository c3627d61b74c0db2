package fronthub

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// anyone lets everybody in with the password "right".
type anyone struct{}

func (anyone) Key(context.Context, string, gossh.PublicKey, string) (string, error) {
	return "", channel.ErrSignIn
}

func (anyone) Password(_ context.Context, user, password, _, _ string) (string, error) {
	if password != "right" {
		return "", channel.ErrSignIn
	}
	return user, nil
}
func (anyone) HasPassword(context.Context, string) bool { return true }
func (anyone) Still(context.Context, How) bool          { return true }

// hub serves at a socket; keys are what it signs with.
func serveHub(t *testing.T, keys map[string]crypto.Signer, web http.Handler, more ...func(*Hub)) (h *Hub, socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := gossh.NewSignerFromKey(k)
	if err != nil {
		t.Fatal(err)
	}
	h = &Hub{
		Who: anyone{}, HostKeys: []gossh.Signer{host}, UID: []int{os.Getuid()}, Web: web, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Signers:  func(name string) (crypto.Signer, bool) { k, ok := keys[name]; return k, ok },
		Settings: func() frontlink.Settings { return frontlink.Settings{} },
	}
	for _, f := range more {
		f(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h, socket
}

// reach is a front of its own at the socket.
func reach(t *testing.T, socket string) *frontlink.Conn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	link := frontlink.New(c, func(context.Context, *frontlink.Call) (frontlink.Reply, error) { return frontlink.Reply{}, nil }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = link.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return link
}

// TestAFrontThatWasTakenOverSignsNothingElse: only keys it has, only what a TLS
// server signs.
func TestAFrontThatWasTakenOverSignsNothingElse(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, socket := serveHub(t, map[string]crypto.Signer{"ec": ec, "rsa": rs, "ed": ed}, nil)
	link := reach(t, socket)
	sign := func(d frontlink.Digest) ([]byte, error) {
		b, _, err := link.Ask(t.Context(), frontlink.VerbSign, d, nil, nil, nil)
		return b, err
	}
	sum := sha256.Sum256([]byte("handshake"))
	if b, err := sign(frontlink.Digest{Key: "ec", Digest: sum[:], Hash: uint(crypto.SHA256)}); err != nil || !ecdsa.VerifyASN1(&ec.PublicKey, sum[:], b) {
		t.Error(err)
	}
	if b, err := sign(frontlink.Digest{Key: "rsa", Digest: sum[:], Hash: uint(crypto.SHA256), PSS: true}); err != nil || rsa.VerifyPSS(&rs.PublicKey, crypto.SHA256, sum[:], b, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
		t.Error(err)
	}
	word := append([]byte(strings.Repeat(" ", 64)+"TLS 1.3, server CertificateVerify\x00"), sum[:]...)
	if b, err := sign(frontlink.Digest{Key: "ed", Digest: word}); err != nil || !ed25519.Verify(pub, word, b) {
		t.Error(err)
	}
	for name, d := range map[string]frontlink.Digest{
		"a key it has not": {Key: "host", Digest: sum[:], Hash: uint(crypto.SHA256)}, "no key": {Digest: sum[:], Hash: uint(crypto.SHA256)},
		"another length": {Key: "ec", Digest: sum[:31], Hash: uint(crypto.SHA256)}, "nothing": {Key: "ec", Hash: uint(crypto.SHA256)},
		"no hash": {Key: "ec", Digest: sum[:]}, "SHA-1": {Key: "rsa", Digest: sum[:20], Hash: uint(crypto.SHA1)}, "unknown hash": {Key: "rsa", Digest: sum[:], Hash: 1 << 20},
		"PSS with ECDSA": {Key: "ec", Digest: sum[:], Hash: uint(crypto.SHA256), PSS: true},
		"any message":    {Key: "ed", Digest: []byte("a certificate of mine")}, "a client's word": {Key: "ed", Digest: []byte(strings.Repeat(" ", 64) + "TLS 1.3, client CertificateVerify\x00" + string(sum[:]))},
		"a long word": {Key: "ed", Digest: append(word, 1)},
	} {
		if b, err := sign(d); err == nil || b != nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestTicketsBelongToTheirLink: another front's ticket opens nothing.
func TestTicketsBelongToTheirLink(t *testing.T) {
	h, socket := serveHub(t, nil, nil)
	one, other := reach(t, socket), reach(t, socket)
	ctx := t.Context()
	var got frontlink.Ticket
	if _, _, err := one.Ask(ctx, frontlink.VerbSignIn, frontlink.SignIn{Protocol: "ftps", User: "p", Password: "right123456", Addr: "192.0.2.1:1"}, nil, nil, &got); err != nil || got.Partner != "p" {
		t.Fatal(err)
	}
	for _, s := range []frontlink.SignIn{{Protocol: "sftp", User: "p", Password: "right123456"}, {Protocol: "ftps", User: "p", Password: "wrong123456"}, {Protocol: "ftps", User: "p", Password: "123456"}} {
		if _, _, err := one.Ask(ctx, frontlink.VerbSignIn, s, nil, nil, nil); !errors.Is(err, channel.ErrSignIn) {
			t.Error(s.Protocol, err)
		}
	}
	at := frontlink.At{Ticket: got.Ticket, Folder: string(channel.BoxInbox), File: "x"}
	of := frontlink.OpenFile{Ticket: got.Ticket, Handle: 1}
	for v, words := range map[frontlink.Verb]any{
		frontlink.VerbList: frontlink.From{At: at}, frontlink.VerbStat: at, frontlink.VerbOpen: at, frontlink.VerbCreate: at, frontlink.VerbPut: at, frontlink.VerbRemove: at,
		frontlink.VerbRename: frontlink.Moved{At: at, To: "y"}, frontlink.VerbRead: frontlink.Piece{OpenFile: of, Length: 1}, frontlink.VerbShut: of, frontlink.VerbAbort: of, frontlink.VerbCommit: frontlink.Finished{OpenFile: of},
	} {
		if _, f, err := other.Ask(ctx, v, words, nil, nil, nil); err == nil || f != nil {
			t.Errorf("%s with another's ticket: taken", v)
		}
	}
	_, _, _ = other.Ask(ctx, frontlink.VerbLeave, frontlink.Of{Ticket: got.Ticket}, nil, nil, nil)
	if len(h.Sessions()) != 1 {
		t.Fatal("another front ended the session")
	}
	// The hub's own verbs, unknown ones and files that nobody asked for.
	for _, v := range []frontlink.Verb{frontlink.VerbServe, frontlink.VerbEnded, frontlink.VerbSettings, 0, 200} {
		if _, _, err := other.Ask(ctx, v, at, nil, nil, nil); err == nil {
			t.Errorf("%d was taken", v)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, v := range []frontlink.Verb{frontlink.VerbHello, frontlink.VerbSSH, frontlink.VerbWeb} {
		if _, f, err := other.Ask(ctx, v, frontlink.Hello{Version: frontlink.Version}, nil, null, nil); err == nil || f != nil {
			t.Errorf("%s with a file: taken", v)
		}
	}
	if _, _, err := other.Ask(ctx, frontlink.VerbHello, frontlink.Hello{Version: frontlink.Version + 1}, nil, nil, nil); err == nil {
		t.Error("a front of another build was taken")
	}
	_ = one.Close()
	for deadline := time.Now().Add(10 * time.Second); len(h.Sessions()) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the session outlives its link")
		}
	}
}

// TestOnlyTheFrontsUserIsHeard: a program of another user, which may even open the
// socket, is cut before it has said a word.
func TestOnlyTheFrontsUserIsHeard(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user; not tested")
	}
	_, socket := serveHub(t, nil, nil)
	// Open to all, so that only the check of the user is left.
	for dir := filepath.Dir(socket); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	py := fmt.Sprintf(`import socket,sys
s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(%q); s.settimeout(10)
try:
  s.send(bytes([1,1,0,0,0,0,0,1,0,0,0,13])+b'{"version":2}')
  n=len(s.recv(1000))
except (BrokenPipeError, ConnectionResetError): n=0
print("CUT" if n==0 else "HEARD")`, socket)
	const python = "/usr/bin/python3" // Debian's: one of root's home could not be run by others
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no Python of the system: whether another user is refused was not tested")
	}
	for uid, want := range map[uint32]string{65534: "CUT", 0: "HEARD"} {
		cmd := exec.Command(python, "-c", py)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("user %d: %v %s, not %s", uid, err, out, want)
		}
	}
}

// TestTheWebDoorBelievesTheFrontAlone: a request becomes the client's; one without
// the front's word, or with two, is refused.
func TestTheWebDoorBelievesTheFrontAlone(t *testing.T) {
	_, socket := serveHub(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %x %x %d %s", r.RemoteAddr, r.TLS.Version, r.TLS.CipherSuite, len(r.Header["Labwarden-Client"])+len(r.Header["Labwarden-Tls"]), r.TLS.CurveID)
	}))
	link := reach(t, socket)
	ask := func(heads string) string {
		t.Helper()
		_, f, err := link.Ask(t.Context(), frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil)
		if err != nil || f == nil {
			t.Fatal(err)
		}
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"+heads+"\r\n"); err != nil {
			t.Fatal(err)
		}
		w, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		b, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(w.StatusCode, " ", string(b))
	}
	const good = "Labwarden-Client: 192.0.2.7:4711\r\nLabwarden-Tls: 0304 1301 11ec\r\n"
	if got := ask(good); got != "200 192.0.2.7:4711 304 1301 0 X25519MLKEM768" {
		t.Error(got)
	}
	for _, bad := range []string{
		"", "Labwarden-Client: 192.0.2.7:4711\r\n", "Labwarden-Tls: 0304 1301 11ec\r\n", good + "labwarden-client: 192.0.2.8:1\r\n", good + "Labwarden-Tls: 0304 1301 11ec\r\n",
		"Labwarden-Client: 192.0.2.7\r\nLabwarden-Tls: 0304 1301 11ec\r\n", "Labwarden-Client: here\r\nLabwarden-Tls: 0304 1301 11ec\r\n", "Labwarden-Client: 192.0.2.7:1\r\nLabwarden-Tls: 0303 c02f 001d\r\n", "Labwarden-Client: 192.0.2.7:1\r\nLabwarden-Tls: x\r\n", "Labwarden-Client: 192.0.2.7:1\r\nLabwarden-Tls: 0304 1301\r\n",
		"Labwarden-Client: 192.0.2.7:1\r\nLabwarden-Tls: 0304 1301 11ecc\r\n", "Labwarden-Client: 192.0.2.7:1\r\nLabwarden-Tls: 0304 1301 11ec 1\r\n",
	} {
		if got := ask(bad); !strings.HasPrefix(got, "400") {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

// TestConnectionsOfTheFrontAreBounded, and one that is closed makes room.
func TestConnectionsOfTheFrontAreBounded(t *testing.T) {
	_, socket := serveHub(t, nil, nil)
	link := reach(t, socket)
	var open []*os.File
	for range maxWeb {
		_, f, err := link.Ask(t.Context(), frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil)
		if err != nil {
			t.Fatal(len(open), err)
		}
		open = append(open, f)
	}
	var r *channel.Refusal
	if _, _, err := link.Ask(t.Context(), frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil); !errors.As(err, &r) {
		t.Fatal(err)
	}
	for _, f := range open {
		_ = f.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, f, err := link.Ask(t.Context(), frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil); err == nil {
			_ = f.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("closed connections leave no room")
		}
	}
}
