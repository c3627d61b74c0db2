package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindConfirmed is the event of a second person, or the console, who says that an
// account is in the hands of its person.
const KindConfirmed = "person.confirmed"

// Kinds of alarms about who was let in anew.
const (
	AlarmReturned  = "access.returned"
	AlarmConfirmed = "access.confirmed"
	AlarmAsked     = "access.recovery"
	AlarmRecovered = "access.recovered"
)

// weightFor is how long somebody counts as who holds a role of weight after it was
// taken from them: else it would be taken to get around what guards it.
const weightFor = 30 * 24 * time.Hour

// weighty says whether a role decides over others or over the whole laboratory:
// those that ask for a passkey, and the laboratory director's.
func weighty(r authz.Role) bool {
	info, ok := authz.RoleOf(r)
	return ok && (info.Strong || r == authz.Director)
}

// hand is what is kept of how somebody came in.
type hand struct {
	doubt   time.Time // zero: none
	doubtBy string
	sure    time.Time // zero: nobody has confirmed them
	sureBy  string
}

func handOf(row store.Scanner, more ...any) (h hand, err error) {
	var doubt, sure int64
	err = row.Scan(append([]any{&doubt, &h.doubtBy, &sure, &h.sureBy}, more...)...)
	h.doubt, h.sure = moment(doubt), moment(sure)
	return h, err
}

// readHand reads it, held against its tag; the zero hand where nothing is kept.
func (s *Service) readHand(ctx context.Context, q store.Queryer, person event.ID) (hand, error) {
	h, err := handOf(q.QueryRow(ctx, "SELECT doubt_at, doubt_by, sure_at, sure_by FROM access_hands WHERE person = $1", person[:]))
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return h, fmt.Errorf("read who confirmed a person: %w", err)
	}
	return h, s.genuine(ctx, q, taggedHands, person[:]) // also one that was removed
}

// doubt notes, in tx, that somebody let a person in anew: it stands until somebody
// else confirms them.
func (s *Service) doubt(ctx context.Context, tx *store.Tx, person event.ID, by string) error {
	_, err := s.tags.Exec(ctx, tx, taggedHands, person[:], `INSERT INTO access_hands (person, doubt_at, doubt_by, sure_at, sure_by) VALUES ($1, $2, $3, 0, '')
		ON CONFLICT (person) DO UPDATE SET doubt_at = excluded.doubt_at, doubt_by = excluded.doubt_by`, person[:], micro(s.now()), by)
	return err
}

// sure notes, in tx, that a person was confirmed.
func (s *Service) sure(ctx context.Context, tx *store.Tx, p Person, by string) error {
	_, err := s.tags.Exec(ctx, tx, taggedHands, p.ID[:], `INSERT INTO access_hands (person, doubt_at, doubt_by, sure_at, sure_by) VALUES ($1, 0, '', $2, $3)
		ON CONFLICT (person) DO UPDATE SET doubt_at = 0, doubt_by = '', sure_at = excluded.sure_at, sure_by = excluded.sure_by`, p.ID[:], micro(s.now()), by)
	if err != nil {
		return err
	}
	_, err = s.fact(ctx, tx, KindConfirmed, by, ledger.Pairs{idPair("person", p.ID), {K: "account", V: p.Account}}, nil)
	return err
}

var (
	// errDoubt keeps a role of weight from whoever was let in anew by one hand.
	errDoubt = &Refusal{KindConflict, "role", "Somebody let them in again, or made them a recovery link, and nobody else has confirmed since that it is them. Before they get a role that asks for a passkey, or the laboratory director's, a second person confirms them on their page (administrator, security or compliance officer), or somebody at the console of the machine: labwarden access confirm ACCOUNT."}
	// errWeighty keeps one person from making a way into an account of weight.
	errWeighty = &Refusal{Kind: KindConflict, Text: "They hold a role that asks for a passkey or the laboratory director's, or did in the last 30 days: nobody makes them a link alone. Recover them at the console of the machine, with labwarden access recover ACCOUNT, or ask a second person on their page."}
	// errLinkWeighty keeps one person from linking an account of weight to a subject of
	// their own at the provider.
	errLinkWeighty = &Refusal{KindConflict, "subject", "They hold a role that asks for a passkey or the laboratory director's, or did in the last 30 days: nobody else links them. They link themselves, on the page of their own sign-in."}
	// ErrOneHand: of two people, one brought the other in and nobody else has looked.
	ErrOneHand = &Refusal{Kind: KindConflict, Text: "This takes two people who came in by different hands: one of you let the other in, gave them their role or made their link, and nobody else has confirmed that since. Somebody else does this, or confirms first on the person's page; where there is nobody else, somebody at the console of the machine does: labwarden access confirm ACCOUNT."}
)

