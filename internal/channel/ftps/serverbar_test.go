package ftps_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/channel/ftps"
	"github.com/labwarden/labwarden/internal/platform/soak"
)

// folderBox is a box over a folder of the file system: what the peers have, so
// that the comparison is about FTP and TLS. It keeps no promise beyond that.
type folderBox struct {
	dir  string
	done chan struct{}
}

func (b folderBox) SignIn(context.Context, channel.SignIn) (channel.BoxSession, error) { return b, nil }

func (b folderBox) Partner() string { return "bar" }

func (b folderBox) Done() <-chan struct{} { return b.done }

func (b folderBox) Close() error { return nil }

func (b folderBox) path(p channel.BoxPath) string { return filepath.Join(b.dir, p.Folder, p.File) }

func (b folderBox) List(context.Context, channel.BoxPath) ([]channel.BoxEntry, error) {
	return nil, nil
}

func (b folderBox) Stat(_ context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	i, err := os.Stat(b.path(p))
	if err != nil {
		return channel.BoxEntry{}, channel.ErrNoFile
	}
	return channel.BoxEntry{Name: p.File, Dir: i.IsDir(), Size: i.Size(), Modified: i.ModTime()}, nil
}

type folderFile struct {
	*os.File
	size int64
}

func (f folderFile) Size() int64                  { return f.size }
func (f folderFile) Commit(context.Context) error { return f.Close() }
func (f folderFile) Abort() error                 { return f.Close() }

func (b folderBox) Open(_ context.Context, p channel.BoxPath) (channel.BoxReader, error) {
	f, err := os.Open(b.path(p))
	if err != nil {
		return nil, channel.ErrNoFile
	}
	i, err := f.Stat()
	return folderFile{f, i.Size()}, err
}

func (b folderBox) Create(_ context.Context, p channel.BoxPath) (channel.BoxWriter, error) {
	f, err := os.Create(b.path(p))
	return folderFile{f, 0}, err
}
func (b folderBox) Rename(context.Context, channel.BoxPath, channel.BoxPath) error { return nil }
func (b folderBox) Remove(context.Context, channel.BoxPath) error                  { return nil }

// TestBarServes is the server of TestBarFTPSAgainstPeers, in a process of its own.
func TestBarServes(t *testing.T) {
	dir := os.Getenv("LABWARDEN_FTPS_BAR")
	if dir == "" {
		t.Skip("only as the process of TestBarFTPSAgainstPeers")
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("LABWARDEN_FTPS_BAR_PORT"))
	if err != nil {
		t.Fatal(err)
	}
	s := &ftps.Server{Door: folderBox{dir: dir}, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }() // until its parent ends
	if err := s.Serve(ctx, ln); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.DataResumed != st.DataOpened {
		t.Errorf("%d of %d data connections resumed", st.DataResumed, st.DataOpened)
	}
}

// peer is a running server.
type peer struct {
	name string
	port string
	cmd  *exec.Cmd
}

// cpu is what its process and the children it has outlived have used, in seconds.
func (p peer) cpu(t *testing.T) float64 {
	t.Helper()
	pid := strconv.Itoa(p.cmd.Process.Pid)
	eventually(t, "children of "+p.name+" end", func() bool {
		c, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		return err == nil && (p.name == "labwarden" || len(c) == 0)
	})
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	sum := 0
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
		n, _ := strconv.Atoi(f[i])
		sum += n
	}
	return float64(sum) / 100
}

