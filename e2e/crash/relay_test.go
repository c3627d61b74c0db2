package crash

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// The old path of the adoption test: a relay in a process of its own, as an
// interface engine is. It takes results from the laboratory, changes the unit of
// every fifth, delivers to the practice's list and gives the hub a copy.

// relayMode makes the test binary be the relay.
const relayMode = "labwarden-test-relay"

// relay is called with the hub's address for copies and the file of the list.
// It says "ready ADDRESS". Only what the hub has acknowledged counts as copied.
func relay(args []string) int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	list, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	if _, err := os.Stdout.WriteString("ready " + ln.Addr().String() + "\n"); err != nil {
		return 1
	}
	c, err := ln.Accept()
	if err != nil {
		return 1
	}
	l := &link{c, bufio.NewReader(c)}
	for n := 1; ; n++ {
		b, err := l.r.ReadBytes(0x1c)
		if err != nil {
			return 0
		}
		if _, err := l.r.ReadByte(); err != nil {
			return 0
		}
		body := b[1 : len(b)-1]
		if n%5 == 0 {
			body = bytes.Replace(body, []byte("|mg/dL|"), []byte("|mmol/L|"), 1)
		}
		id := strings.Split(string(body), "|")[9]
		if _, err := fmt.Fprintln(list, id); err != nil {
			return 1
		}
		if err := insist(args[0], body); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		ack := "MSH|^~\\&|||||20260101||ACK|A" + id + "|P|2.5.1\rMSA|AA|" + id + "\r"
		if _, err := l.Write([]byte("\x0b" + ack + "\x1c\r")); err != nil {
			return 0
		}
	}
}

// insist sends body until it is accepted, over a new connection each time, for
// a minute: the hub is killed meanwhile.
func insist(addr string, body []byte) error {
	last := error(nil)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); pause(20 * time.Millisecond) {
		l, err := dial(addr, nil)
		if err != nil {
			last = err
			continue
		}
		code, text, err := l.send(body, 5*time.Second)
		_ = l.Close()
		if err == nil && code == "AA" {
			return nil
		}
		last = fmt.Errorf("answered %s %s: %w", code, text, err)
	}
	return fmt.Errorf("not accepted in a minute: %w", last)
}

// startRelay runs the relay beside the test.
func startRelay(t *testing.T, dir, hub, list string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, self, dir, "relay", relayMode, hub, list)
	addr, err := p.says("ready", 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
