package signin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// limit says how long who has failed n times waits.
type limit struct {
	// free are the failures without a wait; then first, doubled every steps
	// failures, never more than longest.
	free, steps    int64
	first, longest time.Duration
	// most ends it: no more tries until somebody lifts it; 0 never.
	most int64
	// leak forgives one failure each; 0 forgives none but by success.
	leak time.Duration
}

var (
	// onAccount: passwords of one account, known or not. Ten thousand guesses would
	// take years; after 100 wrong ones in a row no password is taken any more (NIST
	// SP 800-63B-4 3.2.2), only a passkey or what an administrator does.
	onAccount = limit{free: 5, steps: 1, first: 30 * time.Second, longest: 12 * time.Hour, most: 100}
	// onCodes: one-time and recovery codes of one person, whose password is known.
	onCodes = onAccount
	// onNetwork: wrong passwords from one network, whoever's. A laboratory often
	// comes from one address, so it takes more and forgives with time.
	onNetwork = limit{free: 60, steps: 5, first: 15 * time.Second, longest: time.Hour, leak: 2 * time.Minute}
)

// endless is the wait that ends by itself never.
const endless = 10 * 365 * 24 * time.Hour

func (l limit) wait(n int64) time.Duration {
	switch {
	case l.most > 0 && n >= l.most:
		return endless
	case n < l.free:
		return 0
	}
	doubled := (n - l.free) / l.steps
	if doubled > 40 {
		return l.longest
	}
	return min(l.first*time.Duration(math.Exp2(float64(doubled))), l.longest)
}

// counter is one row of signin_attempts.
type counter struct {
	id []byte
	limit
}

func (s *Service) counter(kind string, l limit, of string) counter {
	if s.Realm != "" {
		kind = s.Realm + " " + kind
	}
	x := s.Vault.Index("signin attempts", []byte(kind), []byte(of))
	return counter{x[:], l}
}

func (s *Service) ofAccount(account string) counter {
	return s.counter("account", onAccount, fold(account))
}

func (s *Service) ofPerson(id event.ID) counter { return s.counter("code", onCodes, string(id[:])) }

func (s *Service) ofNetwork(from netip.Addr) counter {
	return s.counter("network", onNetwork, network(from))
}

// fold is how accounts are told apart here: People may fold more.
func fold(account string) string { return strings.ToLower(strings.TrimSpace(account)) }

// network is the neighbourhood of an address: a /24, or with IPv6 a /56, which is
// what a provider gives to one customer.
func network(from netip.Addr) string {
	from = from.Unmap()
	if !from.IsValid() {
		return "unknown"
	}
	bits := 24
	if from.Is6() {
		bits = 56
	}
	p, err := from.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}

type counted struct {
	failures, turned int64
	last, until      time.Time
}

func (c counter) read(ctx context.Context, q store.Queryer) (n counted, err error) {
	var last, until int64
	err = q.QueryRow(ctx, "SELECT failures, last_at, until_at, turned FROM signin_attempts WHERE id = $1", c.id).Scan(&n.failures, &last, &until, &n.turned)
	if errors.Is(err, store.ErrNoRows) {
		return counted{}, nil
	}
	n.last, n.until = moment(last), moment(until)
	if err != nil {
		return n, fmt.Errorf("read tries: %w", err)
	}
	return n, nil
}

// left is how long to wait still. A clock that was set back does not make it
// longer than the count deserves.
func (c counter) left(n counted, now time.Time) time.Duration {
	return max(min(n.until.Sub(now), c.wait(n.failures)), 0)
}

// turnAway is whether the counter makes one wait; who waits is counted.
func (c counter) turnAway(ctx context.Context, tx *store.Tx, now time.Time) (time.Duration, error) {
	n, err := c.read(ctx, tx)
	if err != nil {
		return 0, err
	}
	left := c.left(n, now)
	if left == 0 {
		return 0, nil
	}
	return left, tx.Queue(ctx, "UPDATE signin_attempts SET turned = turned + 1 WHERE id = $1", c.id)
}

