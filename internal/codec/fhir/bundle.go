package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Bundle is an R4 Bundle of type transaction.
type Bundle struct {
	ResourceType string      `json:"resourceType"`
	Identifier   *Identifier `json:"identifier,omitempty"`
	Type         string      `json:"type"`
	Timestamp    string      `json:"timestamp,omitempty"`
	Entry        []Entry     `json:"entry,omitempty"`
}

// Entry is one resource and what the server is asked to do with it.
type Entry struct {
	FullURL  string   `json:"fullUrl,omitempty"`
	Resource any      `json:"resource,omitempty"`
	Request  *Request `json:"request,omitempty"`
}

// Request is Bundle.entry.request. IfNoneExist holds the query without "?"
// (R4 http.html, conditional create).
type Request struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfNoneExist string `json:"ifNoneExist,omitempty"`
}

// NewTransaction returns an empty transaction bundle.
func NewTransaction() *Bundle { return &Bundle{ResourceType: "Bundle", Type: "transaction"} }

// ContentType is the media type of what Encode writes (R4 http.html, "Content
// Types and encodings").
const ContentType = "application/fhir+json"

// Encode writes v as FHIR JSON without a trailing newline. The same value gives
// the same bytes.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode fhir: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
