package portal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of members.
const (
	Member  = "member"
	Manager = "manager" // lets colleagues cover, and ends that
	Cover   = "cover"   // looks in for somebody, for a time
)

// Person is somebody of one or more practices.
type Person struct {
	ID       event.ID
	Account  string
	Name     string
	Provider string // their identifier as ordering provider, where a rule asks for it
	Made     time.Time
	MadeBy   string
	Entered  time.Time // zero until the letter was used
	Ended    time.Time
	Members  []Membership
}

// Membership is one practice of a person.
type Membership struct {
	ID, Person         event.ID
	Name               string // the person's
	Partner, Kind      string
	From, Until, Ended time.Time // Until zero: no end
	MadeBy             string
}

// In says whether it holds at a moment.
func (m *Membership) In(now time.Time) bool {
	return m.Ended.IsZero() && !now.Before(m.From) && (m.Until.IsZero() || now.Before(m.Until))
}

const maxName = 80

func cleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", wrong("name", "Write the person's name, at most %d characters.", maxName)
	}
	return name, nil
}

// accountOf makes a sign-in name of a name: letters, digits and dots.
func accountOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "."):
			b.WriteByte('.')
		}
	}
	out := strings.Trim(b.String(), ".")
	if out == "" {
		out = "person"
	}
	return out[:min(len(out), 40)]
}

const personColumns = "SELECT id, account, name, provider, made_at, made_by, entered_at, ended_at FROM partners_portal_people "

func scanPerson(row store.Scanner) (Person, error) {
	var p Person
	var id []byte
	var made, entered, ended int64
	if err := row.Scan(&id, &p.Account, &p.Name, &p.Provider, &made, &p.MadeBy, &entered, &ended); err != nil {
		return p, err
	}
	p.Made, p.Entered, p.Ended = moment(made), moment(entered), moment(ended)
	var err error
	p.ID, err = event.IDFromBytes(id)
	return p, err
}

const memberColumns = `SELECT m.id, m.person, p.name, m.partner, m.kind, m.from_at, m.until_at, m.ended_at, m.made_by
	FROM partners_portal_members m JOIN partners_portal_people p ON p.id = m.person `

func scanMember(row store.Scanner) (Membership, error) {
	var m Membership
	var id, person []byte
	var from, until, ended int64
	if err := row.Scan(&id, &person, &m.Name, &m.Partner, &m.Kind, &from, &until, &ended, &m.MadeBy); err != nil {
		return m, err
	}
	m.From, m.Until, m.Ended = moment(from), moment(until), moment(ended)
	var e1, e2 error
	m.ID, e1 = event.IDFromBytes(id)
	m.Person, e2 = event.IDFromBytes(person)
	return m, errors.Join(e1, e2)
}

