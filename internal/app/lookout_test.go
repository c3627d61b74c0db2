package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger/witness"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// late is the machine's clock, moved by a test.
type late struct{ by atomic.Int64 }

func (l *late) now() time.Time { return time.Now().Add(time.Duration(l.by.Load())) }

// openLate opens the hub with a clock that a test moves.
func (s *site) openLate(l *late) *Hub {
	s.t.Helper()
	d := s.deps()
	d.Now = l.now
	h, err := Open(s.t.Context(), s.parse(s.source(partnerAt("p", "127.0.0.1:1"), "p", "shadow")), s.seals, d)
	if err != nil {
		s.t.Fatal(err)
	}
	// Setting a machine's clock does not move its steady one, which the lease goes
	// by: on PostgreSQL the node would give up its term, and know of no partner.
	h.lease = newLease(h.DB, s.deps())
	return h
}

// live is the standing alarm of a kind; the zero Record when there is none.
func live(h *Hub, kind, about string) alarm.Record {
	for _, a := range h.Alarms.Live() {
		if a.Kind == kind && a.About == about && a.Quiet.IsZero() {
			return a
		}
	}
	return alarm.Record{}
}

func want(t *testing.T, h *Hub, kind, about string, severity alarm.Severity, text string) {
	t.Helper()
	a := live(h, kind, about)
	if a.Number == 0 || a.Severity != severity || !strings.Contains(a.Sentence, text) || a.Advice == "" {
		t.Errorf("%s of %q: %+v, want %s with %q", kind, about, a, severity, text)
	}
}

