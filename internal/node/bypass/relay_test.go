package bypass

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

func oru(control string) []byte {
	return []byte(`MSH|^~\&|GLASSWORT|HOLLOWFEN|NORTH|CLINIC|20260304080000||ORU^R01^ORU_R01|` + control + "|P|2.5.1\rPID|1||4711\rOBR|1\r")
}

// practice is a partner's system with its own list.
type practice struct {
	mu     sync.Mutex
	bodies [][]byte
	err    error
	before func()
}

func (p *practice) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.before != nil {
		p.before()
	}
	if p.err != nil {
		return channel.Receipt{}, p.err
	}
	p.bodies = append(p.bodies, bytes.Clone(m.Body))
	return channel.Receipt{Level: channel.Accepted, Code: "AA", Body: []byte("MSA|AA")}, nil
}

func (p *practice) Close() error { return nil }

func (p *practice) got() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.bodies) }

type rig struct {
	*Relay
	t            *testing.T
	key          Key
	north, south *practice
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, key: newKey(t), north: &practice{}, south: &practice{}}
	r.open()
	return r
}

// open is a relay with an empty memory on a new log, as after a kill.
func (r *rig) open() {
	r.Relay = &Relay{
		Log: newLog(r.t, r.key), Now: time.Now, Slog: slog.New(slog.DiscardHandler),
		Partners: map[string]Partner{"north": {Sender: r.north}, "south": {Sender: r.south}},
		Decide: func(_ string, body []byte) ([]Way, *Refusal) {
			switch {
			case bytes.Contains(body, []byte("NOWHERE")):
				return nil, nil
			case bytes.Contains(body, []byte("HELD")):
				return nil, &Refusal{Cause: "held", Code: "207", Text: "no"}
			case bytes.Contains(body, []byte("FHIR")):
				return []Way{{Partner: "north", Route: "a"}, {Partner: "bundle", Route: "a", Cannot: "FHIR"}}, nil
			}
			return []Way{{Partner: "north", Route: "a"}, {Partner: "south", Route: "b"}, {Partner: "copy", Route: "c", Shadow: true}}, nil
		},
	}
}

func (r *rig) present(body []byte) string {
	r.t.Helper()
	reply, err := r.Source("lis").Handle(r.t.Context(), channel.Peer{}, body)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := hl7.ReadAck(reply.Body)
	if err != nil {
		r.t.Fatalf("%q: %v", reply.Body, err)
	}
	return a.Code
}

func (r *rig) records(kind string) (out []Record) {
	r.t.Helper()
	_, err := ReadLog(r.Log.Path, r.key, func(x Record) error {
		if x.Kind == kind {
			out = append(out, x)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) want(body []byte, code string, north, south int) {
	r.t.Helper()
	if got := r.present(body); got != code || r.north.got() != north || r.south.got() != south {
		r.t.Errorf("answer %s, want %s; north has %d, want %d; south has %d, want %d", got, code, r.north.got(), north, r.south.got(), south)
	}
}

func TestAcknowledgedOnlyWhenEveryPartnerAccepted(t *testing.T) {
	r := newRig(t)
	body := oru("C1")
	r.north.before = func() {
		if len(r.records(Relayed)) != 1 {
			t.Error("sent before the message was in the log")
		}
	}
	r.want(body, "AA", 1, 1)
	r.north.before = nil
	if !bytes.Equal(r.north.bodies[0], body) || !bytes.Equal(r.south.bodies[0], body) {
		t.Error("not byte for byte")
	}
	if x := r.records(Tried); len(x) != 1 || len(x[0].Receipts) != 2 || string(x[0].Receipts[0].Receipt.Body) != "MSA|AA" {
		t.Errorf("%+v", x)
	}
	r.want(body, "AA", 1, 1) // the LIS repeats: nothing is sent
	r.want([]byte(strings.Replace(string(body), "4711", "4712", 1)), "AE", 1, 1)
}

// A partner that is away: the LIS keeps the message; what another partner
// accepted is not sent to it again, also after a kill.
func TestPartnerThatIsAwayAndRepeats(t *testing.T) {
	for _, killed := range []bool{false, true} {
		r := newRig(t)
		r.south.err = &channel.Error{Class: channel.Unreachable, Err: errors.New("away")}
		r.want(oru("C1"), "AR", 1, 0)
		r.want(oru("C1"), "AR", 1, 0)
		if killed {
			old := r.Log.Path
			r.open()
			if _, err := ReadLog(old, r.key, func(x Record) error { r.Remember(x); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		r.south.err = nil
		r.want(oru("C1"), "AA", 1, 1)
		r.want(oru("C1"), "AA", 1, 1)
		r.south.err = &channel.Error{Class: channel.Rejected, Code: "AE", Err: errors.New("no")}
		r.want(oru("C2"), "AE", 2, 1)
		r.south.err = &channel.Error{Class: channel.Unfit, Err: errors.New("no")}
		r.want(oru("C3"), "AE", 3, 1)
	}
}

func TestWhatCannotBeDecidedStaysWithTheSender(t *testing.T) {
	r := newRig(t)
	r.want(oru("HELD1"), "AE", 0, 0)
	r.want([]byte("no HL7 at all"), "AE", 0, 0)
	r.want(oru("FHIR1"), "AE", 1, 0) // who can be reached has it, who cannot does not
	r.want(oru("FHIR1"), "AE", 1, 0)
	r.want(oru("NOWHERE1"), "AA", 1, 0) // kept in the log, due to nobody
	if n := len(r.records(Refused)); n != 2 {
		t.Errorf("%d refusals in the log", n)
	}
	if n := len(r.records(Relayed)); n != 2 {
		t.Errorf("%d messages in the log", n)
	}
}

// Without the log nothing is sent, and what was sent is not acknowledged.
func TestNoLogNoAcknowledgement(t *testing.T) {
	r := newRig(t)
	disk := &fullDisk{File: r.Log.f.(*os.File)}
	r.Log.f = disk
	r.want(oru("C1"), "AR", 0, 0)
	disk.room = 1 << 20
	r.north.before = func() { disk.room = 0 } // it fills up while the partners answer
	r.want(oru("C1"), "AR", 1, 1)
	r.north.before = nil
	disk.room = 1 << 20
	r.want(oru("C1"), "AA", 2, 2) // at least once: nobody knew that they had it
}

// One message at a time per source: the second waits until the first is answered.
func TestOneMessageAtATimePerSource(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	flying, most := 0, 0
	r.Partners["north"] = Partner{Sender: senderFunc(func(ctx context.Context, m channel.Message) (channel.Receipt, error) {
		mu.Lock()
		flying++
		most = max(most, flying)
		mu.Unlock()
		receipt, err := r.north.Send(ctx, m)
		mu.Lock()
		flying--
		mu.Unlock()
		return receipt, err
	})}
	var wg sync.WaitGroup
	for _, c := range strings.Fields("C1 C2 C3 C4 C5 C6 C7 C8") {
		wg.Go(func() { r.present(oru(c)) })
	}
	wg.Wait()
	if most != 1 || r.north.got() != 8 {
		t.Errorf("%d at once, %d delivered", most, r.north.got())
	}
}

type senderFunc func(context.Context, channel.Message) (channel.Receipt, error)

func (f senderFunc) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	return f(ctx, m)
}
func (senderFunc) Close() error { return nil }
