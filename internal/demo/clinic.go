package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of clinic.
const (
	KindMLLP   = "mllp"
	KindFHIR   = "fhir"
	KindFolder = "folder"
)

// ClinicOptions says what a receiving clinic is and how it misbehaves.
type ClinicOptions struct {
	// Kind is mllp, fhir or folder; Name is the partner key, and for mllp and
	// fhir the certificate under Certs to serve with.
	Kind, Name string
	// Listen is the address to listen on ("127.0.0.1:0" when empty). Certs is a
	// folder written by CA.Write. Hub (default "hub") is the name the client's
	// certificate must bear.
	Listen, Certs, Hub string
	// List is the path of the clinic's own list; an existing one is continued.
	List string
	// Folder is what a folder clinic watches; Identity is the file of its age
	// identity, made by it when missing, with the recipient in Identity+".pub".
	Folder, Identity string
	Fault            Fault
	// Out gets the line "ready ADDRESS": host:port for mllp, the base URL for
	// fhir, the folder for folder.
	Out io.Writer
}

// Fault is a way to misbehave, for arrivals From to From+Count-1 of this run
// (From 0 is 1; Count 0 is for ever).
type Fault struct {
	// Kind is one of FaultKinds, or empty for none.
	Kind        string
	From, Count int
	// Delay is how long "delay" waits before it answers, and "hang" before it
	// lets go of the connection (zero: until the other end does).
	Delay time.Duration
}

// FaultKinds are: hang (takes and says nothing), close (takes and closes),
// garbage (takes and answers what is no answer), AE and AR (refuses; 422 and
// 503 over HTTP), double (answers twice; MLLP only), stale (first answers with
// another control id; MLLP only), delay (answers late).
func FaultKinds() []string {
	return []string{"hang", "close", "garbage", "AE", "AR", "double", "stale", "delay"}
}

// ParseFault reads KIND[:FROM[:COUNT[:DELAY]]], for example "hang:3:2" or
// "delay:1:0:250ms". Empty means none.
func ParseFault(s string) (Fault, error) {
	p := append(strings.SplitN(s, ":", 4), "", "", "")
	f := Fault{Kind: p[0]}
	if s == "" {
		return f, nil
	}
	if !slices.Contains(FaultKinds(), f.Kind) {
		return f, fmt.Errorf("parse fault: %q is not one of %s", f.Kind, strings.Join(FaultKinds(), ", "))
	}
	for i, to := range []*int{&f.From, &f.Count} {
		if v := p[i+1]; v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return f, fmt.Errorf("parse fault: %q is not a number from 0", v)
			}
			*to = n
		}
	}
	if p[3] != "" {
		d, err := time.ParseDuration(p[3])
		if err != nil {
			return f, fmt.Errorf("parse fault: %w", err)
		}
		f.Delay = d
	}
	return f, nil
}

func (f Fault) at(n int) string {
	from := max(f.From, 1)
	if n < from || f.Count > 0 && n >= from+f.Count {
		return ""
	}
	return f.Kind
}

// RunClinic serves until ctx ends, then returns nil; an error means that it
// could not start or could not keep its list.
func RunClinic(ctx context.Context, o ClinicOptions) error {
	if o.Hub == "" {
		o.Hub = "hub"
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	log, old, err := openList[ClinicLine](o.List)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &clinic{o: o, list: log, seen: map[string]bool{}, fail: cancel}
	for _, x := range old {
		c.seq = max(c.seq, x.Seq)
		c.seen[x.SHA256] = true
		if x.Name != "" {
			c.names = append(c.names, x.Name)
		}
	}
	switch o.Kind {
	case KindMLLP:
		err = c.serveMLLP(ctx)
	case KindFHIR:
		err = c.serveFHIR(ctx)
	case KindFolder:
		err = c.serveFolder(ctx)
	default:
		err = fmt.Errorf("kind %q is not mllp, fhir or folder", o.Kind)
	}
	// The end of the context is how a clinic ends; a list that could not be
	// written is not.
	var le listError
	if cause := context.Cause(ctx); errors.As(cause, &le) {
		err = cause
	} else if ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("run clinic %s: %w", o.Name, err)
	}
	return nil
}

type clinic struct {
	o     ClinicOptions
	list  *list[ClinicLine]
	names []string
	fail  context.CancelCauseFunc

	mu        sync.Mutex
	seq, runs int
	seen      map[string]bool
}

// arrival records one arrival under its number, before anything is answered.
// decide gets the fault of this arrival and completes the line.
func (c *clinic) arrival(body []byte, decide func(fault string, ln *ClinicLine)) (ClinicLine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	c.runs++
	ln := ClinicLine{Seq: c.seq, At: time.Now().UTC(), SHA256: hash(body), Bytes: len(body)}
	ln.Duplicate = c.seen[ln.SHA256]
	c.seen[ln.SHA256] = true
	ln.Fault = c.o.Fault.at(c.runs)
	decide(ln.Fault, &ln)
	if err := c.list.append(ln); err != nil {
		c.fail(listError{err})
		return ln, listError{err}
	}
	return ln, nil
}

func (c *clinic) listen() (net.Listener, error) {
	return net.Listen("tcp", c.o.Listen)
}
