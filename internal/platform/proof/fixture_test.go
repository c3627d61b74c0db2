package proof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

func seed(s string) *bytes.Reader { h := sha256.Sum256([]byte(s)); return bytes.NewReader(h[:]) }

const (
	labName = "lab.example/ledger"
	msgID   = "0190b6a4-7f00-7000-8000-000000000001"
	delID   = "0190b6a4-7f00-7000-8000-000000000002"
)

// fixture is all that a proof is made of; tests change a part and build.
type fixture struct {
	t              testing.TB
	signer         note.Signer
	known          note.Verifier
	key            string // lab.pub
	witness        note.Signer
	witnessKey     string
	received, sent []byte
	receipt        channel.Receipt
	in             Received
	out            Delivered
	// between and after are the numbers of other leaves.
	before, between, after int
	cosign                 bool
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	skey, vkey, err := note.GenerateKey(seed("lab"), labName)
	if err != nil {
		t.Fatal(err)
	}
	wskey, wvkey, err := ledger.GenerateCosigner(seed("witness"), "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, key: vkey + "\n", witnessKey: wvkey + "\n", before: 5, between: 9, after: 20}
	if f.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	if f.known, err = note.NewVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	if f.witness, err = ledger.NewCosigner(wskey, func() time.Time { return time.Unix(1_772_355_700, 0) }); err != nil {
		t.Fatal(err)
	}
	f.received = []byte("MSH|^~\\&|LIS|LAB|HUB|RIVERSIDE|20260301090000||ORU^R01|M1|P|2.5.1\rPID|1||T-1^^^LAB||TEST^PATIENT\rOBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F\r")
	f.sent = f.received
	peer := channel.Peer{
		Name: "riverside", Proof: "certificate", TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256",
		Fingerprint: fmt.Sprintf("%x", sha256.Sum256([]byte("certificate"))),
	}
	f.receipt = channel.Receipt{
		Level: channel.Accepted, Code: "AA", Peer: peer, At: time.Date(2026, 3, 1, 9, 0, 2, 0, time.UTC),
		Body: []byte("MSH|^~\\&|RIVERSIDE|CLINIC|LIS|LAB|20260301090001||ACK|A1|P|2.5.1\rMSA|AA|M1\r"),
	}
	f.in = Received{Message: msgID, Source: "lis", Peer: peer, At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	f.out = Delivered{Message: msgID, Delivery: delID, Partner: "riverside", Config: fmt.Sprintf("%x", sha256.Sum256([]byte("configuration")))}
	return f
}

// input puts the two events into a ledger and collects the proof's parts.
func (f *fixture) input() Input {
	f.t.Helper()
	var m ledger.Memory
	var head ledger.Head
	add := func(b []byte) int64 {
		var err error
		if head, err = m.Append(head, b); err != nil {
			f.t.Fatal(err)
		}
		return head.Size - 1
	}
	others := func(n int) {
		for range n {
			add(fmt.Appendf(nil, "other %d", head.Size))
		}
	}
	encode := func(e ledger.Event, err error) []byte {
		if err != nil {
			f.t.Fatal(err)
		}
		b, err := e.Encode()
		if err != nil {
			f.t.Fatal(err)
		}
		return b
	}
	in := Input{Made: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Message: msgID}
	in.Received.Salt, in.Delivered.Salt = ledger.Salt{1, 2, 3}, ledger.Salt{4, 5, 6}
	f.in.Body, f.in.Bytes = sha256.Sum256(f.received), int64(len(f.received))
	f.out.Body, f.out.Bytes, f.out.Receipt = sha256.Sum256(f.sent), int64(len(f.sent)), f.receipt
	in.Received.Body, in.Delivered.Body, in.Delivered.Reply = f.in.Body[:], f.out.Body[:], ReplyHash(f.receipt)
	others(f.before)
	in.Received.Leaf = add(encode(f.in.Event(in.Received.Salt)))
	others(f.between)
	in.Delivered.Leaf = add(encode(f.out.Event(in.Delivered.Salt)))
	others(f.after)
	signers := []note.Signer{f.signer}
	if f.cosign {
		signers = append(signers, f.witness)
	}
	var err error
	in.Checkpoint, err = ledger.SignCheckpoint(ledger.Checkpoint{Origin: labName, Size: head.Size, Root: head.Root()}, signers...)
	if err != nil {
		f.t.Fatal(err)
	}
	codec, err := ledger.NewCodec()
	if err != nil {
		f.t.Fatal(err)
	}
	if in, err = Collect(context.Background(), ledger.NewReader(&m, codec), in); err != nil {
		f.t.Fatal(err)
	}
	return in
}

func (f *fixture) build() []byte {
	f.t.Helper()
	b, err := Build(f.input(), f.signer, f.known)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// force signs a proof without Build's checks, as a lab that lies would.
func (f *fixture) force(in Input, change func(*File)) []byte {
	f.t.Helper()
	p := &File{
		V: 1, Made: in.Made.UTC().Format("2006-01-02T15:04:05Z"), Lab: labName, Message: in.Message,
		Received: in.Received.entry(), Delivered: in.Delivered.entry(),
	}
	for l := range bytes.Lines(in.Checkpoint) {
		p.Checkpoint = append(p.Checkpoint, string(bytes.TrimSuffix(l, []byte("\n"))))
	}
	change(p)
	text, err := p.body()
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: text}, f.signer)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}
