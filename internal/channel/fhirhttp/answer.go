package fhirhttp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// Retry is in the chain of a Busy error whose server said how long to wait.
type Retry struct {
	// After is how long; at most maxRetryAfter.
	After time.Duration
	err   error
}

func (r *Retry) Error() string { return r.err.Error() + ", retry after " + r.After.String() }
func (r *Retry) Unwrap() error { return r.err }

// RetryAfter is how long the server asked to be left alone, 0 when it did not.
func RetryAfter(err error) time.Duration {
	var r *Retry
	if errors.As(err, &r) {
		return r.After
	}
	return 0
}

const maxRetryAfter = time.Hour

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
		err := withIssues("server is busy or failing", answer, isFHIR)
		if after, ok := retryAfter(resp); ok {
			err = &Retry{After: after, err: err}
		}
		return channel.Busy, err
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

// retryAfter reads RFC 9110 10.2.3: seconds, or a date (against the server's own Date).
func retryAfter(resp *http.Response) (time.Duration, bool) {
	v := resp.Header.Get("Retry-After")
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		return time.Duration(min(n, int64(maxRetryAfter/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	from, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	return max(0, min(at.Sub(from), maxRetryAfter)), true
}
