package control

import (
	"context"
	"net/http"

	"github.com/labwarden/labwarden/internal/platform/posture"
)

// PostureAnswer is how well each way is protected.
type PostureAnswer struct {
	Lines []posture.Line `json:"lines"`
}

func (s *Server) postureRoutes(all map[string]route) map[string]route {
	if s.Posture != nil {
		all["GET /v1/posture"] = func(r *http.Request) (any, error) {
			lines, err := s.Posture(r.Context())
			return PostureAnswer{lines}, err
		}
	}
	if s.Trials != nil {
		all["POST /v1/posture/trials"] = func(r *http.Request) (any, error) {
			var q posture.NewTrial
			if err := read(r, &q); err != nil {
				return nil, err
			}
			return s.Trials.Make(r.Context(), q, by(r, "").Who)
		}
		all["GET /v1/posture/trials"] = func(r *http.Request) (any, error) {
			list, err := s.Trials.List(r.Context())
			out := TrialsAnswer{list, map[string]string{}}
			for i := range list {
				out.Reports[list[i].Name] = s.Trials.Report(&list[i])
			}
			return out, err
		}
	}
	return all
}

// Trials are made and told of.
type Trials interface {
	Make(ctx context.Context, q posture.NewTrial, who string) (posture.MadeTrial, error)
	List(ctx context.Context) ([]posture.Trial, error)
	Report(t *posture.Trial) string
}

// TrialsAnswer is the list, each with its report.
type TrialsAnswer struct {
	Trials []posture.Trial `json:"trials"`
	// Reports are by the names of the trials.
	Reports map[string]string `json:"reports"`
}

// MakeTrial makes one.
func (c *Client) MakeTrial(ctx context.Context, q posture.NewTrial) (posture.MadeTrial, error) {
	return ask[posture.MadeTrial](ctx, c, "/v1/posture/trials", q)
}

// TrialList asks for those that have not ended.
func (c *Client) TrialList(ctx context.Context) (TrialsAnswer, error) {
	return ask[TrialsAnswer](ctx, c, "/v1/posture/trials", nil)
}

// Posture asks how well each way is protected.
func (c *Client) Posture(ctx context.Context) (PostureAnswer, error) {
	return ask[PostureAnswer](ctx, c, "/v1/posture", nil)
}
