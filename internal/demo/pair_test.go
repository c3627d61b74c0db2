package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func due(t *testing.T) (messages, wellFormed int) {
	t.Helper()
	es, err := Expectations()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		if !e.Quarantine {
			wellFormed++
		}
	}
	return len(es), wellFormed
}

// The whole set, LIS to clinic, with each fault, in this process.
func TestEveryFault(t *testing.T) {
	messages, wellFormed := due(t)
	// The machine may be busy: only what must run into the timeout has a short one.
	const long, short = 20 * time.Second, 1500 * time.Millisecond
	for _, c := range []struct {
		fault   string
		doubled int // arrivals beyond the first
		refused int // answered AE or AR by the fault
		event   string
		events  int
		timeout time.Duration
	}{
		{"", 0, 0, Unanswered, 0, long},
		{"hang:5:3:20ms", 3, 0, Unanswered, 3, long},
		{"hang:5:1", 1, 0, Unanswered, 1, short},
		{"close:5:3", 3, 0, Unanswered, 3, long},
		{"garbage:5:3", 3, 0, Unanswered, 3, long},
		{"AE:5:3", 0, 3, Unanswered, 0, long},
		{"AR:5:3", 0, 3, Unanswered, 0, long},
		{"stale:5:3", 0, 0, Stale, 3, long},
		{"delay:5:3:20ms", 0, 0, Unanswered, 0, long},
		{"delay:5:1:3s", 1, 0, Unanswered, 1, short},
	} {
		t.Run("fault "+c.fault, func(t *testing.T) {
			dir := certs(t)
			o := clinicOptions(dir, KindMLLP, Riverside)
			o.Fault, _ = ParseFault(c.fault)
			addr, stop := startClinic(t, o)
			lo := lisOptions(dir, addr)
			lo.Connections, lo.AckTimeout = 1, c.timeout
			if err := RunLIS(t.Context(), lo); err != nil {
				t.Fatal(err)
			}
			stop()
			b := direct(t, dir)
			tally := Count(b)
			if tally.Received != messages || tally.Quarantined != 3 || tally.Delivered != wellFormed-c.refused || tally.Acknowledged != tally.Delivered || tally.Lost != c.refused || tally.Doubled != c.doubled || tally.OutOfOrder != 0 || tally.Unanswered != 0 {
				t.Errorf("%+v", tally)
			}
			if c.refused == 0 && !tally.OK() {
				t.Errorf("problems: %v", tally.Problems)
			}
			if n := events(b.LIS, c.event); n != c.events {
				t.Errorf("%d events %s, want %d", n, c.event, c.events)
			}
			marked := 0
			for _, l := range b.Clinics[0].Lines {
				if l.Duplicate {
					marked++
				}
			}
			if marked != c.doubled {
				t.Errorf("the clinic marked %d doubles, want %d", marked, c.doubled)
			}
		})
	}
}

// A doubled answer leaves one stale frame before the next answer for ever; the
// LIS must tell them apart by MSA-2.
func TestDoubleAnswers(t *testing.T) {
	dir := certs(t)
	o := clinicOptions(dir, KindMLLP, Riverside)
	o.Fault, _ = ParseFault("double")
	addr, stop := startClinic(t, o)
	lo := lisOptions(dir, addr)
	lo.Synthetic, lo.Seed = 60, 3
	if err := RunLIS(t.Context(), lo); err != nil {
		t.Fatal(err)
	}
	stop()
	b := direct(t, dir)
	b.Hub = HubSay{}
	b.Expect = ExpectationsOf(Synthetic(60, 3))
	for i := range b.Expect {
		b.Expect[i].Partners = []string{Riverside}
	}
	if tally := Count(b); !tally.OK() || tally.Delivered != 60 || tally.Doubled != 0 {
		t.Errorf("%+v", tally)
	}
	if n := events(b.LIS, Stale); n < 50 {
		t.Errorf("%d stale answers seen, about 57 were sent", n)
	}
}

func TestLISGivesUpAndSaysSo(t *testing.T) {
	dir := certs(t)
	o := clinicOptions(dir, KindMLLP, Riverside)
	o.Fault, _ = ParseFault("close")
	addr, _ := startClinic(t, o)
	lo := lisOptions(dir, addr)
	lo.Synthetic, lo.Attempts = 2, 2
	if err := RunLIS(t.Context(), lo); err != nil {
		t.Fatal(err)
	}
	l, err := ReadLIS(lo.List)
	if err != nil {
		t.Fatal(err)
	}
	if events(l, Presented) != 4 || events(l, Unanswered) != 4 || events(l, GaveUp) != 2 {
		t.Errorf("%+v", l)
	}
}

