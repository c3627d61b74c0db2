package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// What is wrong with an account.
const (
	Leaver     = "leaver"
	Ownerless  = "ownerless"
	UnknownOne = "unknown"
	NoFactor   = "no-second-factor"
	Unused     = "unused"
	Privileged = "privileged"
)

// unusedFor is how long an account may rest, from the day of its list.
const unusedFor = 90 * 24 * time.Hour

// wrongs says how each kind reads and within how many days it is to be settled.
var wrongs = []struct {
	kind, title string
	days        int
}{
	{Leaver, "Somebody who left still has an account", 3},
	{UnknownOne, "Nobody knows whose account this is", 14},
	{Ownerless, "Nobody answers for this shared account", 14},
	{NoFactor, "No second factor", 30},
	{Privileged, "Privileged", 30},
	{Unused, "Not used for 90 days", 30},
}

// Title is how a kind of finding reads.
func Title(kind string) string {
	for _, w := range wrongs {
		if w.kind == kind {
			return w.title
		}
	}
	return kind
}

// FindingKinds lists them, the most urgent first.
func FindingKinds() []string {
	out := make([]string, len(wrongs))
	for i, w := range wrongs {
		out[i] = w.kind
	}
	return out
}

// FindingState is how far a finding has come.
type FindingState int64

// The states.
const (
	FindingOpen FindingState = iota
	FindingOver              // a newer list, or a match, no longer shows it
	FindingClosed
)

var findingStates = [...]string{"open", "over", "closed with a reason"}

