package shield

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bench"
	"github.com/labwarden/labwarden/internal/platform/journal"
)

// left is what the journal tells of a device's latest session.
type left struct {
	device, protocol string
	session          uint64
	text             []byte // frames of a message that has no end
	latest           []byte // its latest message
}

// recovered reads the journal behind what the hub has, and makes parts of transfers
// that the power cut tore. It returns, by device, the latest message: the device
// may not have heard that it was taken.
func (k *keeper) recovered(ctx context.Context) (doubtful map[string][]byte, err error) {
	at := map[string]*left{}
	latest := k.journal.Stats().Latest
	for after := k.journal.Acked(); after < latest; {
		all, err := k.journal.Read(ctx, after, 1<<20)
		var damaged *journal.DamagedError
		if errors.As(err, &damaged) {
			after = damaged.To
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			after = e.N
			r, err := bench.Read(e.Body)
			if err != nil {
				return nil, fmt.Errorf("read record %d: %w", e.N, err)
			}
			l := at[r.Words.Device]
			if l == nil || l.session != r.Words.Session {
				l = &left{device: r.Words.Device, protocol: r.Words.Protocol, session: r.Words.Session}
				at[r.Words.Device] = l
			}
			switch r.Words.Kind {
			case bench.Frame:
				l.text = append(l.text, r.Body...)
			case bench.Message:
				l.text, l.latest = nil, append([]byte(nil), r.Body...)
			case bench.Part:
				l.text = nil
			}
		}
	}
	doubtful = map[string][]byte{}
	for _, l := range at {
		if len(l.text) > 0 {
			w := k.words(&DeviceSettings{Key: l.device, Protocol: l.protocol}, bench.Part, l.session, 1<<20)
			if err := k.keep(ctx, w, l.text); err != nil {
				return nil, err
			}
		} else if l.latest != nil {
			doubtful[l.device] = l.latest
		}
	}
	return doubtful, nil
}
