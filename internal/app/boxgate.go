package app

import (
	"context"
	"io"

	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// kindBoxCritical: a file that its sender flags critical, or that may be results
// and cannot be read, did not come through.
const kindBoxCritical = "upload.critical"

// boxGate has the content gate look at what comes into a box, by the partner's
// rules in force.
type boxGate struct{ h *Hub }

func (g boxGate) Check(ctx context.Context, partner, name string, size int64, body io.ReaderAt) (boxes.Verdict, error) {
	c := g.h.inForce()
	if c == nil || c.Partners[partner].Box == nil {
		return boxes.Verdict{Reason: "the laboratory has closed this box"}, nil
	}
	p := c.Partners[partner]
	v, err := g.h.judge(ctx, partner, name, size, body, gateRules(&p, p.Box.Accept, p.Box.MaxFile))
	if err != nil {
		return boxes.Verdict{}, err
	}
	if v.Critical && !v.Pass {
		// SAFETY.md 10: whatever stopped it, somebody is told at once.
		g.h.Alarms.Raise(ctx, alarm.Alarm{
			Key: alarm.Key{Kind: kindBoxCritical, About: partner}, Severity: alarm.Urgent, Once: true,
			Sentence: "A file of partner " + partner + " that may hold a critical result did not come through the content gate.",
			Advice:   "Call the partner and ask for the result by phone; labwarden box list " + partner + " inbox shows a file that is held. Then close this alarm.",
		})
	}
	return boxes.Verdict{Pass: v.Pass, Held: v.Held, Kind: v.Kind, Rule: v.Cause, Reason: v.Reason}, nil
}
