package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/labwarden/labwarden/internal/domain/setup"
)

// Bundle is a support bundle: a zip file, and what it says of itself.
type Bundle struct {
	Manifest setup.Manifest `json:"manifest"`
	Zip      []byte         `json:"zip"` // base64 in JSON
}

const bundleRoute = "POST /v1/support/bundle"

func (s *Server) bundle(r *http.Request) (any, error) {
	if s.Bundle == nil {
		return nil, &Error{Unavailable, "this hub makes no support bundles"}
	}
	zip, m, err := s.Bundle(r.Context(), by(r, "").Who)
	if errors.Is(err, setup.ErrPatientData) {
		return nil, &Error{Conflict, err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return Bundle{m, zip}, nil
}

// Bundle asks for a support bundle. It takes as long as reading every stored
// message does.
func (c *Client) Bundle(ctx context.Context) (Bundle, error) {
	return ask[Bundle](ctx, c, "/v1/support/bundle", struct{}{})
}
