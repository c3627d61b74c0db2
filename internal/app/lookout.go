package app

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

const (
	// lookEvery is how often the lookout looks; less often when looking takes long,
	// so that it never costs more than a twentieth.
	lookEvery = 10 * time.Second
	// lookLimit bounds one look at one thing: a store that hangs must not keep the
	// lookout from the rest.
	lookLimit = 10 * time.Second
)

// lookout looks at what needs a person and raises the alarms of it. What a room
// can tell itself at the moment (a late refusal, a damaged audit) it raises
// without the lookout.
type lookout struct {
	h    *Hub
	desk *alarm.Desk
	wall func() time.Time     // the machine's clock
	mono func() time.Duration // one that no one sets
	disk func(path string) (disk, error)

	lastWall time.Time
	lastMono time.Duration
	away     map[string]turnedAway
}

// turnedAway counts who was turned away at a source's door.
type turnedAway struct {
	seen int64
	last time.Time
}

func newLookout(h *Hub) *lookout {
	begin := time.Now()
	return &lookout{
		h: h, desk: h.Alarms, wall: func() time.Time { return h.now().Round(0) }, mono: func() time.Duration { return time.Since(begin) },
		disk: statDisk, away: map[string]turnedAway{},
	}
}

// run looks until ctx ends.
func (l *lookout) run(ctx context.Context) error {
	l.lastClock(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		begin := l.mono()
		l.look(ctx)
		timer.Reset(max(lookEvery, 20*(l.mono()-begin)))
	}
}

// look looks at everything once. What cannot be found out stays as it was.
func (l *lookout) look(ctx context.Context) {
	l.clock(ctx)
	conf, doors := l.running()
	if conf == nil {
		return
	}
	for _, at := range []func(context.Context, *config.Config) ([]string, []alarm.Alarm, error){
		l.store, l.machine, l.deliveries, l.calls, l.fetched, l.told, l.unreached, l.quarantine, l.index, l.ledger, l.partnerKeys, l.dates, l.publicCertificates, l.accounts, l.scanner, l.tunnels,
	} {
		limited, cancel := context.WithTimeout(ctx, lookLimit)
		kinds, found, err := at(limited, conf)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.h.slog.Error("the lookout could not look at something", "error", err)
			continue
		}
		l.desk.Stands(ctx, kinds, found)
	}
	l.desk.Stands(ctx, []string{kindTurnedAway}, l.doors(doors))
}

// running is the configuration in force and how many were turned away at each
// source's door; nil while nothing runs.
func (l *lookout) running() (*config.Config, map[string]int64) {
	l.h.applying.Lock()
	defer l.h.applying.Unlock()
	r := l.h.running
	if r == nil {
		return nil, nil
	}
	away := map[string]int64{}
	for source, d := range r.doors {
		if d.server == nil {
			continue // a folder turns nobody away
		}
		st := d.server.Status()
		away[source] = st.Unidentified + st.HandshakeFailed
	}
	return r.conf, away
}

// accounts: agreements that end, a review that is late, leavers elsewhere.
func (l *lookout) accounts(ctx context.Context, _ *config.Config) ([]string, []alarm.Alarm, error) {
	return l.h.rooms.accounts.Alarms(ctx)
}
