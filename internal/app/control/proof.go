package control

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// Proof is the proof file of one completed delivery. It holds no patient data.
type Proof struct {
	Delivery int64  `json:"delivery"`
	Proof    string `json:"proof"`
}

func (s *Server) proof(r *http.Request) (any, error) {
	n, err := delivery(r)
	if err != nil {
		return nil, err
	}
	p, err := s.Results.Proof(r.Context(), n)
	if err != nil {
		return nil, err
	}
	return Proof{n, string(p)}, nil
}

// Receipt is the signed receipt of one completed delivery and the name of its
// file. It holds no patient data.
type Receipt struct {
	Delivery int64  `json:"delivery"`
	Name     string `json:"name"`
	Receipt  string `json:"receipt"`
}

func (s *Server) receipt(r *http.Request) (any, error) {
	n, err := delivery(r)
	if err != nil {
		return nil, err
	}
	b, name, err := s.Results.Receipt(r.Context(), n)
	if err != nil {
		return nil, err
	}
	return Receipt{n, name, string(b)}, nil
}

// Find is what to search for; see results.Query. It travels in the body, never
// in an address.
type Find struct {
	Order     string    `json:"order,omitempty"`
	PatientID string    `json:"patient_id,omitempty"`
	Authority string    `json:"authority,omitempty"`
	LastName  string    `json:"last_name,omitempty"`
	BirthDate string    `json:"birth_date,omitempty"`
	Partner   string    `json:"partner,omitempty"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	Before    int64     `json:"before,omitempty"`
	Limit     int       `json:"limit,omitempty"`
}

func (s *Server) find(r *http.Request) (any, error) {
	var f Find
	if err := read(r, &f); err != nil {
		return nil, err
	}
	if strings.TrimSpace(f.Order+f.PatientID+f.LastName+f.Partner) == "" && f.From.IsZero() && f.To.IsZero() {
		return nil, &Error{Invalid, "say what to look for: an order number, a patient identifier, a last name with a birth date, a partner or a time"}
	}
	hits, err := s.Results.Search(r.Context(), results.Query{
		Order: f.Order, PatientID: f.PatientID, Authority: f.Authority, LastName: f.LastName, BirthDate: f.BirthDate,
		Partner: f.Partner, From: f.From, To: f.To,
	}, results.Page{Before: f.Before, Limit: min(max(f.Limit, 1), 500)})
	if err != nil {
		return nil, err
	}
	out := Results{Results: []Result{}, Next: hits.Next}
	for _, m := range hits.Messages {
		out.Results = append(out.Results, resultOf(m))
	}
	return out, nil
}

// Proof asks for the proof file of a delivery.
func (c *Client) Proof(ctx context.Context, delivery int64) (Proof, error) {
	return ask[Proof](ctx, c, "/v1/deliveries/"+strconv.FormatInt(delivery, 10)+"/proof", nil)
}

// Receipt asks for the signed receipt of a delivery.
func (c *Client) Receipt(ctx context.Context, delivery int64) (Receipt, error) {
	return ask[Receipt](ctx, c, "/v1/deliveries/"+strconv.FormatInt(delivery, 10)+"/receipt", nil)
}

// Find asks for the messages that name something.
func (c *Client) Find(ctx context.Context, f Find) (Results, error) {
	return ask[Results](ctx, c, "/v1/results/find", f)
}
