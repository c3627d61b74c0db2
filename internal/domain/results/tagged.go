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

// TaggedTables are the tables of this package some of whose rows carry tags.
func TaggedTables() []string {
	return []string{taggedApart.Table, taggedHolds.Table, taggedTries.Table, taggedClock.Table}
}
