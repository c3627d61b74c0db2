package demo

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay is the least that can stand where the hub will: it takes a message,
// passes it to whom it is due and only then answers. It keeps what it refuses.
type relay struct {
	t         *testing.T
	dir       string
	mllp      string
	fhir      string
	client    *http.Client
	folder    string
	recipient string

	mu   sync.Mutex
	n    int
	kept []Item
	// misroute sends the message with this control id to somebody else too.
	misroute string
}

func (r *relay) serve(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			in := bufio.NewReader(conn)
			for {
				body, err := readFrame(in)
				if err != nil {
					return
				}
				f, code := readFacts(body), "AA"
				if to := PartnersOf(body); f.OK && len(to) > 0 {
					if f.Control == r.misroute {
						to = []string{Riverside, Northgate}
					}
					for _, p := range to {
						if err := r.pass(p, f, body); err != nil {
							r.t.Errorf("relay to %s: %v", p, err)
							return
						}
					}
				} else {
					r.mu.Lock()
					r.kept = append(r.kept, Item{SHA256: hash(body)})
					r.mu.Unlock()
					code = "AR"
				}
				if writeFrame(conn, ack(body, code, f.Control, 1)) != nil {
					return
				}
			}
		}()
	}
}

func (r *relay) pass(partner string, f facts, body []byte) error {
	switch partner {
	case Riverside:
		conf, err := ClientTLS(r.dir, "hub", Riverside)
		if err != nil {
			return err
		}
		conn, err := tls.Dial("tcp", r.mllp, conf)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if err := writeFrame(conn, body); err != nil {
			return err
		}
		reply, err := readFrame(bufio.NewReader(conn))
		if err == nil && !positive(readAnswers(reply)[0].Code) {
			err = fmt.Errorf("answered %s", readAnswers(reply)[0].Code)
		}
		return err
	case StBrigid:
		res, err := r.client.Post(r.fhir, fhirMedia, strings.NewReader(bundle(f.Control, f.Fillers[0], f.Patients[0], "1")))
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != 200 {
			return fmt.Errorf("answered %d", res.StatusCode)
		}
		return nil
	}
	sealed := seal(r.t, r.recipient, body, false)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	place(r.t, r.folder, fmt.Sprintf("%d.age", r.n), sealed)
	return nil
}

// The whole set through a relay to three clinic processes, counted from their
// own lists: nothing lost, and one misrouted message is named.
func TestWholeSetToThreeClinics(t *testing.T) {
	for _, misroute := range []string{"", "HF004101"} {
		dir := certs(t)
		r := &relay{t: t, dir: dir, misroute: misroute, folder: filepath.Join(dir, "in-"+Northgate)}
		for _, p := range Practices() {
			addr, _, cmd := startProcess(t, p.Kind, "-dir", dir, "-name", p.Partner)
			defer func() { _ = cmd.Process.Kill() }()
			switch p.Kind {
			case KindMLLP:
				r.mllp = addr
			case KindFHIR:
				r.fhir = addr
			}
		}
		var err error
		if r.recipient, err = NewIdentity(filepath.Join(dir, Northgate+".age")); err != nil {
			t.Fatal(err)
		}
		conf, err := ClientTLS(dir, "hub", StBrigid)
		if err != nil {
			t.Fatal(err)
		}
		r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: conf}, Timeout: 20 * time.Second}
		t.Cleanup(r.client.CloseIdleConnections)
		serve, err := ServerTLS(dir, "hub", "lis")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := tls.Listen("tcp", "127.0.0.1:0", serve)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go r.serve(ln)
		var out bytes.Buffer
		if err := RunLIS(t.Context(), LISOptions{Hub: ln.Addr().String(), Certs: dir, List: filepath.Join(dir, "lis.jsonl"), Connections: 4, AckTimeout: 20 * time.Second, Out: &out}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), "done 93 presented, 93 answered, 0 given up\n") {
			t.Errorf("%q", out.String())
		}
		b := Books{Hub: HubSay{Quarantined: r.kept}}
		if b.LIS, err = ReadLIS(filepath.Join(dir, "lis.jsonl")); err != nil {
			t.Fatal(err)
		}
		if b.Expect, err = Expectations(); err != nil {
			t.Fatal(err)
		}
		waitLines(t, filepath.Join(dir, Northgate+".jsonl"), r.n)
		for _, p := range Practices() {
			l, err := ReadClinic(filepath.Join(dir, p.Partner+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			b.Clinics = append(b.Clinics, ClinicList{p.Partner, p.Kind, l})
		}
		got := Count(b)
		if got.Received != 93 || got.Quarantined != 3 || got.Delivered != 92 || got.Acknowledged != 92-dueTo(b.Expect, Northgate) || got.Lost != 0 || got.OutOfOrder != 0 || got.Doubled != 0 {
			t.Errorf("%+v", got)
		}
		if wrong := misroute != ""; got.OK() == wrong || wrong && (got.WrongPartner != 1 || !strings.Contains(got.Problems[0], "WRONG PARTNER: 01-bmp.hl7#1 (control id HF004101) came to northgate, due to [riverside]")) {
			t.Errorf("misrouted %q: %+v", misroute, got)
		}
	}
}

func dueTo(es []Expectation, partner string) (n int) {
	for _, e := range es {
		for _, p := range e.Partners {
			if p == partner {
				n++
			}
		}
	}
	return n
}
