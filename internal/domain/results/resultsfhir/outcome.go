package resultsfhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/domain/results"
)

type issue struct {
	Severity    string `json:"severity"`
	Code        string `json:"code"`
	Diagnostics string `json:"diagnostics"`
}

type outcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

func newOutcome(severity, code, text string) outcome {
	return outcome{"OperationOutcome", []issue{{severity, code, text}}}
}

// fail answers an error. What is no refusal is hidden: its text stays in the log.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
	case errors.Is(err, results.ErrViewsClosed):
		no = &refusal{status: http.StatusServiceUnavailable, code: "transient", text: "the laboratory has closed views of results for now; try again later", retry: 300}
	case r.Context().Err() != nil:
		return // nobody is there to read it
	default:
		s.log.Error("a FHIR request failed", "path", r.Pattern, "error", err)
		no = &refusal{status: http.StatusInternalServerError, code: "exception", text: "something failed here and was noted; try again later"}
	}
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	if no.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="labwarden"`)
	}
	s.answer(w, no.status, newOutcome("error", no.code, no.text))
}

// answer writes a resource of ours.
func (s *Service) answer(w http.ResponseWriter, status int, v any) {
	b, err := fhir.Encode(v)
	if err != nil {
		s.log.Error("a FHIR answer could not be written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.write200(w, status, b)
}

func (s *Service) write200(w http.ResponseWriter, status int, b []byte) {
	w.Header().Set("Content-Type", fhir.ContentType+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) //nolint:gosec // G705: JSON of our encoder, sent as application/fhir+json; whoever went away needs no answer
}

// served appends the resource as it is served: with its id and version.
func (r *row) served(b []byte) []byte {
	prefix := prefixOf(r.kind)
	b = append(b, prefix...)
	b = fmt.Appendf(b, `"id":"%s","meta":{"versionId":"%d","lastUpdated":"%s"},`, r.rid, r.version, r.updated().Format(instant))
	return append(b, r.resource[len(prefix):]...)
}

const instant = "2006-01-02T15:04:05.000000Z07:00"

// listed is a Bundle on its way out.
type listed struct {
	kind    string // searchset or history
	links   [][2]string
	matches []*row
	others  []*row
	outcome *outcome
	base    string
}

// bundle writes it. References within are relative to base, as fullUrl is.
func (l *listed) bundle(now string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"resourceType":"Bundle","type":"%s","timestamp":"%s"`, l.kind, now)
	if l.kind == "history" {
		fmt.Fprintf(&b, `,"total":%d`, len(l.matches))
	}
	for i, x := range l.links {
		b.WriteString([]string{`,"link":[`, `,`}[min(i, 1)])
		u, err := json.Marshal(x[1])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `{"relation":"%s","url":%s}`, x[0], u)
	}
	if len(l.links) > 0 {
		b.WriteByte(']')
	}
	n := 0
	entry := func(full, mode string, resource []byte, more string) {
		b.WriteString([]string{`,"entry":[`, `,`}[min(n, 1)])
		n++
		b.WriteByte('{')
		if full != "" {
			fmt.Fprintf(&b, `"fullUrl":"%s",`, full)
		}
		b.WriteString(`"resource":`)
		b.Write(resource)
		if mode != "" {
			fmt.Fprintf(&b, `,"search":{"mode":"%s"}`, mode)
		}
		b.WriteString(more + "}")
	}
	for _, r := range l.matches {
		mode, more := "match", ""
		if l.kind == "history" {
			method := "PUT"
			if r.version == 1 {
				method = "POST"
			}
			mode, more = "", fmt.Sprintf(`,"request":{"method":"%s","url":"%s"},"response":{"status":"200","lastModified":"%s","etag":"W/\"%d\""}`,
				method, r.ref(), r.updated().Format(instant), r.version)
		}
		entry(l.base+"/"+r.ref(), mode, r.served(nil), more)
	}
	for _, r := range l.others {
		entry(l.base+"/"+r.ref(), "include", r.served(nil), "")
	}
	if l.outcome != nil {
		o, err := fhir.Encode(l.outcome)
		if err != nil {
			return nil, err
		}
		entry("", "outcome", o, "")
	}
	if n > 0 {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
