package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestAProgramReadsNoPatientWithoutAYes: an administrator, who sees no patient, does
// not give themselves patient data by a service account, nor brings people in by one.
func TestAProgramReadsNoPatientWithoutAYes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		director, sec := r.join("silva", role(authz.Director)), r.join("lind", role(authz.SecurityOfficer))
		_, l, err := r.s.Invite(ctx, who, access.NewPerson{Account: "puppet", Name: "Puppet", Grants: []authz.Grant{role(authz.ComplianceOfficer)}})
		check(t, err)
		puppet := r.use(l.Token, access.NewPerson{})
		in := func(tok access.Token) bool {
			t.Helper()
			q := request("/api/v1/results")
			q.Header.Set("Authorization", "Bearer "+tok.Secret)
			got, err := r.s.Identify(q)
			check(t, err)
			return got != nil
		}
		until := r.clock.now().Add(24 * time.Hour)
		for _, p := range []authz.Permission{authz.ResultsReveal, authz.ResultsExport, authz.Provision} {
			a, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "x-" + string(p), Name: "X", Permissions: []authz.Permission{authz.ResultsFind, p}})
			check(t, err)
			less, err := r.s.MakeToken(ctx, who, a.ID, access.Token{Name: "less", Until: until, Permissions: []authz.Permission{authz.ResultsFind}})
			check(t, err)
			tok, err := r.s.MakeToken(ctx, who, a.ID, access.Token{Name: "all", Until: until})
			check(t, err)
			if !in(less) {
				t.Errorf("%s: a token without it waits", p)
			}
			if in(tok) {
				t.Errorf("%s: works without a yes", p)
			}
			if all, err := r.s.AskedPrograms(ctx); err != nil || len(all) != 1 || all[0].Account.MadeBy != "okafor" {
				t.Errorf("%+v %v", all, err)
			}
			if err := r.s.AllowProgram(ctx, who, tok.ID); err == nil {
				t.Error("an administrator says yes")
			}
			if err := r.s.AllowProgram(ctx, r.as(sec), tok.ID); err == nil {
				t.Error("a security officer says yes")
			}
			// Who is director as well is still who made it.
			both := r.as(r.admin)
			both.Grants = append(both.Grants, role(authz.Director))
			says(t, r.s.AllowProgram(ctx, both, tok.ID), "second person")
			refused(t, r.s.AllowProgram(ctx, r.as(puppet), tok.ID), access.ErrOneHand)
			check(t, r.s.RefuseProgram(ctx, r.as(director), tok.ID, "Nobody told me what for."))
			if err := r.s.AllowProgram(ctx, r.as(director), tok.ID); err == nil || in(tok) {
				t.Error("works after a no")
			}
			check(t, r.s.AskProgram(ctx, who, tok.ID))
			check(t, r.s.AllowProgram(ctx, r.as(director), tok.ID))
			if !in(tok) {
				t.Errorf("%s: does not work after the yes", p)
			}
			// A yes is for that token alone.
			more, err := r.s.MakeToken(ctx, who, a.ID, access.Token{Name: "more", Until: until})
			check(t, err)
			if in(more) {
				t.Errorf("%s: another token works", p)
			}
			check(t, r.s.RevokeToken(ctx, who, more.ID))
			if all, err := r.s.AskedPrograms(ctx); err != nil || len(all) != 0 {
				t.Errorf("%+v %v", all, err)
			}
		}
		if k := r.kinds(); k == "" || r.s.AskProgram(ctx, r.as(sec), director.ID) == nil {
			t.Error("anybody asks")
		}
	})
}

// TestACertificateReadsNoPatientWithoutAYes, and another key needs another yes.
func TestACertificateReadsNoPatientWithoutAYes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		com := r.join("lind", role(authz.ComplianceOfficer))
		a, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "ehr", Name: "EHR", Permissions: []authz.Permission{authz.ResultsReveal}})
		check(t, err)
		for range 2 {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			check(t, err)
			c, text := certificate(t, key, start.Add(48*time.Hour))
			check(t, r.s.SetKey(ctx, who, a.ID, text))
			in := func() bool {
				t.Helper()
				q := request("/api/v1/results")
				q.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
				got, err := r.s.Identify(q)
				check(t, err)
				return got != nil
			}
			if in() {
				t.Error("works without a yes")
			}
			check(t, r.s.AllowProgram(ctx, r.as(com), a.ID))
			if !in() {
				t.Error("does not work after the yes")
			}
			check(t, r.s.SetKey(ctx, who, a.ID, text)) // the same key: the yes stands
			if all, err := r.s.AskedPrograms(ctx); err != nil || len(all) != 0 || !in() {
				t.Errorf("%+v %v", all, err)
			}
		}
	})
}
