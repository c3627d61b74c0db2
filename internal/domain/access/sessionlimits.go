package access

import (
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Limit is how long a session of a role lasts: unused, and at all.
type Limit struct {
	Role           authz.Role
	Idle, Absolute time.Duration
}

// limits: 15 minutes and 12 hours are what NIST SP 800-63B-4 asks of the third
// assurance level, an hour and a day of the second; a working day is shorter.
// Somebody with several roles has the shortest of each.
var limits = []Limit{
	{authz.Administrator, 15 * time.Minute, 8 * time.Hour},
	{authz.SecurityOfficer, 15 * time.Minute, 8 * time.Hour},
	{authz.ComplianceOfficer, 15 * time.Minute, 8 * time.Hour},
	{authz.Director, 30 * time.Minute, 12 * time.Hour},
	{authz.Technologist, 30 * time.Minute, 12 * time.Hour},
	{authz.FrontDesk, 30 * time.Minute, 12 * time.Hour},
	{authz.ITPartner, 15 * time.Minute, 4 * time.Hour},
	{authz.Auditor, 15 * time.Minute, 8 * time.Hour},
	{authz.Counsel, 30 * time.Minute, 12 * time.Hour},
	{authz.Provider, 30 * time.Minute, 12 * time.Hour},
}

// benchLimit is that of a session at a shared bench.
var benchLimit = Limit{Idle: 2 * time.Minute, Absolute: 12 * time.Hour}

// longest is more than any session lasts.
const longest = 12 * time.Hour

// Limits lists how long sessions last, for the page that explains it.
func Limits() []Limit { return append([]Limit(nil), limits...) }

// BenchLimit is how long a session at a shared bench lasts.
func BenchLimit() Limit { return benchLimit }

// limitOf is the shortest of the roles in force; of nobody's role, the shortest
// there is.
func limitOf(grants []authz.Grant, bench bool, now time.Time) Limit {
	l := Limit{Idle: time.Hour, Absolute: longest}
	some := false
	for i := range grants {
		g := &grants[i]
		if !within(g.From, g.Until, now) {
			continue
		}
		for j := range limits {
			if limits[j].Role == g.Role {
				some = true
				l.Idle, l.Absolute = min(l.Idle, limits[j].Idle), min(l.Absolute, limits[j].Absolute)
			}
		}
	}
	if !some {
		l.Idle, l.Absolute = 15*time.Minute, 4*time.Hour
	}
	if bench {
		l.Idle, l.Absolute = min(l.Idle, benchLimit.Idle), min(l.Absolute, benchLimit.Absolute)
	}
	return l
}
