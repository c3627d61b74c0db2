package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/gate"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// kindBoxCritical: a file that its sender flags critical, or that may be results
// and cannot be read, did not come through.
const kindBoxCritical = "upload.critical"

// maxNumbered is up to where a stopped file is searched for order numbers.
const maxNumbered = 4 << 20

// boxGate has the content gate look at what comes into a box, by the partner's
// rules in force.
type boxGate struct{ h *Hub }

func (g boxGate) Check(ctx context.Context, f *boxes.File, body io.ReaderAt) (boxes.Verdict, error) {
	c := g.h.inForce()
	if c == nil || c.Partners[f.Partner].Box == nil {
		return boxes.Verdict{Reason: "the laboratory has closed this box"}, nil
	}
	p := c.Partners[f.Partner]
	v, err := g.h.judge(ctx, f.Partner, f.Name, f.Size, body, gateRules(&p, p.Box.Accept, p.Box.MaxFile))
	if err != nil {
		return boxes.Verdict{}, err
	}
	if v.Critical && !v.Pass {
		if err := g.call(ctx, f, body, &v); err != nil {
			return boxes.Verdict{}, err
		}
	}
	return boxes.Verdict{Pass: v.Pass, Held: v.Held, Kind: v.Kind, Rule: v.Cause, Reason: v.Reason}, nil
}

// call has somebody telephone the partner, whatever stopped the file (SAFETY.md
// 10). The task is written before the sender hears that the file was stopped.
func (g boxGate) call(ctx context.Context, f *boxes.File, body io.ReaderAt, v *gate.Verdict) error {
	g.h.Alarms.Raise(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: kindBoxCritical, About: f.Partner}, Severity: alarm.Urgent, Once: true,
		Sentence: "A file of partner " + f.Partner + " that may hold a critical result did not come through the content gate.",
		Advice:   "Take its phone task (Phone tasks on Today, or labwarden calls list): call the partner and ask for the result by phone. Then close this alarm.",
	})
	u := results.StoppedUpload{
		File: f.ID, Partner: f.Partner, SHA256: f.SHA256, Came: g.h.now(), Name: f.Name,
		Stopped: "refused by the content gate: " + v.Reason,
	}
	if v.Held {
		u.Stopped = "held by the content gate: " + v.Reason
	}
	if f.Size <= maxNumbered && v.Kind == gate.KindHL7 {
		u.Content = make([]byte, f.Size)
		if _, err := body.ReadAt(u.Content, 0); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read a stopped file: %w", err)
		}
	}
	return g.h.Results.UploadStopped(ctx, u)
}

// uploadStands says how a file is now that the gate stopped.
func (h *Hub) uploadStands(ctx context.Context, id event.ID) (words string, through bool, err error) {
	state, err := h.rooms.boxes.Stands(ctx, id)
	switch {
	case errors.Is(err, channel.ErrNoFile):
		return "", false, nil
	case err != nil:
		return "", false, err
	case state == boxes.There:
		return "a person has let it through into the inbox", true, nil
	case state == boxes.Held:
		return "held by the content gate", false, nil
	case state == boxes.Named:
		return "refused under its final name", false, nil
	}
	return "taken away from the box", false, nil
}