func (s FindingState) String() string {
	if s < FindingOpen || s > FindingClosed {
		return "?"
	}
	return findingStates[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s FindingState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *FindingState) UnmarshalText(b []byte) error {
	i := slices.Index(findingStates[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: there is no such state", ErrInvalid)
	}
	*s = FindingState(i)
	return nil
}

// Finding is something wrong with one account.
type Finding struct {
	ID      event.ID     `json:"-"`
	Account event.ID     `json:"-"`
	System  string       `json:"system"`
	Kind    string       `json:"kind"`
	State   FindingState `json:"state"`
	// Owner is the account of who is to settle it, Due until when.
	Owner    string    `json:"owner"`
	Due      time.Time `json:"due"`
	Opened   time.Time `json:"opened"`
	Closed   time.Time `json:"closed,omitzero"`
	ClosedBy string    `json:"closed_by,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	// Until is how long a reason holds; the finding opens again then.
	Until time.Time `json:"until,omitzero"`

	over time.Time
}

// Late says that an open finding is past its day.
func (f *Finding) Late(now time.Time) bool { return f.State == FindingOpen && now.After(f.Due) }

const findingColumns = "SELECT id, account, system, kind, state, owner, due_at, opened_at, closed_at, closed_by, reason, until_at, over_at FROM accounts_findings "

func scanFinding(row store.Scanner) (Finding, error) {
	var f Finding
	var id, account []byte
	var state, due, opened, closed, until, over int64
	err := row.Scan(&id, &account, &f.System, &f.Kind, &state, &f.Owner, &due, &opened, &closed, &f.ClosedBy, &f.Reason, &until, &over)
	if err != nil {
		return f, err
	}
	f.State, f.Due, f.Opened, f.Closed, f.Until, f.over = FindingState(state), moment(due), moment(opened), moment(closed), moment(until), moment(over)
	var bad error
	f.ID, err = event.IDFromBytes(id)
	f.Account, bad = event.IDFromBytes(account)
	return f, errors.Join(err, bad)
}

// Findings lists those of a system ("" for all), the open ones or all, the
// soonest due first.
func (s *Service) Findings(ctx context.Context, system string, all bool) ([]Finding, error) {
	return findings(ctx, s.db, system, all)
}

func findings(ctx context.Context, q store.Queryer, system string, all bool) ([]Finding, error) {
	var where []string
	var args []any
	if system != "" {
		args = append(args, system)
		where = append(where, "system = $1")
	}
	if !all {
		where = append(where, "state = 0")
	}
	query := findingColumns
	if len(where) > 0 {
		query += "WHERE " + strings.Join(where, " AND ")
	}
	out := []Finding{}
	err := q.Query(ctx, query+" ORDER BY due_at, id", args, func(row store.Scanner) error {
		f, err := scanFinding(row)
		out = append(out, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list findings: %w", err)
	}
	return out, nil
}

func finding(ctx context.Context, q store.Queryer, id event.ID) (Finding, error) {
	f, err := scanFinding(q.QueryRow(ctx, findingColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return f, fmt.Errorf("finding: %w", ErrNotFound)
	}
	if err != nil {
		return f, fmt.Errorf("read finding: %w", err)
	}
	return f, nil
}

// Finding returns one.
func (s *Service) Finding(ctx context.Context, id event.ID) (Finding, error) {
	return finding(ctx, s.db, id)
}

func (s *Service) writeFinding(ctx context.Context, tx *store.Tx, f *Finding) error {
	_, err := s.tags.Exec(ctx, tx, taggedFindings, f.ID[:], `INSERT INTO accounts_findings
			(id, account, system, kind, state, owner, due_at, opened_at, closed_at, closed_by, reason, until_at, over_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, owner = excluded.owner, due_at = excluded.due_at, closed_at = excluded.closed_at,
			closed_by = excluded.closed_by, reason = excluded.reason, until_at = excluded.until_at, over_at = excluded.over_at`,
		f.ID[:], f.Account[:], f.System, f.Kind, int64(f.State), f.Owner, micro(f.Due), micro(f.Opened), micro(f.Closed), f.ClosedBy, f.Reason,
		micro(f.Until), micro(f.over))
	return err
}

// Assign gives an open finding to somebody, with a day.
func (s *Service) Assign(ctx context.Context, id event.ID, owner string, due time.Time, by By) error {
	owner = strings.TrimSpace(owner)
	if owner == "" || len(owner) > 120 {
		return &FieldError{"owner", "Name the account of the person who settles it."}
	}
	if due.IsZero() || due.After(s.now().AddDate(1, 0, 0)) {
		return &FieldError{"due", "Choose a day within a year."}
	}
	return s.changeFinding(ctx, id, by, "account.finding_assigned", func(f *Finding) error {
		f.Owner, f.Due = owner, due
		return nil
	})
}

// Close ends an open finding with a reason that holds until a day, at most a year
// ahead: it then opens again if it still stands.
func (s *Service) Close(ctx context.Context, id event.ID, reason string, until time.Time, by By) error {
	reason = strings.TrimSpace(reason)
	now := s.now()
	switch {
	case len(reason) < 3 || len(reason) > 500:
		return &FieldError{"reason", "Say why this may stay as it is, in at most 500 characters."}
	case !until.After(now) || until.After(now.AddDate(1, 0, 1)):
		return &FieldError{"until", "Choose a day within the next year: then it is asked again."}
	}
	return s.changeFinding(ctx, id, by, "account.finding_closed", func(f *Finding) error {
		f.State, f.Closed, f.ClosedBy, f.Reason, f.Until = FindingClosed, now, by.Account, reason, until
		return nil
	})
}

func (s *Service) changeFinding(ctx context.Context, id event.ID, by By, kind string, change func(f *Finding) error) error {
	if err := by.check(); err != nil {
		return err
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		f, err := finding(ctx, tx, id)
		if err != nil {
			return err
		}
		if f.State != FindingOpen {
			return ErrConflict
		}
		a, err := account(ctx, tx, f.Account)
		if err != nil {
			return err
		}
		if kind == "account.finding_closed" && (a.Person != "" && a.Person == by.Person.String()) {
			return ErrOwn
		}
		if err := change(&f); err != nil {
			return err
		}
		if err := s.writeFinding(ctx, tx, &f); err != nil {
			return err
		}
		return publish(ctx, tx, kind, s.now(), by, f.ids(), ledger.Pairs{{K: "what", V: f.Kind}, {K: "reason", V: ledger.Code(f.Reason)}})
	})
	if err != nil {
		return fmt.Errorf("change finding: %w", err)
	}
	return nil
}

func (f *Finding) ids() ledger.Pairs {
	return ledger.Pairs{
		{K: "finding", V: f.ID.String()}, {K: "account_of", V: f.Account.String()}, {K: "system", V: f.System}, {K: "owner", V: ledger.Code(f.Owner)},
	}
}
