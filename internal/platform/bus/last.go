package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// LastAt is when the newest row of the ledger was written, by the clock of that
// time; zero where there is none.
func (l *Log) LastAt(ctx context.Context) (time.Time, error) {
	var at int64
	err := l.db.QueryRow(ctx, "SELECT at FROM ledger_groups ORDER BY first DESC LIMIT 1").Scan(&at)
	if errors.Is(err, store.ErrNoRows) || err == nil && at == 0 {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the newest row's time: %w", err)
	}
	return time.UnixMicro(at).UTC(), nil
}
