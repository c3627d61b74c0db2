package enrolment

import (
	"context"
	"fmt"
	"time"
)

// Retry is how long a renewal that failed waits for the next try.
const Retry = 10 * time.Minute

// Watch renews the certificate of the folder each time two thirds of its life
// are over, until ctx ends. say is told of what happens, and sleep waits or
// returns false when ctx has ended.
func (c *Client) Watch(ctx context.Context, say func(string), sleep func(context.Context, time.Duration) bool) error {
	for {
		pair, err := c.Identity()
		if err != nil {
			return err
		}
		wait := Due(pair.Leaf).Sub(c.Now())
		if wait <= 0 {
			switch fresh, err := c.Renew(ctx); {
			case err == nil:
				say(fmt.Sprintf("renewed: %s until %s", fresh.Subject.CommonName, fresh.NotAfter.UTC().Format(time.RFC3339)))
				continue
			case ctx.Err() != nil:
				return nil
			default:
				say(fmt.Sprintf("not renewed: %v; it is tried again in %s, the present certificate ends on %s", err, Retry, pair.Leaf.NotAfter.UTC().Format(time.RFC3339)))
				wait = Retry
			}
		}
		// In short steps: a machine that slept must not oversleep.
		if !sleep(ctx, min(wait, Retry)) {
			return nil
		}
	}
}

// Sleep waits by the machine's clock.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
