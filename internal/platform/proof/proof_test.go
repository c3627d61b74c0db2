package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The format persists in other people's hands: these bytes must not change.
func TestGoldenProof(t *testing.T) {
	f := newFixture(t)
	f.cosign = true
	for name, got := range map[string][]byte{
		"good.proof": f.build(), "message.hl7": f.received, "lab.pub": []byte(f.key + f.witnessKey),
		"report.txt": []byte(Verify(f.build(), f.received, f.key+f.witnessKey).Text()),
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the golden file:\n%s", name, got)
		}
	}
}

func TestVerifySaysNoMoreThanTheEvidence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fixture)
		id     string
		state  State
		words  string
	}{
		{"accepted", func(*fixture) {}, CheckAnswer, Holds, "riverside's system accepted it. That does not show that the patient's chart has it."},
		{"committed", func(f *fixture) { f.receipt.Level, f.receipt.Code = channel.Committed, "CA" }, CheckAnswer, Holds, "took it into custody. That does not show"},
		{"placed", func(f *fixture) { f.receipt.Level, f.receipt.Code, f.receipt.Body = channel.Placed, "renamed", nil }, CheckAnswer, Unknown, "Nobody answered"},
		{"no reply", func(f *fixture) { f.receipt.Body = nil }, CheckReply, Unknown, "knows of no reply"},
		{"reply", func(*fixture) {}, CheckReply, Unknown, "The partner's own reply is not in this file"},
		{"unproved partner", func(f *fixture) { f.receipt.Peer = channel.Peer{} }, CheckPartner, Unknown, "was not proved"},
		{"partner with certificate", func(*fixture) {}, CheckPartner, Holds, "showed a certificate"},
		{"folder", func(f *fixture) { f.receipt.Peer = channel.Peer{Proof: "folder"} }, CheckPartner, Holds, "known by: folder"},
		{"no configuration", func(f *fixture) { f.out.Config = "" }, CheckConfig, Unknown, "does not name"},
		{"changed on the way", func(f *fixture) { f.sent = append([]byte("X"), f.sent...) }, CheckUnchanged, Unknown, "was changed between"},
		{"unwitnessed", func(*fixture) {}, CheckWitnesses, Unknown, "laboratory's word alone"},
		{"witness unknown to the reader", func(f *fixture) { f.cosign = true }, CheckWitnesses, Unknown, "keys to check them were not given"},
		{"witnessed", func(f *fixture) { f.cosign = true; f.key += f.witnessKey }, CheckWitnesses, Holds, "confirmed this state of the ledger: 1"},
		{"clock put back", func(f *fixture) { f.in.At = f.in.At.Add(time.Hour) }, CheckOrder, Unknown, "clock was put back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			tt.change(f)
			r := Verify(f.build(), f.sent, f.key)
			if !r.Holds() {
				t.Fatalf("does not hold:\n%s", r.Text())
			}
			if r.State(tt.id) != tt.state || !strings.Contains(r.Text(), tt.words) {
				t.Errorf("%s is %v:\n%s", tt.id, r.State(tt.id), r.Text())
			}
		})
	}
}

// Small trees have empty and short paths.
func TestVerifyInSmallLedgers(t *testing.T) {
	for before := range 4 {
		for after := range 4 {
			f := newFixture(t)
			f.before, f.between, f.after = before, before%2, after
			if r := Verify(f.build(), f.sent, f.key); !r.Holds() {
				t.Fatalf("%d before, %d after:\n%s", before, after, r.Text())
			}
		}
	}
}

// One changed byte anywhere, and the proof must not hold.
func TestTamperEveryByte(t *testing.T) {
	f := newFixture(t)
	f.cosign = true
	good, key := f.build(), f.key+f.witnessKey
	if r := Verify(good, f.sent, key); !r.Holds() {
		t.Fatal(r.Text())
	}
	tried := 0
	try := func(what string, proof, message []byte) {
		tried++
		if Verify(proof, message, key).Holds() {
			t.Errorf("%s: holds", what)
		}
	}
	for _, x := range []byte{0x01, 0x20, 0x80} {
		for i := range good {
			b := bytes.Clone(good)
			b[i] ^= x
			try("proof byte", b, f.sent)
		}
		for i := range f.sent {
			b := bytes.Clone(f.sent)
			b[i] ^= x
			try("message byte", good, b)
		}
	}
	for i := range good {
		try("cut", good[:i], f.sent)
		try("byte removed", append(bytes.Clone(good[:i]), good[i+1:]...), f.sent)
		try("line end added", append(append(bytes.Clone(good[:i]), '\n'), good[i:]...), f.sent)
	}
	try("cut message", good, f.sent[1:])
	try("something after", append(bytes.Clone(good), '\n'), f.sent)
	try("another line", append(bytes.Clone(good), "— x AAAAAAAA\n"...), f.sent)
	if tried < 6*len(good) {
		t.Fatalf("only %d tried", tried)
	}
}