func TestWholeBatchInOneFrame(t *testing.T) {
	dir := certs(t)
	body, err := Read("54-batch-evening.hl7")
	if err != nil {
		t.Fatal(err)
	}
	var f File
	for _, x := range Manifest() {
		if x.File == "54-batch-evening.hl7" {
			f = x
		}
	}
	u := unitsOf(f, body, true)[0]
	log, _, err := openList[LISLine](filepath.Join(dir, "l"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := func() (*lisConn, *task) {
		tk := &task{Unit: u}
		for _, p := range u.Parts {
			tk.parts = append(tk.parts, partState{Part: p, facts: readFacts(p.Body), sha: hash(p.Body)})
		}
		return &lisConn{lis: &lis{list: log}}, tk
	}
	c, tk := fresh()
	if err := c.take(tk, answer{Code: "AA", Control: batchControl(body)[0]}); err != nil || tk.open() || c.answered != 4 {
		t.Errorf("one answer to the batch: open %v, %v", tk.open(), err)
	}
	c, tk = fresh()
	reply := []byte("BHS|^~\\&\r")
	for i, p := range u.Parts {
		reply = append(reply, ack(p.Body, "AA", readFacts(p.Body).Control, i)...)
	}
	for i, a := range readAnswers(append(reply, "BTS|4\r"...)) {
		if !tk.open() {
			t.Errorf("closed after %d answers", i)
		}
		if err := c.take(tk, a); err != nil {
			t.Fatal(err)
		}
	}
	if tk.open() || c.answered != 4 {
		t.Error("a batch of answers does not close the batch")
	}
}

// A LIS killed in the middle and started again goes on where its list ends, as
// processes, with a clinic process that hangs once.
func TestProcessesAndRestart(t *testing.T) {
	messages, wellFormed := due(t)
	dir := certs(t)
	addr, _, clinic := startProcess(t, KindMLLP, "-dir", dir, "-name", Riverside, "-fault", "hang:9:1")
	_, _, lis := startProcess(t, "lis", "-dir", dir, "-hub", addr)
	list := filepath.Join(dir, "lis.jsonl")
	deadline := time.Now().Add(20 * time.Second)
	for {
		l, err := ReadLIS(list)
		if err != nil {
			t.Fatal(err)
		}
		if events(l, Replied) > 10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the LIS does not get on")
		}
		<-time.After(time.Millisecond)
	}
	_ = lis.Process.Kill()
	_ = lis.Wait()
	_, out, lis := startProcess(t, "lis", "-dir", dir, "-hub", addr)
	line, err := out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "done ") {
		t.Fatalf("%q %v", line, err)
	}
	if err := lis.Wait(); err != nil {
		t.Error(err)
	}
	terminate(t, clinic)
	b := direct(t, dir)
	tally := Count(b)
	if !tally.OK() || tally.Received != messages || tally.Delivered != wellFormed {
		t.Errorf("%+v", tally)
	}
	var seqs []int
	for _, x := range b.LIS {
		if x.Event == Presented {
			seqs = append(seqs, x.Seq)
		}
	}
	slices.Sort(seqs)
	if seqs = slices.Compact(seqs); len(seqs) != messages || seqs[len(seqs)-1] != messages {
		t.Errorf("sequence numbers after the restart: %d different, last %d", len(seqs), seqs[len(seqs)-1])
	}
}

func TestClinicTakesOnlyTheHub(t *testing.T) {
	dir := certs(t)
	addr, _ := startClinic(t, clinicOptions(dir, KindMLLP, Riverside))
	other := t.TempDir()
	ca, err := NewCA(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Write(other, "hub"); err != nil {
		t.Fatal(err)
	}
	stranger, _ := ClientTLS(other, "hub", Riverside)
	right, err := ClientTLS(dir, "hub", Riverside)
	if err != nil {
		t.Fatal(err)
	}
	stranger.RootCAs = right.RootCAs
	wrongName, _ := ClientTLS(dir, "lis", Riverside)
	none := right.Clone()
	none.Certificates = nil
	old := right.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, c := range map[string]struct {
		conf *tls.Config
		ok   bool
	}{"hub": {right, true}, "another root": {stranger, false}, "the LIS's certificate": {wrongName, false}, "no certificate": {none, false}, "TLS 1.2": {old, false}} {
		err := tryRead(t, addr, c.conf)
		// The hub's connection stays open and quiet, the others are ended.
		if quiet := errors.Is(err, os.ErrDeadlineExceeded); quiet != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func tryRead(t *testing.T, addr string, conf *tls.Config) error {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, conf)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	return err
}

func TestKeysArePrivate(t *testing.T) {
	dir := certs(t)
	keys, _ := filepath.Glob(filepath.Join(dir, "*.key"))
	if len(keys) != 4 {
		t.Fatalf("%d keys", len(keys))
	}
	for _, k := range keys {
		if i, err := os.Stat(k); err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", filepath.Base(k), i.Mode(), err)
		}
	}
}

func TestEndOfContextEndsTheLIS(t *testing.T) {
	dir := certs(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	o := lisOptions(dir, "127.0.0.1:1") // nobody there
	if err := RunLIS(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	l, err := ReadLIS(o.List)
	if err != nil || len(l) != 0 {
		t.Errorf("presented although nothing could be: %v %v", l, err)
	}
}
