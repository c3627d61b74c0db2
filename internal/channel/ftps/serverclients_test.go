package ftps_test

import (
	"bytes"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// random are bytes that no text mode would leave alone.
func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	copy(b, "MSH|^~\\&|\r\n\n\r\x00\xff\xf4")
	return b
}

// versions runs a test with each TLS version that a client can be held to.
func versions(t *testing.T, run func(t *testing.T, change func(*ftps.Server), version string)) {
	t.Run("TLS 1.3", func(t *testing.T) {
		run(t, func(s *ftps.Server) { s.TLS.MinVersion = tls.VersionTLS13 }, "1.3")
	})
	t.Run("TLS 1.2", func(t *testing.T) { run(t, nil, "1.2") })
}

func TestCurlAsItComes(t *testing.T) {
	{
		r := started(t, nil)
		body := random(3_000_000)
		r.box.Put(channel.BoxResults, "big.bin", body)
		r.box.Put(channel.BoxResults, "empty.bin", nil)
		base := []string{"-sS", "--ssl-reqd", "--cacert", r.caFile, "-u", user + ":" + password}
		url := "ftp://localhost:" + r.port
		curl := func(args ...string) string { r.Helper(); return r.must("curl", append(base, args...)...) }

		if out := curl(url + "/"); !strings.Contains(out, " inbox\n") || !strings.Contains(out, "drwx") {
			t.Errorf("list: %q", out)
		}
		if out := curl("-l", url+"/results/"); out != "big.bin\nempty.bin\n" {
			t.Errorf("names: %q", out)
		}
		got := filepath.Join(t.TempDir(), "got")
		curl("-o", got, url+"/results/big.bin")
		same(t, got, body)
		// Resume after a part, in one go and by range.
		if err := os.WriteFile(got, body[:1_000_001], 0o600); err != nil {
			t.Fatal(err)
		}
		curl("-C", "-", "-o", got, url+"/results/big.bin")
		same(t, got, body)
		curl("-r", "5-", "-o", got, url+"/results/big.bin")
		same(t, got, body[5:])
		curl("-o", got, url+"/results/empty.bin")

		for _, n := range []int{0, 1, 16384, 131072, 3_000_000} {
			name := "up" + strings.Repeat("x", n%7) + ".bin"
			curl("-T", r.file(name, body[:n]), url+"/inbox/")
			stored, ok := r.box.Get(channel.BoxInbox, name)
			if !ok || !bytes.Equal(stored, body[:n]) {
				t.Errorf("upload of %d bytes: there %v, %d bytes", n, ok, len(stored))
			}
			curl(url+"/", "-Q", "DELE inbox/"+name)
		}
		// Several files over one connection, then renaming.
		curl("-T", r.file("a.tmp", body[:10]), url+"/inbox/", "-Q", "-RNFR a.tmp", "-Q", "-RNTO a.hl7")
		if names := r.box.Names(channel.BoxInbox); len(names) != 1 || names[0] != "a.hl7" {
			t.Errorf("after renaming: %q", names)
		}
		curl("-o", got, url+"/results/big.bin", "-o", got+"2", url+"/results/big.bin", "-o", got+"3", url+"/results/empty.bin")
		same(t, got+"2", body)
		if out := curl("--disable-epsv", "-l", url+"/results/"); !strings.Contains(out, "big.bin") {
			t.Errorf("with PASV: %q", out)
		}
		r.resumed(18)
		for _, in := range r.door.Asked() {
			if !strings.HasPrefix(in.Secured, "TLS 1.3 ") || in.Protocol != "ftps" || !strings.HasPrefix(in.Addr, "127.0.0.1:") {
				t.Errorf("sign-in: %+v", in)
			}
		}
	}
}

