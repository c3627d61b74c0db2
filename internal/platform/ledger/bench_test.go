package ledger

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// BenchmarkHashing200 is the least Append200 can cost: the same hashes and
// nothing else. On a busy machine compare the two rather than trust either.
func BenchmarkHashing200(b *testing.B) {
	e := event(b, 1)
	var n [65]byte
	for b.Loop() {
		for range 200 {
			sha256.Sum256(e)
			sha256.Sum256(n[:])
		}
	}
}

func BenchmarkAppend200(b *testing.B) {
	var es [][]byte
	for i := range int64(200) {
		es = append(es, event(b, i))
	}
	head := Head{}
	b.ReportAllocs()
	for b.Loop() {
		_, next, err := Append(head, es)
		if err != nil {
			b.Fatal(err)
		}
		head = next
	}
}

func BenchmarkPack200(b *testing.B) {
	c := newCodec(b)
	m, _ := build(b, 200, 1)
	var es [][]byte
	for i := range m.Rows {
		es = append(es, event(b, int64(i)))
	}
	g, _, err := Append(Head{}, es)
	if err != nil {
		b.Fatal(err)
	}
	plain := g.Events
	b.ReportAllocs()
	for b.Loop() {
		g.Events = plain
		c.Pack(&g)
	}
	b.ReportMetric(float64(len(plain)), "plain-bytes")
	b.ReportMetric(float64(len(g.Events)), "packed-bytes")
}

func BenchmarkEncodeEvent(b *testing.B) {
	e, err := ParseEvent(event(b, 1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// million is a ledger of 1e6 leaves with hashes as stored and no event bytes
// beyond a short one, in rows of 50.
func million(b *testing.B) (*Memory, Head) {
	m, head := &Memory{}, Head{}
	es := make([][]byte, 50)
	for head.Size < 1_000_000 {
		for i := range es {
			n := head.Size + int64(i)
			es[i] = []byte{byte(n), byte(n >> 8), byte(n >> 16), 1}
		}
		var err error
		if head, err = m.Append(head, es...); err != nil {
			b.Fatal(err)
		}
	}
	return m, head
}

func BenchmarkInclusionProofMillion(b *testing.B) {
	ctx := context.Background()
	m, head := million(b)
	rng := rand.New(rand.NewPCG(1, 2))
	b.Run("warm", func(b *testing.B) {
		r := NewReader(m, newCodec(b))
		for b.Loop() {
			if _, err := r.InclusionProof(ctx, rng.Int64N(head.Size), head.Size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		c := newCodec(b)
		for b.Loop() {
			if _, err := NewReader(m, c).InclusionProof(ctx, rng.Int64N(head.Size), head.Size); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAuditMillion(b *testing.B) {
	m, head := million(b)
	c := newCodec(b)
	for b.Loop() {
		if _, d, err := Audit(context.Background(), m, c, 0, head, nil); d != nil || err != nil {
			b.Fatal(d, err)
		}
	}
}