func TestAPartnerThatIsSilentAndADoorThatTurnsAwayRaiseAlarms(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		clock := &late{}
		src := strings.Replace(s.source(partnerAt("p", "127.0.0.1:1"), "p", "carry"), "partners:\n",
			"  strict:\n    mllp: {listen: \"127.0.0.1:0\"}\n    from: [192.0.2.0/24]\npartners:\n", 1)
		src = strings.Replace(src, "name: Practice p,", "name: Practice p, retry: {first: 100ms, breaker: {failures: 1}},", 1)
		h := s.openLate(clock)
		addrs, _ := s.serve(h, s.parse(src))
		if code, err := dial(t, addrs["lis"]).send(result("M1")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		l := newLookout(h)
		eventually(t, "the partner counts as down", func() bool {
			all, err := h.Results.Partners(t.Context())
			return err == nil && !all[0].DownSince.IsZero()
		})
		l.look(t.Context())
		if a := live(h, kindSilent, "p"); a.Number != 0 {
			t.Errorf("an alarm before its limit: %+v", a)
		}
		clock.by.Store(int64(20 * time.Minute))
		l.look(t.Context())
		want(t, h, kindSilent, "p", alarm.Urgent, "Nothing has got through to Practice p since")
		want(t, h, kindClock, "", alarm.Warning, "clock went forward by 20m0s")

		c, err := net.Dial("tcp", addrs["strict"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Read(make([]byte, 1)) // until it is closed on us
		eventually(t, "the door's alarm", func() bool { l.look(t.Context()); return live(h, kindTurnedAway, "strict").Number != 0 })
		want(t, h, kindTurnedAway, "strict", alarm.Warning, "Source strict turned connections away")
		if live(h, kindTurnedAway, "lis").Number != 0 {
			t.Error("the other door is named too")
		}
	})
}

// A partner accepts a result and refuses it afterwards; another it refuses at
// once, so that it needs a person.
func TestARefusalAfterTheAcceptanceAndOneAtOnceRaiseAlarms(t *testing.T) {
	s := newSite(t, "")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					b, err := frame(r)
					if err != nil {
						return
					}
					head, err := hl7.ReadHeader(b)
					if err != nil {
						return
					}
					codes := []string{"AA", "AE"}
					if string(head.ControlID) == "BAD" {
						codes = codes[1:]
					}
					for _, code := range codes {
						ack := hl7.AppendAck(nil, &head, hl7.AckOptions{Code: code, ControlID: "A" + string(head.ControlID), Time: time.Now()})
						if _, err := c.Write(append(append([]byte{0x0b}, ack...), 0x1c, '\r')); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	h := s.open()
	addrs, _ := s.serve(h, s.parse(s.source(partnerAt("p", ln.Addr().String()), "p", "carry")))
	lis := dial(t, addrs["lis"])
	if code, err := lis.send(result("M1")); err != nil || code != "AA" {
		t.Fatal(code, err)
	}
	eventually(t, "the late refusal", func() bool { return live(h, kindLateRefusal, "p").Number != 0 })
	want(t, h, kindLateRefusal, "p", alarm.Urgent, "Practice p's system has refused (AE) a result after it had answered")
	if code, err := lis.send(result("BAD")); err != nil || code != "AA" {
		t.Fatal(code, err)
	}
	l := newLookout(h)
	eventually(t, "the delivery's alarm", func() bool { l.look(t.Context()); return live(h, kindNeedsPerson, "p").Number != 0 })
	want(t, h, kindNeedsPerson, "p", alarm.Urgent, "1 result could not be delivered to Practice p")
}

// take hands a message to a hub that is not serving.
func take(t *testing.T, h *Hub, source, body, code string) {
	t.Helper()
	r, err := h.Results.Intake(source).Handle(t.Context(), channel.Peer{Name: source}, []byte(body))
	if err != nil || !strings.Contains(string(r.Body), "MSA|"+code) {
		t.Fatalf("answered %q, %v; want %s", r.Body, err, code)
	}
}

func TestQuarantineAndIndexRaiseAlarms(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		clock := &late{}
		h := s.openLate(clock)
		defer s.close(h)
		c := s.parse(s.source(partnerAt("p", "127.0.0.1:1"), "p", "shadow"))
		set, err := h.Offline(c)
		if err != nil {
			t.Fatal(err)
		}
		h.Results.Apply(set)
		l := newLookout(h)
		look := func(at func(context.Context, *config.Config) ([]string, []alarm.Alarm, error)) {
			t.Helper()
			kinds, found, err := at(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			h.Alarms.Stands(t.Context(), kinds, found)
		}
		take(t, h, "lis", result("M1"), "AA")
		take(t, h, "lis", strings.Replace(result("M1"), "|90|", "|91|", 1), "AE")
		take(t, h, "lis", "MSH|nonsense\r", "A")
		take(t, h, "stranger", result("M2"), "A")
		look(l.quarantine)
		look(l.index)
		want(t, h, kindReused, "lis", alarm.Urgent, "1 message is in quarantine")
		want(t, h, kindUnknown, "stranger", alarm.Warning, "Somebody this laboratory does not know sent 1 message")
		if n := len(h.Alarms.Live()); n != 2 {
			t.Errorf("%d alarms: %+v", n, h.Alarms.Live())
		}
		clock.by.Store(int64(2 * time.Hour))
		look(l.quarantine)
		look(l.index)
		want(t, h, kindQuarantine, "lis", alarm.Warning, "1 message waits from lis in quarantine")
		want(t, h, kindIndex, "", alarm.Note, "Search does not find results")
		if _, err := h.Results.IndexNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(l.index)
		if live(h, kindIndex, "").Number != 0 {
			t.Error("search is up to date, and its alarm stands")
		}
		for i := range manyApart {
			take(t, h, "lis", fmt.Sprintf("MSH|nonsense %d\r", i), "A")
		}
		look(l.quarantine)
		want(t, h, kindQuarantine, "lis", alarm.Urgent, "21 messages wait")
		groups, err := h.Results.ApartGroups(t.Context())
		if err != nil || len(groups) != 3 || groups[0].Cause != results.CauseConflict {
			t.Errorf("groups %+v, %v", groups, err)
		}
	})
}

func TestDatesRaiseAlarmsAt30And14And7And1Days(t *testing.T) {
	clock := &late{}
	s := newSite(t, "")
	server := httptest.NewTLSServer(nil)
	server.Close()
	cert := filepath.Join(s.dir, "hub.crt")
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	x, err := x509.ParseCertificate(server.Certificate().Raw)
	if err != nil {
		t.Fatal(err)
	}
	h := s.openLate(clock)
	defer s.close(h)
	src := strings.Replace(s.source(partnerAt("p", "127.0.0.1:1"), "p", "shadow"), "sources:\n", fmt.Sprintf("  tls: {certificate: %s, key: %s}\nsources:\n", cert, cert), 1)
	src = strings.Replace(src, "mllp: {listen: \"127.0.0.1:0\"}", "mllp: {listen: \"127.0.0.1:0\", exception: {kind: plaintext, reason: old LIS, owner: M. Okafor, until: "+x.NotAfter.Format(time.DateOnly)+"}}", 1)
	c := s.parse(src)
	l := newLookout(h)
	for _, step := range []struct {
		days     int
		severity alarm.Severity
	}{{31, -1}, {30, alarm.Note}, {14, alarm.Note}, {7, alarm.Warning}, {1, alarm.Urgent}, {-2, alarm.Urgent}} {
		clock.by.Store(int64(time.Until(x.NotAfter.AddDate(0, 0, -step.days)) + time.Second))
		if step.days > 30 {
			clock.by.Add(-int64(time.Hour))
		}
		kinds, found, err := l.dates(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		h.Alarms.Stands(t.Context(), kinds, found)
		if step.severity < 0 {
			if a := live(h, kindCert, "node"); a.Number != 0 {
				t.Errorf("%d days before: %+v", step.days, a)
			}
			continue
		}
		want(t, h, kindCert, "node", step.severity, "The certificate of node end")
		want(t, h, kindException, "source lis", step.severity, "The exception of source lis, plaintext (old LIS), end")
		if a := live(h, kindException, "source lis"); a.Owner != "M. Okafor" {
			t.Errorf("owner %q", a.Owner)
		}
		// Whoever accepted is told again when the next date comes.
		if a := live(h, kindCert, "node"); a.State != alarm.Open {
			t.Errorf("%d days before: %+v", step.days, a)
		} else if _, err := h.Alarms.Accept(t.Context(), a.Number, "okafor", ""); err != nil {
			t.Fatal(err)
		}
	}
}

// The doors that partners come to have certificates of their own: somebody hears of
// their ends in time, and of a renewed one that it is there.
func TestCertificatesOfTheDoorsRaiseAlarms(t *testing.T) {
	clock := &late{}
	s := newSite(t, "")
	p := newPuller(t, s)
	node := "  web: {listen: \"127.0.0.1:0\", public_url: \"https://pages.example\", tls: {certificate: C, key: K}}\n" +
		"  portal: {listen: \"127.0.0.1:0\", public_url: \"https://results.example\", tls: {certificate: C, key: K}}\n" +
		"  fhir: {listen: \"127.0.0.1:0\", public_url: \"https://fhir.example\", tls: {certificate: C, key: K}}\n" +
		"  front: {ftps: {listen: \"127.0.0.1:2121\", tls: {certificate: C, key: K}}}\n"
	cert, key := rsaPair(t, s.dir, "doors.example") // it ends in an hour
	node = strings.NewReplacer("certificate: C", "certificate: "+cert, "key: K", "key: "+key).Replace(node)
	c := s.parse(strings.Replace(s.source(p.partners+partnerAt("p", "127.0.0.1:1"), "p", "shadow"), "sources:\n", node+"sources:\n", 1))
	h := s.openLate(clock)
	defer s.close(h)
	inUse, err := ownCertificates(c)
	if err != nil {
		t.Fatal(err)
	}
	h.dates.take(c, inUse)
	look := func() {
		t.Helper()
		kinds, found, err := newLookout(h).dates(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		h.Alarms.Stands(t.Context(), kinds, found)
	}
	names := []string{wayPages, wayPortal, wayFHIR, wayFTPS}
	look()
	for _, door := range names {
		want(t, h, kindCert, door, alarm.Urgent, "The certificate of "+door+" ends on")
	}
	clock.by.Store(int64(2 * time.Hour))
	look()
	for _, door := range names {
		want(t, h, kindCert, door, alarm.Urgent, "The certificate of "+door+" ended on")
	}
	server := httptest.NewTLSServer(nil)
	server.Close()
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	look()
	for _, door := range names {
		if a := live(h, kindCert, door); a.Number != 0 {
			t.Errorf("a renewed certificate of %s lies there, and still: %+v", door, a)
		}
	}
}

func TestTheMachineAndTheLedgerRaiseAlarms(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		clock := &late{}
		h := s.openLate(clock)
		defer s.close(h)
		gone := filepath.Join(s.dir, "gone.key")
		c := s.parse(strings.Replace(s.source(partnerAt("p", "127.0.0.1:1"), "p", "shadow"), "  seals: [", "  seals: [{kind: keyfile, path: "+gone+"}, ", 1))
		l := newLookout(h)
		look := func(at func(context.Context, *config.Config) ([]string, []alarm.Alarm, error)) {
			t.Helper()
			kinds, found, err := at(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			h.Alarms.Stands(t.Context(), kinds, found)
		}
		state := disk{free: 1 << 30}
		l.disk = func(string) (disk, error) { return state, nil }
		look(l.machine)
		look(l.store)
		want(t, h, kindDisk, "", alarm.Warning, "1024 MiB left; the configuration asks for 2GiB")
		want(t, h, kindSeal, "keyfile gone.key", alarm.Warning, "it is not there")
		if live(h, kindStore, "").Number != 0 || live(h, kindReadOnly, "").Number != 0 {
			t.Errorf("%+v", h.Alarms.Live())
		}
		state = disk{free: 1 << 20, readOnly: true}
		look(l.machine)
		want(t, h, kindDisk, "", alarm.Urgent, "1 MiB left")
		want(t, h, kindReadOnly, "", alarm.Urgent, "read-only")
		if err := vault.CreateKeyFile(gone, rand.Reader); err != nil {
			t.Fatal(err)
		}
		state = disk{free: 1 << 40}
		look(l.machine)
		if a := h.Alarms.Counts(); a[alarm.Urgent]+a[alarm.Warning]+a[alarm.Note] != 0 {
			t.Errorf("all is well again, and %+v stand", h.Alarms.Live())
		}
		if d, err := statDisk(s.dir); err != nil || d.free <= 0 || d.readOnly {
			t.Errorf("this disk: %+v, %v", d, err)
		}

		h.audited(t.Context(), false)
		want(t, h, kindDamaged, "", alarm.Urgent, "changed, moved or removed")
		h.audited(t.Context(), true)
		if live(h, kindDamaged, "").Number != 0 {
			t.Error("a sound audit did not end it")
		}

		g := newGuard(h)
		st, err := g.stage(t.Context(), c)
		g.all, g.every, g.waiting = st.all, st.every, len(st.all) > 0
		if err != nil {
			t.Fatal(err)
		}
		g.alarms["stick"] = witness.Alarm{Verdict: witness.Rewritten, Witness: "stick", Text: "The past was changed."}
		g.all = append(g.all, &watcher{state: WitnessState{Name: "far", Late: true, Problem: "it could not be reached"}})
		h.guard.Store(g)
		h.Alarms.Tick(t.Context()) // facts grow the ledger
		clock.by.Store(int64(time.Hour))
		look(l.ledger)
		want(t, h, kindLedger, "stick", alarm.Urgent, "The past was changed.")
		want(t, h, kindWitness, "far", alarm.Warning, "Witness far has not confirmed")
		want(t, h, kindCheckpoint, "", alarm.Warning, "No checkpoint of the ledger could be signed")
		if err := g.sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		look(l.ledger)
		if live(h, kindCheckpoint, "").Number != 0 {
			t.Error("a signed checkpoint did not end it")
		}

		err = h.DB.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "DROP TABLE watch_probe")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		clock.by.Store(int64(2 * time.Hour))
		look(l.store)
		want(t, h, kindStore, "", alarm.Urgent, "The store does not take writes")
	})
}

func TestAClockThatIsSetRaisesAnAlarm(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		h := s.open()
		defer s.close(h)
		l := newLookout(h)
		wall, mono := time.Now(), time.Duration(0)
		l.wall, l.mono = func() time.Time { return wall }, func() time.Duration { return mono }
		step := func(w, m time.Duration) { wall, mono = wall.Add(w), mono+m; l.clock(t.Context()) }
		step(0, 0)
		step(15*time.Second, 15*time.Second)
		step(16*time.Second, 15*time.Second) // slewing is no jump
		step(time.Hour, time.Hour)           // neither is a long pause
		if a := live(h, kindClock, ""); a.Number != 0 {
			t.Fatalf("%+v", a)
		}
		step(-time.Hour, 15*time.Second)
		want(t, h, kindClock, "", alarm.Warning, "clock went back by 1h0m15s since the last look")
		h.Alarms.Tick(t.Context())

		// At the next start the clock stands before the newest entry.
		l.wall = func() time.Time { return time.Now().Add(-48 * time.Hour) }
		l.lastClock(t.Context())
		want(t, h, kindClock, "", alarm.Warning, "while the hub was not running")
	})
}
