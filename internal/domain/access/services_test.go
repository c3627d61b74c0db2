package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTokens: shown once, stored hashed, for the API only, no more than they
// name, until they end.
func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		who := r.as(r.admin)
		acc := access.ServiceAccount{Account: "lis", Name: "LIS", Permissions: []authz.Permission{authz.ResultsFind, authz.ResultsResend}, Partners: []string{"riverside", "northgate"}}
		for _, bad := range []authz.Permission{authz.PeopleChange, authz.ConfigApply, "x"} {
			a := acc
			a.Permissions = []authz.Permission{bad}
			if _, err := r.s.MakeService(ctx, who, a); err == nil {
				t.Errorf("a service account may %s", bad)
			}
		}
		if _, err := r.s.MakeService(ctx, r.as(r.join("sec", role(authz.SecurityOfficer))), acc); err == nil {
			t.Error("a security officer made one")
		}
		a, err := r.s.MakeService(ctx, who, acc)
		check(t, err)
		if _, _, err := r.s.Invite(ctx, who, access.NewPerson{Account: "lis", Name: "Lis"}); err == nil {
			t.Error("a person has the account of a program")
		}
		for _, bad := range []access.Token{
			{Name: "x"},
			{Name: "x", Until: start.Add(366 * 24 * time.Hour)},
			{Name: "", Until: start.Add(time.Hour)},
			{Name: "x", Until: start.Add(time.Hour), Permissions: []authz.Permission{authz.ResultsReveal}},
			{Name: "x", Until: start.Add(time.Hour), Partners: []string{"elsewhere"}},
		} {
			if _, err := r.s.MakeToken(ctx, who, a.ID, bad); err == nil {
				t.Errorf("made %+v", bad)
			}
		}
		tok, err := r.s.MakeToken(ctx, who, a.ID, access.Token{Name: "nightly", Until: start.Add(24 * time.Hour), Permissions: []authz.Permission{authz.ResultsFind}, Partners: []string{"riverside"}})
		check(t, err)
		if !strings.HasPrefix(tok.Secret, "lw_") || strings.Contains(strings.Join(r.dump("SELECT hash, name, permissions, partners FROM access_tokens"), "")+r.events(), tok.Secret[3:]) {
			t.Error("the secret is stored")
		}
		use := func(path, header string) *authz.Subject {
			t.Helper()
			q := request(path)
			q.Header.Set("Authorization", header)
			got, err := r.s.Identify(q)
			check(t, err)
			return got
		}
		got := use("/api/v1/results", "Bearer "+tok.Secret)
		if got == nil || got.Person != a.ID || got.Account != "lis" || got.Session != tok.ID {
			t.Fatalf("%+v", got)
		}
		now := r.clock.now()
		for _, c := range []struct {
			p    authz.Permission
			o    authz.Object
			want bool
		}{
			{authz.ResultsFind, authz.Object{Partner: "riverside"}, true},
			{authz.ResultsFind, authz.Object{Partner: "northgate"}, false},
			{authz.ResultsFind, authz.Object{}, false},
			{authz.ResultsResend, authz.Object{Partner: "riverside"}, false},
			{authz.ResultsReveal, authz.Object{Partner: "riverside"}, false},
			{authz.PeopleChange, authz.Object{}, false},
			{authz.TodaySee, authz.Object{}, false},
		} {
			if (got.May(c.p, c.o, now) == nil) != c.want {
				t.Errorf("%s of %+v is not %v", c.p, c.o, c.want)
			}
		}
		for _, c := range [][2]string{
			{"/people", "Bearer " + tok.Secret},
			{"/api/v1/results", "Basic " + tok.Secret},
			{"/api/v1/results", "Bearer " + tok.Secret[3:]},
			{"/api/v1/results", "Bearer " + tok.Secret + "x"},
			{"/api/v1/results", "Bearer lw_" + strings.Repeat("A", 43)},
			{"/api/v1/results", "Bearer"},
		} {
			if got := use(c[0], c[1]); got != nil {
				t.Errorf("%s with %q: %+v", c[0], c[1], got)
			}
		}
		// A bad token beside a good cookie is refused, not ignored.
		q := request("/api/v1/results", r.signIn(r.admin, authz.LevelPasskey).Token)
		q.Header.Set("Authorization", "Bearer lw_x")
		if got, err := r.s.Identify(q); got != nil || err != nil {
			t.Errorf("%+v %v", got, err)
		}
		if n := strings.Count(r.kinds(), access.KindRefused); n != 1 {
			t.Errorf("%d events of refusals in one minute", n)
		}
		r.clock.forward(time.Minute)
		use("/api/v1/results", "Bearer lw_x")
		if !strings.Contains(r.events(), `"times":6`) {
			t.Errorf("the refusals between are not counted: %s", r.events())
		}
		list, err := r.s.Services(ctx)
		if err != nil || len(list) != 1 || len(list[0].Tokens) != 1 || list[0].Tokens[0].Used.IsZero() || list[0].Tokens[0].UsedFrom != "192.0.2.7" || list[0].Tokens[0].Secret != "" {
			t.Errorf("%+v %v", list, err)
		}
		r.clock.forward(24 * time.Hour)
		if use("/api/v1/results", "Bearer "+tok.Secret) != nil {
			t.Error("works after its end")
		}
		who = r.as(r.admin)
		make2 := func() access.Token {
			tok, err := r.s.MakeToken(ctx, who, a.ID, access.Token{Name: "again", Until: r.clock.now().Add(24 * time.Hour)})
			check(t, err)
			return tok
		}
		two, three := make2(), make2()
		other := r.node()
		see := func(s *access.Service, tok access.Token) bool {
			q := request("/api/v1/results")
			q.Header.Set("Authorization", "Bearer "+tok.Secret)
			got, err := s.Identify(q)
			check(t, err)
			return got != nil
		}
		if !see(other, two) || !see(other, three) {
			t.Error("not in")
		}
		check(t, r.s.RevokeToken(ctx, who, two.ID))
		if see(r.s, two) {
			t.Error("works after it was revoked")
		}
		r.clock.forward(time.Second)
		if see(other, two) || !see(other, three) {
			t.Error("on another node after a second")
		}
		check(t, r.s.EndService(ctx, who, a.ID))
		if see(r.s, three) {
			t.Error("works after its account was ended")
		}
	})
}

