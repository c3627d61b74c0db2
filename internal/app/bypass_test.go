package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/node/bypass"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

func oneResult(control, receiver, provider string) []byte {
	return []byte(`MSH|^~\&|GLASSWORT|HOLLOWFEN|` + receiver + `|CLINIC|20260304080000||ORU^R01^ORU_R01|` + control + "|P|2.5.1\r" +
		"PID|1||4711^^^HOLLOWFEN^MR\rOBR|1|P1|F1|2345-7^Glucose^LN|||20260304073000|||||||||" + provider + "^Doctor^Dee^^^^^^NPI\r" +
		"OBX|1|NM|2345-7^Glucose^LN||91|mg/dL|70-99|N|||F\r")
}

// bypassed is a configuration with its bypass key in the site's folder.
func (s *site) bypassed(src string) *config.Config {
	s.t.Helper()
	c := s.parse(src)
	c.Node.Bypass.Key = config.Path(filepath.Join(s.dir, "keys", "bypass.key"))
	c.Node.Control.Socket = config.Path(filepath.Join(s.dir, "hub.sock"))
	if err := MakeBypassKey(&c.Node); err != nil {
		s.t.Fatal(err)
	}
	return c
}

var opener = bypass.Named{By: "R. Alvarez", Reason: "the hub is dead"}

// There is no database and no vault here at all: the card and the bypass key
// are enough. Routes decide as in the hub; what the bypass cannot do it names
// and leaves with the LIS.
func TestBypassNeedsNoDatabaseAndNamesWhomItCannotReach(t *testing.T) {
	s := &site{t: t, dir: t.TempDir(), db: "{engine: sqlite}"}
	t.Chdir(s.dir) // the bypass goes to the folder of the configuration
	in := filepath.Join(s.dir, "in")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	c := s.bypassed(fmt.Sprintf(`lab: {name: Test, id: test}
node: {data: %s, seals: [{kind: keyfile, path: %s}]}
sources: {lis: {mllp: {listen: "127.0.0.1:0"}}}
partners:
  box: {name: Box, providers: [{id: "77", authority: NPI}], destination: {folder: {path: %s}}}
  bundle: {name: Bundle, destination: {fhir: {base: "https://fhir.example/r4", auth: {kind: none}}}}
routes:
  - {name: box, from: lis, when: 'msh.receiving_app == "BOX"', to: box, stage: carry}
  - {name: both, from: lis, when: 'msh.receiving_app == "BOTH"', to: [box, bundle], stage: carry, check: none, check_reason: a test}
  - {name: changed, from: lis, when: 'msh.receiving_app == "CHANGED"', to: box, stage: carry, check: none, check_reason: a test, transform: [{set: {path: MSH-5, value: X}}]}
  - {name: copy, from: lis, when: 'msh.receiving_app == "COPY"', to: box, stage: shadow}
`, filepath.Join(s.dir, "data"), filepath.Join(s.dir, "none"), in))
	key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
	if err != nil {
		t.Fatal(err)
	}
	dir := bypass.Folder(string(c.Node.Data))
	open := func() (*Bypass, error) { return OpenBypass(t.Context(), &c.Node, opener, s.deps()) }
	if _, err := open(); !errors.Is(err, bypass.ErrNoCard) {
		t.Errorf("without a card: %v", err)
	}
	card := bypass.Card{Lab: "Test", Number: 3, Revision: c.Revision(), Text: string(c.Canonical()), Node: c.Node, Base: s.dir}
	if err := bypass.WriteCard(dir, key, card); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBypass(t.Context(), &c.Node, bypass.Named{}, s.deps()); !errors.Is(err, bypass.ErrUnnamed) {
		t.Errorf("opened by nobody: %v", err)
	}
	b, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(b.Cannot) != 1 || !strings.Contains(b.Cannot["bundle"], "FHIR") {
		t.Errorf("cannot reach: %v", b.Cannot)
	}
	if _, err := open(); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "a bypass opened by R. Alvarez") {
		t.Errorf("a second opening: %v", err)
	}
	if _, err := Open(t.Context(), c, nil, s.deps()); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "labwarden bypass close") {
		t.Errorf("a hub beside it: %v", err)
	}
	for _, x := range []struct {
		control, receiver, provider, want string
		files                             int
	}{
		{"C1", "BOX", "77", "AA", 1},
		{"C2", "BOX", "78", "AE", 1}, // not this partner's: the hub would hold it
		{"C3", "BOTH", "77", "AE", 2},
		{"C4", "CHANGED", "77", "AE", 2},
		{"C5", "COPY", "77", "AA", 2},
		{"C6", "NOBODY", "77", "AE", 2},
	} {
		body := oneResult(x.control, x.receiver, x.provider)
		r, err := b.Relay.Source("lis").Handle(t.Context(), channel.Peer{}, body)
		if err != nil {
			t.Fatal(err)
		}
		a, err := hl7.ReadAck(r.Body)
		files, _ := filepath.Glob(filepath.Join(in, "*.hl7"))
		if err != nil || a.Code != x.want || len(files) != x.files {
			t.Errorf("%s to %s: %q, %d files, %v", x.control, x.receiver, a.Code, len(files), err)
		}
		if x.control == "C1" && len(files) == 1 {
			if got, err := os.ReadFile(files[0]); err != nil || !bytes.Equal(got, body) {
				t.Errorf("not byte for byte: %v", err)
			}
		}
	}
}

