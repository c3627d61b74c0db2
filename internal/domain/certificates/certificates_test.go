package certificates_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func TestATokenFetchesOneCertificateOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		_, _, err := r.Token(ctx, certificates.Ask{Identity: pki.Identity{Kind: pki.Partner, Name: "riverside"}, Address: "h:1"}, ann)
		if !errors.Is(err, certificates.ErrNone) {
			t.Errorf("without an authority: %v", err)
		}
		r.authority()
		tok := r.token("riverside")
		_, csr, err := pki.Request(rand.Reader)
		r.must(err)
		// Of eight who come with one token at once exactly one gets something.
		var got []*x509.Certificate
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				chain, err := r.Enrol(ctx, tok.Secret, csr)
				if err != nil && !errors.Is(err, certificates.ErrToken) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					got = append(got, r.leaf(chain))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if len(got) != 1 {
			t.Fatalf("one token made %d certificates", len(got))
		}
		c := got[0]
		if id, ok := pki.IdentityOf(c); !ok || id.String() != "partner riverside" || c.DNSNames[0] != "riverside.example" {
			t.Errorf("it speaks for %v %v", id, c.DNSNames)
		}
		if life := c.NotAfter.Sub(r.now); life != 30*24*time.Hour {
			t.Errorf("it lives %s", life)
		}
		if err := r.Admit(c, "riverside", pki.Partner); err != nil {
			t.Errorf("admit: %v", err)
		}
		if err := r.Admit(c, "hillcrest", pki.Partner); !errors.Is(err, certificates.ErrWhose) {
			t.Errorf("as somebody else: %v", err)
		}
		if err := r.Admit(c, "riverside", pki.Device); !errors.Is(err, certificates.ErrWhose) {
			t.Errorf("as something else: %v", err)
		}
		late := r.token("riverside")
		r.now = r.now.Add(25 * time.Hour)
		if _, err := r.Enrol(ctx, late.Secret, csr); !errors.Is(err, certificates.ErrToken) {
			t.Errorf("a token of yesterday: %v", err)
		}
		if _, err := r.Enrol(ctx, [32]byte{1}, csr); !errors.Is(err, certificates.ErrToken) {
			t.Errorf("a made-up token: %v", err)
		}
	})
}

func TestRenewalTakesTheKeyAndEndsWithRevocation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.authority()
		first := r.enrol("riverside")
		_, csr, err := pki.Request(rand.Reader)
		r.must(err)
		r.now = r.now.Add(20 * 24 * time.Hour)
		chain, err := r.Renew(ctx, first, csr)
		r.must(err)
		second := r.leaf(chain)
		if second.SerialNumber.Cmp(first.SerialNumber) == 0 || second.DNSNames[0] != "riverside.example" || !second.NotAfter.After(first.NotAfter) {
			t.Errorf("renewed: %v %v", second.DNSNames, second.NotAfter)
		}
		if r.Believe(first) != nil || r.Believe(second) != nil {
			t.Error("both are good until their ends")
		}
		before := r.now
		r.now = first.NotAfter.Add(24 * time.Hour)
		if _, err := r.Renew(ctx, first, csr); err == nil || !strings.Contains(err.Error(), "clock says") {
			t.Errorf("past its end: %v", err)
		}
		r.now = first.NotBefore.Add(-24 * time.Hour)
		if _, err := r.Renew(ctx, first, csr); err == nil || !strings.Contains(err.Error(), "clock is probably wrong") {
			t.Errorf("a clock that is a day behind: %v", err)
		}
		r.now = before
		other := r.another(false)
		told := make(chan []certificates.Revoked, 4)
		other.OnRevoked(func(list []certificates.Revoked) { told <- list })
		go other.Follow(ctx) // ends with the test
		began := time.Now()
		gone, err := r.Revoke(ctx, "partner riverside", ann)
		r.must(err)
		if len(gone) != 2 || !errors.Is(r.Believe(first), certificates.ErrRevoked) || !errors.Is(r.Believe(second), certificates.ErrRevoked) {
			t.Errorf("revoked %d", len(gone))
		}
		select {
		case list := <-told:
			t.Logf("the other node knew after %s", time.Since(began))
			if len(list) != 2 || !errors.Is(other.Believe(second), certificates.ErrRevoked) {
				t.Errorf("the other node was told of %v", list)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the other node was never told")
		}
		if _, err := r.Renew(ctx, second, csr); !errors.Is(err, certificates.ErrRevoked) {
			t.Errorf("renewing a revoked one: %v", err)
		}
		if _, err := r.Revoke(ctx, hex.EncodeToString(first.SerialNumber.Bytes()), ann); !errors.Is(err, certificates.ErrRevoked) {
			t.Errorf("twice: %v", err)
		}
		der, err := r.CRL(ctx)
		r.must(err)
		list, err := x509.ParseRevocationList(der)
		r.must(err)
		issuer, err := x509.ParseCertificate(r.Chain()[0])
		r.must(err)
		if err := list.CheckSignatureFrom(issuer); err != nil || len(list.RevokedCertificateEntries) != 2 {
			t.Errorf("list: %v, %d", err, len(list.RevokedCertificateEntries))
		}
	})
}