func TestIPv6(t *testing.T) {
	if ln, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("NOT TESTED: this machine has no IPv6")
	} else {
		ln.Close()
	}
	r := startedAt(t, "[::1]:0", nil)
	r.box.Put(channel.BoxResults, "one.hl7", []byte("MSH|"))
	for _, program := range [][]string{
		{"curl", "-sS", "-6", "--ssl-reqd", "--cacert", r.caFile, "-u", user + ":" + password, "ftp://localhost:" + r.port + "/results/one.hl7"},
		{"lftp", "-c", "set ssl:ca-file " + r.caFile + "; open -u '" + user + "," + password + "' ftp://[::1]:" + r.port + "; cat results/one.hl7"},
	} {
		if out := r.must(program[0], program[1:]...); !strings.HasPrefix(out, "MSH|") {
			t.Errorf("%s: %q", program[0], out)
		}
	}
	c := r.dial().signIn()
	c.do(425, "PASV")
	c.do(522, "EPSV 1")
	r.resumed(2)
}

// TestCurlWithoutTicketsReadsWhy: curl switches session tickets off for TLS 1.2,
// and crypto/tls resumes by nothing else.
func TestCurlWithoutTicketsReadsWhy(t *testing.T) {
	r := started(t, nil)
	out, err := r.run("curl", "-sv", "--tls-max", "1.2", "--ssl-reqd", "--cacert", r.caFile, "-u", user+":"+password, "ftp://localhost:"+r.port+"/")
	if err == nil || !strings.Contains(out, "< 522 The data connection does not resume") {
		t.Errorf("curl: %v\n%s", err, out)
	}
}

func TestCurlShowsTheReasonOfARefusal(t *testing.T) {
	r := started(t, nil)
	r.box.Judge = func(string, []byte) error {
		return channel.Refuse("The file is no HL7 message: it begins with \"PK\".")
	}
	out, err := r.run("curl", "-sv", "--ssl-reqd", "--cacert", r.caFile, "-u", user+":"+password, "-T", r.file("x.hl7", []byte("PK")), "ftp://localhost:"+r.port+"/inbox/")
	if err == nil || !strings.Contains(out, `< 550 The file is no HL7 message: it begins with "PK".`) {
		t.Errorf("curl: %v\n%s", err, out)
	}
	if n := r.box.Names(channel.BoxInbox); len(n) != 0 {
		t.Errorf("the inbox holds %q", n)
	}
}

func TestLftpAsItComes(t *testing.T) {
	versions(t, func(t *testing.T, change func(*ftps.Server), version string) {
		r := started(t, change)
		body := random(2_000_000)
		for _, n := range []string{"one.hl7", "two.hl7", "three.hl7"} {
			r.box.Put(channel.BoxResults, n, body)
		}
		dir := t.TempDir()
		up := r.file("sent.hl7", body)
		script := "set ssl:ca-file " + r.caFile + "\n"
		if version == "1.2" {
			script += "set ssl:priority NORMAL:-VERS-TLS1.3\n"
		}
		script += "open -u '" + user + "," + password + "' ftp://localhost:" + r.port + "\n" +
			"ls\ncls -l results\nlcd " + dir + "\nmget results/*.hl7\n" +
			"mirror results mirrored\n" +
			"put " + up + " -o inbox/sent.hl7\nmv inbox/sent.hl7 inbox/done.hl7\n" +
			"get results/one.hl7 -o again\nnlist results\nput " + up + " -o inbox/more.hl7\nrm inbox/more.hl7\n"
		out := r.must("lftp", "-c", script)
		if !strings.Contains(out, "inbox") || !strings.Contains(out, "three.hl7") {
			t.Errorf("lists: %s", out)
		}
		for _, n := range []string{"one.hl7", "two.hl7", "three.hl7", "again", "mirrored/one.hl7", "mirrored/three.hl7"} {
			same(t, filepath.Join(dir, n), body)
		}
		if got, _ := r.box.Get(channel.BoxInbox, "done.hl7"); !bytes.Equal(got, body) {
			t.Errorf("upload: %d bytes", len(got))
		}
		if n := r.box.Names(channel.BoxInbox); len(n) != 1 {
			t.Errorf("the inbox holds %q", n)
		}
		r.resumed(10)
		for _, in := range r.door.Asked() {
			if !strings.HasPrefix(in.Secured, "TLS "+version) {
				t.Errorf("sign-in: %+v", in)
			}
		}
	})
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that are not the %d sent", filepath.Base(path), len(got), len(want))
	}
}