// The hub writes the card when it starts and at each applied revision; while it
// runs nobody can go round it.
func TestHubKeepsItsBypassCardUpToDate(t *testing.T) {
	s := newSite(t, "")
	src := s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow")
	c := s.bypassed(src)
	h := s.open()
	_, stop := s.serve(h, c)
	key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
	if err != nil {
		t.Fatal(err)
	}
	card := func() bypass.Card {
		k, err := bypass.ReadCard(bypass.Folder(string(c.Node.Data)), key)
		if err != nil {
			t.Fatal(err, h.bypassAlarms())
		}
		return k
	}
	if card().Revision != c.Revision() {
		t.Error("the card at the start is of another configuration")
	}
	if err := h.SetSecret(t.Context(), "token", []byte("hush-hush"), "tester"); err != nil {
		t.Fatal(err)
	}
	ca, err := demo.NewCA(time.Now(), time.Hour)
	if err == nil {
		err = ca.Write(s.dir, "hub")
	}
	if err != nil {
		t.Fatal(err)
	}
	src = s.source(fmt.Sprintf("  p: {name: P, destination: {http: {url: \"https://p.example/in\", token: \"vault:token\", tls: {ca: %s, certificate: %s, key: %s}}}}\n",
		filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "hub.pem"), filepath.Join(s.dir, "hub.key")), "p", "shadow")
	r, err := propose(t.Context(), h, s.bypassed(src), src)
	if err != nil {
		t.Fatal(err)
	}
	if k := card(); k.Number != r.Number || k.Revision != r.Hash || string(k.Secrets["token"]) != "hush-hush" {
		t.Errorf("the card is of revision %d", k.Number)
	}
	if _, err := OpenBypass(t.Context(), &c.Node, opener, s.deps()); !errors.Is(err, ErrHubAnswers) {
		t.Errorf("beside a running hub: %v", err)
	}
	silent := c.Node
	silent.Control.Socket = "" // as if it did not answer: it has the data folder
	if _, err := OpenBypass(t.Context(), &silent, opener, s.deps()); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a hub that hangs: %v", err)
	}
	if len(h.bypassAlarms()) != 0 {
		t.Errorf("%v", h.bypassAlarms())
	}
	stop()
	if err := os.Remove(string(c.Node.Bypass.Key)); err != nil {
		t.Fatal(err)
	}
	h = s.open()
	_, stop = s.serve(h, c)
	defer stop()
	if a := h.bypassAlarms(); len(a) != 1 || !strings.Contains(a[0], "No bypass could be opened") {
		t.Errorf("without a key: %v", a)
	}
}

// A log is read in once, however often; a damaged one is an alarm, stays where
// it is, and what stands before the damage is read.
func TestBypassLogIsReadOnceAndDamageIsAnAlarm(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		c := s.bypassed(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "carry"))
		h := s.open()
		defer s.close(h)
		key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
		if err != nil {
			t.Fatal(err)
		}
		dir := bypass.Folder(string(c.Node.Data))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		log, err := bypass.NewLog(dir, key)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		add := func(r bypass.Record) {
			r.At = now
			if err := log.Append(r); err != nil {
				t.Fatal(err)
			}
		}
		add(bypass.Record{Kind: bypass.Opened, By: "R. Alvarez", Reason: "dead", Revision: c.Revision()})
		for i, accepted := range []bool{true, false, true} {
			id := event.NewID().String()
			add(bypass.Record{Kind: bypass.Relayed, ID: id, Source: "lis", Ways: []bypass.Way{{Partner: "p", Route: "all"}}, Body: oneResult(fmt.Sprint("C", i), "P", "77")})
			r := bypass.Record{Kind: bypass.Tried, ID: id}
			if accepted {
				r.Receipts = []bypass.Receipt{{Partner: "p", Receipt: channel.Receipt{Level: channel.Accepted, Code: "AA", At: now}}}
			}
			add(r)
		}
		whole, err := os.ReadFile(log.Path)
		if err != nil {
			t.Fatal(err)
		}
		read := func(b []byte) (taken, before, stayed int64, damage string, err error) {
			t.Helper()
			if err := os.WriteFile(log.Path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := h.ReadBypass(t.Context(), c)
			if len(out.Sessions) != 1 {
				t.Fatalf("%+v %v", out, err)
			}
			x := out.Sessions[0]
			return x.Taken, x.Before, x.StayedWithLIS, x.Damage, err
		}
		damaged := bytes.Clone(whole)
		damaged[len(damaged)-300] ^= 1 // in the last record but one or the last
		if taken, _, _, damage, err := read(damaged); err == nil || damage == "" || taken != 1 || len(h.bypassAlarms()) != 1 {
			t.Errorf("damaged: %d taken, %q, %v, %v", taken, damage, err, h.bypassAlarms())
		}
		if _, err := os.Stat(log.Path); err != nil {
			t.Errorf("the damaged log is gone: %v", err)
		}
		if taken, before, stayed, _, err := read(whole); err != nil || taken != 1 || before != 1 || stayed != 1 || len(h.bypassAlarms()) != 0 {
			t.Errorf("whole: %d taken, %d before, %d stayed, %v %v", taken, before, stayed, err, h.bypassAlarms())
		}
		if taken, before, _, _, err := read(whole); err != nil || taken != 0 || before != 2 {
			t.Errorf("again: %d taken, %d before, %v", taken, before, err)
		}
		if logs, err := bypass.Logs(dir); err != nil || len(logs) != 0 {
			t.Errorf("%v %v", logs, err)
		}
		var n int64
		if err := h.DB.QueryRow(t.Context(), "SELECT count(*) FROM results_deliveries WHERE state = 3").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d deliveries done, %v", n, err)
		}
	})
}
