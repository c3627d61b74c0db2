package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Limits of what a server may answer.
const (
	maxDepth   = 64
	maxEntries = 10000
	maxCodes   = 32
)

// Errors of ReadAnswer.
var (
	ErrNotFHIR = errors.New("fhir: not a FHIR JSON resource")
	ErrTooDeep = errors.New("fhir: nested too deeply")
	ErrTooMany = errors.New("fhir: too many entries")
)

// Issue is an OperationOutcome issue without its texts: diagnostics and details
// may repeat patient data, so they are never read.
type Issue struct {
	Severity, Code string
}

// Answer is what a server replied to a transaction.
type Answer struct {
	// ResourceType is "Bundle" or "OperationOutcome" (or whatever else it sent).
	ResourceType string
	// BundleType is Bundle.type.
	BundleType string
	// Statuses are Bundle.entry.response.status, one per entry, as sent; an
	// entry without a response gives "".
	Statuses []string
	// Issues are those of the OperationOutcome, and of the entries' outcomes.
	Issues []Issue
}

type wireIssue struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
}

type wireOutcome struct {
	ResourceType string      `json:"resourceType"`
	Issue        []wireIssue `json:"issue"`
}

type wireAnswer struct {
	ResourceType string      `json:"resourceType"`
	Type         string      `json:"type"`
	Issue        []wireIssue `json:"issue"`
	Entry        []struct {
		Response *struct {
			Status  string       `json:"status"`
			Outcome *wireOutcome `json:"outcome"`
		} `json:"response"`
	} `json:"entry"`
}

// ReadAnswer reads a transaction-response or an OperationOutcome. Codes that are
// not of R4's issue-type and issue-severity value sets are dropped, so that what
// it returns holds no free text of the server.
func ReadAnswer(body []byte) (Answer, error) {
	if err := checkDepth(body); err != nil {
		return Answer{}, err
	}
	var w wireAnswer
	if err := json.Unmarshal(body, &w); err != nil || w.ResourceType == "" {
		return Answer{}, ErrNotFHIR // the parser's text may quote the body
	}
	if len(w.Entry) > maxEntries {
		return Answer{}, fmt.Errorf("%w: %d", ErrTooMany, len(w.Entry))
	}
	a := Answer{ResourceType: w.ResourceType, BundleType: w.Type}
	a.add(w.Issue)
	for _, e := range w.Entry {
		if e.Response == nil {
			a.Statuses = append(a.Statuses, "")
			continue
		}
		a.Statuses = append(a.Statuses, e.Response.Status)
		if e.Response.Outcome != nil {
			a.add(e.Response.Outcome.Issue)
		}
	}
	return a, nil
}

func (a *Answer) add(issues []wireIssue) {
	for _, i := range issues {
		if len(a.Issues) >= maxCodes {
			return
		}
		if !issueTypes[i.Code] {
			i.Code = ""
		}
		if !severities[i.Severity] {
			i.Severity = ""
		}
		a.Issues = append(a.Issues, Issue(i))
	}
}

// http://hl7.org/fhir/R4/valueset-issue-severity.html
var severities = map[string]bool{"fatal": true, "error": true, "warning": true, "information": true}

// http://hl7.org/fhir/R4/valueset-issue-type.html
var issueTypes = map[string]bool{
	"invalid": true, "structure": true, "required": true, "value": true, "invariant": true,
	"security": true, "login": true, "unknown": true, "expired": true, "forbidden": true, "suppressed": true,
	"processing": true, "not-supported": true, "duplicate": true, "multiple-matches": true, "not-found": true,
	"deleted": true, "too-long": true, "code-invalid": true, "extension": true, "too-costly": true,
	"business-rule": true, "conflict": true, "transient": true, "lock-error": true, "no-store": true,
	"exception": true, "timeout": true, "incomplete": true, "throttled": true, "informational": true,
}

// checkDepth refuses nesting beyond maxDepth before anything is built.
func checkDepth(body []byte) error {
	if !json.Valid(body) {
		return ErrNotFHIR
	}
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return ErrTooDeep
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return ErrNotFHIR
	}
	return nil
}
