package results

import (
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestOnePersonUnderTwoNamesIsOnePerson: on the pages the account counts, not the
// name that somebody can change; at the console, where several people share an
// account of the machine, the names they type must differ, also from the account
// of whoever asked on the pages.
func TestOnePersonUnderTwoNamesIsOnePerson(t *testing.T) {
	who := func(account, name string) Named { return Named{By: By{Who: account, Reason: "test"}, Person: name} }
	type act struct {
		by      Named
		console bool
	}
	page := func(account, name string) act { return act{who(account, name), false} }
	console := func(account, name string) act { return act{who(account, name), true} }
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		first := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "101"))
		for _, c := range []struct {
			name       string
			asks, says act
			lifts      bool
		}{
			{"one account under two names", page("ann", "Ann Example"), page("ann", "Bea Example"), false},
			{"two accounts under two names", page("ann", "Ann Example"), page("bea", "Bea Example"), true},
			{"two people of the same name", page("ann", "Ann Example"), page("ann2", "Ann Example"), true},
			{"one name twice at the console", console("root", "Ann Example"), console("root", " ann  EXAMPLE "), false},
			{"two names at the console", console("root", "Ann Example"), console("root", "Bea Example"), true},
			{"from the page to the console by name", page("ann", "Ann Example"), console("root", "Ann Example"), false},
			{"from the page to the console by account", page("ann", "Ann Example"), console("root", "Ann"), false},
			{"from the page to the console", page("ann", "Ann Example"), console("root", "Bea Example"), true},
			{"from the console to the page by name", console("root", "Ann Example"), page("ann", "Ann Example"), false},
			{"from the console to the page by account", console("root", "ann"), page("ann", "Anne Renamed"), false},
			{"an account called as the machine's", console("root", "Ann Example"), page("root", "Bea Example"), true},
		} {
			id := l.place(Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: first.ID.String()}, ann)
			lift, confirm := l.LiftStop, l.ConfirmLift
			if c.asks.console {
				lift = l.LiftStopAtConsole
			}
			if c.says.console {
				confirm = l.ConfirmLiftAtConsole
			}
			x, err := lift(t.Context(), id, ClinicalStop, c.asks.by)
			must(t, err)
			if !x.Waits {
				t.Fatalf("%s: %+v", c.name, x)
			}
			list, err := l.Stops(t.Context(), StopFilter{}, 10)
			must(t, err)
			if !c.says.console && list[0].LiftBarred(c.says.by) == c.lifts {
				t.Errorf("%s: the page says it the other way round", c.name)
			}
			x, err = confirm(t.Context(), id, ClinicalStop, c.says.by)
			if c.lifts {
				must(t, err)
			} else {
				wantErr(t, err, ErrConflict)
			}
			if x.Lifted != c.lifts {
				t.Errorf("%s: lifted %v", c.name, x.Lifted)
			}
			if !c.lifts {
				must(t, second(l.ConfirmLift(t.Context(), id, ClinicalStop, who("zoe", "Zoe Example"))))
			}
		}
		l.audited()
	})
}
