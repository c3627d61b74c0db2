package signin

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTenThousandGuessesOnOneAccount: from ten thousand networks, in parallel,
// across restarts; a hundred are ever looked at.
func TestTenThousandGuessesOnOneAccount(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("victim")
		v := r.passkey(p)
		guesses := 0
		looked := r.Hasher.Done()
		total := int64(0)
		for round := range 20 {
			got := together(500, func(i int) Reason {
				from := Ask{From: netip.AddrFrom4([4]byte{10, byte(round), byte(i / 250), byte(i)})}
				_, err := r.Password(t.Context(), from, "Victim", fmt.Sprint("guess ", round, i))
				return reason(err)
			})
			guesses += 500
			if got[NoMatch]+got[Wait] != 500 {
				t.Fatal(got)
			}
			if round == 0 && got[NoMatch] > 5 {
				t.Fatalf("%d were looked at at once", got[NoMatch])
			}
			r.clock.forward(13 * time.Hour) // longer than any wait
			total += r.Hasher.Done() - looked
			if round%5 == 4 {
				r.start()
			}
			looked = r.Hasher.Done()
		}
		if guesses != 10_000 || total > 100 {
			t.Fatalf("%d of %d guesses were looked at", total, guesses)
		}
		_, err := r.Password(t.Context(), desk, "victim", "one more guess")
		r.want(err, NoMatch)
		left, err := r.Waits(t.Context(), p)
		r.must(err)
		if left == 0 {
			t.Fatal("nobody waits")
		}
		_, err = r.Password(t.Context(), desk, "victim", okPassword)
		r.want(err, Wait)
		// The passkey does not wait.
		if step, err := r.press(v, desk); err != nil || step.Level != authz.LevelPasskey {
			t.Fatal(err)
		}
		r.must(r.Unlock(t.Context(), p.ID, "admin"))
		_, err = r.Password(t.Context(), desk, "victim", okPassword)
		r.must(err)
	})
}

func TestAHundredWrongPasswordsInARowEndIt(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.person("victim")
		n := 0
		for n < 150 {
			from := Ask{From: netip.AddrFrom4([4]byte{10, 0, byte(n), 1})}
			_, err := r.Password(t.Context(), from, "victim", "wrong")
			if reason(err) == Wait {
				break
			}
			r.want(err, NoMatch)
			n++
			r.clock.forward(13 * time.Hour)
		}
		if n != 100 {
			t.Fatalf("after %d", n)
		}
		r.clock.forward(365 * 24 * time.Hour)
		_, err := r.Password(t.Context(), desk, "victim", okPassword)
		r.want(err, Wait)
		if !strings.Contains(err.Error(), "ask an administrator") {
			t.Fatal(err)
		}
	})
}

// TestOneGuessOnTenThousandAccounts: from one network, some accounts known, across
// a restart.
func TestOneGuessOnTenThousandAccounts(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("known7")
		v := r.passkey(p)
		looked, base := int64(0), r.Hasher.Done()
		for round := range 4 {
			got := together(2500, func(i int) Reason {
				from := Ask{From: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
				_, err := r.Password(t.Context(), from, fmt.Sprint("known", round*2500+i), "Summer2026!")
				return reason(err)
			})
			if got[NoMatch]+got[Wait]+got[Busy] != 2500 {
				t.Fatal(got)
			}
			looked += r.Hasher.Done() - base
			if round == 1 {
				r.start()
			}
			base = r.Hasher.Done()
		}
		// Those under way when the network's limit was reached come on top: as many as
		// hash at a time.
		if looked > onNetwork.free+int64(cheap.Slots)+1 {
			t.Fatalf("%d of 10000 were looked at", looked)
		}
		near := Ask{From: netip.MustParseAddr("198.51.100.200")}
		_, err := r.Password(t.Context(), near, "known7", okPassword)
		r.want(err, Wait)
		if step, err := r.press(v, near); err != nil || step.Level != authz.LevelPasskey {
			t.Fatal("the passkey must wait for other people's guesses: ", err)
		}
		f := r.facts()
		if f[KindThrottled] == 0 || f[KindRefused] > 70 {
			t.Fatal(f)
		}
		r.clock.forward(3 * time.Hour)
		_, err = r.Password(t.Context(), near, "known7", okPassword)
		r.must(err)
		r.must(r.Sweep(t.Context()))
	})
}

func TestAWholeLaboratorySignsInFromOneAddress(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for i := range 200 {
			r.person(fmt.Sprint("p", i))
		}
		got := together(200, func(i int) Reason {
			_, err := r.Password(t.Context(), desk, fmt.Sprint("p", i), okPassword)
			return reason(err)
		})
		if got[""] != 200 {
			t.Fatal(got)
		}
	})
}

func TestWaitsGrowAndAClockSetBackMakesThemNoLonger(t *testing.T) {
	for n, want := range map[int64]time.Duration{0: 0, 4: 0, 5: 30 * time.Second, 6: time.Minute, 10: 16 * time.Minute, 20: 12 * time.Hour, 99: 12 * time.Hour, 100: endless} {
		if got := onAccount.wait(n); got != want {
			t.Errorf("after %d: %v, want %v", n, got, want)
		}
	}
	each(t, func(t *testing.T, r *rig) {
		r.person("a")
		for range 5 {
			_, err := r.Password(t.Context(), desk, "a", "wrong")
			r.want(err, NoMatch)
		}
		_, err := r.Password(t.Context(), desk, "a", okPassword)
		r.want(err, Wait)
		r.clock.forward(-48 * time.Hour)
		left, err := r.Waits(t.Context(), r.people.m["a"])
		r.must(err)
		if left != 30*time.Second {
			t.Fatal(left)
		}
	})
}

func TestNetworks(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2ff::1": "2001:db8:1:200::/56", "fe80::1%eth0": "fe80::/56",
	} {
		if got := network(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if network(netip.Addr{}) != "unknown" {
		t.Fatal("an unknown address is a network of its own")
	}
}
