package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Who may do what is bound row by row: whoever gives themselves a role in the
// database is found by the audit, and at the next check.
var (
	taggedPeople = &bus.Tagged{Table: "access_people", Key: "id", Columns: []string{
		"account", "name", "mail", "state", "starts_at", "ends_at", "origin", "external", "made_at", "made_by", "changed_at", "ended_at", "revision",
	}}
	taggedGrants = &bus.Tagged{Table: "access_grants", Key: "id", Columns: []string{
		"person", "role", "partners", "sites", "from_at", "until_at", "given_at", "given_by", "origin", "ended_at", "ended_by",
	}}
	taggedDelegations = &bus.Tagged{Table: "access_delegations", Key: "id", Columns: []string{
		"person", "permission", "from_at", "until_at", "note", "given_at", "given_by", "giver", "revoked_at", "revoked_by",
	}}
	taggedLinks = &bus.Tagged{Table: "access_links", Key: "id", Columns: []string{
		"hash", "kind", "person", "made_at", "made_by", "until_at", "used_at", "ended_at",
	}}
	taggedSessions = &bus.Tagged{Table: "access_sessions", Key: "id", Columns: []string{
		"hash", "person", "level", "method", "bench", "device", "network", "made_at", "fresh_at", "ended_at", "ended_by", "ended_why",
	}}
	taggedBenches = &bus.Tagged{Table: "access_benches", Key: "id", Columns: []string{"hash", "name", "site", "made_at", "made_by", "ended_at", "ended_by"}}
	taggedGlass   = &bus.Tagged{Table: "access_glass", Key: "id", Columns: []string{
		"person", "account", "session", "reason", "permissions", "opened_at", "until_at", "opened_leaf", "closed_at", "closed_by", "closed_leaf",
		"reviewed_at", "reviewed_by", "verdict", "note",
	}}
	taggedServices = &bus.Tagged{Table: "access_services", Key: "id", Columns: []string{
		"account", "name", "permissions", "partners", "key", "key_until", "made_at", "made_by", "ended_at", "ended_by",
	}}
	taggedTokens = &bus.Tagged{Table: "access_tokens", Key: "id", Columns: []string{
		"hash", "service", "name", "permissions", "partners", "made_at", "made_by", "until_at", "revoked_at", "revoked_by",
	}}
	taggedActs     = &bus.Tagged{Table: "access_acts", Key: "leaf", Columns: []string{"at", "kind", "account", "about", "reviewed_at", "reviewed_by", "verdict", "note"}}
	taggedPosition = &bus.Tagged{Table: "access_position", Key: "name", Columns: []string{"leaf"}}
	taggedRules    = &bus.Tagged{Table: "access_rules", Key: "id", Columns: []string{
		"origin", "word", "role", "partners", "sites", "days", "made_at", "made_by", "ended_at", "ended_by",
	}}
	taggedGone    = &bus.Tagged{Table: "access_gone", Key: "person", Columns: []string{"origin", "at"}}
	taggedOutside = &bus.Tagged{Table: "access_outside", Key: "id", Columns: []string{"person", "issuer", "subject", "made_at", "made_by", "ended_at", "ended_by"}}
	taggedMails   = &bus.Tagged{Table: "access_mails", Key: "notice", Columns: []string{"address", "tries", "next_at", "sent_at"}}
	taggedHands   = &bus.Tagged{Table: "access_hands", Key: "person", Columns: []string{"doubt_at", "doubt_by", "sure_at", "sure_by"}}
	taggedAllowed = &bus.Tagged{Table: "access_allowed", Key: "what", Columns: []string{"key", "at", "by_whom"}}
	taggedNotices = &bus.Tagged{Table: "access_notices", Key: "id", Columns: []string{"person", "session", "what", "device", "network", "at", "answer", "answered_at"}}
)

func tagged() []*bus.Tagged {
	return []*bus.Tagged{
		taggedPeople, taggedGrants, taggedDelegations, taggedLinks, taggedSessions, taggedBenches, taggedNotices,
		taggedGlass, taggedServices, taggedTokens, taggedActs, taggedPosition, taggedRules, taggedGone, taggedOutside, taggedMails, taggedHands, taggedAllowed,
		taggedBlocks, taggedProvided, taggedWords,
	}
}

// TaggedTables are the tables of this package all of whose rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, d := range tagged() {
		out = append(out, d.Table)
	}
	return out
}

// Audit names the rows that were changed, exchanged, added or removed by
// somebody without the key.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range tagged() {
		if err := s.tags.Audit(ctx, s.db, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	return nil
}

// errForged: a row that decides about access does not fit its tag.
var errForged = errors.New("a stored row was changed behind the program's back: nobody gets access by it until `labwarden ledger verify` was read")

// genuine holds a row against its tag before anybody gets access by it.
func (s *Service) genuine(ctx context.Context, q store.Queryer, d *bus.Tagged, key []byte) error {
	var what string
	if err := s.tags.Row(ctx, q, d, key, func(_, w string) { what = w }); err != nil {
		return err
	}
	if what != "" {
		s.slog.Error("ALARM: a row that decides about access was changed", "table", d.Table, "row", fmt.Sprintf("%x", key), "what", what)
		if s.raise != nil {
			s.raise.Raise(ctx, alarm.Alarm{
				Key: alarm.Key{Kind: "access.forged", About: d.Table}, Severity: alarm.Urgent, Once: true,
				Sentence: "Somebody changed a row of " + d.Table + " in the database. It gives nobody access.",
				Advice:   "Keep the database as it is and run labwarden ledger verify, which names every such row. Then find out who can write to the database.",
			})
		}
		return fmt.Errorf("%s: %w", d.Table, errForged)
	}
	return nil
}
