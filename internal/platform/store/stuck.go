package store

import (
	"context"
	"fmt"
)

// Unstick ends the session of a node that keeps the writers' lock although the
// server has been waiting for its next word for some seconds, and tells how many
// it ended. The server's own timeout for idle transactions does this as a rule;
// it does not see a node that was stopped in the middle of sending statements.
// The other node's transaction is undone, and it connects again when it wakes.
func (db *DB) Unstick(ctx context.Context) (int, error) {
	r, ok := db.r.(*pgReader)
	if !ok {
		return 0, nil
	}
	n := 0
	err := r.query(ctx, `SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.classid::bigint = $1 AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid AND l.objsubid = 2
		AND a.wait_event = 'ClientRead'
		AND greatest(a.state_change, a.query_start) < clock_timestamp() - make_interval(secs => $2)`,
		[]any{int64(writerLock), stuckAfter.Seconds()}, func(Scanner) error { n++; return nil })
	if err != nil {
		return 0, fmt.Errorf("end a stuck session: %w", err)
	}
	return n, nil
}
