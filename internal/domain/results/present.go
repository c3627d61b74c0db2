package results

import (
	"context"

	"github.com/labwarden/labwarden/internal/channel"
)

// Present is Handle for a source that has no wire: what became of the message
// is told apart from the acknowledgement, which a sender may not want at all
// (MSH-15 NE). again means that nothing could be stored and the same message is
// to be presented again.
func (in *Intake) Present(ctx context.Context, from channel.Peer, body []byte) (ack []byte, taken, again bool) {
	v := in.s.take(ctx, in.source, from, body)
	return v.ack, v.outcome == Taken || v.outcome == Repeated, v.outcome == 0
}
