package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// SystemKinds are what other systems are, and how that reads.
func SystemKinds() [][2]string {
	return [][2]string{
		{"lis", "Laboratory information system"},
		{"directory", "Active Directory or Windows"},
		{"analyzer", "Analyzer or middleware"},
		{"vpn", "VPN or remote access"},
		{"portal", "Partner's portal"},
		{"other", "Other"},
	}
}

// System is another system that has accounts.
type System struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Owner is the account of whoever answers for it: findings and removals are theirs.
	Owner   string  `json:"owner"`
	Mapping Mapping `json:"mapping"`
	// AdminGroups are this system's groups that mean privileged.
	AdminGroups []string `json:"admin_groups,omitempty"`
	// EveryDays is how old a list may become.
	EveryDays int64 `json:"every_days"`
	// AsOf is the day of the list at hand; zero: none was ever taken.
	AsOf    time.Time `json:"as_of,omitzero"`
	Import  string    `json:"import,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
	Changed time.Time `json:"changed"`
	By      string    `json:"by"`
}

// Stale says that the list at hand says nothing about now: there is none, or it
// is older than it may be.
func (s *System) Stale(now time.Time) bool {
	return s.AsOf.IsZero() || now.Sub(s.AsOf) > time.Duration(s.EveryDays)*24*time.Hour
}

var systemKey = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)

func (s *System) check() error {
	s.Name, s.Owner = strings.TrimSpace(s.Name), strings.TrimSpace(s.Owner)
	switch {
	case !systemKey.MatchString(s.Key):
		return &FieldError{"key", "Write a short word in small letters, digits and hyphens, such as windows-domain."}
	case s.Name == "" || len(s.Name) > 120:
		return &FieldError{"name", "Give it a name of at most 120 characters."}
	case !slices.ContainsFunc(SystemKinds(), func(k [2]string) bool { return k[0] == s.Kind }):
		return &FieldError{"kind", "Choose what kind of system it is."}
	case s.Owner == "" || len(s.Owner) > 120:
		return &FieldError{"owner", "Name the account of the person who answers for it."}
	case s.EveryDays < 1 || s.EveryDays > 366:
		return &FieldError{"every_days", "Write a number of days from 1 to 366."}
	case len(s.AdminGroups) > 50:
		return &FieldError{"admin_groups", "Name at most 50 groups."}
	}
	return s.Mapping.check()
}

// FieldError is what is wrong with one field of a form.
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return e.Message }

// Unwrap makes it ErrInvalid.
func (e *FieldError) Unwrap() error { return ErrInvalid }

const systemColumns = "SELECT key, name, kind, owner, mapping, admin_groups, every_days, as_of, import, ended_at, changed_at, changed_by FROM accounts_systems "

func scanSystem(row store.Scanner) (System, error) {
	var s System
	var mapping, admins string
	var asOf, ended, changed int64
	if err := row.Scan(&s.Key, &s.Name, &s.Kind, &s.Owner, &mapping, &admins, &s.EveryDays, &asOf, &s.Import, &ended, &changed, &s.By); err != nil {
		return s, err
	}
	s.AsOf, s.Ended, s.Changed = moment(asOf), moment(ended), moment(changed)
	return s, errors.Join(json.Unmarshal([]byte(mapping), &s.Mapping), json.Unmarshal([]byte(admins), &s.AdminGroups))
}

// Systems lists those in use, or all there ever were, by name.
func (s *Service) Systems(ctx context.Context, all bool) ([]System, error) {
	where := "WHERE ended_at = 0 ORDER BY name, key"
	if all {
		where = "ORDER BY name, key"
	}
	out := []System{}
	err := s.db.Query(ctx, systemColumns+where, nil, func(row store.Scanner) error {
		x, err := scanSystem(row)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list systems: %w", err)
	}
	return out, nil
}

// System returns one.
func (s *Service) System(ctx context.Context, key string) (System, error) {
	return system(ctx, s.db, key)
}

func system(ctx context.Context, q store.Queryer, key string) (System, error) {
	x, err := scanSystem(q.QueryRow(ctx, systemColumns+"WHERE key = $1", key))
	if errors.Is(err, store.ErrNoRows) {
		return x, fmt.Errorf("system: %w", ErrNotFound)
	}
	if err != nil {
		return x, fmt.Errorf("read system: %w", err)
	}
	return x, nil
}

// AddSystem begins to look at another system.
func (s *Service) AddSystem(ctx context.Context, x System, by By) error {
	if x.EveryDays == 0 {
		x.EveryDays = 100
	}
	if err := errors.Join(by.check(), x.check()); err != nil {
		return err
	}
	x.AsOf, x.Import, x.Ended = time.Time{}, "", time.Time{}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := system(ctx, tx, x.Key); err == nil {
			return &FieldError{"key", "There is a system of this key already."}
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		return s.writeSystem(ctx, tx, &x, "account.system_added", by)
	})
	if err != nil {
		return fmt.Errorf("add system: %w", err)
	}
	return nil
}

// ChangeSystem writes name, kind, owner, groups and how old lists may become.
func (s *Service) ChangeSystem(ctx context.Context, x System, by By) error {
	if err := errors.Join(by.check(), x.check()); err != nil {
		return err
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		old, err := system(ctx, tx, x.Key)
		if err != nil {
			return err
		}
		old.Name, old.Kind, old.Owner, old.AdminGroups, old.EveryDays = x.Name, x.Kind, x.Owner, x.AdminGroups, x.EveryDays
		return s.writeSystem(ctx, tx, &old, "account.system_changed", by)
	})
	if err != nil {
		return fmt.Errorf("change system: %w", err)
	}
	return nil
}

// EndSystem says that the system is no longer there: its accounts leave the
// review, what was found about them is kept and ended.
func (s *Service) EndSystem(ctx context.Context, key string, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		x, err := system(ctx, tx, key)
		if err != nil {
			return err
		}
		if !x.Ended.IsZero() {
			return ErrConflict
		}
		x.Ended = s.now()
		return s.writeSystem(ctx, tx, &x, "account.system_ended", by)
	})
	if err != nil {
		return fmt.Errorf("end system: %w", err)
	}
	return s.Judge(ctx, key)
}

func (s *Service) writeSystem(ctx context.Context, tx *store.Tx, x *System, kind string, by By) error {
	now := s.now()
	mapping, err := json.Marshal(x.Mapping)
	if err != nil {
		return fmt.Errorf("write mapping: %w", err)
	}
	admins, err := json.Marshal(append([]string{}, x.AdminGroups...))
	if err != nil {
		return fmt.Errorf("write groups: %w", err)
	}
	_, err = s.tags.Exec(ctx, tx, taggedSystems, x.Key, `INSERT INTO accounts_systems
			(key, name, kind, owner, mapping, admin_groups, every_days, as_of, import, ended_at, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (key) DO UPDATE SET name = excluded.name, kind = excluded.kind, owner = excluded.owner, mapping = excluded.mapping,
			admin_groups = excluded.admin_groups, every_days = excluded.every_days, as_of = excluded.as_of, import = excluded.import,
			ended_at = excluded.ended_at, changed_at = excluded.changed_at, changed_by = excluded.changed_by`,
		x.Key, x.Name, x.Kind, x.Owner, string(mapping), string(admins), x.EveryDays, micro(x.AsOf), x.Import, micro(x.Ended), now.UnixMicro(), by.Account)
	if err != nil || kind == "" {
		return err
	}
	return publish(ctx, tx, kind, now, by, ledger.Pairs{{K: "system", V: x.Key}, {K: "owner", V: ledger.Code(x.Owner)}}, ledger.Pairs{{K: "kind", V: x.Kind}})
}
