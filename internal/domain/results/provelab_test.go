package results

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// provelab is a service on a real store with two partners: one that accepts
// everything, one whose messages are transformed on the way and that answers
// with nothing.
type provelab struct {
	t    *testing.T
	s    *Service
	db   *store.DB
	log  *bus.Log
	v    *vault.Vault
	sent atomic.Int64
}

var labTime = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

type sendFunc func(ctx context.Context, m channel.Message) (channel.Receipt, error)

func (f sendFunc) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	return f(ctx, m)
}

func newProvelab(t *testing.T, db *store.DB) *provelab {
	t.Helper()
	l := &provelab{t: t, db: db, v: vaulttest.New(t)}
	for _, p := range []vault.Purpose{bodies, receipts} {
		if err := l.v.EnsurePurpose(t.Context(), p, labTime); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Migrate(t.Context(), bus.Migrations(), Migrations()); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.log, err = bus.New("node"); err != nil {
		t.Fatal(err)
	}
	l.log.Bind(l.v)
	l.log.Attach(db)
	if l.s, err = New(t.Context(), db, l.log, l.v, func() time.Time { return labTime }, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	accept := sendFunc(func(context.Context, channel.Message) (channel.Receipt, error) {
		l.sent.Add(1)
		return channel.Receipt{
			Level: channel.Accepted, Code: "AA", Body: []byte("MSH|^~\\&|X\rMSA|AA|1\r"),
			Peer: channel.Peer{Name: "riverside", Proof: "certificate", Fingerprint: strings.Repeat("ab", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"},
		}, nil
	})
	place := sendFunc(func(context.Context, channel.Message) (channel.Receipt, error) {
		l.sent.Add(1)
		return channel.Receipt{Level: channel.Placed, Code: "renamed", Peer: channel.Peer{Proof: "folder"}}, nil
	})
	l.s.Apply(&Settings{
		Revision: strings.Repeat("0c", 32),
		Sources:  map[string]Source{"lis": {Name: "lis", Window: time.Hour}},
		Partners: map[string]*Partner{"riverside": {Key: "riverside", Sender: accept}, "north": {Key: "north", Sender: place}},
		Routes: []Route{
			{Name: "final", To: []string{"riverside"}, Stage: Carry},
			{Name: "copy", To: []string{"north"}, Stage: Carry, Transform: func(b []byte) ([]byte, error) {
				return []byte(strings.Replace(string(b), "|LIS|", "|LIS2|", 1)), nil
			}},
		},
	})
	return l
}

func labMessage(n int) []byte {
	return fmt.Appendf(nil, "MSH|^~\\&|LIS|LAB|HUB|CLINIC|20260301090000||ORU^R01|M%d|P|2.5.1\rPID|1||T-%d^^^LAB||TEST^PATIENT\rOBR|1|P%d|F%d|GLU\rOBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F\r", n, n, n, n)
}

// take presents messages first to last and returns their leaves.
func (l *provelab) take(first, last int) []int64 {
	l.t.Helper()
	var leaves []int64
	peer := channel.Peer{Name: "lis", Proof: "certificate", Fingerprint: strings.Repeat("cd", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"}
	for n := first; n <= last; n++ {
		v := l.s.take(l.t.Context(), "lis", peer, labMessage(n))
		if v.outcome != Taken {
			l.t.Fatalf("message %d was not taken: %s", n, v.ack)
		}
		m, err := l.s.Show(l.t.Context(), v.id)
		if err != nil {
			l.t.Fatal(err)
		}
		leaves = append(leaves, m.Leaf)
	}
	return leaves
}

// deliver runs the couriers until nothing waits.
func (l *provelab) deliver() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	run, stop := context.WithCancel(ctx)
	go func() { done <- l.s.Run(run) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var n int64
		if err := l.db.QueryRow(ctx, "SELECT count(*) FROM results_deliveries WHERE state = 0").Scan(&n); err != nil {
			l.t.Fatal(err)
		}
		if n == 0 {
			break
		}
		<-tick.C
	}
	stop()
	if err := <-done; err != nil {
		l.t.Fatal(err)
	}
}

// exec changes rows behind the program's back.
func (l *provelab) exec(query string, args ...any) { l.t.Helper(); l.change(1, query, args...) }

// exec0 is exec where nothing may change.
func (l *provelab) exec0(query string) { l.t.Helper(); l.change(0, query) }

func (l *provelab) change(atLeast int64, query string, args ...any) {
	l.t.Helper()
	l.db.SetHook(nil)
	err := l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.Exec(ctx, query, args...)
		if err == nil && n < atLeast {
			return fmt.Errorf("nothing was changed by %s", query)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.log.Attach(l.db)
}
