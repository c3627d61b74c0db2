package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// bundle is a result as a hub would send it: patient and provenance by
// conditional create, report and observation by conditional update.
func bundle(control, filler, patient, value string) string {
	q := func(v string) string { return "identifier=" + url.QueryEscape("urn:demo|"+v) }
	return fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","identifier":{"system":"urn:demo:control","value":%[1]q},"entry":[
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Patient","identifier":[{"system":"urn:demo","value":%[3]q}]},"request":{"method":"POST","url":"Patient","ifNoneExist":%[5]q}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Observation","identifier":[{"system":"urn:demo","value":"o-%[2]s"}],"status":"final","code":{"text":"Glucose"},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"valueQuantity":{"value":%[4]s}},"request":{"method":"PUT","url":"Observation?%[6]s"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000003","resource":{"resourceType":"DiagnosticReport","identifier":[{"type":{"coding":[{"code":"FILL"}]},"system":"urn:demo","value":%[2]q}],"status":"final","code":{"text":"Glucose"},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"},"result":[{"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"}]},"request":{"method":"PUT","url":"DiagnosticReport?%[7]s"}},
{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000004","resource":{"resourceType":"Provenance","meta":{"tag":[{"system":"urn:demo:m|x","code":%[1]q}]},"target":[{"reference":"urn:uuid:00000000-0000-4000-8000-000000000003"}],"entity":[{"role":"source","what":{"identifier":{"value":%[1]q}}}]},"request":{"method":"POST","url":"Provenance","ifNoneExist":%[8]q}}]}`,
		control, filler, patient, value, q(patient), q("o-"+filler), q(filler), "_tag="+url.QueryEscape(`urn:demo:m\|x|`+control))
}

type fhirRig struct {
	t      *testing.T
	base   string
	client *http.Client
	list   string
}

func newFHIR(t *testing.T, fault string) *fhirRig {
	t.Helper()
	dir := certs(t)
	o := clinicOptions(dir, KindFHIR, StBrigid)
	var err error
	if o.Fault, err = ParseFault(fault); err != nil {
		t.Fatal(err)
	}
	base, _ := startClinic(t, o)
	conf, err := ClientTLS(dir, "hub", StBrigid)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	return &fhirRig{t, base, &http.Client{Transport: tr, Timeout: 2 * time.Second}, o.List}
}

func (r *fhirRig) do(method, path, media, body string) (int, resource, error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, err
	}
	out, err := decode(b)
	return res.StatusCode, out, err
}

func (r *fhirRig) post(body string) (int, []string) {
	r.t.Helper()
	status, b, err := r.do("POST", "", fhirMedia+"; charset=utf-8", body)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, e := range objects(b["entry"]) {
		out = append(out, text(object(e, "response"), "status")[:3]+" "+text(object(e, "response"), "location"))
	}
	return status, out
}

func same(a []string, b ...string) bool { return strings.Join(a, ";") == strings.Join(b, ";") }

func TestFHIRTransaction(t *testing.T) {
	r := newFHIR(t, "")
	status, got := r.post(bundle("HF1", "25-1", "p1", "5.10"))
	if status != 200 || !same(got, "201 Patient/1/_history/1", "201 Observation/2/_history/1", "201 DiagnosticReport/3/_history/1", "201 Provenance/4/_history/1") {
		t.Errorf("first: %d %v", status, got)
	}
	// A correction: same order, same patient, another message.
	if _, got = r.post(bundle("HF2", "25-1", "p1", "6.0")); !same(got, "200 Patient/1/_history/1", "200 Observation/2/_history/2", "200 DiagnosticReport/3/_history/2", "201 Provenance/5/_history/1") {
		t.Errorf("correction: %v", got)
	}
	// The same bytes again make no second patient and no second provenance.
	if _, got = r.post(bundle("HF2", "25-1", "p1", "6.0")); !same(got, "200 Patient/1/_history/1", "200 Observation/2/_history/3", "200 DiagnosticReport/3/_history/3", "200 Provenance/5/_history/1") {
		t.Errorf("repeat: %v", got)
	}
	_, obs, err := r.do("GET", "/Observation/2", "", "")
	if err != nil || text(object(obs, "subject"), "reference") != "Patient/1" || object(obs, "valueQuantity")["value"] != json.Number("6.0") || text(object(obs, "meta"), "versionId") != "3" {
		t.Errorf("%v %v", obs, err)
	}
	_, found, _ := r.do("GET", "/DiagnosticReport?identifier=urn:demo%7C25-1", "", "")
	if found["total"] != json.Number("1") {
		t.Errorf("search: %v", found)
	}
	lines, err := ReadClinic(r.list)
	if err != nil || len(lines) != 3 {
		t.Fatalf("%v %v", lines, err)
	}
	for i, want := range []string{"HF1", "HF2", "HF2"} {
		l := lines[i]
		if !same(l.Controls, want) || !same(l.Orders, "25-1") || l.Code != "200" || l.Duplicate != (i == 2) {
			t.Errorf("line %d: %+v", i, l)
		}
	}
	status, caps, err := r.do("GET", "/metadata", "", "")
	if err != nil || status != 200 || text(caps, "fhirVersion") != "4.0.1" {
		t.Errorf("capability statement: %d %v", status, err)
	}
}

