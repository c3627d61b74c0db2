package control

import (
	"net/http"
	"strconv"

	"github.com/labwarden/labwarden/internal/app/desk"
)

// operate is the hub for the caller of r.
func (s *Server) operate(r *http.Request) desk.Desk { return s.Operate(by(r, "").Who) }

func (s *Server) history(r *http.Request) (any, error) { return s.operate(r).History(r.Context()) }

func (s *Server) revision(r *http.Request) (any, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 0 {
		return nil, &Error{Invalid, "this is not the number of a revision; `labwarden config history` lists them"}
	}
	return s.operate(r).Revision(r.Context(), n)
}

// compareRequest asks what becomes different from revision From (0: the one in force).
type compareRequest struct {
	From int64       `json:"from,omitempty"`
	To   desk.Target `json:"to"`
}

func (s *Server) compare(r *http.Request) (any, error) {
	var ask compareRequest
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	return s.operate(r).Compare(r.Context(), ask.From, ask.To)
}

type applyRequest struct {
	To  desk.Target `json:"to"`
	Why desk.Why    `json:"why"`
}

func (s *Server) apply(r *http.Request) (any, error) {
	var ask applyRequest
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	return s.operate(r).Apply(r.Context(), ask.To, ask.Why)
}

func (s *Server) secrets(r *http.Request) (any, error) { return s.operate(r).Secrets(r.Context()) }

type secretRequest struct {
	Value []byte `json:"value"`
}

func (s *Server) setSecret(r *http.Request) (any, error) {
	var ask secretRequest
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	return struct{}{}, s.operate(r).SetSecret(r.Context(), r.PathValue("name"), ask.Value)
}

func (s *Server) removeSecret(r *http.Request) (any, error) {
	return struct{}{}, s.operate(r).RemoveSecret(r.Context(), r.PathValue("name"))
}

type extendRequest struct {
	Channel string `json:"channel"`
	Reason  string `json:"reason"`
}

func (s *Server) extend(r *http.Request) (any, error) {
	var ask extendRequest
	if err := read(r, &ask); err != nil {
		return nil, err
	}
	return s.operate(r).Extend(r.Context(), ask.Channel, ask.Reason)
}
