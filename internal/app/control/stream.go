package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// stream is an answer of many lines: send writes one and returns when it is on
// its way.
type stream func(ctx context.Context, send func(line) error) error

// line is one JSON line of a long answer. Exactly one field is set; the last
// line of a whole answer has Summary, of a failed one Error.
type line struct {
	Progress   *int64              `json:"progress,omitempty"`
	Difference *results.Difference `json:"difference,omitempty"`
	Summary    *desk.ReplaySummary `json:"summary,omitempty"`
	Error      *Error              `json:"error,omitempty"`
}

// lineTime is how long a reader may leave one line of a long answer alone.
const lineTime = 30 * time.Second

// stream writes a long answer. Nothing piles up here: a reader that does not
// read holds up the work, and after lineTime ends it.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, l Limits, run stream) {
	control := http.NewResponseController(w)
	out := json.NewEncoder(w)
	send := func(x line) error {
		if err := control.SetWriteDeadline(time.Now().Add(min(lineTime, l.Audit))); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
		if err := out.Encode(x); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if err := control.Flush(); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return nil
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Cache-Control", "no-store")
	if err := run(ctx, send); err != nil {
		e := s.refusal(err)
		if err := send(line{Error: &e}); err != nil {
			s.Slog.Debug("an answer on the control socket did not leave", "error", err)
		}
	}
}

// replay runs one replay at a time: each reads and opens a day's messages beside
// the results that flow.
func (s *Server) replay(r *http.Request) (any, error) {
	var ask desk.ReplayRequest
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	select {
	case s.replaying <- struct{}{}:
	default:
		return nil, &Error{Unavailable, "another replay is under way; try again when it has ended"}
	}
	d, most := s.operate(r), s.Limits.defaults().Lines
	return stream(func(ctx context.Context, send func(line) error) error {
		defer func() { <-s.replaying }()
		var shown, hidden int64
		next := s.Now()
		sum, err := d.Replay(ctx, ask, func(x results.Difference) error {
			if shown >= most {
				hidden++
				return nil
			}
			shown++
			return send(line{Difference: &x})
		}, func(done int64) {
			// Once a second; a line that does not leave is met by the next one.
			if now := s.Now(); !now.Before(next) {
				next = now.Add(time.Second)
				_ = send(line{Progress: &done})
			}
		})
		if err != nil {
			return err
		}
		sum.NotShown += hidden
		return send(line{Summary: &sum})
	}), nil
}

var errCut = errors.New("the hub's answer ended in the middle; its log says why")
