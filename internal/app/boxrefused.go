package app

import (
	"context"
	"errors"
	"sync"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// kindBoxRefused: whoever holds what is a partner's does not get into its box.
// Nobody else can raise it: what strangers try says nothing about a partner.
const kindBoxRefused = "box.refused"

// boxRefusals remembers what was said of whom, so that a client that tries every
// second fills no log.
type boxRefusals struct {
	mu   sync.Mutex
	said map[string]string
}

// news says whether it was not said of the partner last.
func (b *boxRefusals) news(partner, what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.said[partner] == what {
		return false
	}
	if b.said == nil {
		b.said = map[string]string{}
	}
	b.said[partner] = what
	return true
}

// certificateRefused tells why a partner's SSH certificate does not open its box.
// err is what the laboratory's authority says of a certificate that it signed.
func (h *Hub) certificateRefused(partner, addr string, err error) {
	dates := errors.Is(err, certificates.ErrDates)
	if !dates && !errors.Is(err, certificates.ErrRevoked) {
		return // not ours, or somebody else's
	}
	if h.boxRefusals.news(partner, err.Error()) {
		h.slog.Warn("a partner's SSH certificate is refused at its box", "partner", partner, "address", addr, "err", err)
	}
	if !dates {
		return // somebody decided that
	}
	h.Alarms.Raise(context.Background(), alarm.Alarm{
		Key: alarm.Key{Kind: kindBoxRefused, About: partner}, Severity: alarm.Urgent,
		Sentence: "Partner " + partner + " does not get into its box: " + err.Error() + ".",
		Advice:   "Has the certificate ended, sign its key again (labwarden ca ssh --partner " + partner + " KEY.pub) and send it the line. Is a clock wrong, set it. It is over when the partner gets in.",
	})
}

// codesRefused tells that a partner's password was shown with wrong codes.
func (h *Hub) codesRefused(partner string) {
	if h.boxRefusals.news(partner, "codes") {
		h.slog.Warn("a partner's password is shown with wrong codes; it is refused for a minute", "partner", partner, "times", entry.TooMany)
	}
	h.Alarms.Raise(context.Background(), alarm.Alarm{
		Key: alarm.Key{Kind: kindBoxRefused, About: partner}, Severity: alarm.Urgent,
		Sentence: "Somebody shows the password of partner " + partner + " with codes that are wrong, many times within a minute. It is refused for a minute each time.",
		Advice: "Ask the partner whether it is its program: then its clock is off by more than a minute, or it sends a code twice. If not, its password is known to somebody else: labwarden box password " + partner +
			" makes another. It is over when the partner gets in.",
	})
}

// letIn: what kept the partner out is over.
func (h *Hub) letIn(partner string) {
	h.boxRefusals.news(partner, "")
	h.Alarms.Over(context.Background(), alarm.Key{Kind: kindBoxRefused, About: partner})
}
