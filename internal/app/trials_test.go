package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/node/front"
	"github.com/labwarden/labwarden/internal/platform/posture"
)

// TestAClientTriesItself: OpenSSH with a code and with a key, curl and lftp by FTPS
// and curl at the portal sign in to a trial, find the report of what they
// negotiated, see no partner's file, leave nothing behind, and are out when it ends.
func TestAClientTriesItself(t *testing.T) {
	tool := func(name string) string {
		path, err := exec.LookPath(name)
		if err != nil && os.Getenv("CI") != "" {
			t.Fatal(name + " is missing")
		}
		if err != nil {
			t.Skip("SKIPPED: " + name + " is not installed: tools/setup.sh installs it")
		}
		return path
	}
	sftp, keygen, curl, lftp := tool("sftp"), tool("ssh-keygen"), tool("curl"), tool("lftp")
	l := &late{}
	s := newSite(t, "")
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := filepath.Join(s.dir, "id")
	if out, err := exec.CommandContext(ctx, keygen, "-q", "-t", "ed25519", "-N", "", "-f", id).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	public, err := os.ReadFile(id + ".pub")
	must(err)
	cert, key := rsaPair(t, s.dir, "results.lab.example")
	sock, ssh, ftps, webAt := filepath.Join(s.dir, "f", "s"), portalPort(t), portalPort(t), portalPort(t)
	_, port, _ := net.SplitHostPort(webAt)
	node := fmt.Sprintf("  portal: {public_url: \"https://results.lab.example:%s\", tls: {certificate: %s, key: %s}}\n", port, cert, key) +
		fmt.Sprintf("  front: {socket: %s, sftp: {listen: \"%s\"}, ftps: {listen: \"%s\", first_port: 21000, last_port: 21999, tls: {certificate: %s, key: %s}}, web: {listen: \"%s\"}}\n", sock, ssh, ftps, cert, key, webAt)
	src := strings.Replace(s.source("  p: {name: Practice One, destination: {portal: {}}, box: {password: true}}\n", "p", "carry"), "sources:\n", node+"sources:\n", 1)
	c := s.parse(src)
	h := s.openLate(l)
	must(stated(ctx, h, c))
	_, err = h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	_, stop := s.serve(h, c)
	fctx, leave := context.WithCancel(context.Background())
	gone, ready := make(chan struct{}), make(chan struct{}, 8)
	go func() {
		defer close(gone)
		_ = (&front.Front{Socket: sock, Log: slog.New(slog.DiscardHandler), Ready: func(map[string]string) { ready <- struct{}{} }}).Run(fctx)
	}()
	t.Cleanup(func() { leave(); <-gone })
	<-ready

	for _, bad := range []posture.NewTrial{{Partner: "nobody"}, {Minutes: 1441}, {Minutes: -1}, {Key: "ssh-rsa AAAA"}} {
		if _, err := h.rooms.trials.Make(ctx, bad, "tester"); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	m, err := h.rooms.trials.Make(ctx, posture.NewTrial{Partner: "p", Key: string(public)}, "tester")
	must(err)
	if len(m.Ways) != 3 || m.Ends.Sub(m.Made) != time.Hour {
		t.Fatalf("%+v", m)
	}
	_, _, err = h.rooms.boxes.Deliver(ctx, "p", "partners.hl7", boxes.Delivery{Number: 1, Body: []byte("MSH|")})
	must(err)

	ask := filepath.Join(s.dir, "ask")
	writeFile(t, ask, "#!/bin/sh\ncase \"$1\" in *assword*) echo "+m.Code+";; *) echo;; esac\n")
	must(os.Chmod(ask, 0o700))
	do := func(dir, in, name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
		cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	host, sshPort, _ := net.SplitHostPort(ssh)
	open := []string{"-q", "-P", sshPort, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no"}
	report := func(dir string) string {
		b, err := os.ReadFile(filepath.Join(dir, "REPORT.txt"))
		must(err)
		return string(b)
	}
	large := filepath.Join(s.dir, "large")
	writeFile(t, large, strings.Repeat("0123456789abcdef", 12_000))
	ways := 0
	for name, auth := range map[string][]string{
		"code":     {"-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=keyboard-interactive"},
		"password": {"-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password"},
		"key":      {"-o", "IdentitiesOnly=yes", "-i", id, "-o", "PreferredAuthentications=publickey"},
	} {
		dir := t.TempDir()
		in := "ls -l results\nls inbox\nget results/REPORT.txt\nput " + large + " inbox/" + name + ".part\nrename inbox/" + name + ".part inbox/" + name + ".txt\nput " + ask + " inbox/small-" + name + "\nls inbox\n"
		args := append(append(append([]string{}, open...), auth...), "-b", "-", m.Name+"@"+host)
		if name != "key" {
			args = append(append(append([]string{}, open...), auth...), m.Name+"@"+host) // -b would turn prompts off
		}
		out, err := do(dir, in, sftp, args...)
		if err != nil || strings.Contains(out, "partners.hl7") || !strings.Contains(out, name+".txt") {
			t.Fatalf("sftp with a %s: %v\n%s", name, err, out)
		}
		ways++
		if r := report(dir); !strings.Contains(r, "SFTP, ") || !strings.Contains(r, "OpenSSH_") || !strings.Contains(r, "What to change") || !strings.Contains(r, "Post-quantum") || strings.Contains(r, m.Code) {
			t.Error(r)
		}
	}
	_, ftpsPort, _ := net.SplitHostPort(ftps)
	dir := t.TempDir()
	base := "ftp://" + ftps
	for _, args := range [][]string{{"-o", "REPORT.txt", "ftp://results.lab.example:" + ftpsPort + "/results/REPORT.txt"}, {"-T", ask, "ftp://results.lab.example:" + ftpsPort + "/inbox/by-curl"}} {
		args = append([]string{"-sS", "--ssl-reqd", "--cacert", cert, "--connect-to", "::" + ftps, "-u", m.Name + ":" + m.Code}, args...)
		if out, err := do(dir, "", curl, args...); err != nil {
			t.Fatal(out, err)
		}
	}
	if r := report(dir); !strings.Contains(r, "FTPS, ") || !strings.Contains(r, "TLS 1.") || !strings.Contains(r, "A file of 192000 bytes was put into /inbox and came whole") {
		t.Error(r)
	}
	dir = t.TempDir()
	script := "set ftp:ssl-force true; set ftp:ssl-protect-data true; set ssl:verify-certificate no; set net:max-retries 1; open -u " + m.Name + "," + m.Code + " " + base + "; cls inbox; get results/REPORT.txt; put " + large + " -o inbox/by-lftp; rm inbox/by-lftp; bye\n"
	if out, err := do(dir, script, lftp); err != nil || !strings.Contains(out, "by-curl") {
		t.Fatal(out, err)
	}
	if r := report(dir); strings.Count(r, "FTPS, ") < 2 {
		t.Error(r)
	}
	at := "https://results.lab.example:" + port + "/try/"
	out, err := do(dir, "", curl, "-sS", "--cacert", cert, "--connect-to", "::"+webAt, at+m.Name)
	if err != nil || !strings.Contains(out, "the portal, ") || !strings.Contains(out, "curl/") || !strings.Contains(out, "TLS 1.3") || !strings.Contains(out, "Key exchange") {
		t.Error(out, err)
	}
	if out, _ := do(dir, "", curl, "-sS", "--cacert", cert, "--connect-to", "::"+webAt, at+"try.aaaaaaaaaa"); strings.Contains(out, "Trial") {
		t.Error("a trial that was not made has a report:", out)
	}

	// What a client may not: another code, a partner's name with it, results written.
	if out, err := do(dir, "", curl, "-sS", "--ssl-reqd", "-k", "-u", m.Name+":"+strings.Repeat("a", 26), base+"/"); err == nil {
		t.Error("a wrong code was taken:", out)
	}
	if out, err := do(dir, "", curl, "-sS", "--ssl-reqd", "-k", "-u", "p:"+m.Code, base+"/"); err == nil {
		t.Error("the code opens a partner's box:", out)
	}
	for _, to := range []string{"/results/x", "/receipts/x", "/inbox/by-curl"} {
		if out, err := do(dir, "", curl, "-sS", "--ssl-reqd", "-k", "-u", m.Name+":"+m.Code, "-T", ask, base+to); err == nil {
			t.Error(to, "was written:", out)
		}
	}
	if out, err := do(dir, "", curl, "-sS", "--ssl-reqd", "-k", "-u", m.Name+":"+m.Code, base+"/inbox/by-curl"); err == nil {
		t.Error("what was put there is kept:", out)
	}
	if left, err := os.ReadDir(filepath.Join(h.data, "trials")); err != nil || len(left) > 0 {
		t.Error("files lie about:", left, err)
	}
	var files int
	must(h.DB.QueryRow(ctx, "SELECT count(*) FROM boxes_files").Scan(&files))
	all, err := h.rooms.sightings.list(ctx)
	must(err)
	for way := range all {
		if strings.Contains(way, m.Name) {
			t.Error("a trial is a way of the posture:", way)
		}
	}
	list, err := h.rooms.trials.List(ctx)
	if err != nil || files != 1 || len(list) != 1 || len(list[0].Tried) < ways+3 {
		t.Errorf("%v, %d files, %+v", err, files, list)
	}

	// It ends: who is there goes, nobody comes anew, the report can still be read here.
	l.by.Store(int64(time.Hour))
	h.tellFront(ctx)
	if out, err := do(dir, "", curl, "-sS", "--ssl-reqd", "-k", "-u", m.Name+":"+m.Code, base+"/"); err == nil {
		t.Error("it has ended, and lets in:", out)
	}
	if out, _ := do(dir, "", curl, "-sS", "--cacert", cert, "--connect-to", "::"+webAt, at+m.Name); strings.Contains(out, "Trial") {
		t.Error("it has ended, and tells:", out)
	}
	if list, err := h.rooms.trials.List(ctx); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
	if a, err := h.Audit(ctx, nil); err != nil || len(a.Findings) > 0 {
		t.Errorf("%v %+v", err, a)
	}
	stop()
}
