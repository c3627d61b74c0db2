package fhirhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Token is what is searched for: the value of a search parameter.
type Token struct{ Param, System, Value string } // Param: identifier or _tag

func (t Token) form() string {
	escape := strings.NewReplacer(`\`, `\\`, "|", `\|`, ",", `\,`, "$", `\$`) // R4 search.html 2.21.1.4.3
	return url.Values{t.Param: {escape.Replace(t.System) + "|" + escape.Replace(t.Value)}, "_count": {"1"}, "_elements": {"identifier,meta"}}.Encode()
}

// Search asks the server whether it has a resource of the kind with the token.
// What is asked for is the body of a POST (R4 http.html#search): it never stands
// in an address. "Yes" needs a resource that carries the token, for a server
// may pass over a parameter that it does not know; "no" an empty searchset.
// Everything else is an error.
func (s *Sender) Search(ctx context.Context, kind string, t Token) (bool, error) {
	if !s.begin() {
		return false, &channel.Error{Class: channel.Unreachable, Peer: s.peer(nil), Err: errors.New("sender is closed")}
	}
	defer s.sends.Done()
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	token := ""
	var err error
	if s.cfg.OAuth != nil {
		if token, err = s.token(ctx, ""); err != nil {
			return false, err
		}
	}
	has, code, err := s.search(ctx, kind, &t, token)
	if s.cfg.OAuth == nil || code != http.StatusUnauthorized {
		return has, err
	}
	if token, err = s.token(ctx, token); err != nil { // RFC 6750 3.1
		return false, err
	}
	has, _, err = s.search(ctx, kind, &t, token)
	return has, err
}

func (s *Sender) search(ctx context.Context, kind string, t *Token, token string) (bool, int, error) {
	at := strings.TrimSuffix(s.cfg.URL, "/") + "/" + url.PathEscape(kind) + "/_search"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(t.form()))
	if err != nil {
		return false, 0, misconfigured(errors.New("bad url"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", fhir.ContentType)
	req.Header.Set("Prefer", "handling=strict") // R4 search.html, "Handling Errors": no parameter is passed over
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return false, 0, &channel.Error{Class: channel.Unreachable, Peer: s.peer(nil), Err: cause(err)}
	}
	defer resp.Body.Close()
	e := &channel.Error{Class: channel.Unanswered, Code: status(resp), Peer: s.peer(resp.TLS)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxAnswer+1))
	switch {
	case err != nil:
		e.Err = fmt.Errorf("read answer: %w", cause(err))
		return false, resp.StatusCode, e
	case int64(len(body)) > s.cfg.MaxAnswer:
		e.Err = fmt.Errorf("answer is longer than %d bytes", s.cfg.MaxAnswer)
		return false, resp.StatusCode, e
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		e.Class, e.Err = channel.Misconfigured, errors.New("server lets us send but not search; ask the partner for the right to read what we sent")
		return false, resp.StatusCode, e
	case resp.StatusCode != http.StatusOK:
		e.Class, e.Err = channel.Rejected, errors.New("server does not answer a search")
		return false, resp.StatusCode, e
	}
	has, err := t.in(resp.Header.Get("Content-Type"), body)
	if err != nil {
		e.Err = err
		return false, resp.StatusCode, e
	}
	return has, resp.StatusCode, nil
}

// in looks for the token in a searchset (R4 bundle.html); entries whose
// search.mode is outcome or include are no matches.
func (t *Token) in(contentType string, body []byte) (bool, error) {
	type token struct {
		System string `json:"system"`
		Value  string `json:"value"`
		Code   string `json:"code"`
	}
	var b struct {
		ResourceType string `json:"resourceType"`
		Type         string `json:"type"`
		Total        int64  `json:"total"`
		Entry        []struct {
			Search struct {
				Mode string `json:"mode"`
			} `json:"search"`
			Resource struct {
				Identifier []token `json:"identifier"`
				Meta       struct {
					Tag []token `json:"tag"`
				} `json:"meta"`
			} `json:"resource"`
		} `json:"entry"`
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	if kind != fhir.ContentType && kind != "application/json" || json.Unmarshal(body, &b) != nil || b.ResourceType != "Bundle" || b.Type != "searchset" {
		return false, errors.New("answer is no searchset")
	}
	others := b.Total > 0
	for _, e := range b.Entry {
		if e.Search.Mode != "" && e.Search.Mode != "match" {
			continue
		}
		others = true
		for _, x := range append(e.Resource.Identifier, e.Resource.Meta.Tag...) {
			if x.System == t.System && (x.Value == t.Value || t.Param == "_tag" && x.Code == t.Value) {
				return true, nil
			}
		}
	}
	if others {
		return false, errors.New("server shows other resources than the one that was asked for; it does not search by " + t.Param)
	}
	return false, nil
}
