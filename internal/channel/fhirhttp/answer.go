package fhirhttp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// judge reads an answer: nil only for a transaction-response with as many
// entries as were sent, each with a 2xx status.
func judge(resp *http.Response, body []byte, sent int) (channel.Class, error) {
	answer, readErr := fhir.ReadAnswer(body)
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isFHIR := readErr == nil && (kind == fhir.ContentType || kind == "application/json")
	code := resp.StatusCode
	switch {
	case code >= 200 && code < 300:
		return judgeEntries(answer, isFHIR, sent)
	case code >= 300 && code < 400:
		return channel.Misconfigured, errors.New("server redirects; redirects are not followed, put the final address into the configuration")
	case code == http.StatusTooManyRequests || code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return channel.Busy, withIssues("server is busy or failing", answer, isFHIR)
	case code == http.StatusUnauthorized:
		return channel.Misconfigured, withIssues("server refuses who we are", answer, isFHIR)
	case code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		if !isFHIR {
			return channel.Misconfigured, errors.New("no FHIR server there, or we may not use it")
		}
	}
	return channel.Rejected, withIssues("server refuses the bundle", answer, isFHIR)
}

func judgeEntries(a fhir.Answer, isFHIR bool, sent int) (channel.Class, error) {
	if !isFHIR || a.ResourceType != "Bundle" || a.BundleType != "transaction-response" {
		// It says success, yet not what became of the entries: the partner may have them.
		return channel.Unanswered, errors.New("answer is no transaction-response")
	}
	if len(a.Statuses) != sent {
		return channel.Unanswered, fmt.Errorf("answer has %d entries for %d sent", len(a.Statuses), sent)
	}
	bad, busy := 0, 0
	first := ""
	for i, s := range a.Statuses {
		n, ok := entryStatus(s)
		if ok && n >= 200 && n < 300 {
			continue
		}
		bad++
		if n == http.StatusTooManyRequests || n >= 500 {
			busy++
		}
		if first == "" {
			first = fmt.Sprintf("entry %d status %03d", i+1, n)
		}
	}
	if bad == 0 {
		return 0, nil
	}
	err := withIssues(fmt.Sprintf("%d of %d entries not accepted, first: %s", bad, sent, first), a, true)
	if busy == bad {
		return channel.Busy, err
	}
	return channel.Rejected, err
}

// entryStatus reads "201 Created" (R4 bundle.html: starts with a 3 digit code).
func entryStatus(s string) (int, bool) {
	if len(s) < 3 || (len(s) > 3 && s[3] != ' ') {
		return 0, false
	}
	n, err := strconv.Atoi(s[:3])
	return max(n, 0), err == nil && n >= 100
}

// withIssues adds OperationOutcome codes, which ReadAnswer has checked against
// their value set.
func withIssues(text string, a fhir.Answer, ok bool) error {
	var codes []string
	for _, i := range a.Issues {
		if c := i.Code; ok && c != "" && len(codes) < 8 {
			codes = append(codes, c)
		}
	}
	if codes != nil {
		text += " (" + strings.Join(codes, ", ") + ")"
	}
	return errors.New(text)
}