// What a lab that signs anything could write must not hold either, and the
// failing check must be the one that says so.
func TestVerifyCatchesALyingLab(t *testing.T) {
	f := newFixture(t)
	in := f.input()
	other := newFixture(t)
	other.out.Message = delID
	strangers := other.input()
	for _, tt := range []struct {
		name   string
		in     Input
		change func(*File)
		fails  string
	}{
		{"honest", in, func(*File) {}, ""},
		{"other leaf", in, func(p *File) { p.Delivered.Leaf-- }, CheckDeliveredIn},
		{"path cut", in, func(p *File) { p.Received.Path = p.Received.Path[1:] }, CheckReceivedIn},
		{"path longer", in, func(p *File) { p.Received.Path = append(p.Received.Path, p.Received.Path[0]) }, CheckReceivedIn},
		{"leaf after the end", in, func(p *File) { p.Delivered.Leaf = ledger.MaxNumber }, CheckDeliveredIn},
		{"level raised", in, func(p *File) {
			p.Delivered.Event = strings.Replace(p.Delivered.Event, `"code":"AA"`, `"code":"AE"`, 1)
		}, CheckDeliveredIn},
		{"partner changed", in, func(p *File) {
			p.Delivered.Event = strings.Replace(p.Delivered.Event, `"riverside"`, `"hillside"`, 1)
		}, CheckDelivered},
		{"salt changed", in, func(p *File) { p.Received.Salt = ledger.Salt{}.String() }, CheckReceived},
		{"reply hash changed", in, func(p *File) { p.Delivered.Reply = p.Delivered.Body }, CheckDelivered},
		{"reply hash dropped", in, func(p *File) { p.Delivered.Reply = "" }, CheckDelivered},
		{"entries exchanged", in, func(p *File) {
			reply := p.Delivered.Reply
			p.Received, p.Delivered = p.Delivered, p.Received
			p.Received.Reply, p.Delivered.Reply = "", reply
		}, CheckReceived},
		{"sending before coming in", in, func(p *File) { p.Received.Leaf = p.Delivered.Leaf + 1 }, CheckOrder},
		{"about another message", strangers, func(*File) {}, CheckAbout},
		{"other message id", in, func(p *File) { p.Message = delID }, CheckAbout},
		{"checkpoint size", in, func(p *File) { p.Checkpoint[1] = "37" }, CheckCheckpoint},
		{"huge checkpoint", in, func(p *File) { p.Checkpoint[1] = "9007199254740991" }, CheckCheckpoint},
		{"checkpoint of another ledger", in, func(p *File) { p.Checkpoint[0] = "other.example" }, CheckCheckpoint},
		{"another lab's name", in, func(p *File) { p.Lab = "other.example" }, CheckSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Verify(f.force(tt.in, tt.change), f.sent, f.key)
			if tt.fails == "" {
				if !r.Holds() {
					t.Fatal(r.Text())
				}
				return
			}
			if r.Holds() || r.State(tt.fails) != Fails {
				t.Errorf("%s is %v:\n%s", tt.fails, r.State(tt.fails), r.Text())
			}
			if r.State(CheckAnswer) == Holds && tt.fails != CheckReceived && tt.fails != CheckReceivedIn && tt.fails != CheckOrder {
				t.Error("still speaks of the partner's answer")
			}
		})
	}
}

func TestVerifyWithAnotherKey(t *testing.T) {
	f := newFixture(t)
	good := f.build()
	_, sameName, err := note.GenerateKey(seed("other"), labName)
	if err != nil {
		t.Fatal(err)
	}
	if r := Verify(good, f.sent, sameName); r.Holds() || r.State(CheckSignature) != Fails {
		t.Errorf("another key of the same name:\n%s", r.Text())
	}
	if r := Verify(good, f.sent, "# both\n"+sameName+"\r\n\n"+f.key); !r.Holds() {
		t.Errorf("old and new key together:\n%s", r.Text())
	}
	if r := Verify(good, f.received[1:], f.key); r.State(CheckMessage) != Fails {
		t.Error("another message matches")
	}
	for _, k := range []string{"", "#", f.witnessKey, "x", strings.Repeat("x", 1<<20), f.key[:len(f.key)-4], "PRIVATE+KEY+" + f.key, strings.Replace(f.key, "+", "+0", 1)} {
		if r := Verify(good, f.sent, k); r.Holds() || r.State(CheckKey) != Fails {
			t.Errorf("key %.40q:\n%s", k, r.Text())
		}
	}
}

func TestVerifyNamesTheUnchangedOriginal(t *testing.T) {
	f := newFixture(t)
	f.sent = append([]byte("X"), f.sent...)
	r := Verify(f.build(), f.received, f.key)
	if r.Holds() || !strings.Contains(r.Text(), "the message as it came in") {
		t.Errorf("got:\n%s", r.Text())
	}
}