// TestBarFTPSAgainstPeers sends and fetches the same file to and from ours and
// Debian's servers, by turns, with clients as they come. LABWARDEN_FTPS_PEERS names
// them (proftpd, vsftpd: paths; tools/bars.sh finds them); whole, the figures go to
// docs/operate/soak/ftps.md.
func TestBarFTPSAgainstPeers(t *testing.T) {
	peers := os.Getenv("LABWARDEN_FTPS_PEERS")
	if peers == "" {
		t.Skip("LABWARDEN_FTPS_PEERS names no server to compare with (paths of proftpd, vsftpd)")
	}
	rounds, size := 5, 256<<20
	dir, err := os.MkdirTemp("/dev/shm", "ftps-bar-") //nolint:usetesting // in memory: the disk is not compared
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"", "results", "inbox", "empty"} {
		p := filepath.Join(dir, d)
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for p, mode := range map[string]os.FileMode{"": 0o755, "inbox": 0o777} {
		if err := os.Chmod(filepath.Join(dir, p), mode); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	big := write("results/big.bin", string(random(size)))
	ca := channeltest.NewAuthority(t)
	cert := ca.Issue("localhost", time.Time{})
	key, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	caFile := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.DER()})))
	certFile := write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	keyFile := write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})))
	if err := os.Chmod(keyFile, 0o600); err != nil {
		t.Fatal(err)
	}

	var said []string
	t.Cleanup(func() { // when our server has ended, and counted what resumed
		if os.Getenv("LABWARDEN_BARS") != "whole" || t.Failed() {
			return
		}
		said = append(said, fmt.Sprintf("a file of %d MiB in memory, medians of %d; the server alone, without front, hub and sealing", size>>20, rounds),
			"data connections that resumed their control connection's session: all (goal 100 %): met")
		soak.Page{File: "ftps.md", Title: "FTPS", By: "internal/channel/ftps"}.Write(t, "Beside Debian's servers", said...)
	})
	all := []peer{begin(t, "labwarden", dir, func(port string) *exec.Cmd {
		c := exec.Command(os.Args[0], "-test.run=^TestBarServes$", "-test.timeout=30m")
		c.Env = append(os.Environ(), "LABWARDEN_FTPS_BAR="+dir, "LABWARDEN_FTPS_BAR_PORT="+port)
		return c
	})}
	for _, path := range strings.Split(peers, ",") {
		all = append(all, begin(t, filepath.Base(path), dir, func(port string) *exec.Cmd {
			if filepath.Base(path) == "vsftpd" {
				return exec.Command(path, write("vsftpd.conf", fmt.Sprintf(vsftpdConf, port, dir, filepath.Join(dir, "empty"), certFile, keyFile)))
			}
			return exec.Command(path, "-n", "-c", write("proftpd.conf", fmt.Sprintf(proftpdConf, port, dir, certFile, keyFile, dir)))
		}))
	}

	type figure struct{ cpu, wall []float64 }
	figures := map[string]map[string]*figure{}
	ops := []string{"curl up", "curl down", "lftp up", "lftp down", "curl 20 small"}
	small := write("small.hl7", "MSH|"+strings.Repeat("x", 4000))
	for range rounds {
		for _, op := range ops {
			for _, p := range all {
				cpu, began := p.cpu(t), time.Now()
				out, err := transfer(op, p.port, caFile, big, small)
				wall := time.Since(began).Seconds()
				if err != nil {
					t.Fatalf("%s, %s: %v\n%s", p.name, op, err, out)
				}
				if figures[op] == nil {
					figures[op] = map[string]*figure{}
				}
				if figures[op][p.name] == nil {
					figures[op][p.name] = &figure{}
				}
				f := figures[op][p.name]
				remove(t, dir)
				f.cpu = append(f.cpu, p.cpu(t)-cpu)
				f.wall = append(f.wall, wall)
			}
		}
	}
	middle := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	for _, op := range ops {
		line, best := op+":", math.Inf(1)
		for _, p := range all {
			f := figures[op][p.name]
			line += fmt.Sprintf(" %s %.2f s of processor, %.2f s;", p.name, middle(f.cpu), middle(f.wall))
			if p.name != "labwarden" {
				best = min(best, middle(f.cpu))
			}
		}
		// A hundredth of a second is what the system counts in.
		line += " no slower than the faster one by processor time: " + soak.Met(middle(figures[op]["labwarden"].cpu), best+0.01)
		t.Log(line)
		said = append(said, line)
	}
}

// remove empties the inbox.
func remove(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "inbox", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if err := os.Remove(f); err != nil {
			t.Error(err)
		}
	}
}

const vsftpdConf = `listen=YES
background=NO
listen_address=127.0.0.1
listen_port=%s
anonymous_enable=YES
ftp_username=mail
no_anon_password=NO
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_umask=022
anon_root=%s
secure_chroot_dir=%s
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=NO
ssl_ciphers=HIGH
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
rsa_cert_file=%s
rsa_private_key_file=%s
pasv_address=127.0.0.1
`

const proftpdConf = `ServerType standalone
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
Port %s
DefaultAddress 127.0.0.1
UseIPv6 off
UseFtpUsers off
User nobody
Group nogroup
WtmpLog off
ScoreboardFile none
AllowOverwrite on
<Anonymous %s>
  User nobody
  Group nogroup
  UserAlias anonymous nobody
  RequireValidShell off
  UseFtpUsers off
  AllowOverwrite on
</Anonymous>
TLSEngine on
TLSRequired on
TLSOptions NoSessionReuseRequired
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile %s
TLSECCertificateKeyFile %s
PidFile %s/proftpd.pid
`

// begin starts a server on a free port and waits until it answers.
func begin(t *testing.T, name, dir string, program func(port string) *exec.Cmd) peer {
	t.Helper()
	port := strconv.Itoa(int(freeRange(t, 1)) + map[string]int{"labwarden": 0, "proftpd": 1, "vsftpd": 2}[name])
	c := program(port)
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if name == "labwarden" {
			if err := c.Wait(); err != nil {
				text, _ := os.ReadFile(log.Name())
				t.Errorf("%s: %v\n%s", name, err, text)
			}
			return
		}
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	eventually(t, name+" answers", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = io.ReadFull(conn, make([]byte, 3))
		return err == nil
	})
	return peer{name, port, c}
}

func transfer(op, port, ca, big, small string) ([]byte, error) {
	url := "ftp://localhost:" + port
	// One suite for all, the one that ours chooses: OpenSSL would take AES-256.
	curl := []string{"-sS", "-4", "--ssl-reqd", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--cacert", ca, "-u", "anonymous:x@y"}
	lftp := "set ssl:ca-file " + ca + "; set ssl:priority NORMAL:-AES-256-GCM:-AES-256-CCM:-CHACHA20-POLY1305; set net:max-retries 1; set xfer:clobber yes; open -u anonymous,x@y " + url + "; "
	switch op {
	case "curl up":
		return exec.Command("curl", append(curl, "-T", big, url+"/inbox/up"+port+".bin")...).CombinedOutput()
	case "curl down":
		return exec.Command("curl", append(curl, "-o", "/dev/null", url+"/results/big.bin")...).CombinedOutput()
	case "lftp up":
		return exec.Command("lftp", "-c", lftp+"put "+big+" -o inbox/up"+port+".bin").CombinedOutput()
	case "lftp down":
		return exec.Command("lftp", "-c", lftp+"get results/big.bin -o /dev/null").CombinedOutput()
	}
	for i := range 20 {
		curl = append(curl, "-T", small, fmt.Sprintf("%s/inbox/small%s-%d.hl7", url, port, i))
	}
	return exec.Command("curl", curl...).CombinedOutput()
}
