package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about break-glass access.
const (
	KindGlassOpened   = "glass.opened"
	KindGlassClosed   = "glass.closed"
	KindGlassReviewed = "glass.reviewed"
)

// How long break-glass access lasts.
const (
	GlassFor  = time.Hour
	GlassMost = 4 * time.Hour
)

// glassRoles say what each role may open: what an emergency of results needs,
// never configuration, keys, people or the record.
var glassRoles = []struct {
	role  authz.Role
	gives []authz.Permission
}{
	{authz.Administrator, []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead}},
	{authz.SecurityOfficer, []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead}},
	{authz.ComplianceOfficer, []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead, authz.CallsSee}},
	{authz.Director, []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead, authz.CallsSee, authz.CallsAct}},
	{authz.Technologist, []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead, authz.CallsSee, authz.CallsAct}},
}

// GlassMay lists what who may open in an emergency, everywhere in the laboratory.
func (s *Service) GlassMay(who *authz.Subject) []authz.Info {
	now := s.now()
	var out []authz.Info
	for _, p := range authz.Permissions() {
		if !p.Glass {
			continue
		}
		for _, g := range glassRoles {
			if who.Holds(g.role, now) && slices.Contains(g.gives, p.Permission) {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

// Glass is one break-glass access.
type Glass struct {
	ID, Person, Session event.ID
	Account             string
	Reason              string
	Permissions         []authz.Permission
	Opened, Until       time.Time
	Closed              time.Time // by hand or by its time, once that was noted
	ClosedBy            string
	Reviewed            time.Time
	ReviewedBy          string
	Verdict, Note       string

	openedLeaf, closedLeaf int64
}

// Open says whether it gives something at this moment.
func (g *Glass) Open(now time.Time) bool { return g.Closed.IsZero() && now.Before(g.Until) }

// The verdicts of a review.
const (
	VerdictFine    = "fine"
	VerdictNotFine = "not-fine"
)

// OpenGlass opens break-glass access in the session that who works in: with a
// reason, for a time (0 is GlassFor, GlassMost at most). Others are told at once.
// The reason is read by others: it should name no patient. Needs
// break_glass.open.
func (s *Service) OpenGlass(ctx context.Context, who *authz.Subject, reason string, last time.Duration, perms []authz.Permission) (g Glass, err error) {
	now := s.now()
	if err := who.May(authz.BreakGlass, authz.Object{}, now); err != nil {
		return g, err
	}
	if last == 0 {
		last = GlassFor
	}
	reason = strings.TrimSpace(reason)
	may := s.GlassMay(who)
	switch {
	case utf8.RuneCountInString(reason) < 10 || utf8.RuneCountInString(reason) > maxNote || !utf8.ValidString(reason):
		return g, invalid("reason", "Say why, in 10 to %d characters, without naming a patient.", maxNote)
	case last < time.Minute || last > GlassMost:
		return g, invalid("for", "Break-glass access lasts at most %d hours.", int(GlassMost.Hours()))
	case len(perms) == 0:
		return g, invalid("permissions", "Choose what you need.")
	case who.Session == (event.ID{}):
		return g, invalid("", "Break-glass access is opened by a person who has signed in.")
	}
	for _, p := range perms {
		if !slices.ContainsFunc(may, func(i authz.Info) bool { return i.Permission == p }) {
			return g, invalid("permissions", "Your roles cannot open this by break-glass.")
		}
	}
	words := make([]string, len(perms))
	for i, p := range perms {
		words[i] = string(p)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var open int64
		err := tx.QueryRow(ctx, "SELECT count(*) FROM access_glass WHERE session = $1 AND closed_at = 0 AND until_at > $2", who.Session[:], micro(now)).Scan(&open)
		if err != nil {
			return err
		}
		if open > 0 {
			return &Refusal{Kind: KindConflict, Text: "Break-glass access is open already. Close it first to open another."}
		}
		g = Glass{ID: event.NewID(), Person: who.Person, Account: who.Account, Session: who.Session, Reason: reason, Opened: now, Until: now.Add(last)}
		g.Permissions = nil
		for _, w := range words {
			g.Permissions = append(g.Permissions, authz.Permission(w))
		}
		codes := ledger.Pairs{{K: "permissions", V: ledger.Code(strings.Join(words, ","))}}
		g.openedLeaf, err = s.fact(ctx, tx, KindGlassOpened, who.Account, ledger.Pairs{idPair("glass", g.ID), idPair("person", who.Person), idPair("session", who.Session)}, codes, ledger.Number{K: "until", N: micro(g.Until)})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO access_glass (id, person, account, session, reason, permissions, opened_at, until_at, opened_leaf, closed_at, closed_by, closed_leaf, reviewed_at, reviewed_by, verdict, note)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', 0, 0, '', '', '')`,
			g.ID[:], who.Person[:], who.Account, who.Session[:], reason, list(words), micro(now), micro(g.Until), g.openedLeaf)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedGlass, g.ID[:])
	})
	if err == nil && s.raise != nil {
		s.raise.Raise(ctx, alarm.Alarm{
			Key: alarm.Key{Kind: "access.break_glass", About: who.Account}, Severity: alarm.Warning, Once: true,
			Sentence: who.Account + " opened break-glass access until " + g.Until.Format("15:04") + " UTC.",
			Advice:   "Read why under People, Break-glass, and review it when it is over.",
		})
	}
	return g, wrap("open break-glass access", err)
}

// CloseGlass ends break-glass access before its time: the person themselves, or
// whoever may end sessions.
func (s *Service) CloseGlass(ctx context.Context, who *authz.Subject, id event.ID) error {
	g, err := s.Glass(ctx, id)
	if err != nil {
		return err
	}
	if g.Person != who.Person {
		if err := who.May(authz.SessionsEnd, authz.Object{}, s.now()); err != nil {
			return err
		}
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error { return s.closeGlass(ctx, tx, who.Account, id) })
	return wrap("close break-glass access", err)
}

func (s *Service) closeGlass(ctx context.Context, tx *store.Tx, by string, id event.ID) error {
	g, err := scanGlass(tx.QueryRow(ctx, glassColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if !g.Closed.IsZero() {
		return ErrEnded
	}
	at := s.now()
	if at.After(g.Until) {
		at = g.Until
	}
	leaf, err := s.fact(ctx, tx, KindGlassClosed, by, ledger.Pairs{idPair("glass", id), idPair("person", g.Person)}, nil)
	if err != nil {
		return err
	}
	_, err = s.tags.Exec(ctx, tx, taggedGlass, id[:], "UPDATE access_glass SET closed_at = $1, closed_by = $2, closed_leaf = $3 WHERE id = $4", micro(at), by, leaf, id[:])
	return err
}

// ReviewGlass judges break-glass access that is over. Needs acts.review, by a
// role that its person did not hold; never one's own.
func (s *Service) ReviewGlass(ctx context.Context, who *authz.Subject, id event.ID, verdict, note string) error {
	if err := s.checkVerdict(who, verdict, note); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		g, err := scanGlass(tx.QueryRow(ctx, glassColumns+"WHERE id = $1", id[:]))
		switch {
		case errors.Is(err, store.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case g.Person == who.Person:
			return ErrOwnReview
		case g.Verdict != "":
			return ErrReviewed
		case g.Open(s.now()):
			return &Refusal{Kind: KindConflict, Text: "It is still open. Review it when it is over."}
		}
		if err := s.anotherRole(ctx, tx, who, g.Account); err != nil {
			return err
		}
		if err := s.twoHands(ctx, tx, who.Account, g.Account); err != nil {
			return err
		}
		if g.Closed.IsZero() {
			if err := s.closeGlass(ctx, tx, byJob, id); err != nil {
				return err
			}
		}
		_, err = s.tags.Exec(ctx, tx, taggedGlass, id[:], "UPDATE access_glass SET reviewed_at = $1, reviewed_by = $2, verdict = $3, note = $4 WHERE id = $5", micro(s.now()), who.Account, verdict, note, id[:])
		if err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindGlassReviewed, who.Account, ledger.Pairs{idPair("glass", id), idPair("person", g.Person)}, ledger.Pairs{{K: "verdict", V: verdict}})
		return err
	})
	return wrap("review break-glass access", err)
}

const glassColumns = `SELECT id, person, account, session, reason, permissions, opened_at, until_at, opened_leaf, closed_at, closed_by, closed_leaf, reviewed_at, reviewed_by, verdict, note
	FROM access_glass `

func scanGlass(row store.Scanner) (Glass, error) {
	var g Glass
	var id, person, session []byte
	var perms string
	var opened, until, closed, reviewed int64
	err := row.Scan(&id, &person, &g.Account, &session, &g.Reason, &perms, &opened, &until, &g.openedLeaf, &closed, &g.ClosedBy, &g.closedLeaf, &reviewed, &g.ReviewedBy, &g.Verdict, &g.Note)
	if err != nil {
		return g, err
	}
	g.Opened, g.Until, g.Closed, g.Reviewed = moment(opened), moment(until), moment(closed), moment(reviewed)
	words, err := unlist(perms)
	if err != nil {
		return g, err
	}
	for _, w := range words {
		g.Permissions = append(g.Permissions, authz.Permission(w))
	}
	if g.ID, err = event.IDFromBytes(id); err != nil {
		return g, err
	}
	if g.Person, err = event.IDFromBytes(person); err != nil {
		return g, err
	}
	g.Session, err = event.IDFromBytes(session)
	return g, err
}

// Glass reads one break-glass access.
func (s *Service) Glass(ctx context.Context, id event.ID) (Glass, error) {
	g, err := scanGlass(s.db.QueryRow(ctx, glassColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return g, ErrNotFound
	}
	return g, wrap("read break-glass access", err)
}

// Glasses lists break-glass accesses, the newest first: those that nobody has
// reviewed, or the last ones of all.
func (s *Service) Glasses(ctx context.Context, all bool, limit int) ([]Glass, error) {
	where := "WHERE verdict = '' "
	if all {
		where = ""
	}
	var out []Glass
	err := s.db.Query(ctx, glassColumns+where+"ORDER BY opened_at DESC, id DESC LIMIT $1", []any{int64(limit)}, func(row store.Scanner) error {
		g, err := scanGlass(row)
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list break-glass accesses: %w", err)
	}
	return out, nil
}

// readGlass adds what is open in a session.
func (s *Service) readGlass(ctx context.Context, k *known, now time.Time) error {
	g, err := scanGlass(s.db.QueryRow(ctx, glassColumns+"WHERE session = $1 AND closed_at = 0 AND until_at > $2 ORDER BY opened_at DESC LIMIT 1", k.id[:], micro(now)))
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read break-glass access: %w", err)
	}
	if err := s.genuine(ctx, s.db, taggedGlass, g.ID[:]); err != nil {
		return err
	}
	if g.Person == k.person {
		k.glass, k.glassed, k.glassFrom, k.glassEnd = g.ID, g.Permissions, g.Opened, g.Until
	}
	return nil
}

// Act is an event of the ledger as it is shown to a reviewer.
type Act struct {
	Leaf    int64
	At      time.Time
	Kind    string
	Account string
	// About are the ids and codes of the event, "person 0192…".
	About      []string
	Reviewed   time.Time
	ReviewedBy string
	Verdict    string
	Note       string
}

// GlassEvents lists what the person did while their break-glass access was open,
// from the ledger: at most limit, and whether there were more.
func (s *Service) GlassEvents(ctx context.Context, g Glass, limit int) (acts []Act, more bool, err error) {
	to := g.closedLeaf + 1
	if g.Closed.IsZero() {
		head, err := s.ledger.Head(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("read what was done: %w", err)
		}
		to = head.Size
	}
	account, glass := ledger.Code(g.Account), g.ID.String()
	last := g.Until.UnixMicro()
	// Walk begins with the row that starts at or after: the event may stand within
	// an earlier one, so some rows before are read too.
	err = s.ledger.Walk(ctx, max(0, g.openedLeaf-ledger.MaxGroup), to, func(first int64, events [][]byte) error {
		for i, raw := range events {
			leaf := first + int64(i)
			if leaf < g.openedLeaf || leaf >= to || len(acts) > limit {
				continue
			}
			e, err := ledger.ParseEvent(raw)
			if err != nil || e.IDs.Get("by") != account && e.IDs.Get("account") != account && e.IDs.Get("glass") != glass || e.At >= last && e.IDs.Get("glass") != glass {
				continue
			}
			acts = append(acts, actOf(leaf, e))
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read what was done: %w", err)
	}
	if len(acts) > limit {
		return acts[:limit], true, nil
	}
	return acts, false, nil
}

func actOf(leaf int64, e ledger.Event) Act {
	a := Act{Leaf: leaf, At: moment(e.At), Kind: e.Kind, Account: e.IDs.Get("by")}
	for _, p := range slices.Concat(e.IDs, e.Codes) {
		if p.K != "by" {
			a.About = append(a.About, p.K+" "+p.V)
		}
	}
	slices.Sort(a.About)
	return a
}
