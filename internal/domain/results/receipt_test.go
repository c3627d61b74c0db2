package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (l *provelab) receipted(seq int64, file []byte) receipt.Report {
	l.t.Helper()
	b, name, err := l.s.Receipt(l.t.Context(), seq)
	if err != nil {
		l.t.Fatal(err)
	}
	if !strings.HasSuffix(name, receipt.Suffix) || strings.ContainsAny(name, "/\\ \"") {
		l.t.Errorf("the file is called %q", name)
	}
	print, err := receipt.PrintOf(bytes.NewReader(file))
	if err != nil {
		l.t.Fatal(err)
	}
	return receipt.Verify(b, print, l.key())
}

func TestEveryDeliveryHasAReceipt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		leaf := l.take(1, 1)[0]
		if _, _, err := l.s.Receipt(t.Context(), leaf*maxPlans); !errors.Is(err, ErrConflict) {
			t.Errorf("before the delivery: %v", err)
		}
		l.deliver()
		sent := labMessage(1)
		if r := l.receipted(leaf*maxPlans, sent); !r.Holds() {
			t.Error(r.Text())
		}
		if l.receipted(leaf*maxPlans, append(sent, ' ')).Holds() {
			t.Error("holds for another file")
		}
		// As it was changed on the way.
		if r := l.receipted(leaf*maxPlans+1, []byte(strings.Replace(string(sent), "|LIS|", "|LIS2|", 1))); !r.Holds() {
			t.Error(r.Text())
		}
		if _, _, err := l.s.Receipt(t.Context(), 1<<40); !errors.Is(err, ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if _, _, err := l.s.TakeReceipt(t.Context(), leaf*maxPlans, By{Who: "dana", Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	})
}

// What was encrypted to the partner: the receipt is about the encrypted bytes,
// and journey and ledger name the key.
func TestReceiptOfWhatWasEncrypted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		key, sealed := strings.Repeat("ab", 32), []byte("encrypted bytes")
		sum := sha256.Sum256(sealed)
		leaf := l.take(1, 1)[0]
		for n, s := range []*channel.Sealed{{To: []string{key}, ContentType: "application/octet-stream", Size: int64(len(sealed)), SHA256: sum[:]}, {To: []string{key}}} {
			seq := leaf*maxPlans + int64(n)
			d, err := l.s.delivery(t.Context(), seq)
			if err != nil {
				t.Fatal(err)
			}
			r := channel.Receipt{Level: channel.Placed, Code: "renamed", Name: "a.hl7.age", At: labTime, Sealed: s}
			if err := l.s.complete(context.Background(), l.s.settings.Load(), d, &r, labMessage(1)); err != nil {
				t.Fatal(err)
			}
		}
		rep := l.receipted(leaf*maxPlans, sealed)
		if !rep.Holds() || !strings.Contains(rep.Text(), key) || !strings.Contains(rep.Text(), "a.hl7.age") {
			t.Error(rep.Text())
		}
		if _, _, err := l.s.Receipt(t.Context(), leaf*maxPlans+1); !errors.Is(err, ErrUnseen) {
			t.Errorf("bytes that are not known: %v", err)
		}
		p, err := l.s.Proof(t.Context(), leaf*maxPlans)
		if err != nil || !strings.Contains(string(p), `encrypted_to\":\"`+key) {
			t.Errorf("%v\n%s", err, p)
		}
	})
}
