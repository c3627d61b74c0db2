package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// wrong says what is wrong with an account. Unknown is not wrong: a list that
// does not say whether there is a second factor finds nothing about it.
func wrong(x *System, a *Account, b *book, now time.Time) []string {
	if !x.Ended.IsZero() || !a.There() {
		return nil
	}
	var out []string
	switch a.Kind {
	case Nobodys:
		out = append(out, UnknownOne)
	case Persons:
		if p := b.person(a.Person); p == nil || gone(p, now) {
			out = append(out, Leaver)
		}
	case Shared, Programs:
		if owners := b.byAccount[fold(a.Owner)]; a.Owner == "" || len(owners) != 1 || gone(owners[0], now) {
			out = append(out, Ownerless)
		}
	}
	if a.MFA == No && a.Kind != Programs {
		out = append(out, NoFactor)
	}
	if !a.LastUsed.IsZero() && x.AsOf.Sub(a.LastUsed) > unusedFor || a.Never && x.AsOf.Sub(a.First) > unusedFor {
		out = append(out, Unused)
	}
	if a.Privileged == Yes {
		out = append(out, Privileged)
	}
	return out
}

func gone(p *Person, now time.Time) bool {
	return !p.Active || !p.End.IsZero() && !now.Before(p.End)
}

// Judge joins accounts of a system to people where that is certain, and brings
// its findings up to date. It may be called at any time.
func (s *Service) Judge(ctx context.Context, key string) error {
	x, err := s.System(ctx, key)
	if err != nil {
		return err
	}
	people, err := s.own.Staff(ctx)
	if err != nil {
		return fmt.Errorf("read people: %w", err)
	}
	b, now := newBook(people), s.now()
	all, err := s.Accounts(ctx, key)
	if err != nil {
		return err
	}
	old, err := s.Findings(ctx, key, true)
	if err != nil {
		return err
	}
	j := &judgement{s: s, x: &x, now: now, last: map[event.ID]map[string]*Finding{}}
	for i := range old {
		f := &old[i]
		if j.last[f.Account] == nil {
			j.last[f.Account] = map[string]*Finding{}
		}
		if before := j.last[f.Account][f.Kind]; before == nil || bytes.Compare(before.ID[:], f.ID[:]) < 0 {
			j.last[f.Account][f.Kind] = f
		}
	}
	for i := range all {
		j.account(&all[i], b)
	}
	return j.write(ctx)
}

// judgement is what one run will write.
type judgement struct {
	s        *Service
	x        *System
	now      time.Time
	last     map[event.ID]map[string]*Finding
	matched  []Account
	findings []Finding
	facts    []string
}

func (j *judgement) account(a *Account, b *book) {
	if a.Kind == Nobodys && a.Gone.IsZero() && j.x.Ended.IsZero() {
		if p, how := b.certain(a.Entry); p != nil {
			a.Kind, a.Person, a.How, a.Matched = Persons, p.ID.String(), how, j.now
			j.matched = append(j.matched, *a)
		}
	}
	stands := map[string]bool{}
	for _, kind := range wrong(j.x, a, b, j.now) {
		stands[kind] = true
		f := j.last[a.ID][kind]
		switch {
		case f != nil && f.State == FindingOpen:
		case f != nil && f.State == FindingClosed && f.over.IsZero() && j.now.Before(f.Until):
		default:
			j.open(a, kind)
		}
	}
	for kind, f := range j.last[a.ID] {
		switch {
		case stands[kind]:
		case f.State == FindingOpen:
			f.State, f.Closed = FindingOver, j.now
			j.add(*f, "account.finding_over")
		case f.State == FindingClosed && f.over.IsZero():
			f.over = j.now
			j.add(*f, "")
		}
	}
}

func (j *judgement) open(a *Account, kind string) {
	f := Finding{ID: event.NewID(), Account: a.ID, System: a.System, Kind: kind, Owner: j.x.Owner, Opened: j.now}
	for _, w := range wrongs {
		if w.kind == kind {
			f.Due = j.now.AddDate(0, 0, w.days)
		}
	}
	j.add(f, "account.finding_opened")
}

func (j *judgement) add(f Finding, fact string) {
	j.findings, j.facts = append(j.findings, f), append(j.facts, fact)
}

func (j *judgement) write(ctx context.Context) error {
	for len(j.matched) > 0 {
		n := min(batch, len(j.matched))
		part := j.matched[:n]
		err := j.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for i := range part {
				now, err := account(ctx, tx, part[i].ID)
				if err != nil {
					return err
				}
				if now.Kind != Nobodys {
					continue // a person has settled it meanwhile
				}
				if err := j.s.writeAccount(ctx, tx, &part[i]); err != nil {
					return err
				}
				if err := publish(ctx, tx, "account.matched", j.now, By{}, part[i].ids(), ledger.Pairs{{K: "how", V: part[i].How}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("match accounts: %w", err)
		}
		j.matched = j.matched[n:]
	}
	for len(j.findings) > 0 {
		n := min(batch, len(j.findings))
		part, facts := j.findings[:n], j.facts[:n]
		err := j.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for i := range part {
				if moved, err := meanwhile(ctx, tx, &part[i]); err != nil || moved {
					if err != nil {
						return err
					}
					continue
				}
				if err := j.s.writeFinding(ctx, tx, &part[i]); err != nil {
					return err
				}
				if facts[i] == "" {
					continue
				}
				if err := publish(ctx, tx, facts[i], j.now, By{}, part[i].ids(), ledger.Pairs{{K: "what", V: part[i].Kind}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
		j.findings, j.facts = j.findings[n:], j.facts[n:]
	}
	return nil
}

// meanwhile says that somebody else has opened or closed a finding since it was
// judged: the next run looks at it again.
func meanwhile(ctx context.Context, tx *store.Tx, f *Finding) (bool, error) {
	old, err := finding(ctx, tx, f.ID)
	if err == nil {
		return old.State != FindingOpen && f.over.IsZero(), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	var n int64
	err = tx.QueryRow(ctx, "SELECT count(*) FROM accounts_findings WHERE account = $1 AND kind = $2 AND state = 0", f.Account[:], f.Kind).Scan(&n)
	return n > 0, err
}

func (a *Account) ids() ledger.Pairs {
	ids := ledger.Pairs{{K: "account_of", V: a.ID.String()}, {K: "system", V: a.System}}
	if a.Person != "" {
		ids = append(ids, ledger.Pair{K: "person", V: a.Person})
	}
	return ids
}
