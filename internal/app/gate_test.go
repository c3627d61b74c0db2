package app

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/gate"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// scannerAt answers as clamd does, with what answer holds, on a Unix socket; with
// "" it hangs up.
func scannerAt(t *testing.T, path string, answer *atomic.Value) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				text, _ := answer.Load().(string)
				r := bufio.NewReader(c)
				command, err := r.ReadString(0)
				if err != nil || text == "" {
					return
				}
				if command == "zPING\x00" {
					_, _ = c.Write([]byte("PONG\x00"))
					return
				}
				for n := uint32(1); n > 0; {
					if binary.Read(r, binary.BigEndian, &n) != nil {
						return
					}
					if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
						return
					}
				}
				_, _ = c.Write([]byte(text + "\x00"))
			}()
		}
	}()
}

// TestScannerDown: while the scanner does not answer, files are held, the sender
// reads why, and an alarm stands that ends with it.
func TestScannerDown(t *testing.T) {
	s := newSite(t, "")
	socket := filepath.Join(s.dir, "clamd")
	var answer atomic.Value
	answer.Store("stream: OK")
	scannerAt(t, socket, &answer)
	clock := &late{}
	h := s.openLate(clock)
	conf := s.parse(strings.Replace(s.source(partnerAt("p", "127.0.0.1:1"), "p", "carry"), "sources:", "  scanner: {clamav: \"unix:"+socket+"\", timeout: 5s}\nsources:", 1))
	s.serve(h, conf)
	l := newLookout(h)
	file := "MSH|^~\\&|LIS|MILL|EHR|RIVER|20261122140000||ORU^R01|1|P|2.5.1\rPID|1||77\rOBR|1|o1|f1|K\rOBX|1|NM|K||7.9||||||F\r"
	put := func() gate.Verdict {
		t.Helper()
		v, err := h.judge(t.Context(), "p", "a.hl7", int64(len(file)), strings.NewReader(file), gateRules(&config.Partner{}, nil, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	l.look(t.Context())
	if v := put(); !v.Pass || live(h, kindScanner, "").Number != 0 {
		t.Fatalf("with a scanner: %+v", v)
	}
	answer.Store("stream: Own.Test FOUND")
	if v := put(); v.Pass || v.Cause != gate.CauseVirus {
		t.Errorf("a virus: %+v", v)
	}
	want(t, h, kindVirus, "p", alarm.Warning, "Own.Test")
	answer.Store("INSTREAM size limit exceeded. ERROR")
	if v := put(); !v.Held {
		t.Errorf("too large: %+v", v)
	}
	want(t, h, kindScanLimit, "p", alarm.Warning, "as large as")
	answer.Store("")
	if v := put(); v.Pass || !v.Held || !strings.Contains(v.Reason, "does not answer") {
		t.Errorf("without an answer: %+v", v)
	}
	want(t, h, kindScanner, "", alarm.Urgent, "does not answer")
	l.look(t.Context())
	want(t, h, kindScanner, "", alarm.Urgent, "held for a person")
	answer.Store("stream: OK")
	clock.by.Add(int64(scannerFor + time.Minute))
	l.look(t.Context())
	if v := put(); !v.Pass || live(h, kindScanner, "").Number != 0 {
		t.Errorf("when it answers again: %+v, %+v", v, live(h, kindScanner, ""))
	}
	h.gateTold(gate.ToldBroken, "p", "internal/x.go:1")
	want(t, h, kindUnread, "p", alarm.Warning, "fault in this program")
}

func TestGateRules(t *testing.T) {
	p := &config.Partner{Providers: []config.Provider{{ID: "1", Authority: "NPI"}}}
	if r := gateRules(p, nil, 2<<30); r.MaxFile != gate.MaxFile || r.Archive != nil || r.Providers != nil {
		t.Errorf("%+v", r)
	}
	a := &config.Accept{Kinds: []string{"hl7"}, Zip: &config.Zip{Entries: 3, Unpacked: 4, Ratio: 5, Nested: 1}, Facilities: []string{"A"}, Receivers: []string{"B"}, Providers: true, Critical: []string{"P"}, Encrypted: []string{"age"}}
	r := gateRules(p, a, 7)
	if r.MaxFile != 7 || *r.Archive != (gate.Archive{Entries: 3, Unpacked: 4, Ratio: 5, Nested: 1}) || len(r.Providers) != 1 || r.Kinds[0] != "hl7" || r.Facilities[0] != "A" || r.Receivers[0] != "B" || r.Critical[0] != "P" || r.Encrypted[0] != "age" {
		t.Errorf("%+v", r)
	}
	if r := gateRules(&config.Partner{}, a, 7); r.Providers == nil {
		t.Error("a partner without providers may order for anybody")
	}
}