// person reads one with the practices they belong to now; every row is held against
// its tag.
func (s *Service) person(ctx context.Context, q store.Queryer, where string, arg any) (Person, error) {
	p, err := scanPerson(q.QueryRow(ctx, personColumns+where, arg))
	if errors.Is(err, store.ErrNoRows) {
		return p, ErrNotFound
	}
	if err != nil {
		return p, fmt.Errorf("read a person of a practice: %w", err)
	}
	if err := s.genuine(ctx, q, taggedPeople, p.ID[:]); err != nil {
		return p, err
	}
	now, have := s.Now(), s.Settings().Partners
	err = q.Query(ctx, memberColumns+"WHERE m.person = $1 AND m.ended_at = 0 ORDER BY m.partner, m.id", []any{p.ID[:]}, func(row store.Scanner) error {
		m, err := scanMember(row)
		if err == nil && m.In(now) && have[m.Partner] != "" {
			p.Members = append(p.Members, m)
		}
		return err
	})
	if err != nil {
		return p, fmt.Errorf("read where somebody belongs: %w", err)
	}
	for _, m := range p.Members {
		if err := s.genuine(ctx, q, taggedMembers, m.ID[:]); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Person returns one.
func (s *Service) Person(ctx context.Context, id event.ID) (Person, error) {
	return s.person(ctx, s.DB, "WHERE id = $1", id[:])
}

// Active: not ended, and of a practice.
func (p *Person) Active() bool { return p.Ended.IsZero() && len(p.Members) > 0 }

// Of says whether the person belongs to a practice, and manages it.
func (p *Person) Of(partner string) (is, manages bool) {
	for _, m := range p.Members {
		if m.Partner == partner {
			is, manages = true, manages || m.Kind == Manager
		}
	}
	return is, manages
}

// Partners are the practices of a person, each once.
func (p *Person) Partners() []string {
	var out []string
	for _, m := range p.Members {
		if len(out) == 0 || out[len(out)-1] != m.Partner {
			out = append(out, m.Partner)
		}
	}
	return out
}

// ByAccount is signin.People.
func (s *Service) ByAccount(ctx context.Context, account string) (signin.PersonInfo, bool, error) {
	p, err := s.person(ctx, s.DB, "WHERE account = $1", strings.ToLower(strings.TrimSpace(account)))
	return info(&p, err)
}

// ByID is signin.People.
func (s *Service) ByID(ctx context.Context, id event.ID) (signin.PersonInfo, bool, error) {
	p, err := s.Person(ctx, id)
	return info(&p, err)
}

// InfoOf is what sign-in must know of a person.
func InfoOf(p *Person) signin.PersonInfo {
	return signin.PersonInfo{ID: p.ID, Account: p.Account, Name: p.Name, Words: strings.Fields(p.Name), Active: p.Active(), MustTwo: true}
}

func info(p *Person, err error) (signin.PersonInfo, bool, error) {
	if errors.Is(err, ErrNotFound) {
		return signin.PersonInfo{}, false, nil
	}
	if err != nil {
		return signin.PersonInfo{}, false, err
	}
	return InfoOf(p), true, nil
}

func notProvider(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '.' && r != '-'
}

// Invitation is whom the laboratory lets in.
type Invitation struct {
	Partner, Name, Provider string
	Manager                 bool
	// Account is that of somebody who signs in already, of another practice: they get
	// no letter, their sign-in opens this one too. Name is not asked for then.
	Account string
	By      string
}

// Invite adds a person to a practice. A newcomer gets a letter.
func (s *Service) Invite(ctx context.Context, in Invitation) (Person, *Letter, error) {
	if s.Settings().Partners[in.Partner] == "" {
		return Person{}, nil, ErrNotFound
	}
	var p Person
	var l *Letter
	name, err := cleanName(in.Name)
	if err != nil && in.Account == "" {
		return p, nil, err
	}
	provider := strings.TrimSpace(in.Provider)
	if len(provider) > 40 || strings.ContainsFunc(provider, notProvider) {
		return p, nil, wrong("provider", "An identifier has letters and digits only, at most 40.")
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, l = Person{}, nil
		if in.Account != "" {
			p, err = s.person(ctx, tx, "WHERE account = $1", strings.ToLower(strings.TrimSpace(in.Account)))
			if errors.Is(err, ErrNotFound) || err == nil && !p.Ended.IsZero() {
				return wrong("account", "Nobody signs in to the portal under this name. Leave it empty and write a letter.")
			}
			if err != nil {
				return err
			}
			if is, _ := p.Of(in.Partner); is {
				return wrong("account", "%s is of this practice already.", p.Name)
			}
		} else if p, err = s.addPerson(ctx, tx, name, provider, in.By); err != nil {
			return err
		}
		kind := Member
		if in.Manager {
			kind = Manager
		}
		if err := s.join(ctx, tx, p.ID, in.Partner, kind, s.Now(), time.Time{}, in.By); err != nil {
			return err
		}
		if in.Account == "" {
			l, err = s.write(ctx, tx, &p, in.Partner, in.By)
		}
		return err
	})
	if err != nil {
		return p, nil, fmt.Errorf("invite a person: %w", err)
	}
	return p, l, nil
}

func (s *Service) addPerson(ctx context.Context, tx *store.Tx, name, provider, by string) (Person, error) {
	p := Person{ID: event.NewID(), Name: name, Provider: provider, Made: s.Now(), MadeBy: by}
	base := accountOf(name)
	for n := 1; ; n++ {
		p.Account = base
		if n > 1 {
			p.Account = fmt.Sprintf("%s%d", base, n)
		}
		var there int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM partners_portal_people WHERE account = $1", p.Account).Scan(&there); err != nil {
			return p, err
		}
		if there == 0 {
			break
		}
	}
	_, err := s.tags.Exec(ctx, tx, taggedPeople, p.ID[:], `INSERT INTO partners_portal_people (id, account, name, provider, made_at, made_by, entered_at, ended_at, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '')`, p.ID[:], p.Account, name, provider, micro(p.Made), by)
	if err != nil {
		return p, err
	}
	return p, s.fact(ctx, tx, KindInvited, ledger.Pairs{pair("person", p.ID), code("by", by)}, nil)
}

