package resultsfhir

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// pageLife is how long a next link goes on.
const pageLife = time.Hour

// link is what a next link holds. It is sealed: an address never holds what was
// searched, and nobody can make one or use another client's.
type link struct {
	Kind   string `json:"k"`
	Query  string `json:"q"`
	Snap   int64  `json:"s"`
	Before int64  `json:"b"`
	Ends   int64  `json:"e"`
}

func linkWhere(client string) vault.Where {
	return vault.Where{Table: "results_fhir_rows", Column: "next link", Row: []byte("client " + client)}
}

func (s *Service) sealLink(client string, l link) (string, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	out, err := s.vault.Seal(vault.PurposeSecrets, linkWhere(client), nil, plain)
	return base64.RawURLEncoding.EncodeToString(out), err
}

// openLink reads a next link of this client for this kind.
func (s *Service) openLink(client string, k kind, text string) (*search, position, error) {
	bad := invalid("invalid", "this page link is not one of ours, or not this client's: begin the search anew")
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) > 1<<15 {
		return nil, position{}, bad
	}
	plain, err := s.vault.Unseal(vault.PurposeSecrets, linkWhere(client), nil, sealed)
	if err != nil {
		return nil, position{}, bad
	}
	var l link
	if err := json.Unmarshal(plain, &l); err != nil || l.Kind != k.String() {
		return nil, position{}, bad
	}
	if s.now().UnixMicro() > l.Ends {
		return nil, position{}, &refusal{status: 410, code: "expired", text: "this page link is older than an hour: begin the search anew"}
	}
	values, err := url.ParseQuery(l.Query)
	if err != nil {
		return nil, position{}, bad
	}
	q, err := parseSearch(k, values, false)
	return q, position{l.Snap, l.Before}, err
}