func TestWrongWitnessSignatureFails(t *testing.T) {
	f := newFixture(t)
	f.cosign = true
	b := f.force(f.input(), func(p *File) {
		s, err := parseSignature(p.Checkpoint[5])
		if err != nil {
			t.Fatal(err)
		}
		sig := note.Signature{Name: s.name, Hash: s.id, Base64: p.Checkpoint[5][strings.LastIndex(p.Checkpoint[5], " ")+1:]}
		// One letter inside the time.
		sig.Base64 = sig.Base64[:14] + string(sig.Base64[14]^1) + sig.Base64[15:]
		p.Checkpoint[5] = dash + sig.Name + " " + sig.Base64
	})
	if r := Verify(b, f.sent, f.key+f.witnessKey); r.Holds() || r.State(CheckWitnesses) != Fails {
		t.Errorf("with the witness's key:\n%s", r.Text())
	}
	if r := Verify(b, f.sent, f.key); !r.Holds() {
		t.Errorf("a reader who does not know the witness:\n%s", r.Text())
	}
}

func TestBuildRefusesWhatWouldNotHold(t *testing.T) {
	f := newFixture(t)
	for name, change := range map[string]func(*Input){
		"wrong salt":       func(in *Input) { in.Delivered.Salt[0]++ },
		"wrong leaf":       func(in *Input) { in.Received.Leaf++ },
		"other message":    func(in *Input) { in.Message = delID },
		"no checkpoint":    func(in *Input) { in.Checkpoint = nil },
		"no path":          func(in *Input) { in.Delivered.Path = nil },
		"id with a space":  func(in *Input) { in.Message = "a b" },
		"event not an one": func(in *Input) { in.Received.Event = []byte("{}") },
	} {
		in := f.input()
		change(&in)
		if _, err := Build(in, f.signer, f.known); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	skey, _, err := note.GenerateKey(seed("other"), labName)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(f.input(), s, f.known); err == nil {
		t.Error("signed with a key that readers do not have")
	}
}

// A partner's answer is whatever the partner sends.
func TestHostileReceiptStillMakesAnEvent(t *testing.T) {
	f := newFixture(t)
	f.receipt.Code = "AA\x00\n\"}—" + strings.Repeat("x", 10_000)
	f.receipt.Peer = channel.Peer{Proof: "tok en", TLS: "\r\n", Fingerprint: "ff ff"}
	if r := Verify(f.build(), f.sent, f.key); !r.Holds() {
		t.Error(r.Text())
	}
	f.out.Receipt = channel.Receipt{}
	if _, err := f.out.Event(ledger.Salt{}); err == nil {
		t.Error("a receipt without a level became a delivery")
	}
}

func TestProofHoldsNoPatientData(t *testing.T) {
	f := newFixture(t)
	b := f.build()
	for _, word := range []string{"PATIENT", "TEST^", "T-1", "Glucose", "MSH|", "MSA"} {
		if bytes.Contains(b, []byte(word)) || strings.Contains(Verify(b, f.sent, f.key).Text(), word) {
			t.Errorf("the proof tells %q", word)
		}
	}
}

func TestReportJSON(t *testing.T) {
	f := newFixture(t)
	b, err := json.Marshal(Verify(f.build(), f.sent, f.key))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Holds  bool
		Checks []struct{ ID, State, Sentence string }
	}
	if err := json.Unmarshal(b, &r); err != nil || !r.Holds || len(r.Checks) != 17 || r.Checks[2].State != "holds" {
		t.Errorf("%s %v", b, err)
	}
}

func TestParseLimits(t *testing.T) {
	if _, err := Parse(make([]byte, MaxProof+1)); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
	deep := Header + "\n" + strings.Repeat("[", 60_000) + "\n\n" + dash + "x AAAAAAAA\n"
	if _, err := Parse([]byte(deep)); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	x := newFixture(f)
	x.cosign = true
	good := x.build()
	f.Add(good, x.key)
	f.Add(good[:len(good)/2], x.key+x.witnessKey)
	f.Fuzz(func(t *testing.T, b []byte, key string) {
		r := Verify(b, x.sent, key)
		if r.Holds() && !bytes.Equal(b, good) && strings.Contains(key, strings.TrimSpace(x.key)) {
			t.Fatal("a forged proof holds")
		}
		p, err := Parse(b)
		if err != nil {
			return
		}
		back, err := p.body()
		if err != nil || !bytes.HasPrefix(b, []byte(back)) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	f.cosign, f.before, f.after = true, 500_000, 500_000
	good, key := f.build(), f.key+f.witnessKey
	b.ReportAllocs()
	for b.Loop() {
		if !Verify(good, f.sent, key).Holds() {
			b.Fatal("does not hold")
		}
	}
}
