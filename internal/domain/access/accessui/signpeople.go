package accessui

import (
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// infoOf is what signin must know of a person.
func infoOf(p *access.Person, now time.Time) signin.PersonInfo {
	return signin.PersonInfo{ID: p.ID, Account: p.Account, Name: p.Name, Words: []string{p.Mail}, MustPasskey: mustPasskey(p, now), Active: p.In(now)}
}

// mustPasskey: a role of theirs opens only with a passkey, now or later.
func mustPasskey(p *access.Person, now time.Time) bool {
	for _, g := range p.Grants {
		info, _ := authz.RoleOf(g.Role)
		if info.Strong && (g.Until.IsZero() || now.Before(g.Until)) {
			return true
		}
	}
	return false
}

func number(n int) string { return strconv.Itoa(n) }
