package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// What a notice says of a session.
const (
	NewDevice  = "new-device"  // signed in from a device that is new for the person
	NewNetwork = "new-network" // ... from a network that is new
	Moved      = "moved"       // the same cookie came from another kind of device
)

// Kinds of events about notices.
const (
	KindNoticed  = "session.noticed"
	KindAnswered = "session.answered"
)

// Notice asks its person whether it was them.
type Notice struct {
	// Session is the one it is about, or in which a way was changed; zero where
	// somebody else changed it.
	ID, Session event.ID
	// What it says; Way is which way was changed.
	What, Way string
	Device    Device
	// By is the account of somebody else who changed it; empty: somebody signed in as
	// the person.
	By string
	At time.Time
}

// noticeFor is how long a notice asks.
const noticeFor = 30 * 24 * time.Hour

// strange notes, in tx, a sign-in from where the person never was before. The
// first sign-in of all is none: there is nothing to compare it with.
func (s *Service) strange(ctx context.Context, tx *store.Tx, p Person, session event.ID, d Device) error {
	n, knownDevice, knownNetwork := 0, false, false
	err := tx.Query(ctx, "SELECT DISTINCT device, network FROM access_sessions WHERE person = $1", []any{p.ID[:]}, func(row store.Scanner) error {
		var device, network string
		err := row.Scan(&device, &network)
		n++
		knownDevice = knownDevice || device == d.Name
		knownNetwork = knownNetwork || sameNetwork(network, d.Network)
		return err
	})
	switch {
	case err != nil || n == 0:
		return err
	case !knownDevice:
		return s.notice(ctx, tx, p.ID, session, NewDevice, d)
	case !knownNetwork:
		return s.notice(ctx, tx, p.ID, session, NewNetwork, d)
	}
	return nil
}

func (s *Service) notice(ctx context.Context, tx *store.Tx, person, session event.ID, what string, d Device) error {
	if _, err := s.putNotice(ctx, tx, person, session, what, d); err != nil {
		return err
	}
	_, err := s.fact(ctx, tx, KindNoticed, byJob, ledger.Pairs{idPair("person", person), idPair("session", session)},
		ledger.Pairs{{K: "what", V: what}, {K: "network", V: ledger.Code(d.Network)}})
	return err
}

func (s *Service) putNotice(ctx context.Context, tx *store.Tx, person, session event.ID, what string, d Device) (event.ID, error) {
	id := event.NewID()
	_, err := tx.Exec(ctx, "INSERT INTO access_notices (id, person, session, what, device, network, at, answer, answered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0)",
		id[:], person[:], session[:], what, cut(d.Name, 80), cut(d.Network, 60), micro(s.now()))
	if err != nil {
		return id, err
	}
	return id, s.tags.Put(ctx, tx, taggedNotices, id[:])
}

const noticeColumns = "SELECT id, person, session, what, device, network, at FROM access_notices "

func scanNotice(row store.Scanner) (n Notice, person []byte, err error) {
	var id, session []byte
	var at int64
	if err = row.Scan(&id, &person, &session, &n.What, &n.Device.Name, &n.Device.Network, &at); err != nil {
		return n, nil, err
	}
	n.At = moment(at)
	n.What, n.Way, _ = strings.Cut(n.What, " ")
	if by, ok := strings.CutPrefix(n.Device.Name, byPrefix); ok && aboutWays(n.What) {
		n.By, n.Device.Name = by, ""
	}
	if n.ID, err = event.IDFromBytes(id); err == nil {
		n.Session, err = event.IDFromBytes(session)
	}
	return n, person, err
}

// Notices lists what who has not answered yet, the newest first. A change of how
// they sign in is asked about in other sessions than the one it was made in.
func (s *Service) Notices(ctx context.Context, who *authz.Subject) ([]Notice, error) {
	var out []Notice
	err := s.db.Query(ctx, noticeColumns+"WHERE person = $1 AND answer = '' AND at > $2 ORDER BY at DESC, id DESC",
		[]any{who.Person[:], micro(s.now().Add(-noticeFor))}, func(row store.Scanner) error {
			n, _, err := scanNotice(row)
			if !n.AboutWays() || n.Session == (event.ID{}) || n.Session != who.Session {
				out = append(out, n)
			}
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	return out, nil
}

// Answer says whether it was the person. If not, every session of theirs but the
// one they answer in ends, and an alarm is raised.
func (s *Service) Answer(ctx context.Context, who *authz.Subject, id event.ID, me bool) error {
	if err := who.May(authz.OwnSecurity, authz.Object{}, s.now()); err != nil {
		return err
	}
	answer := "no"
	if me {
		answer = "yes"
	}
	var about Notice
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, _, err := scanNotice(tx.QueryRow(ctx, noticeColumns+"WHERE id = $1 AND person = $2 AND answer = ''", id[:], who.Person[:]))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if n.AboutWays() && n.Session == who.Session && n.Session != (event.ID{}) {
			return ErrNotFound // whoever made the change does not say that it was them
		}
		about = n
		_, err = s.tags.Exec(ctx, tx, taggedNotices, id[:], "UPDATE access_notices SET answer = $1, answered_at = $2 WHERE id = $3", answer, micro(s.now()), id[:])
		if err != nil {
			return err
		}
		if _, err := s.fact(ctx, tx, KindAnswered, who.Account, ledger.Pairs{idPair("person", who.Person), idPair("session", n.Session)}, ledger.Pairs{{K: "answer", V: answer}}); err != nil {
			return err
		}
		if me {
			return nil
		}
		_, err = s.endSessions(ctx, tx, who.Account, "the person says that it was not them", "person = $1 AND id <> $2", who.Person[:], who.Session[:])
		return err
	})
	if err == nil && !me && s.raise != nil {
		sentence := "Somebody signed in as " + who.Account + ", who says that it was not them. Their other sessions were ended."
		if about.AboutWays() {
			sentence = "Somebody changed how " + who.Account + " signs in, who says that it was not them. Their other sessions were ended."
		}
		s.raise.Raise(ctx, alarm.Alarm{
			Key: alarm.Key{Kind: "access.stolen", About: who.Account}, Severity: alarm.Urgent, Once: true,
			Sentence: sentence,
			Advice:   "Have them change how they sign in, and read in the record what was seen and done in that session.",
		})
	}
	return wrap("answer notice", err)
}