// trusted refuses a role of weight to whom nobody but one hand has let in.
func (s *Service) trusted(ctx context.Context, tx *store.Tx, person event.ID, r authz.Role) error {
	if !weighty(r) {
		return nil
	}
	h, err := s.readHand(ctx, tx, person)
	if err == nil && !h.doubt.IsZero() {
		err = errDoubt
	}
	return err
}

// linkedByAnother is a link to the sign-in provider that somebody makes for another:
// a way in, like a recovery link.
func (s *Service) linkedByAnother(ctx context.Context, tx *store.Tx, p Person, by string) error {
	w, err := s.weighs(ctx, tx, p.ID)
	if err == nil && w {
		err = errLinkWeighty
	}
	if err != nil {
		return err
	}
	return s.doubt(ctx, tx, p.ID, by)
}

// Weighs says whether somebody holds a role of weight, or did within the last 30
// days.
func (s *Service) Weighs(ctx context.Context, person event.ID) (bool, error) {
	return s.weighs(ctx, s.db, person)
}

func (s *Service) weighs(ctx context.Context, q store.Queryer, person event.ID) (bool, error) {
	all, err := grantsOf(ctx, q, person, true)
	since := s.now().Add(-weightFor)
	for _, g := range all {
		if weighty(g.Role) && (g.EndedAt.IsZero() || g.EndedAt.After(since)) && (g.Until.IsZero() || g.Until.After(since)) {
			return true, err
		}
	}
	return false, err
}

// Standing is what is known of by whose hand somebody is in.
type Standing struct {
	// Doubted: somebody let them in anew at this time and nobody has confirmed them
	// since; zero: none.
	Doubted   time.Time
	DoubtedBy string
	// Confirmed is when somebody else confirmed them; zero: nobody has.
	Confirmed   time.Time
	ConfirmedBy string
	// Weighs: they hold a role of weight, or did within the last 30 days.
	Weighs bool
}

// Standing reads it.
func (s *Service) Standing(ctx context.Context, person event.ID) (Standing, error) {
	h, err := s.readHand(ctx, s.db, person)
	if err != nil {
		return Standing{}, err
	}
	w, err := s.Weighs(ctx, person)
	return Standing{h.doubt, h.doubtBy, h.sure, h.sureBy, w}, err
}

// Doubted lists who waits for a second person to confirm them.
func (s *Service) Doubted(ctx context.Context) (map[event.ID]Standing, error) {
	all, err := s.hands(ctx, s.db)
	if err != nil {
		return nil, err
	}
	out := map[event.ID]Standing{}
	for id, h := range all {
		if !h.doubt.IsZero() {
			out[id] = Standing{Doubted: h.doubt, DoubtedBy: h.doubtBy}
		}
	}
	return out, nil
}

func (s *Service) hands(ctx context.Context, q store.Queryer) (map[event.ID]hand, error) {
	out := map[event.ID]hand{}
	err := q.Query(ctx, "SELECT doubt_at, doubt_by, sure_at, sure_by, person FROM access_hands", nil, func(row store.Scanner) error {
		var id []byte
		h, err := handOf(row, &id)
		if err != nil {
			return err
		}
		person, err := event.IDFromBytes(id)
		out[person] = h
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read who confirmed people: %w", err)
	}
	for id := range out {
		if err := s.genuine(ctx, q, taggedHands, id[:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Confirm says that an account is in the hands of its person: a second person does,
// not who let them in or was let in by the same. Needs people.confirm.
func (s *Service) Confirm(ctx context.Context, who *authz.Subject, person event.ID) error {
	if err := s.mayConfirm(who, person); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if p.State == Ended {
			return ErrEnded
		}
		if err := s.twoHands(ctx, tx, who.Account, p.Account); err != nil {
			return err
		}
		return s.sure(ctx, tx, p, who.Account)
	})
	return wrap("confirm person", err)
}

// ConfirmAtConsole is Confirm by whoever is at the machine's own console. operator
// is the account of the operating system and stands in the record; everybody is
// told.
func (s *Service) ConfirmAtConsole(ctx context.Context, account, operator string) error {
	account, err := CleanAccount(account)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE account = $1", account)
		if err != nil {
			return err
		}
		if p.State == Ended {
			return ErrEnded
		}
		return s.sure(ctx, tx, p, byConsole+":"+operator)
	})
	if err == nil {
		s.tell(ctx, AlarmConfirmed, account, alarm.Note, operator+" confirmed "+account+" at the console of the machine: whoever let them in counts as another person from now on.",
			"Nothing is to be done if that person is who they should be. Else end the account, and read in the record what it did.")
	}
	return wrap("confirm person", err)
}

// tell raises an alarm about an account, so that the other officers know.
func (s *Service) tell(ctx context.Context, kind, account string, severity alarm.Severity, sentence, advice string) {
	if s.raise != nil {
		s.raise.Raise(ctx, alarm.Alarm{Key: alarm.Key{Kind: kind, About: account}, Severity: severity, Once: true, Sentence: sentence, Advice: advice})
	}
}
