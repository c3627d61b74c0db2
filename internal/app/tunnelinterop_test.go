package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/labwarden/labwarden/internal/app/control"
)

// needsWireguard skips loudly without Debian's tools, and fails where CI is set.
func needsWireguard(t *testing.T, tools ...string) {
	t.Helper()
	no := ""
	for _, x := range tools {
		if _, err := exec.LookPath(x); err != nil {
			no = x + " is not here: apt-get install wireguard-go wireguard-tools iproute2"
		}
	}
	if os.Getuid() != 0 {
		no = "network namespaces need root"
	} else if _, err := os.Stat("/dev/net/tun"); err != nil {
		no = "/dev/net/tun is not here"
	}
	if no == "" {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(no)
	}
	t.Skip("NOT TESTED: " + no)
}

func runs(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// inside runs do with its sockets in a network namespace; they stay there.
func inside(t *testing.T, ns string, do func() error) error {
	t.Helper()
	out := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread is of no other use and ends with the goroutine
		f, err := os.Open("/var/run/netns/" + ns)
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = do()
		}
		out <- err
	}()
	return <-out
}

// Debian's wireguard-go as the far end, with the configuration that labwarden
// tunnel export writes, in a network namespace of its own.
func TestStandardWireGuardDevice(t *testing.T) {
	needsWireguard(t, "wireguard-go", "wg", "ip")
	id := os.Getpid() % 10000
	ns, link := fmt.Sprintf("lwt%d", id), fmt.Sprintf("lwv%d", id)
	ours, theirs := fmt.Sprintf("10.99.%d.1", id%250), fmt.Sprintf("10.99.%d.2", id%250)
	runs(t, "ip", "netns", "add", ns)
	t.Cleanup(func() { runs(t, "ip", "netns", "del", ns) })
	runs(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "far0", "netns", ns)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", link).Run() }) // it goes with the namespace
	runs(t, "ip", "addr", "add", ours+"/30", "dev", link)
	runs(t, "ip", "link", "set", link, "up")
	for _, x := range []string{"addr add " + theirs + "/30 dev far0", "link set far0 up", "link set lo up", "addr add 10.20.0.5/32 dev lo"} {
		runs(t, "ip", append([]string{"-n", ns}, strings.Fields(x)...)...)
	}

	s := newSite(t, "")
	p := newPapers(t, "hub", "lis")
	src := s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow")
	src = strings.Replace(src, "lis:\n    mllp: {listen: \"127.0.0.1:0\"}", fmt.Sprintf("lis:\n    tunnel: analyser\n    mllp: {listen: \"127.0.0.1:0\", tls: {client_ca: %s}}", p.path("ca.pem")), 1)
	src = strings.Replace(src, "sources:\n", fmt.Sprintf("  tls: {certificate: %s, key: %s}\n  tunnels: {listen: \"%s:0\", address: \"%s:7443\", wireguard_port: %s}\nsources:\n",
		p.path("hub.pem"), p.path("hub.key"), ours, ours, tunnelPort(t, "udp")), 1)
	c := s.parse(src)
	h := s.open()
	if _, err := propose(t.Context(), h, c, src); err != nil {
		t.Fatal(err)
	}
	s.serve(h, c)
	room := h.rooms.tunnels
	if _, err := room.Add(t.Context(), control.NewTunnel{Name: "analyser", Kind: "wireguard", Standard: true, Allowed: control.TunnelList{
		Allow: []string{"10.213.0.2:2575", "10.20.0.5:2575"}, Offers: []control.TunnelOffer{{Source: "lis", Listen: "10.213.0.2:2600"}},
	}}, "tester"); err != nil {
		t.Fatal(err)
	}
	x, err := room.Export(t.Context(), "analyser", "", "tester")
	if err != nil {
		t.Fatal(err)
	}

	// What wg-quick does: its own lines are not for wg.
	var conf strings.Builder
	for l := range strings.Lines(x.Config) {
		if !strings.HasPrefix(l, "Address") && !strings.HasPrefix(l, "MTU") {
			conf.WriteString(l)
		}
	}
	file := filepath.Join(t.TempDir(), "wg.conf")
	writeFile(t, file, conf.String())
	wg := exec.Command("ip", "netns", "exec", ns, "wireguard-go", "-f", "lwg0")
	wg.Env = append(os.Environ(), "LOG_LEVEL=error")
	if err := wg.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = wg.Process.Kill(); _ = wg.Wait() })
	eventually(t, "wireguard-go has its interface", func() bool {
		return exec.Command("ip", "netns", "exec", ns, "wg", "show", "lwg0").Run() == nil
	})
	runs(t, "ip", "netns", "exec", ns, "wg", "setconf", "lwg0", file)
	for _, x := range []string{"addr add 10.213.0.2/32 dev lwg0", "link set lwg0 mtu 1420 up", "route add 10.213.0.1/32 dev lwg0"} {
		runs(t, "ip", append([]string{"-n", ns}, strings.Fields(x)...)...)
	}
	eventually(t, "the tunnel is up", func() bool {
		now, err := room.Show(t.Context(), "analyser")
		return err == nil && now.State == "up"
	})

	// The hub reaches the device, and one behind it; nothing else.
	var lns []net.Listener
	if err := inside(t, ns, func() error {
		for _, at := range []string{"10.213.0.2:2575", "10.20.0.5:2575", "10.213.0.2:2576"} {
			ln, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			lns = append(lns, ln)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, ln := range lns {
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
			}
		}()
	}
	hub := room.running()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, at := range []string{"10.213.0.2:2575", "10.20.0.5:2575"} {
		c, err := hub.Dial(ctx, "analyser", at)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		text := strings.Repeat("a result ", 50_000)
		go func() { _, _ = io.WriteString(c, text) }()
		b := make([]byte, len(text))
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, b); err != nil || string(b) != text {
			t.Errorf("%s: %v", at, err)
		}
		c.Close()
	}
	if _, err := hub.Dial(ctx, "analyser", "10.213.0.2:2576"); err == nil {
		t.Error("a port that is not on the list was reached")
	}

	// The device reaches the source's port of the hub, and no other.
	reach := func(port string) error {
		return inside(t, ns, func() error {
			c, err := net.DialTimeout("tcp", "10.213.0.1:"+port, 3*time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	if err := reach("2600"); err != nil {
		t.Errorf("the source: %v", err)
	}
	for _, port := range []string{"2601", "77", "22"} {
		if reach(port) == nil {
			t.Errorf("port %s of the hub was reached", port)
		}
	}

	// New keys by a new export: the old configuration is of no use from then on.
	if _, err := room.Export(t.Context(), "analyser", "", "tester"); err != nil {
		t.Fatal(err)
	}
	if err := reach("2600"); err == nil {
		t.Error("the old configuration still works")
	}
}
