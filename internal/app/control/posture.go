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
	return all
}

// Posture asks how well each way is protected.
func (c *Client) Posture(ctx context.Context) (PostureAnswer, error) {
	return ask[PostureAnswer](ctx, c, "/v1/posture", nil)
}