// fail counts a failure and returns the count as it is now. turned are those who
// had to wait since the last one; they are counted anew.
func (c counter) fail(ctx context.Context, tx *store.Tx, now time.Time) (counted, error) {
	n, err := c.read(ctx, tx)
	if err != nil {
		return n, err
	}
	if c.leak > 0 && now.After(n.last) {
		n.failures = max(n.failures-int64(now.Sub(n.last)/c.leak), 0)
	}
	n.failures++
	n.last, n.until = now, now.Add(c.wait(n.failures))
	return n, tx.Queue(ctx, `INSERT INTO signin_attempts (id, failures, last_at, until_at, turned) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (id) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at, until_at = excluded.until_at, turned = 0`,
		c.id, n.failures, micro(n.last), micro(n.until))
}

// clear forgives everything: the proof was right.
func (c counter) clear(ctx context.Context, tx *store.Tx) error {
	return tx.Queue(ctx, "DELETE FROM signin_attempts WHERE id = $1", c.id)
}

// reserve takes one try of a counter before the proof is looked at, as if it had
// failed: of many at the same time only as many look as are allowed. It returns
// how long to wait instead.
func (s *Service) reserve(ctx context.Context, c counter, from netip.Addr) (was counted, err error) {
	var left time.Duration
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		now := s.Now()
		for _, x := range []counter{s.ofNetwork(from), c} {
			if left, err = x.turnAway(ctx, tx, now); err != nil || left > 0 {
				return err
			}
		}
		before, err := c.read(ctx, tx)
		if err != nil {
			return err
		}
		was, err = c.fail(ctx, tx, now)
		was.turned = before.turned
		return err
	})
	if err != nil {
		return was, fmt.Errorf("count a try: %w", err)
	}
	if left > 0 {
		return was, &Refused{Reason: Wait, After: left}
	}
	return was, nil
}

// giveBack returns a try that was reserved and not used: nobody looked at the
// proof.
func (s *Service) giveBack(ctx context.Context, c counter, why error) error {
	err := s.DB.Do(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		n, err := c.read(ctx, tx)
		if err != nil || n.failures == 0 {
			return err
		}
		n.failures--
		return tx.Queue(ctx, "UPDATE signin_attempts SET failures = $1, until_at = $2 WHERE id = $3", n.failures, micro(n.last.Add(c.wait(n.failures))), c.id)
	})
	if err != nil {
		s.Log.Warn("a try that was not used stays counted", "error", err)
	}
	return why
}

// blocked asks once more after the wait for a hash: the network may have failed
// too often meanwhile.
func (s *Service) blocked(ctx context.Context, from netip.Addr) error {
	c := s.ofNetwork(from)
	n, err := c.read(ctx, s.DB)
	if err != nil {
		return err
	}
	if left := c.left(n, s.Now()); left > 0 {
		return &Refused{Reason: Wait, After: left}
	}
	return nil
}

// failed writes down a wrong proof: the network's count, the refusal, and that
// one has to wait from now on. was is what reserve returned.
func (s *Service) failed(ctx context.Context, ask Ask, person event.ID, way Way, why Reason, was counted) error {
	much := false
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		much = false
		net, err := s.ofNetwork(ask.From).fail(ctx, tx, s.Now())
		if err != nil {
			return err
		}
		if err := s.fact(ctx, tx, KindRefused, person, ask, ledger.Pairs{{K: "way", V: string(way)}, {K: "reason", V: string(why)}},
			ledger.Number{K: "failures", N: was.failures}, ledger.Number{K: "turned_away", N: was.turned}); err != nil {
			return err
		}
		if wait := onNetwork.wait(net.failures); wait > 0 && (net.failures-onNetwork.free)%onNetwork.steps == 0 {
			much = wait >= heavy
			return s.fact(ctx, tx, KindThrottled, event.ID{}, ask, ledger.Pairs{{K: "of", V: "network"}},
				ledger.Number{K: "failures", N: net.failures}, ledger.Number{K: "seconds", N: int64(wait / time.Second)})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write a refusal: %w", err)
	}
	if much {
		s.guessed(ctx, ask.From)
	}
	if was.failures == onAccount.most {
		s.shut(ctx, person)
	}
	return &Refused{Reason: why}
}

