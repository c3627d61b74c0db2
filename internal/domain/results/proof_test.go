package results

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (l *provelab) key() string { return strings.Join(l.v.VerifierKeys(), "\n") + "\n" }

func TestEveryDeliveryIsProved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		leaves := l.take(1, 30)
		if _, err := l.s.Proof(t.Context(), leaves[0]*maxPlans); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "waiting") {
			t.Errorf("proof before the delivery: %v", err)
		}
		l.deliver()
		for i, leaf := range leaves {
			for k, sent := range [][]byte{labMessage(i + 1), []byte(strings.Replace(string(labMessage(i+1)), "|LIS|", "|LIS2|", 1))} {
				p, err := l.s.Proof(t.Context(), leaf*maxPlans+int64(k))
				if err != nil {
					t.Fatal(err)
				}
				r := proof.Verify(p, sent, l.key())
				if !r.Holds() {
					t.Fatalf("message %d, delivery %d:\n%s", i, k, r.Text())
				}
				want := proof.Holds
				if k == 1 {
					want = proof.Unknown
				}
				if r.State(proof.CheckUnchanged) != want || r.State(proof.CheckAnswer) != want {
					t.Fatalf("delivery %d:\n%s", k, r.Text())
				}
				if proof.Verify(p, append(sent, ' '), l.key()).Holds() {
					t.Fatal("holds for another message")
				}
			}
		}
		if _, err := l.s.Proof(t.Context(), 1<<40); !errors.Is(err, ErrNotFound) {
			t.Errorf("proof of nothing: %v", err)
		}
	})
}

func TestProofUsesAStoredCheckpointAndOutlivesARotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		leaf := l.take(1, 1)[0]
		l.deliver()
		head, err := l.log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		signer := l.v.NoteSigner()
		c, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
		if err != nil {
			t.Fatal(err)
		}
		l.exec("INSERT INTO ledger_checkpoints (size, at, note, witnesses) VALUES ($1, 0, $2, 1)", head.Size, string(c))
		l.take(2, 4)
		if err := l.v.RotateSigner(t.Context(), labTime); err != nil {
			t.Fatal(err)
		}
		p, err := l.s.Proof(t.Context(), leaf*maxPlans)
		if err != nil {
			t.Fatal(err)
		}
		f, err := proof.Parse(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(f.Checkpoint, "\n")+"\n" != string(c) {
			t.Error("the proof does not stand on the stored checkpoint")
		}
		if r := proof.Verify(p, labMessage(1), l.key()); !r.Holds() {
			t.Error(r.Text())
		}
	})
}

func TestErasedBodyHasNoProof(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		leaf := l.take(1, 1)[0]
		l.deliver()
		l.exec("UPDATE results_messages SET body = NULL WHERE leaf = $1", leaf)
		if _, err := l.s.Proof(context.Background(), leaf*maxPlans); !errors.Is(err, ErrErased) {
			t.Errorf("proof of an erased message: %v", err)
		}
	})
}
