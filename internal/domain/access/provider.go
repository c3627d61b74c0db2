package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Said is who an OpenID provider says somebody is.
type Said struct {
	// Issuer and Subject together are the id; nothing else names anybody.
	Issuer, Subject string
	// Account and Name make somebody new; later ones change nothing but the name.
	Account, Name string
	// Groups are the provider's, all of them: a role of a rule whose group is missing
	// ends.
	Groups []string
	// SCIM: the subject is the externalId of who was provisioned by SCIM.
	SCIM bool
}

// ruleSubject begins the word of a rule for one subject instead of a group.
const ruleSubject = "subject:"

// byProvider stands in the record where a sign-in by the provider changes
// something.
const byProvider = "openid"

// FromProvider finds who an OpenID provider means, or ErrNotFound. Somebody
// unknown is made only where a rule gives them a role. Their roles follow the
// rules. Who was ended here stays ended, whatever the provider says.
func (s *Service) FromProvider(ctx context.Context, x Said) (p Person, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if p, err = s.fromProvider(ctx, tx, x); err != nil {
			return err
		}
		return s.provided(ctx, tx, &p)
	})
	return p, wrap("take over from the OpenID provider", err)
}

func (s *Service) fromProvider(ctx context.Context, tx *store.Tx, x Said) (Person, error) {
	if x.Issuer == "" || x.Subject == "" {
		return Person{}, ErrNotFound
	}
	k := Known{Origin: OriginOIDC, External: x.Issuer + " " + x.Subject, Account: x.Account, Name: x.Name, Words: []string{ruleSubject + x.Subject}}
	for _, g := range x.Groups {
		if !strings.HasPrefix(g, ruleSubject) { // no group may pass for a subject
			k.Words = append(k.Words, g)
		}
	}
	if p, err := s.linked(ctx, tx, x.Issuer, x.Subject); !errors.Is(err, ErrNotFound) {
		return p, err
	}
	p, err := personBy(ctx, tx, "WHERE origin = $1 AND external = $2 ORDER BY made_at LIMIT 1", OriginOIDC, k.External)
	if errors.Is(err, ErrNotFound) && x.SCIM {
		return s.provisioned(ctx, tx, x.Subject, k)
	}
	if errors.Is(err, ErrNotFound) {
		return s.newcomer(ctx, tx, k)
	}
	if err != nil {
		return p, err
	}
	if err := s.genuine(ctx, tx, taggedPeople, p.ID[:]); err != nil {
		return p, err
	}
	if !p.In(s.now()) {
		return p, nil
	}
	k.Account, k.Mail = p.Account, p.Mail
	if n, err := cleanName(k.Name); err != nil || n == "" {
		k.Name = p.Name
	}
	return s.Sync(ctx, tx, byProvider, k)
}

// newcomer makes who is not known, if a rule says so.
func (s *Service) newcomer(ctx context.Context, tx *store.Tx, k Known) (Person, error) {
	all, err := rules(ctx, tx)
	if err != nil {
		return Person{}, err
	}
	if !slices.ContainsFunc(all, func(r Rule) bool { return r.Origin == k.Origin && slices.Contains(k.Words, r.Word) }) {
		return Person{}, ErrNotFound
	}
	if _, err := cleanName(k.Name); err != nil {
		k.Name = k.Account
	}
	k.Account = unreserved(k.Account)
	return s.Sync(ctx, tx, byProvider, k)
}

// provisioned finds who came by SCIM with the subject as externalId. Their roles
// are SCIM's. Where the SCIM client gave no externalId the account stands in its
// place, and that is no subject.
func (s *Service) provisioned(ctx context.Context, tx *store.Tx, subject string, k Known) (Person, error) {
	var ids [][]byte
	err := tx.Query(ctx, "SELECT id FROM access_people WHERE origin = $1 AND external = $2 AND account <> lower(trim(external)) LIMIT 2", []any{OriginSCIM, subject}, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	if len(ids) == 0 {
		return s.newcomer(ctx, tx, k)
	}
	if len(ids) > 1 {
		return Person{}, ErrNotFound
	}
	p, err := personBy(ctx, tx, "WHERE id = $1", ids[0])
	if err == nil {
		err = s.genuine(ctx, tx, taggedPeople, p.ID[:])
	}
	if err != nil || p.State != Invited || !within(p.Starts, p.Ends, s.now()) {
		return p, err
	}
	if err := s.activate(ctx, tx, &p); err != nil {
		return p, err
	}
	return p, nil
}
