package results

import "github.com/labwarden/labwarden/internal/platform/bus"

// What neither the ledger's entries nor a seal binds carries a keyed tag. None
// of these is written for an ordinary result that goes out at the first try.
var (
	taggedApart = &bus.Tagged{Table: "results_quarantine", Key: "leaf", Columns: []string{
		"id", "source", "received_at", "last_at", "times", "cause", "detail", "size", "kept", "tag", "state", "decided_at", "decided_by", "message",
	}}
	taggedHolds = &bus.Tagged{Table: "results_holds", Key: "id", Columns: []string{
		"message", "patient", "owner", "reason", "placed_at", "lifted_at",
	}}
	// taggedTries binds how often and when a delivery was tried, and the words of
	// its reason. A delivery without a tag was never tried, or completed at the
	// first try, and says so in its columns.
	taggedTries = &bus.Tagged{Table: "results_deliveries", Key: "seq", Columns: []string{"attempts", "first_at", "next_at", "reason"}, Fresh: neverTried}
)

func neverTried(row []any) bool {
	return row[0] == int64(0) && row[1] == nil && row[2] == nil && row[3] == ""
}

// firstTry is what a delivery without a tag says when it was completed.
func firstTry(row []any) bool {
	return row[0] == int64(1) && row[1] == nil && row[2] == nil && row[3] == ""
}

// The rows of people's work and of what is compared. None is written for an
// ordinary result on a route that carries; a key that names several rows binds
// them together. A sealed column is opened by the audit; its tag says only
// whether it is there.
var (
	taggedBypassed = &bus.Tagged{Table: "results_bypassed", Key: "id", Columns: []string{"message", "outcome", "taken_at"}}
	taggedTimers   = &bus.Tagged{Table: "results_call_timers", Key: "subject", Many: true, Columns: []string{"what", "source", "partner", "started_at"}}
	taggedCalls    = &bus.Tagged{Table: "results_calls", Key: "id", Columns: []string{
		"subject", "what", "message", "source", "partner", "stopped", "came_at", "opened_at", "state", "owner", "due_at", "closed_at", "steps",
	}}
	taggedSteps = &bus.Tagged{Table: "results_call_steps", Key: "id", Columns: []string{
		"task", "n", "leaf", "at", "kind", "who", "account", "reason", "outcome", "read_back", "next_at", there("body"),
	}}
	taggedSuperseded = &bus.Tagged{Table: "results_superseded", Key: "seq", Columns: []string{"replaced_by", "message"}}
	taggedStops      = &bus.Tagged{Table: "results_stops", Key: "id", Columns: []string{
		"kind", "scope", "target", "keys", "reason", "basis", "owner", "placed_at", "placed_by", "placed_account", "spread_at", "expires_at", "expired_at",
		"impact_every", "impact_at", "impact_told", "lift_by", "lift_account", "lift_reason", "lift_at", "lifted_at", "lifted_by", there("body"),
	}}
	taggedCovers = &bus.Tagged{Table: "results_stop_covers", Key: "seq", Many: true, Columns: []string{"stop"}}
	taggedCounts = &bus.Tagged{Table: "results_counts", Key: "id", Columns: []string{
		"partner", "day", "added_at", "added_by", "added_account", "listed", "matched", "missing", "extra", there("body"),
	}}
	taggedCountWays = &bus.Tagged{Table: "results_count_ways", Key: "id", Columns: []string{"way", "since", "until"}}
	taggedFound     = &bus.Tagged{Table: "results_found", Key: "seq", Columns: []string{"count_id", "at"}}
	taggedCopies    = &bus.Tagged{Table: "results_copies", Key: "id", Columns: []string{
		"feed", "received_at", "size", "control", "moment", "tag", "state", there("body"),
	}}
	taggedPickups  = &bus.Tagged{Table: "results_pickups", Key: "seq", Columns: []string{"partner", "name", "placed_at", "picked_at", "how"}}
	taggedTaken    = &bus.Tagged{Table: "results_taken", Key: "id", Columns: []string{"source", "look", "body", "refused", "at"}}
	taggedSites    = &bus.Tagged{Table: "results_sites", Key: "source", Many: true, Columns: []string{"since", "site"}}
	taggedFeeds    = &bus.Tagged{Table: "results_feeds", Key: "feed", Columns: []string{"seq", "began_at"}}
	taggedCompares = &bus.Tagged{Table: "results_compares", Key: "id", Columns: []string{
		"feed", "route", "partner", "config", "delivery", "copy", "control", "moment", "began_at", "compared_at", "day", "state", "held", "unexplained", there("detail"),
	}}
	taggedGaps         = &bus.Tagged{Table: "results_gaps", Key: "compare", Many: true, Columns: []string{"n", "class", "path", "kind", "explained"}}
	taggedExplanations = &bus.Tagged{Table: "results_explanations", Key: "id", Columns: []string{"partner", "class", "kind", "compare", "who", "reason", "at"}}
	taggedApprovals    = &bus.Tagged{Table: "results_approvals", Key: "id", Columns: []string{
		"route", "config", "no_old_path", "director", "who", "reason", "at", "ended_at", "leaf",
	}}
)

// there says whether a sealed column has a value.
func there(column string) string {
	return "CAST(CASE WHEN " + column + " IS NULL THEN 0 ELSE 1 END AS BIGINT)"
}

// taggedWhole are the tables every row of which has a tag.
func taggedWhole() []*bus.Tagged {
	return []*bus.Tagged{
		taggedApart, taggedHolds, taggedClock, taggedBypassed, taggedTimers, taggedCalls, taggedSteps, taggedSuperseded, taggedStops, taggedCovers,
		taggedCounts, taggedCountWays, taggedFound, taggedCopies, taggedFeeds, taggedCompares, taggedGaps, taggedExplanations, taggedApprovals, taggedActs, taggedFailures, taggedSites, taggedPickups, taggedTaken,
	}
}

// TaggedTables are the tables of this package some of whose rows carry tags.
func TaggedTables() []string {
	out := []string{taggedTries.Table}
	for _, d := range taggedWhole() {
		out = append(out, d.Table)
	}
	return out
}