func TestAThiefOfTheDatabaseIsNotBelieved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.authority()
		c, d := r.enrol("riverside"), r.enrol("hillcrest")
		_, err := r.Revoke(ctx, "partner riverside", ann)
		r.must(err)
		tok := r.token("lakeside")
		for _, q := range []string{
			"UPDATE certificates_issued SET revoked_at = 0 WHERE name = 'riverside'",
			"DELETE FROM certificates_issued WHERE name = 'hillcrest'",
			"UPDATE certificates_tokens SET name = 'eastside' WHERE name = 'lakeside'",
		} {
			r.exec(q)
		}
		r.must(r.Load(ctx))
		if err := r.Believe(c); !errors.Is(err, certificates.ErrUnknown) {
			t.Errorf("a revocation that was taken back: %v", err)
		}
		if err := r.Believe(d); !errors.Is(err, certificates.ErrUnknown) {
			t.Errorf("a certificate that is not on record: %v", err)
		}
		_, csr, err := pki.Request(rand.Reader)
		r.must(err)
		if _, err := r.Enrol(ctx, tok.Secret, csr); !errors.Is(err, certificates.ErrToken) {
			t.Errorf("a token that was changed: %v", err)
		}
	})
}

func TestTheIntermediateIsRenewedWithTheOfflineRoot(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		first := r.authority()
		c := r.enrol("riverside")
		second := r.authority()
		if first.Root != second.Root || first.Print == second.Print {
			t.Errorf("%v then %v", first, second)
		}
		if err := r.Admit(c, "riverside", pki.Partner); err != nil {
			t.Errorf("issued by the former intermediate: %v", err)
		}
		// Another root is refused unless it is said.
		r.root = nil
		csr, err := r.Request(ctx, ann)
		r.must(err)
		root, err := pki.NewRoot(pki.RootOptions{Lab: "Other", Now: r.now, Rand: rand.Reader})
		r.must(err)
		der, err := root.SignIntermediate(csr, r.now, rand.Reader)
		r.must(err)
		chain, err := pki.Certificates(pki.PEM(der, root.Cert.Raw))
		r.must(err)
		if _, err := r.Install(ctx, chain, false, ann); err == nil || !strings.Contains(err.Error(), "--new-root") {
			t.Errorf("another root: %v", err)
		}
		if _, err := r.Request(ctx, ann); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Install(ctx, chain, true, ann); err == nil || !strings.Contains(err.Error(), "latest request") {
			t.Errorf("an answer to an older request: %v", err)
		}
	})
}

func TestOurOwnCertificateRenewsItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.authority()
		a, err := r.Own("node-1", []string{"hub.example", "127.0.0.1"})
		r.must(err)
		r.now = r.now.Add(19 * 24 * time.Hour)
		b, err := r.Own("node-1", []string{"hub.example", "127.0.0.1"})
		r.must(err)
		if a != b {
			t.Error("renewed too early")
		}
		r.now = r.now.Add(2 * 24 * time.Hour)
		c, err := r.Own("node-1", []string{"hub.example", "127.0.0.1"})
		r.must(err)
		if c == b || c.Leaf.NotAfter.Sub(r.now) != 30*24*time.Hour {
			t.Error("not renewed at two thirds of its life")
		}
		if err := r.Admit(c.Leaf, "node-1", pki.Hub); err != nil {
			t.Error(err)
		}
	})
}

func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.authority()
		r.authority()
		c := r.enrol("riverside")
		r.enrol("hillcrest")
		_, err := r.Revoke(ctx, "partner hillcrest", ann)
		r.must(err)
		theirs, err := pki.New(pki.Options{Name: "Theirs", Now: r.now, Life: 24 * time.Hour, Rand: rand.Reader})
		r.must(err)
		for _, n := range []string{"a.example", "b.example"} {
			pem, _, err := theirs.Issue(n)
			r.must(err)
			p, err := r.Import(ctx, "partner a", pem, "M. Okafor", ann)
			r.must(err)
			if len(r.Pins("partner a")) == 2 {
				id, err := event.ParseID(p.ID)
				r.must(err)
				_, err = r.Unpin(ctx, id, ann)
				r.must(err)
			}
		}
		if len(r.Pins("partner a")) != 1 || r.Believe(c) != nil {
			t.Error("pins")
		}
		bustest.EveryColumn(t, r.db, "certificates_", nil, r.Audit)
	})
}