func TestFHIRRefusesWhatDoesNotFit(t *testing.T) {
	r := newFHIR(t, "")
	good := bundle("HF1", "25-1", "p1", "5")
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"not JSON", good[:80], 400},
		{"two values", good + "{}", 400},
		{"another type", strings.Replace(good, "transaction", "batch", 1), 400},
		{"reference to nowhere", strings.Replace(good, `"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"`, `"reference":"urn:uuid:00000000-0000-4000-8000-000000000009"`, 1), 400},
		{"reference to what is not stored", strings.Replace(good, `"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"`, `"reference":"Observation/77"`, 1), 400},
		{"contained that is not there", strings.Replace(good, `"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"`, `"reference":"#a"`, 1), 400},
		{"conditional reference without a match", strings.Replace(good, `"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"`, `"reference":"Observation?identifier=x"`, 1), 412},
		{"fullUrl twice", strings.Replace(good, "000000000003\",\"resource", "000000000002\",\"resource", 1), 400},
		{"DELETE", strings.Replace(good, `"PUT"`, `"DELETE"`, 1), 400},
		{"POST elsewhere", strings.Replace(good, `"url":"Patient"`, `"url":"Observation"`, 1), 400},
		{"PUT without id", strings.Replace(good, `"url":"Observation?`, `"url":"Observation/9","x":"`, 1), 400},
		{"unknown search", strings.Replace(good, "Observation?identifier", "Observation?subject", 1), 412},
		{"stale ifMatch", strings.Replace(good, `"method":"PUT"`, `"ifMatch":"W/\"4\"","method":"PUT"`, 1), 412},
	} {
		status, out, err := r.do("POST", "", fhirMedia, c.body)
		if err != nil || status != c.status || text(out, "resourceType") != "OperationOutcome" {
			t.Errorf("%s: %d %v %v", c.name, status, out, err)
		}
	}
	if status, _, _ := r.do("POST", "", "application/json", good); status != 415 {
		t.Errorf("media type: %d", status)
	}
	// Nothing of the refused is there: the first good one makes number 1.
	if _, got := r.post(good); len(got) != 4 || got[0] != "201 Patient/1/_history/1" {
		t.Errorf("a refused transaction left something: %v", got)
	}
	lines, err := ReadClinic(r.list)
	if err != nil || len(lines) != 15 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, l := range lines[:14] {
		if l.Problem == "" || accepted(l) {
			t.Errorf("a refusal without a reason: %+v", l)
		}
	}
}

func TestFHIRAmbiguousMatchIs412(t *testing.T) {
	var s fhirStore
	tx := func(body string) error {
		b, err := decode([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.transaction(b, time.Unix(0, 0), func() error { return nil })
		return err
	}
	plain := strings.Replace(bundle("HF1", "25-1", "p1", "5"), `,"ifNoneExist"`, `,"x"`, 1)
	for range 2 {
		if err := tx(plain); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx(bundle("HF2", "25-2", "p1", "5")); statusOf(err) != 412 {
		t.Errorf("two patients match: %v", err)
	}
	full := errors.New("disk full")
	b, _ := decode([]byte(bundle("HF3", "25-3", "p3", "5")))
	n := len(s.versions)
	if _, err := s.transaction(b, time.Unix(0, 0), func() error { return full }); !errors.Is(err, full) || len(s.versions) != n {
		t.Errorf("%v, %d resources more", err, len(s.versions)-n)
	}
}

func TestFHIRFaults(t *testing.T) {
	for _, c := range []struct {
		fault  string
		status int // 0: no usable answer
		code   string
	}{{"hang:1:1:50ms", 0, ""}, {"close:1:1", 0, ""}, {"garbage:1:1", 0, ""}, {"AE:1:1", 422, "422"}, {"AR:1:1", 503, "503"}, {"delay:1:1:30ms", 200, "200"}} {
		r := newFHIR(t, c.fault)
		body := bundle("HF1", "25-1", "p1", "5")
		status, _, err := r.do("POST", "", fhirMedia, body)
		if c.status == 0 && err == nil || c.status != 0 && status != c.status {
			t.Errorf("%s: %d %v", c.fault, status, err)
		}
		// What a sender does then: it repeats.
		again, _, err := r.do("POST", "", fhirMedia, body)
		lines, _ := ReadClinic(r.list)
		if err != nil || again != 200 || len(lines) != 2 || lines[0].Code != c.code || !lines[1].Duplicate || lines[1].Code != "200" {
			t.Errorf("%s, repeated: %d %v %+v", c.fault, again, err, lines)
		}
		_, found, _ := r.do("GET", "/Patient?identifier=p1", "", "")
		if found["total"] != json.Number("1") {
			t.Errorf("%s: %v patients after the repeat", c.fault, found["total"])
		}
	}
}

func TestFHIRAsProcess(t *testing.T) {
	dir := certs(t)
	base, _, cmd := startProcess(t, KindFHIR, "-dir", dir, "-name", StBrigid)
	conf, err := ClientTLS(dir, "hub", StBrigid)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: conf}
	res, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Post(base, fhirMedia, bytes.NewReader([]byte(bundle("HF1", "25-1", "p1", "5"))))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	tr.CloseIdleConnections()
	if res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
	terminate(t, cmd)
	if _, err := (&http.Client{Timeout: time.Second}).Get(base); err == nil {
		t.Error("still there after SIGTERM")
	}
}
