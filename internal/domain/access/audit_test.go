package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestEveryColumnIsBound: whatever somebody changes in the database is found.
func TestEveryColumnIsBound(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		tech, dir, sec := r.join("tech", role(authz.Technologist)), r.join("dir", role(authz.Director)), r.join("sec", role(authz.SecurityOfficer))
		for range 2 {
			_, err := r.s.Delegate(ctx, r.as(dir), access.Delegation{Person: tech.ID, Permission: authz.ClinicalStop, Until: start.Add(time.Hour), Note: "x"})
			check(t, err)
			_, _, err = r.s.PairBench(ctx, who, "Bench", "main")
			check(t, err)
			_, err = r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "w", Role: authz.Technologist})
			check(t, err)
			in := r.signIn(tech, authz.LevelTwo)
			g, err := r.s.OpenGlass(ctx, r.who(r.s, in.Token), "For the sake of the test.", 0, []authz.Permission{authz.ResultsReveal})
			check(t, err)
			check(t, r.s.CloseGlass(ctx, r.as(tech), g.ID))
			check(t, r.s.ReviewGlass(ctx, r.as(sec), g.ID, access.VerdictFine, "yes"))
			_, err = r.s.Start(ctx, access.Start{Person: tech.ID, Level: authz.LevelTwo, Method: "passkey", Device: access.Device{Name: "Other", Network: "203.0.113.9"}})
			check(t, err)
			_, err = r.s.Start(ctx, access.Start{Person: dir.ID, Level: authz.LevelTwo, Method: "passkey", Device: access.Device{Name: "Other", Network: "203.0.113.9"}})
			check(t, err)
			_, err = r.s.Start(ctx, access.Start{Person: dir.ID, Level: authz.LevelTwo, Method: "passkey", Device: access.Device{Name: "Third", Network: "203.0.113.9"}})
			check(t, err)
		}
		for _, x := range []string{"w-1", "w-2"} {
			_, err := r.s.Provision(ctx, scimClient(r), access.Known{External: x, Account: x, Name: x, Words: []string{"bench"}})
			check(t, err)
		}
		for _, x := range []string{"o-1", "o-2"} {
			p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: x, Account: x, Name: x, Groups: []string{"w"}})
			check(t, err)
			check(t, r.s.EndGrant(ctx, who, p.Grants[0].ID))
		}
		for _, a := range []string{"lis", "ris"} {
			svc, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: a, Name: a, Permissions: []authz.Permission{authz.ResultsFind}, Partners: []string{"p"}})
			check(t, err)
			_, err = r.s.MakeToken(ctx, who, svc.ID, access.Token{Name: "t", Until: start.Add(time.Hour)})
			check(t, err)
			read, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: a + "-ehr", Name: a, Permissions: []authz.Permission{authz.ResultsReveal}})
			check(t, err)
			tok, err := r.s.MakeToken(ctx, who, read.ID, access.Token{Name: "t", Until: start.Add(time.Hour)})
			check(t, err)
			check(t, r.s.AllowProgram(ctx, r.as(dir), tok.ID))
		}
		for _, x := range []string{"e-1", "e-2"} {
			p, err := r.s.Provision(ctx, r.hr(), access.Known{External: x, Account: x, Name: x})
			check(t, err)
			check(t, r.s.LinkOutside(ctx, who, p.ID, "https://id.example", x))
			_, err = r.s.Provision(ctx, r.hr(), access.Known{External: x, Account: x, Name: x, Out: true})
			check(t, err)
		}
		r.s.MailWith(&postman{on: true})
		for _, a := range []string{"tech", "dir"} {
			p, err := r.s.PersonByAccount(ctx, a)
			check(t, err)
			check(t, r.s.ChangePerson(ctx, who, p.ID, access.Change{Name: p.Name, Mail: a + "@lab.example", Revision: p.Revision}))
			check(t, r.s.LinkSelf(ctx, r.as(p), access.Device{Name: "x"}, "https://id.example", a))
		}
		check(t, r.s.Tick(ctx))
		// The position has one row: another, tagged as the program would.
		tags := bus.NewTags(keys{})
		d := &bus.Tagged{Table: "access_position", Key: "name", Columns: []string{"leaf"}}
		check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tags.Exec(ctx, tx, d, "other", "INSERT INTO access_position (name, leaf) VALUES ('other', 7)")
			return err
		}))
		bustest.EveryColumn(t, r.db, "access_", map[string]string{
			"access_seen.*":  "when a session was used last, written each minute; it keeps an idle session at most, never one that was ended or is too old",
			"access_used.*":  "when a token was used last, for people to read",
			"access_epoch.*": "a count that makes nodes read again; what they read is bound, and read again each minute anyway",
		}, r.s.Audit)
	})
}
