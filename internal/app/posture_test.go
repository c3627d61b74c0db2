package app

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/node/front"
	"github.com/labwarden/labwarden/internal/platform/posture"
)

// TestPostureOfABoxAndADestination: a line says "not seen yet" until OpenSSH's sftp
// has come to the box, then what the two negotiated; a destination's line tells of
// its connection; both are known after a restart.
func TestPostureOfABoxAndADestination(t *testing.T) {
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
	sftp, keygen := tool("sftp"), tool("ssh-keygen")
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		id := filepath.Join(t.TempDir(), "id")
		if out, err := exec.CommandContext(ctx, keygen, "-q", "-t", "ed25519", "-N", "", "-f", id).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		public, err := os.ReadFile(id + ".pub")
		must(err)
		short, err := os.MkdirTemp("/tmp", "lwp") //nolint:usetesting // a Unix socket's address is short
		must(err)
		t.Cleanup(func() { _ = os.RemoveAll(short) })
		socket, at := filepath.Join(short, "f", "s"), portalPort(t)
		to := newPractice(t)
		src := s.source("  p:\n    name: Practice One\n    destination: {mllp: {address: \""+to.addr+"\"}}\n    box: {keys: [\""+strings.TrimSpace(string(public))+"\"]}\n", "p", "carry")
		src = strings.Replace(src, "  seals:", "  front: {socket: \""+socket+"\", sftp: {listen: \""+at+"\"}}\n  seals:", 1)
		c := s.parse(src)
		h := s.open()
		must(stated(ctx, h, c))
		_, err = h.Begin(ctx, c.Node, c, []byte(src), "tester")
		must(err)
		addrs, stop := s.serve(h, c)
		line := func(h *Hub, way string) posture.Line {
			t.Helper()
			all, err := h.Posture(context.WithoutCancel(ctx))
			must(err)
			for _, l := range all {
				if l.Channel+" "+l.Way == way {
					return l
				}
			}
			t.Fatalf("no line %q in %+v", way, all)
			return posture.Line{}
		}
		const box, destination, source = "partner p their box here by SFTP", "partner p results to them by MLLP", "source lis messages from it by MLLP"
		for _, way := range []string{box, destination, source} {
			if l := line(h, way); l.Protocol != "" || !l.SeenAt.IsZero() || l.State != posture.NotSeen || l.PostQuantum != posture.Unknown {
				t.Errorf("before anybody came: %+v", l)
			}
		}

		fctx, leave := context.WithCancel(context.Background())
		gone := make(chan struct{})
		ready := make(chan struct{}, 8)
		go func() {
			defer close(gone)
			_ = (&front.Front{Socket: socket, Log: slog.New(slog.DiscardHandler), Ready: func(map[string]string) { ready <- struct{}{} }}).Run(fctx)
		}()
		t.Cleanup(func() { leave(); <-gone })
		<-ready
		host, port, _ := strings.Cut(at, ":")
		cmd := exec.CommandContext(ctx, sftp, "-q", "-b", "-", "-P", port, "-i", id, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "p@"+host)
		cmd.Stdin = strings.NewReader("ls\n")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "results") {
			t.Fatalf("sftp: %v %s", err, out)
		}
		l := line(h, box)
		if l.Protocol != "SSH" || l.Cipher == "" || l.Exchange == "" || l.SeenAt.IsZero() || l.Guidance != posture.Unknown || l.State == posture.Fine {
			t.Errorf("after OpenSSH came: %+v", l)
		}
		t.Logf("OpenSSH: %s, %s, %s; post-quantum %s", l.Protocol, l.Cipher, l.Exchange, l.PostQuantum)

		if answer, err := dial(t, addrs["lis"]).send(result("M1")); err != nil || answer != "AA" {
			t.Fatal(answer, err)
		}
		eventually(t, "the destination was seen", func() bool { return line(h, destination).Protocol == "none" })
		if l := line(h, source); l.Protocol != "none" || l.PostQuantum != posture.No {
			t.Errorf("plaintext on loopback: %+v", l)
		}
		must(h.rooms.sightings.keep(ctx))
		leave()
		<-gone
		stop()

		h = s.open()
		defer s.close(h)
		if again := line(h, box); again.Exchange != l.Exchange || !again.SeenAt.Equal(l.SeenAt.Truncate(1000)) {
			t.Errorf("after a restart: %+v", again)
		}
		if a, err := h.Audit(ctx, nil); err != nil || len(a.Findings) > 0 {
			t.Errorf("%v %+v", err, a)
		}
	})
}