func certificate(t *testing.T, key *ecdsa.PrivateKey, until time.Time) (*x509.Certificate, string) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start.Add(-time.Hour), NotAfter: until}, &x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	check(t, err)
	c, err := x509.ParseCertificate(der)
	check(t, err)
	return c, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestServiceByCertificate: by its public key, for the API only.
func TestServiceByCertificate(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		a, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "lis", Name: "LIS", Permissions: []authz.Permission{authz.ResultsFind}})
		check(t, err)
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(t, err)
		c, text := certificate(t, key, start.Add(48*time.Hour))
		for _, bad := range []string{"x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
			if r.s.SetKey(ctx, who, a.ID, bad) == nil {
				t.Errorf("took %q", bad)
			}
		}
		use := func(path string, c *x509.Certificate) *authz.Subject {
			t.Helper()
			q := request(path)
			q.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
			got, err := r.s.Identify(q)
			check(t, err)
			return got
		}
		if use("/api/v1/results", c) != nil {
			t.Error("a certificate nobody knows")
		}
		check(t, r.s.SetKey(ctx, who, a.ID, text))
		if got := use("/api/v1/results", c); got == nil || got.Account != "lis" || got.May(authz.ResultsFind, authz.Object{Partner: "p"}, start) != nil || got.May(authz.ResultsResend, authz.Object{Partner: "p"}, start) == nil {
			t.Errorf("%+v", got)
		}
		if use("/", c) != nil {
			t.Error("a page")
		}
		renewed, _ := certificate(t, key, start.Add(1000*time.Hour))
		if use("/api/v1/results", renewed) == nil {
			t.Error("a renewed certificate of the same key")
		}
		b, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "ris", Name: "RIS", Permissions: []authz.Permission{authz.ResultsFind}})
		check(t, err)
		if r.s.SetKey(ctx, who, b.ID, text) == nil {
			t.Error("two accounts with one key")
		}
		r.clock.forward(48 * time.Hour)
		if use("/api/v1/results", c) != nil {
			t.Error("after the certificate's end")
		}
		who = r.as(r.admin)
		check(t, r.s.SetKey(ctx, who, a.ID, ""))
		if use("/api/v1/results", renewed) != nil {
			t.Error("after it was taken away")
		}
	})
}
