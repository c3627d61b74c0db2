package results

import (
	"context"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// atConsole marks, in a row, an account of the machine: no sign-in account can
// have a colon.
const atConsole = "console:"

// asker is one of the two people of an act that takes two. On the pages a person
// is their account: it is never given again and never changes, while a name can
// be changed between the two. At the console several people share an account of
// the machine, and the names they type must differ.
type asker struct{ name, account string }

func (n Named) asker(console bool) asker {
	if console {
		return asker{n.Person, atConsole + n.Who}
	}
	return asker{n.Person, n.Who}
}

func (a asker) console() bool {
	return len(a.account) > len(atConsole) && a.account[:len(atConsole)] == atConsole
}

// is says that both are, or may be, one person.
func (a asker) is(b asker) bool {
	if !a.console() && !b.console() {
		return a.account == b.account
	}
	return samePerson(a.name, b.name) || samePerson(a.name, b.account) || samePerson(a.account, b.name)
}

// LiftStop lifts a stop of the kind the person acts for, who has signed in. What
// keeps more than one result is only asked for: it is lifted when another person
// confirms.
func (s *Service) LiftStop(ctx context.Context, id event.ID, kind StopKind, by Named) (Lift, error) {
	return s.lift(ctx, id, kind, by, by.asker(false), false)
}

// ConfirmLift lifts a stop that another person asked to lift. The two accounts
// must differ.
func (s *Service) ConfirmLift(ctx context.Context, id event.ID, kind StopKind, by Named) (Lift, error) {
	return s.lift(ctx, id, kind, by, by.asker(false), true)
}

// LiftStopAtConsole is LiftStop by whoever typed their name at the console.
func (s *Service) LiftStopAtConsole(ctx context.Context, id event.ID, kind StopKind, by Named) (Lift, error) {
	return s.lift(ctx, id, kind, by, by.asker(true), false)
}

// ConfirmLiftAtConsole is ConfirmLift by whoever typed their name at the console.
// It must not be the name, nor the account, of who asked.
func (s *Service) ConfirmLiftAtConsole(ctx context.Context, id event.ID, kind StopKind, by Named) (Lift, error) {
	return s.lift(ctx, id, kind, by, by.asker(true), true)
}

// LiftBarred says that who asks cannot confirm on the pages that this stop is
// lifted: they asked for it themselves.
func (x *Stopped) LiftBarred(by Named) bool {
	return x.LiftAskedBy != "" && asker{x.LiftAskedBy, x.liftAccount}.is(by.asker(false))
}
