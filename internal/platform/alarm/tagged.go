package alarm

import (
	"context"

	"github.com/labwarden/labwarden/internal/platform/bus"
)

// What was noticed, who was told and who took it on: an alarm that vanishes from
// the store would vanish from people's eyes with the next start.
var (
	taggedAlarms = &bus.Tagged{Table: "alarm_alarms", Key: "number", Columns: []string{
		"kind", "about", "severity", "grade", "sentence", "advice", "owner", "once", "state", "since", "last_at", "times",
		"changed_at", "quiet_at", "by_whom", "reason", "flaps", "step", "next_at",
	}}
	taggedNotices = &bus.Tagged{Table: "alarm_notices", Key: "id", Columns: []string{
		"alarm", "what", "person", "way", "made_at", "tries", "next_at", "done_at", "sent", "outcome",
	}}
)

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string { return []string{taggedAlarms.Table, taggedNotices.Table} }

// Audit names the stored alarms and notices that were changed, exchanged, added
// or removed by somebody without the key.
func (d *Desk) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, x := range []*bus.Tagged{taggedAlarms, taggedNotices} {
		if err := d.tags.Audit(ctx, d.db, x, func(row, what string) { found(x.Table, row, what) }); err != nil {
			return err
		}
	}
	return nil
}
