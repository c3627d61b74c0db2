package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// State is where somebody stands.
type State int64

// The states.
const (
	Invited State = iota // has a link, has not signed in yet
	Active
	Ended
)

func (s State) String() string {
	if s < Invited || s > Ended {
		return "unknown"
	}
	return [...]string{"invited", "active", "ended"}[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(b []byte) error {
	for i := Invited; i <= Ended; i++ {
		if i.String() == string(b) {
			*s = i
			return nil
		}
	}
	return fmt.Errorf("no state %q", b)
}

// The origins: where a person or grant comes from.
const (
	OriginLocal = "local"
	OriginCSV   = "csv"
	OriginSCIM  = "scim"
	OriginOIDC  = "oidc"
)

// Person is somebody who may sign in.
type Person struct {
	ID            event.ID
	Account, Name string
	Mail          string // empty for none
	State         State
	// Starts and Ends act by themselves; zero for none.
	Starts, Ends time.Time
	// Origin is where the person comes from, External their id there.
	Origin, External       string
	Made, Changed, EndedAt time.Time
	MadeBy                 string
	// Revision grows with each change; a change names the one it was made from.
	Revision int64
	// Grants are those not ended; also ones that have not begun or are over.
	Grants []Grant
}

// In says whether the person may sign in at this moment.
func (p *Person) In(now time.Time) bool {
	return p.State == Active && within(p.Starts, p.Ends, now)
}

// Grant is a role of a person.
type Grant struct {
	ID     event.ID
	Person event.ID
	authz.Grant
	GivenAt time.Time
	GivenBy string
	Origin  string
	EndedAt time.Time
	EndedBy string
}

// NewPerson is somebody to add.
type NewPerson struct {
	Account, Name, Mail string
	Starts, Ends        time.Time
	Grants              []authz.Grant
	// Origin and External; empty Origin is OriginLocal.
	Origin, External string
}

const (
	maxName  = 120
	maxScope = 100 // partners or sites of a grant
)

// CleanAccount returns an account as it is stored, or why it cannot be one.
func CleanAccount(account string) (string, error) {
	a := strings.ToLower(strings.TrimSpace(account))
	if len(a) < 2 || len(a) > 64 {
		return "", invalid("account", "An account has 2 to 64 characters.")
	}
	for i, c := range a {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && strings.ContainsRune("._-@", c)) {
			return "", invalid("account", "An account begins with a letter or digit and has only a to z, 0 to 9 and . _ - @")
		}
	}
	return a, nil
}

func cleanName(name string) (string, error) {
	n := strings.Join(strings.Fields(name), " ")
	if n == "" || utf8.RuneCountInString(n) > maxName {
		return "", invalid("name", "Write the name, at most %d characters.", maxName)
	}
	if strings.IndexFunc(n, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 || !utf8.ValidString(n) {
		return "", invalid("name", "The name has a character that cannot be shown.")
	}
	return n, nil
}

func cleanMail(m string) (string, error) {
	m = strings.TrimSpace(m)
	if m == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(m)
	if err != nil || a.Address != m || len(m) > 200 || strings.ContainsAny(m, "\r\n<>\"") {
		return "", invalid("mail", "Write the address alone, like name@laboratory.example, or leave it empty.")
	}
	return m, nil
}

func cleanDates(starts, ends time.Time) error {
	if !ends.IsZero() && !starts.IsZero() && !ends.After(starts) {
		return invalid("ends", "The end lies before the start.")
	}
	return nil
}

// CheckGrant says why a grant cannot be given as it stands.
func CheckGrant(g authz.Grant, now time.Time) error {
	info, ok := authz.RoleOf(g.Role)
	switch {
	case !ok:
		return invalid("role", "There is no role of this name.")
	case g.Role == authz.Service:
		return invalid("role", "A service account is made on the page of service accounts, not given to a person.")
	case info.Boxed && g.Until.IsZero():
		return invalid("until", "%s needs an end date.", info.Name)
	case info.Scoped && len(g.Partners) == 0:
		return invalid("partners", "%s needs the partners it is for.", info.Name)
	case !g.Until.IsZero() && !g.From.IsZero() && !g.Until.After(g.From):
		return invalid("until", "The end lies before the start.")
	case !g.Until.IsZero() && !g.Until.After(now):
		return invalid("until", "The end has passed already.")
	case len(g.Partners) > maxScope || len(g.Sites) > maxScope:
		return invalid("partners", "Name at most %d partners and sites.", maxScope)
	}
	return checkKeys("partners", slices.Concat(g.Partners, g.Sites))
}

// checkKeys: keys of the configuration.
func checkKeys(field string, keys []string) error {
	for _, k := range keys {
		if k == "" || len(k) > 80 || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			return invalid(field, "Write partners and sites by their keys in the configuration, like riverside.")
		}
	}
	return nil
}

// clean returns what is stored of a new person.
func (n NewPerson) clean(now time.Time) (NewPerson, error) {
	var err error
	if n.Account, err = CleanAccount(n.Account); err != nil {
		return n, err
	}
	if n.Name, err = cleanName(n.Name); err != nil {
		return n, err
	}
	if n.Mail, err = cleanMail(n.Mail); err != nil {
		return n, err
	}
	if err := cleanDates(n.Starts, n.Ends); err != nil {
		return n, err
	}
	if !n.Ends.IsZero() && !n.Ends.After(now) {
		return n, invalid("ends", "The end has passed already.")
	}
	if n.Origin == "" {
		n.Origin = OriginLocal
	}
	for _, g := range n.Grants {
		if err := CheckGrant(g, now); err != nil {
			return n, err
		}
	}
	return n, nil
}

const peopleColumns = "SELECT id, account, name, mail, state, starts_at, ends_at, origin, external, made_at, made_by, changed_at, ended_at, revision FROM access_people "

func scanPerson(row store.Scanner) (Person, error) {
	var p Person
	var id []byte
	var state, starts, ends, made, changed, ended int64
	err := row.Scan(&id, &p.Account, &p.Name, &p.Mail, &state, &starts, &ends, &p.Origin, &p.External, &made, &p.MadeBy, &changed, &ended, &p.Revision)
	if err != nil {
		return p, err
	}
	p.State, p.Starts, p.Ends, p.Made, p.Changed, p.EndedAt = State(state), moment(starts), moment(ends), moment(made), moment(changed), moment(ended)
	p.ID, err = event.IDFromBytes(id)
	return p, err
}

const grantColumns = "SELECT id, person, role, partners, sites, from_at, until_at, given_at, given_by, origin, ended_at, ended_by FROM access_grants "

func scanGrant(row store.Scanner) (Grant, error) {
	var g Grant
	var id, person []byte
	var role, partners, sites string
	var from, until, given, ended int64
	err := row.Scan(&id, &person, &role, &partners, &sites, &from, &until, &given, &g.GivenBy, &g.Origin, &ended, &g.EndedBy)
	if err != nil {
		return g, err
	}
	g.Role, g.From, g.Until, g.GivenAt, g.EndedAt = authz.Role(role), moment(from), moment(until), moment(given), moment(ended)
	if g.Partners, err = unlist(partners); err == nil {
		g.Sites, err = unlist(sites)
	}
	if err != nil {
		return g, err
	}
	if g.ID, err = event.IDFromBytes(id); err != nil {
		return g, err
	}
	g.Person, err = event.IDFromBytes(person)
	return g, err
}

// list writes words as JSON; none is the empty text.
func list(words []string) string {
	if len(words) == 0 {
		return ""
	}
	b, err := json.Marshal(words)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func unlist(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var out []string
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("read a stored list: %w", err)
	}
	return out, nil
}

// grantsOf reads the grants of a person, all or those not ended.
func grantsOf(ctx context.Context, q store.Queryer, person event.ID, all bool) ([]Grant, error) {
	where := "WHERE person = $1 AND ended_at = 0 ORDER BY id"
	if all {
		where = "WHERE person = $1 ORDER BY id"
	}
	var out []Grant
	err := q.Query(ctx, grantColumns+where, []any{person[:]}, func(row store.Scanner) error {
		g, err := scanGrant(row)
		out = append(out, g)
		return err
	})
	return out, err
}

// personBy reads one person with their grants.
func personBy(ctx context.Context, q store.Queryer, where string, args ...any) (Person, error) {
	p, err := scanPerson(q.QueryRow(ctx, peopleColumns+where, args...))
	if errors.Is(err, store.ErrNoRows) {
		return p, ErrNotFound
	}
	if err == nil {
		p.Grants, err = grantsOf(ctx, q, p.ID, false)
	}
	if err != nil {
		return p, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}

// Person reads one person; ErrNotFound where there is none.
func (s *Service) Person(ctx context.Context, id event.ID) (Person, error) {
	return personBy(ctx, s.db, "WHERE id = $1", id[:])
}

// PersonByAccount reads the person of an account.
func (s *Service) PersonByAccount(ctx context.Context, account string) (Person, error) {
	return personBy(ctx, s.db, "WHERE account = $1", strings.ToLower(strings.TrimSpace(account)))
}

// PersonByExternal reads the person another system knows by this id.
func (s *Service) PersonByExternal(ctx context.Context, origin, external string) (Person, error) {
	if external == "" {
		return Person{}, ErrNotFound
	}
	return personBy(ctx, s.db, "WHERE origin = $1 AND external = $2 ORDER BY made_at LIMIT 1", origin, external)
}

// GrantHistory reads every role a person has or had, oldest first.
func (s *Service) GrantHistory(ctx context.Context, person event.ID) ([]Grant, error) {
	return grantsOf(ctx, s.db, person, true)
}

// People lists everybody with their grants, by name: a laboratory has hundreds.
func (s *Service) People(ctx context.Context) ([]Person, error) {
	var out []Person
	at := map[event.ID]int{}
	err := s.db.Query(ctx, peopleColumns+"ORDER BY name, account", nil, func(row store.Scanner) error {
		p, err := scanPerson(row)
		at[p.ID] = len(out)
		out = append(out, p)
		return err
	})
	if err == nil {
		err = s.db.Query(ctx, grantColumns+"WHERE ended_at = 0 ORDER BY id", nil, func(row store.Scanner) error {
			g, err := scanGrant(row)
			if i, ok := at[g.Person]; ok {
				out[i].Grants = append(out[i].Grants, g)
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return out, nil
}
