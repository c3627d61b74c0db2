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
	ID, Session event.ID
	What        string
	Device      Device
	At          time.Time
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
	id := event.NewID()
	_, err := tx.Exec(ctx, "INSERT INTO access_notices (id, person, session, what, device, network, at, answer, answered_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0)",
		id[:], person[:], session[:], what, cut(d.Name, 80), cut(d.Network, 60), micro(s.now()))
	if err != nil {
		return err
	}
	if err := s.tags.Put(ctx, tx, taggedNotices, id[:]); err != nil {
		return err
	}
	_, err = s.fact(ctx, tx, KindNoticed, byJob, ledger.Pairs{idPair("person", person), idPair("session", session)},
		ledger.Pairs{{K: "what", V: what}, {K: "network", V: ledger.Code(d.Network)}})
	return err
}

// Notices lists what who has not answered yet, the newest first.
func (s *Service) Notices(ctx context.Context, who *authz.Subject) ([]Notice, error) {
	var out []Notice
	err := s.db.Query(ctx, "SELECT id, session, what, device, network, at FROM access_notices WHERE person = $1 AND answer = '' AND at > $2 ORDER BY at DESC, id DESC",
		[]any{who.Person[:], micro(s.now().Add(-noticeFor))}, func(row store.Scanner) error {
			var n Notice
			var id, session []byte
			var at int64
			err := row.Scan(&id, &session, &n.What, &n.Device.Name, &n.Device.Network, &at)
			if err != nil {
				return err
			}
			n.At = moment(at)
			if n.ID, err = event.IDFromBytes(id); err == nil {
				n.Session, err = event.IDFromBytes(session)
			}
			out = append(out, n)
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
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var session []byte
		err := tx.QueryRow(ctx, "SELECT session FROM access_notices WHERE id = $1 AND person = $2 AND answer = ''", id[:], who.Person[:]).Scan(&session)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedNotices, id[:], "UPDATE access_notices SET answer = $1, answered_at = $2 WHERE id = $3", answer, micro(s.now()), id[:])
		if err != nil {
			return err
		}
		sid, err := event.IDFromBytes(session)
		if err != nil {
			return err
		}
		if _, err := s.fact(ctx, tx, KindAnswered, who.Account, ledger.Pairs{idPair("person", who.Person), idPair("session", sid)}, ledger.Pairs{{K: "answer", V: answer}}); err != nil {
			return err
		}
		if me {
			return nil
		}
		_, err = s.endSessions(ctx, tx, who.Account, "the person says that it was not them", "person = $1 AND id <> $2", who.Person[:], who.Session[:])
		return err
	})
	if err == nil && !me && s.raise != nil {
		s.raise.Raise(ctx, alarm.Alarm{
			Key: alarm.Key{Kind: "access.stolen", About: who.Account}, Severity: alarm.Urgent, Once: true,
			Sentence: "Somebody signed in as " + who.Account + ", who says that it was not them. Their other sessions were ended.",
			Advice:   "Have them change how they sign in, and read in the record what was seen and done in that session.",
		})
	}
	return wrap("answer notice", err)
}
