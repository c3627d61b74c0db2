package alarm

import "context"

// Reload forgets what this desk has in memory and reads the store anew: call it
// when this node begins to be the one of several whose desk runs. What was raised
// here meanwhile and never stored is gone; whatever still stands is raised again
// by whoever looks.
func (d *Desk) Reload(ctx context.Context) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	fresh := &Desk{db: d.db, tags: d.tags, now: d.now, slog: d.slog, last: map[Key]*record{}, records: map[int64]*record{}}
	if err := fresh.load(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	d.last, d.records, d.top, d.notices, d.behind = fresh.last, fresh.records, fresh.top, fresh.notices, false
	plan := d.plan
	d.mu.Unlock()
	d.SetPlan(plan)
	return nil
}