// Unlock forgives what was guessed wrong on a person's account, and nothing else.
// by is the account of the administrator.
func (s *Service) Unlock(ctx context.Context, person event.ID, by string) error {
	p, ok, err := s.People.ByID(ctx, person)
	if err != nil || !ok {
		return errors.Join(err, errNobody)
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := errors.Join(s.ofAccount(p.Account).clear(ctx, tx), s.ofPerson(person).clear(ctx, tx)); err != nil {
			return err
		}
		return s.fact(ctx, tx, KindUnlocked, person, Ask{}, ledger.Pairs{{K: "by", V: ledger.Code(by)}})
	})
	if err != nil {
		return fmt.Errorf("lift a wait: %w", err)
	}
	return nil
}

// Waits says how long passwords and codes of a person are not taken.
func (s *Service) Waits(ctx context.Context, p PersonInfo) (time.Duration, error) {
	var most time.Duration
	for _, c := range []counter{s.ofAccount(p.Account), s.ofPerson(p.ID)} {
		n, err := c.read(ctx, s.DB)
		if err != nil {
			return 0, err
		}
		most = max(most, c.left(n, s.Now()))
	}
	return most, nil
}

// Kinds of ledger events of this package.
const (
	KindAccepted  = "signin.accepted"
	KindRefused   = "signin.refused"
	KindThrottled = "signin.throttled"
	KindUnlocked  = "signin.unlocked"
	KindEnrolled  = "signin.enrolled"
	KindRemoved   = "signin.removed"
	KindRenamed   = "signin.renamed"
	KindCloned    = "signin.passkey_cloned"
	KindRecovered = "signin.recovery_used"
)

// fact adds an event. What is not known of it is left out.
func (s *Service) fact(ctx context.Context, tx *store.Tx, kind string, person event.ID, ask Ask, codes ledger.Pairs, numbers ...ledger.Number) error {
	var ids ledger.Pairs
	if person != (event.ID{}) {
		ids = append(ids, ledger.Pair{K: "person", V: person.String()})
	}
	if ask.From.IsValid() {
		ids = append(ids, ledger.Pair{K: "from", V: ledger.Code(ask.From.String())})
	}
	rest := ledger.Pairs{}
	for _, c := range codes {
		if c.K == "id" || c.K == "by" {
			ids = append(ids, c)
			continue
		}
		rest = append(rest, c)
	}
	if ask.again() {
		rest = append(rest, ledger.Pair{K: "for", V: "step-up"})
	}
	if s.Realm != "" {
		rest = append(rest, ledger.Pair{K: "realm", V: ledger.Code(s.Realm)})
	}
	_, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: max(s.Now().UnixMicro(), 0), IDs: ids, Codes: rest, Numbers: numbers})
	return err
}

// forgetAfter is when counts that nobody has added to are dropped.
const forgetAfter = 90 * 24 * time.Hour

// Sweep removes what has ended: pending steps, and old counts. Once an hour is
// enough; nothing hangs on it.
func (s *Service) Sweep(ctx context.Context) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		now := s.Now()
		return errors.Join(
			tx.Queue(ctx, "DELETE FROM signin_pending WHERE expires_at < $1", now.UnixMicro()),
			tx.Queue(ctx, "DELETE FROM signin_attempts WHERE last_at < $1", now.Add(-forgetAfter).UnixMicro()),
		)
	})
	if err != nil {
		return fmt.Errorf("sweep sign-ins: %w", err)
	}
	return nil
}

var errNobody = errors.New("there is no such person")

// ByCode is a code that somebody was given on paper.
const ByCode Way = "code"

// Guarded looks at a secret of another room, of what is guessed at, with the waits
// that wrong passwords have: on that thing and from that network. look says whether
// the secret is right; wrong is Refused with NoMatch.
func (s *Service) Guarded(ctx context.Context, what, of string, ask Ask, look func(context.Context) (bool, error)) error {
	c := s.counter("guarded "+what, onCodes, of)
	was, err := s.reserve(ctx, c, ask.From)
	if err != nil {
		return err
	}
	right, err := look(ctx)
	switch {
	case err != nil:
		return s.giveBack(ctx, c, err)
	case !right:
		return s.failed(ctx, ask, event.ID{}, ByCode, NoMatch, was)
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return c.clear(ctx, tx) })
	if err != nil {
		return fmt.Errorf("count a try: %w", err)
	}
	return nil
}
