package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const fhirMedia = "application/fhir+json"

type fhirServer struct {
	*clinic
	mu    sync.Mutex // one transaction at a time
	store fhirStore
}

func (c *clinic) serveFHIR(ctx context.Context) error {
	conf, err := ServerTLS(c.o.Certs, c.o.Name, c.o.Hub)
	if err != nil {
		return err
	}
	ln, err := c.listen()
	if err != nil {
		return err
	}
	s := &fhirServer{clinic: c}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fhir", s.post)
	mux.HandleFunc("POST /fhir/{$}", s.post)
	mux.HandleFunc("GET /fhir/metadata", s.capabilities)
	mux.HandleFunc("GET /fhir/{type}", s.find)
	mux.HandleFunc("GET /fhir/{type}/{id}", s.read)
	srv := &http.Server{
		Handler: mux, TLSConfig: conf, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: clinicIdle,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    log.New(io.Discard, "", 0), // refused handshakes are not this program's news
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	_, _ = fmt.Fprintf(c.o.Out, "ready https://%s/fhir\n", ln.Addr())
	return srv.ServeTLS(ln, "", "")
}

// post takes a transaction. The line is on disk before anything is stored or
// answered.
func (s *fhirServer) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFrame))
	if err != nil {
		outcome(w, refusal{413, "body cannot be read or is too large"})
		return
	}
	s.mu.Lock()
	answer, fault, err := s.process(r, body)
	s.mu.Unlock()
	var le listError
	if errors.As(err, &le) {
		panic(http.ErrAbortHandler)
	}
	switch fault {
	case "hang":
		if d := s.o.Fault.Delay; d > 0 {
			_ = wait(r.Context(), d)
		} else {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case "close":
		panic(http.ErrAbortHandler)
	case "garbage":
		w.Header().Set("Content-Type", fhirMedia)
		_, _ = io.WriteString(w, "{not an answer")
		return
	case "delay":
		if wait(r.Context(), s.o.Fault.Delay) != nil {
			return
		}
	}
	if err != nil {
		outcome(w, err)
		return
	}
	reply(w, 200, answer)
}

// process lists the arrival and, unless the fault forbids, carries it out. With
// hang, close, garbage and delay it is carried out: the sender cannot know.
func (s *fhirServer) process(r *http.Request, body []byte) (answer resource, fault string, err error) {
	var bundle resource
	var bad error
	if m, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); m != fhirMedia {
		bad = refuse(415, "content type is not "+fhirMedia)
	} else if bundle, bad = decode(body); bad != nil {
		bad = refuse(400, "body is not JSON")
	}
	record := func(refused error) error {
		ln, err := s.arrival(body, func(fault string, ln *ClinicLine) {
			ln.Controls, ln.Orders = fhirIdentity(bundle)
			if fault == "AE" && refused == nil {
				refused = refuse(422, "the clinic refuses this on purpose")
			} else if fault == "AR" && refused == nil {
				refused = refuse(503, "the clinic cannot take this now, on purpose")
			}
			ln.Code = "200"
			if refused != nil {
				ln.Code, ln.Problem = strconv.Itoa(statusOf(refused)), refused.Error()
			}
			if fault == "hang" || fault == "close" || fault == "garbage" {
				ln.Code = ""
			}
		})
		fault = ln.Fault
		if err != nil {
			return err
		}
		return refused
	}
	if bad != nil {
		return nil, fault, record(bad)
	}
	recorded := false
	answer, err = s.store.transaction(bundle, time.Now(), func() error { recorded = true; return record(nil) })
	if err != nil && !recorded {
		err = record(err)
	}
	return answer, fault, err
}

func decode(body []byte) (resource, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var r resource
	if err := d.Decode(&r); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return r, nil
}

func (s *fhirServer) read(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := s.store.latest(r.PathValue("type") + "/" + r.PathValue("id"))
	if res == nil {
		outcome(w, refusal{404, "no such resource"})
		return
	}
	reply(w, 200, res)
}

func (s *fhirServer) find(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refs, err := s.store.search(r.PathValue("type"), r.URL.RawQuery)
	if err != nil {
		outcome(w, err)
		return
	}
	entries := []any{}
	for _, ref := range refs {
		entries = append(entries, resource{"fullUrl": "https://" + r.Host + "/fhir/" + ref, "resource": s.store.latest(ref), "search": resource{"mode": "match"}})
	}
	b := resource{"resourceType": "Bundle", "type": "searchset", "total": len(refs)}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	reply(w, 200, b)
}

func (s *fhirServer) capabilities(w http.ResponseWriter, _ *http.Request) {
	var types []any
	for t := range strings.FieldsSeq("DiagnosticReport Observation Organization Patient Practitioner Provenance ServiceRequest Specimen") {
		types = append(types, resource{
			"type": t, "interaction": []any{resource{"code": "create"}, resource{"code": "update"}, resource{"code": "read"}, resource{"code": "search-type"}},
			"conditionalCreate": true, "conditionalUpdate": true, "updateCreate": true, "searchParam": []any{resource{"name": "identifier", "type": "token"}},
		})
	}
	reply(w, 200, resource{
		"resourceType": "CapabilityStatement", "status": "active", "date": "2025-03-04", "kind": "instance", "fhirVersion": "4.0.1",
		"implementation": resource{"description": "Demo clinic (invented)"}, "format": []any{fhirMedia},
		"rest": []any{resource{"mode": "server", "interaction": []any{resource{"code": "transaction"}}, "resource": types}},
	})
}

func statusOf(err error) int {
	var r refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 500
}

func outcome(w http.ResponseWriter, err error) {
	code := "processing"
	if statusOf(err) == 503 {
		code = "transient"
	}
	reply(w, statusOf(err), resource{"resourceType": "OperationOutcome", "issue": []any{resource{"severity": "error", "code": code, "diagnostics": err.Error()}}})
}

func reply(w http.ResponseWriter, status int, r resource) {
	w.Header().Set("Content-Type", fhirMedia)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r)
}
