package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// What a notice says of a change of how somebody signs in. A notice holds it with
// the way behind a blank: "way-added passkey".
const (
	WayAdded     = "way-added"
	WayChanged   = "way-changed"
	WayRemoved   = "way-removed"
	WayUsed      = "way-used" // a recovery code
	MailChanged  = "mail-changed"
	RecoveryMade = "recovery-link" // somebody made a link that opens the account
	Linked       = "linked"        // to the sign-in provider
	Unlinked     = "unlinked"
)

// aboutWays: notices about a change of a way, not about a session.
func aboutWays(what string) bool {
	switch what {
	case WayAdded, WayChanged, WayRemoved, WayUsed, MailChanged, RecoveryMade, Linked, Unlinked:
		return true
	}
	return false
}

// AboutWays says whether the notice is about how its person signs in.
func (n *Notice) AboutWays() bool { return aboutWays(n.What) }

// WayChange is a change of how somebody signs in.
type WayChange struct {
	Person event.ID
	// What is one of the words above, Way which way: "passkey"; empty for none.
	What, Way string
	// By is the account of somebody else who did it; empty: the person.
	By string
	// Session and Device are those in which the person did it.
	Session event.ID
	Device  Device
}

// Changed has somebody told, in tx, of a change of how they sign in: by a notice
// that asks at the next sign-in whether it was them, and by mail where there is
// one. Who is ended, or has not come in yet, is not told. OWASP ASVS 5.0 6.3.7.
func (s *Service) Changed(ctx context.Context, tx *store.Tx, c WayChange) error {
	p, err := personBy(ctx, tx, "WHERE id = $1", c.Person[:])
	if err != nil || p.State != Active {
		return wrap("tell of a change", err)
	}
	if c.By == p.Account {
		c.By = ""
	}
	return wrap("tell of a change", s.changeNotice(ctx, tx, p, c, p.Mail))
}

func (s *Service) changeNotice(ctx context.Context, tx *store.Tx, p Person, c WayChange, to string) error {
	d := c.Device
	if c.By != "" {
		d, c.Session = Device{Name: byPrefix + c.By}, event.ID{}
	}
	id, err := s.putNotice(ctx, tx, p.ID, c.Session, strings.TrimSpace(c.What+" "+c.Way), d)
	if err != nil {
		return err
	}
	codes := ledger.Pairs{{K: "what", V: c.What}}
	if c.Way != "" {
		codes = append(codes, ledger.Pair{K: "way", V: ledger.Code(c.Way)})
	}
	if _, err = s.fact(ctx, tx, KindNoticed, byJob, ledger.Pairs{idPair("person", p.ID), idPair("notice", id)}, codes); err != nil || to == "" || s.mailer == nil || !s.mailer.On() {
		return err
	}
	_, err = s.tags.Exec(ctx, tx, taggedMails, id[:], "INSERT INTO access_mails (notice, address, tries, next_at, sent_at) VALUES ($1, $2, 0, $3, 0)", id[:], to, micro(s.now()))
	return err
}

// byPrefix begins the device of a notice about what somebody else did.
const byPrefix = "by "

// Letter is a mail to somebody about a change of how they sign in.
type Letter struct {
	// ID is the same when the same letter is sent again.
	ID event.ID
	// To is the address, Name whose it is.
	To, Name string
	Notice   Notice
}

// Mailer sends letters.
type Mailer interface {
	// On says whether there is a mail server now.
	On() bool
	Send(ctx context.Context, l Letter) error
}

// MailWith has letters sent by m. Call it before the service is used.
func (s *Service) MailWith(m Mailer) { s.mailer = m }

const (
	mailTries   = 6
	mailAgain   = 5 * time.Minute // doubled each time
	mailsAtOnce = 20
)

// sendMails sends the letters that are due. A letter is counted as tried before it
// goes, so that of several nodes one sends it.
func (s *Service) sendMails(ctx context.Context) error {
	if s.mailer == nil || !s.mailer.On() {
		return nil
	}
	ids, err := s.ids(ctx, "SELECT notice FROM access_mails WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at LIMIT $2", micro(s.now()), int64(mailsAtOnce))
	if err != nil {
		return fmt.Errorf("find letters: %w", err)
	}
	for _, id := range ids {
		if err := s.sendMail(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) sendMail(ctx context.Context, id event.ID) error {
	var l *Letter
	now := s.now()
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		l = nil
		var tries, next int64
		x := Letter{ID: id}
		err := tx.QueryRow(ctx, "SELECT address, tries, next_at FROM access_mails WHERE notice = $1", id[:]).Scan(&x.To, &tries, &next)
		if errors.Is(err, store.ErrNoRows) || err == nil && (next == 0 || next > micro(now)) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.genuine(ctx, tx, taggedMails, id[:]); err != nil {
			return err
		}
		after := micro(now.Add(mailAgain << tries))
		if tries+1 >= mailTries {
			after = 0
		}
		if _, err := s.tags.Exec(ctx, tx, taggedMails, id[:], "UPDATE access_mails SET tries = tries + 1, next_at = $1 WHERE notice = $2", after, id[:]); err != nil {
			return err
		}
		var person []byte
		if x.Notice, person, err = scanNotice(tx.QueryRow(ctx, noticeColumns+"WHERE id = $1", id[:])); err != nil {
			return err
		}
		p, err := personBy(ctx, tx, "WHERE id = $1", person)
		x.Name, l = p.Name, &x
		return err
	})
	if err != nil || l == nil {
		return wrap("take a letter", err)
	}
	if err := s.mailer.Send(ctx, *l); err != nil {
		s.slog.Warn("a letter about a change of a way to sign in was not sent; the person is asked at their next sign-in", "notice", id.String(), "error", err)
		return nil //nolint:nilerr // it is tried again
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.tags.Exec(ctx, tx, taggedMails, id[:], "UPDATE access_mails SET next_at = 0, sent_at = $1 WHERE notice = $2", micro(s.now()), id[:])
		return err
	})
	return wrap("write that a letter was sent", err)
}
