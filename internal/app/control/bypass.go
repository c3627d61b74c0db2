package control

import (
	"context"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// BypassRead is what reading bypass logs in has brought.
type BypassRead struct {
	Sessions []BypassSession `json:"sessions"`
}

// BypassSession is one opening of the bypass, as its log tells it.
type BypassSession struct {
	Session  string    `json:"session"`
	By       string    `json:"by"`
	Reason   string    `json:"reason"`
	OpenedAt time.Time `json:"opened_at"`
	LastAt   time.Time `json:"last_at"`
	// Closed is false where the bypass was killed.
	Closed bool `json:"closed"`
	results.BypassRead
	// StayedWithLIS are messages that no partner accepted: the LIS was told so.
	StayedWithLIS int64 `json:"stayed_with_the_lis"`
	// Refused counts refusals (a repeat counts again).
	Refused int64 `json:"refused"`
	// InBoth are messages that the hub has as well, by their id here.
	InBoth []string `json:"in_both,omitempty"`
	// Conflicts are messages whose control id the hub knows with another body.
	InConflict []string `json:"in_conflict,omitempty"`
	// Damage is what of the log could not be read; what stands before it was.
	Damage string `json:"damage,omitempty"`
}

func (s *Server) readBypass(r *http.Request) (any, error) {
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	if s.ReadBypass == nil {
		return nil, &Error{Unavailable, "this hub has no bypass"}
	}
	return s.ReadBypass(r.Context())
}

// ReadBypass has the hub read the bypass logs in.
func (c *Client) ReadBypass(ctx context.Context) (BypassRead, error) {
	var out BypassRead
	err := c.do(ctx, "/v1/bypass/reconcile", Why{}, &out)
	return out, err
}