func (s *Service) join(ctx context.Context, tx *store.Tx, person event.ID, partner, kind string, from, until time.Time, by string) error {
	id := event.NewID()
	_, err := s.tags.Exec(ctx, tx, taggedMembers, id[:], `INSERT INTO partners_portal_members (id, person, partner, kind, from_at, until_at, made_at, made_by, ended_at, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')`, id[:], person[:], partner, kind, micro(from), micro(until), micro(s.Now()), by)
	if err != nil {
		return err
	}
	return s.fact(ctx, tx, KindJoined, ledger.Pairs{pair("person", person), pair("member", id), code("partner", partner), code("by", by)}, ledger.Pairs{code("kind", kind)},
		ledger.Number{K: "until", N: micro(until)})
}

// Leave ends a membership at once; sessions of whoever has none left end with their
// next request.
func (s *Service) Leave(ctx context.Context, partner string, member event.ID, by string) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		m, err := scanMember(tx.QueryRow(ctx, memberColumns+"WHERE m.id = $1 AND m.partner = $2 AND m.ended_at = 0", member[:], partner))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err = s.tags.Exec(ctx, tx, taggedMembers, member[:], "UPDATE partners_portal_members SET ended_at = $1, ended_by = $2 WHERE id = $3", micro(s.Now()), by, member[:]); err != nil {
			return err
		}
		if err := s.fact(ctx, tx, KindLeft, ledger.Pairs{pair("person", m.Person), pair("member", member), code("partner", partner), code("by", by)}, nil); err != nil {
			return err
		}
		var left int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM partners_portal_members WHERE person = $1 AND ended_at = 0", m.Person[:]).Scan(&left); err != nil || left > 0 {
			return err
		}
		return s.endPerson(ctx, tx, m.Person, by)
	})
	if err != nil {
		return fmt.Errorf("end a membership: %w", err)
	}
	return nil
}

// endPerson ends who belongs to no practice any more: sessions, letters and ways to
// sign in go with them.
func (s *Service) endPerson(ctx context.Context, tx *store.Tx, id event.ID, by string) error {
	_, err := s.tags.Exec(ctx, tx, taggedPeople, id[:], "UPDATE partners_portal_people SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0", micro(s.Now()), by, id[:])
	if err != nil {
		return err
	}
	if err := s.endSessions(ctx, tx, "the person was ended", "person = $1", id[:]); err != nil {
		return err
	}
	if err := s.endLetters(ctx, tx, id); err != nil {
		return err
	}
	if err := s.signin.Forget(ctx, tx, id, by); err != nil {
		return err
	}
	return s.fact(ctx, tx, KindPersonEnd, ledger.Pairs{pair("person", id), code("by", by)}, nil)
}

// Members lists the people of a practice, those who are there now first.
func (s *Service) Members(ctx context.Context, partner string) ([]Membership, error) {
	var out []Membership
	err := s.DB.Query(ctx, memberColumns+"WHERE m.partner = $1 ORDER BY CASE WHEN m.ended_at = 0 THEN 0 ELSE 1 END, p.name, m.id LIMIT 500", []any{partner}, func(row store.Scanner) error {
		m, err := scanMember(row)
		out = append(out, m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the people of a practice: %w", err)
	}
	return out, nil
}

// Lend lets somebody of another practice of this portal cover for a time. by is the
// manager's or the laboratory's account.
func (s *Service) Lend(ctx context.Context, partner, account string, until time.Time, by string) error {
	now := s.Now()
	if !until.After(now) || until.Sub(now) > 92*24*time.Hour {
		return wrong("until", "Choose a day from tomorrow on, at most three months away.")
	}
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := s.person(ctx, tx, "WHERE account = $1", strings.ToLower(strings.TrimSpace(account)))
		if errors.Is(err, ErrNotFound) || err == nil && (!p.Ended.IsZero() || p.Entered.IsZero()) {
			return wrong("account", "Nobody signs in here under this name. Whoever is to cover needs a letter of the laboratory first; ask them for the name they sign in with.")
		}
		if err != nil {
			return err
		}
		if is, _ := p.Of(partner); is {
			return wrong("account", "%s is of this practice already.", p.Name)
		}
		return s.join(ctx, tx, p.ID, partner, Cover, now, until, by)
	})
	if err != nil {
		return fmt.Errorf("let somebody cover: %w", err)
	}
	return nil
}

// Names are everybody there ever was, for the record of who did what.
func (s *Service) Names(ctx context.Context) ([]Person, error) {
	var out []Person
	err := s.DB.Query(ctx, personColumns+"ORDER BY id", nil, func(row store.Scanner) error {
		p, err := scanPerson(row)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list people of practices: %w", err)
	}
	return out, nil
}
