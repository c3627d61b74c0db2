package signin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

func TestCodesOfRFC6238(t *testing.T) {
	// RFC 6238 appendix B, SHA-1, the last six of its eight digits.
	seed := b32.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037"} {
		got, err := stepOf(seed, want, time.Unix(at, 0), 0)
		if err != nil || got != at/stepSeconds {
			t.Errorf("%d: %d %v", at, got, err)
		}
	}
}

// TestOneCodeFiftyTimesAtOnce: each with a half-done sign-in of its own.
func TestOneCodeFiftyTimesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		seed := r.app(p)
		halves := make([]string, 50)
		for i := range halves {
			halves[i] = r.half(p)
		}
		code := r.code(seed)
		got := together(50, func(i int) Reason {
			step, err := r.Code(t.Context(), desk, halves[i], code)
			if err == nil && (step.Level != authz.LevelTwo || step.Person != p.ID) {
				return "odd"
			}
			return reason(err)
		})
		if got[""] != 1 || got[NoMatch]+got[Wait] != 49 {
			t.Fatal(got)
		}
		if n := r.facts()[KindAccepted]; n != 1 {
			t.Fatal(n, " successes in the ledger")
		}
	})
}

func TestOneHalfSignInFiftyTimesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		seed := r.app(p)
		half, code := r.half(p), r.code(seed)
		got := together(50, func(int) Reason {
			_, err := r.Code(t.Context(), desk, half, code)
			return reason(err)
		})
		if got[""] != 1 {
			t.Fatal(got)
		}
	})
}

func TestAClockSetBackTakesNoCodeAgain(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		seed := r.app(p)
		now := r.code(seed)
		r.clock.forward(-30 * time.Second)
		early := r.code(seed)
		r.clock.forward(30 * time.Second)
		_, err := r.Code(t.Context(), desk, r.half(p), now)
		r.must(err)
		_, err = r.Code(t.Context(), desk, r.half(p), now)
		r.want(err, NoMatch)
		_, err = r.Code(t.Context(), desk, r.half(p), early) // within the window, older
		r.want(err, NoMatch)
		r.clock.forward(-time.Minute)
		_, err = r.Code(t.Context(), desk, r.half(p), now)
		r.want(err, NoMatch)
		_, err = r.Code(t.Context(), desk, r.half(p), r.code(seed))
		r.want(err, NoMatch)
		r.clock.forward(3 * time.Minute)
		r.start() // what was used is in the database
		_, err = r.Code(t.Context(), desk, r.half(p), r.code(seed))
		r.must(err)
	})
}

func TestGuessingCodesWaitsToo(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		seed := r.app(p)
		half := r.half(p)
		code := r.code(seed)
		got := together(200, func(i int) Reason {
			from := Ask{From: netip.AddrFrom4([4]byte{10, 1, byte(i), 1})}
			wrong := []byte(code)
			wrong[i%6] = '0' + (wrong[i%6]-'0'+1+byte(i/6)%9)%10
			_, err := r.Code(t.Context(), from, half, string(wrong))
			return reason(err)
		})
		if got[NoMatch] > 5 || got[NoMatch]+got[Wait] != 200 {
			t.Fatal(got)
		}
		_, err := r.Code(t.Context(), desk, half, code)
		r.want(err, Wait)
		r.clock.forward(6 * time.Minute) // the half-done sign-in is over now
		_, err = r.Code(t.Context(), desk, half, r.code(seed))
		r.want(err, Gone)
	})
}

func TestSecondStepsAreForOneSignIn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, other := r.person("a"), r.person("b")
		seed := r.app(p)
		r.app(other)
		// A sign-in is no step-up, and a step-up of one person none of another.
		_, err := r.Code(t.Context(), Ask{Person: p.ID}, r.half(p), r.code(seed))
		r.want(err, Gone)
		again := Ask{Person: p.ID, From: desk.From}
		step, err := r.Password(t.Context(), again, "", okPassword)
		r.must(err)
		_, err = r.Code(t.Context(), Ask{Person: other.ID}, step.Pending, r.code(seed))
		r.want(err, Gone)
		_, err = r.Code(t.Context(), desk, step.Pending, r.code(seed))
		r.want(err, Gone)
		step, err = r.Code(t.Context(), again, step.Pending, r.code(seed))
		r.must(err)
		if step.Level != authz.LevelTwo || step.Person != p.ID {
			t.Fatalf("%+v", step)
		}
		for _, token := range []string{"", "x", strings.Repeat("A", 43)} {
			_, err = r.Code(t.Context(), desk, token, "000000")
			r.want(err, Gone)
		}
		// Who leaves between the steps does not get in.
		half := r.half(other)
		other.Active = false
		r.people.set(other)
		_, err = r.Code(t.Context(), desk, half, "000000")
		r.want(err, Gone)
	})
}

func TestEnrollingAnAppShowsKeyAndPicture(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		shown, err := r.BeginTOTP(t.Context(), p.ID, r.fresh(authz.LevelPassword))
		r.must(err)
		k, err := otp.NewKeyFromURL(shown.URI)
		r.must(err)
		if k.Issuer() != "Millbrook" || k.AccountName() != "a.okafor" || strings.ReplaceAll(shown.Key, " ", "") != k.Secret() || len(k.Secret()) != 32 {
			t.Fatal(shown)
		}
		if !strings.HasPrefix(shown.SVG, "<svg ") || strings.Contains(shown.SVG, "style") || strings.Contains(shown.SVG, k.Secret()) {
			t.Fatal(shown.SVG)
		}
		again, err := r.Again(t.Context(), p.ID, shown.Token)
		r.must(err)
		if again.Key != shown.Key || again.URI != shown.URI || again.SVG != shown.SVG {
			t.Fatalf("%+v\n%+v", again, shown)
		}
		if e, err := r.Enrolled(t.Context(), p.ID); err != nil || e.TOTP {
			t.Fatal("enrolled before it was confirmed", err)
		}
		r.want(r.ConfirmTOTP(t.Context(), p.ID, r.fresh(authz.LevelPassword), shown.Token, "000000"), NoMatch)
		r.must(r.ConfirmTOTP(t.Context(), p.ID, r.fresh(authz.LevelPassword), shown.Token, r.code(k.Secret())))
		r.want(r.ConfirmTOTP(t.Context(), p.ID, r.fresh(authz.LevelTwo), shown.Token, r.code(k.Secret())), Gone)
		// The code that confirmed it does not sign in.
		_, err = r.Code(t.Context(), desk, r.half(p), r.code(k.Secret()))
		r.want(err, NoMatch)
	})
}
