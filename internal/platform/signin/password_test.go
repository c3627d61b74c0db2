package signin

import (
	"crypto/fips140"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

func TestPasswordOpensAtTheFirstLevel(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		step, err := r.Password(t.Context(), desk, " A.Okafor ", okPassword)
		r.must(err)
		if step.Level != authz.LevelPassword || step.Person != p.ID || step.Pending != "" {
			t.Fatalf("%+v", step)
		}
		_, err = r.Password(t.Context(), desk, "a.okafor", okPassword+" ")
		r.want(err, NoMatch)
		if f := r.facts(); f[KindAccepted] != 1 || f[KindRefused] != 1 || f[KindEnrolled] != 1 {
			t.Fatal(f)
		}
		for _, e := range r.events() {
			if text := strings.ToLower(fmt.Sprint(e.IDs, e.Codes)); strings.Contains(text, "okafor") || strings.Contains(text, "gravel") {
				t.Fatal("a name or a password stands in the ledger: ", text)
			}
		}
	})
}

// TestPasswordRules: NIST SP 800-63B-4 3.1.1.2.
func TestPasswordRules(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		set := func(password string) error {
			return r.SetPassword(t.Context(), p.ID, r.fresh(authz.LevelPasskey), password)
		}
		refused := func(password, part string) {
			t.Helper()
			var b *BadPassword
			if err := set(password); !errors.As(err, &b) || !strings.Contains(b.Message, part) {
				t.Errorf("%q: %v", password, err)
			}
		}
		refused("kT9#vq2Lx!7wPz", "15 characters") // 14
		r.must(set("kT9#vq2Lx!7wPz3"))
		refused(strings.Repeat("kT9#vq2L", 33), "256")
		refused("gravel\tteacup orbit lantern", "control")
		refused("millbrook-okafor-2026", "guessed")
		refused("qwertyuiopasdfgh", "guessed")
		for _, n := range []int{64, 200, 256} { // at least 64 must be taken; nothing is cut off
			pw := strings.Repeat("Zq4 vernal moss ", 20)[:n-8] + "ends her"
			r.must(set(pw))
			if step, err := r.Password(t.Context(), desk, p.Account, pw); err != nil || step.Level != authz.LevelPassword {
				t.Fatal(n, err)
			}
			_, err := r.Password(t.Context(), desk, p.Account, pw[:n-1])
			r.want(err, NoMatch)
		}
		// Code points are counted, and another spelling of the same characters fits.
		r.must(set("pâte à choux et thé vert"))
		step, err := r.Password(t.Context(), desk, p.Account, "pa\u0302te a\u0300 choux et the\u0301 vert")
		if err != nil || step.Level != authz.LevelPassword {
			t.Fatal(err)
		}
		refused("日本の朝ごはんは味噌汁", "15 characters") // 11 code points, 33 bytes
		r.must(set("日本の朝ごはんは味噌汁と納豆です"))

		seed := r.app(p)
		r.must(set("kT9#vq2L")) // 8 with a second factor
		refused("kT9#vq2", "8 characters")
		step, err = r.Password(t.Context(), desk, p.Account, "kT9#vq2L")
		r.must(err)
		if step.Level != authz.LevelNone {
			t.Fatal("a short password stands alone")
		}
		step, err = r.Code(t.Context(), desk, step.Pending, r.code(seed))
		r.must(err)
		if step.Level != authz.LevelTwo || step.Person != p.ID {
			t.Fatalf("%+v", step)
		}
		// The second factor cannot go while the password is short.
		var last *LastWay
		if err := r.RemoveTOTP(t.Context(), p.ID, r.fresh(authz.LevelTwo)); !errors.As(err, &last) {
			t.Fatal(err)
		}
		r.must(set(okPassword))
		r.must(r.RemoveTOTP(t.Context(), p.ID, r.fresh(authz.LevelTwo)))
	})
}

func TestKnownPasswordsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		path := t.TempDir() + "/known"
		_, err := ImportBreached(t.Context(), strings.NewReader(list(100, "stolen but long enough ")), path, nil)
		r.must(err)
		b, err := OpenBreached(path)
		r.must(err)
		t.Cleanup(func() { _ = b.Close() })
		r.SetBreached(b)
		var no *BadPassword
		if err := r.SetPassword(t.Context(), p.ID, r.fresh(authz.LevelPasskey), "stolen but long enough 42"); !errors.As(err, &no) || !strings.Contains(no.Message, "stolen elsewhere") {
			t.Fatal(err)
		}
		r.must(r.SetPassword(t.Context(), p.ID, r.fresh(authz.LevelPasskey), "mine and long enough 42"))
	})
}

// TestStrangersReadTheSame: what is not known, has ended or has no password is
// refused in the same words and counts the same, with one hash each.
func TestStrangersReadTheSame(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.person("known")
		ended := r.person("ended")
		ended.Active = false
		r.people.set(ended)
		r.people.set(PersonInfo{ID: event.NewID(), Account: "keyonly", Active: true})
		texts := map[string][]string{}
		for _, account := range []string{"known", "ended", "keyonly", "nobody", "\x00", strings.Repeat("x", 5000)} {
			for range 7 {
				before := r.Hasher.Done()
				_, err := r.Password(t.Context(), Ask{}, account, "wrong password, this one")
				if err == nil {
					t.Fatal("let in")
				}
				texts[account] = append(texts[account], fmt.Sprint(err, r.Hasher.Done()-before))
			}
		}
		for account, got := range texts {
			if fmt.Sprint(got) != fmt.Sprint(texts["known"]) {
				t.Errorf("%.20q reads %q, a known one %q", account, got, texts["known"])
			}
		}
		// The right password of somebody who has ended is a wrong one.
		r.clock.forward(time.Hour)
		_, err := r.Password(t.Context(), desk, "ended", okPassword)
		r.want(err, NoMatch)
	})
}

func TestHashesAreMadeAnewWhenCostsChange(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("SKIPPED: the FIPS build makes no Argon2id hash that could be replaced")
	}
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		phc := func() string {
			row, err := r.password(t.Context(), r.db, p.ID)
			r.must(err)
			return row.phc
		}
		if !strings.HasPrefix(phc(), "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Fatal(phc())
		}
		for _, to := range []HasherOptions{{Costs: Costs{Memory: 128, Time: 2, Rounds: 10}}, {Costs: Costs{Memory: 64, Time: 1, Rounds: 20}, FIPS: true}, cheap} {
			r.costs = to
			r.start()
			_, err := r.Password(t.Context(), desk, p.Account, okPassword)
			r.must(err)
			old := phc()
			_, err = r.Password(t.Context(), desk, p.Account, okPassword)
			r.must(err)
			if phc() != old {
				t.Fatal("made anew though nothing changed")
			}
			if to.FIPS && !strings.HasPrefix(old, "$pbkdf2-sha256$i=20$") || to.Costs.Memory == 128 && !strings.Contains(old, "m=128,t=2") {
				t.Fatal(old)
			}
		}
		r.must(r.Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }))
	})
}

func TestBusyIsSaidAndCountsNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.person("a.okafor")
		r.Hasher = NewHasher(HasherOptions{Costs: cheap.Costs, Slots: 1, Queue: 1, Patient: time.Millisecond})
		release, err := r.Hasher.slot(t.Context())
		r.must(err)
		for range 20 {
			_, err = r.Password(t.Context(), desk, "a.okafor", "wrong")
			r.want(err, Busy)
		}
		release()
		_, err = r.Password(t.Context(), desk, "a.okafor", okPassword)
		r.must(err)
	})
}
