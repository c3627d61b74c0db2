package results

import (
	"bytes"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

func testFact() *intakeFact {
	id, err := event.ParseID("0190b6a4-7f00-7000-8000-000000000001")
	if err != nil {
		panic(err)
	}
	return &intakeFact{
		id: id, source: "lis", revision: "b7d64a9221007dfd5390f7df6cd5b8f3ea4f82faa1237141e35ebf161f5511a1",
		from: channel.Peer{
			Name: "lis", Proof: "certificate", TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256",
			Fingerprint: "03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72",
		},
		at: time.UnixMicro(1772355600000000), flags: FlagCritical, lanes: []byte("12345678abcdefgh"),
		plans: []plan{{partner: "riverside", route: "final"}, {partner: "north", route: "copy", state: Shadowed}},
	}
}

// The form of these events persists: what is pinned here is in ledgers.
func TestFactsAreGolden(t *testing.T) {
	f, body := testFact(), []byte("MSH|...")
	salt := ledger.Salt{1, 2, 3}
	ev, err := received(f, salt, body)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, ev, `{"v":1,"kind":"result.received","at":1772355600000000,"ids":{"message":"0190b6a4-7f00-7000-8000-000000000001","source":"lis"},"codes":{"config":"b7d64a9221007dfd5390f7df6cd5b8f3ea4f82faa1237141e35ebf161f5511a1","fingerprint":"03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72","peer_proof":"certificate","plan":"9SzndQCvIadjFL1W","states":"04","tls":"TLS-1.3-TLS_AES_128_GCM_SHA256"},"numbers":{"bytes":7,"deliveries":2,"flags":1},"commit":"z0OD1cdnOuoQT_NNUUKOGn26_pMdBRuPFVjfZQyKXRo"}`)
	d := &delivery{seq: 1792, id: f.id, partner: "riverside", body: body}
	r := &channel.Receipt{Level: channel.Accepted, Code: "AA", Body: []byte("MSA|AA"), Peer: f.from, At: f.at}
	if ev, err = delivered(d, r, f.revision, salt, body); err != nil {
		t.Fatal(err)
	}
	golden(t, ev, `{"v":1,"kind":"result.delivered","at":1772355600000000,"ids":{"delivery":"1792","message":"0190b6a4-7f00-7000-8000-000000000001","partner":"riverside"},"codes":{"code":"AA","config":"b7d64a9221007dfd5390f7df6cd5b8f3ea4f82faa1237141e35ebf161f5511a1","fingerprint":"03d66dd08835c1ca3f128cceacd1f31ac94163096b20f445ae84285bc0832d72","level":"accepted","peer_proof":"certificate","tls":"TLS-1.3-TLS_AES_128_GCM_SHA256"},"numbers":{"bytes":7},"commit":"0BKdUgva3JiFQKJEVH4lCIrR0pe_2qQiuS2GKpYYEBk"}`)
}

func golden(t *testing.T, ev ledger.Event, want string) {
	t.Helper()
	b, err := ev.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("event is\n%s\nwant\n%s", b, want)
	}
}

func BenchmarkReceivedEvent(b *testing.B) {
	f, body, salt := testFact(), bytes.Repeat([]byte("x"), 10), ledger.Salt{1}
	b.ReportAllocs()
	for b.Loop() {
		ev, err := received(f, salt, body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ev.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
