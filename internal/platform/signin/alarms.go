package signin

import (
	"context"
	"net/netip"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// Raiser is told of what somebody must know; the alarm desk is.
type Raiser interface {
	Raise(ctx context.Context, a alarm.Alarm)
}

// heavy is the wait of a network from which on it is not somebody's bad morning:
// 75 wrong passwords and more at nearly one time.
const heavy = 2 * time.Minute

// tell raises an alarm after the transaction of what it is about.
func (s *Service) tell(ctx context.Context, a alarm.Alarm) {
	if s.Raise == nil {
		return
	}
	a.Once = true
	s.Raise.Raise(context.WithoutCancel(ctx), a)
}

// copied: there are two of a passkey.
func (s *Service) copied(ctx context.Context, person event.ID) {
	who := person.String()
	if p, ok, err := s.People.ByID(ctx, person); err == nil && ok {
		who = p.Account
	}
	s.tell(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: "signin.passkey_cloned", About: who}, Severity: alarm.Urgent,
		Sentence: "A passkey of " + who + " has been copied: its counter went back. It is no longer taken.",
		Advice:   "Ask " + who + " where it is used, have them remove it and enrol another, and read in the record what was done with it.",
	})
}

// guessed: one network tries passwords again and again.
func (s *Service) guessed(ctx context.Context, from netip.Addr) {
	n := network(from)
	s.tell(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: "signin.guessing", About: n}, Severity: alarm.Warning,
		Sentence: "Many wrong passwords come from the network " + n + ". It has to wait longer each time; passkeys are taken.",
		Advice:   "Find out which machine it is. Is it a proxy in front of many people, let them use passkeys.",
	})
}

// shut: an account takes no password any more.
func (s *Service) shut(ctx context.Context, person event.ID) {
	p, ok, err := s.People.ByID(ctx, person)
	if err != nil || !ok {
		return // what was typed names nobody, and could be anything
	}
	s.tell(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: "signin.guessing", About: p.Account}, Severity: alarm.Warning,
		Sentence: "There were 100 wrong tries in a row for " + p.Account + ". No password or code of theirs is taken any more; passkeys are.",
		Advice:   "Ask " + p.Account + " whether it was them. On their page under People the wait is lifted.",
	})
}
