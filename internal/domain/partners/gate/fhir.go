package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/codec/fhir"
)

var errTooLarge = errors.New("a resource is too large")

// allowance is a reader that gives only so much until it is filled again.
type allowance struct {
	r    io.Reader
	left int64
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLarge
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	return n, err
}

// fhir reads a file of FHIR R4 JSON: one resource, or with .ndjson one a line. A
// Bundle's entries are read one at a time.
func (l *looker) fhir(c *content) error {
	a := &allowance{r: bomless(c.open()), left: maxPart}
	d := json.NewDecoder(a)
	lines := extension(c.name) == "ndjson"
	var wrong error
	for n := 1; ; n++ {
		err := l.root(d, a)
		if err != nil && !isRefusal(err) {
			err = jsonRefusal(err)
		}
		if err != nil && wrong == nil {
			wrong = err
		}
		if err != nil && err.(*refusal).cause == causeJSON { //nolint:errorlint // made so above
			err.(*refusal).cause = CauseForm //nolint:errorlint // as above
			return wrong
		}
		a.left = maxPart
		if !d.More() {
			break
		}
		if !lines {
			if wrong == nil {
				wrong = unreadable(CauseForm, "Something stands behind the end of the FHIR resource. Send one resource a file, or name a file of one resource a line .ndjson.")
			}
			break
		}
	}
	if _, err := d.Token(); wrong == nil && !errors.Is(err, io.EOF) {
		return unreadable(CauseForm, "Something stands behind the end of the FHIR resource. Send it again without that.")
	}
	return wrong
}

// bomless passes over a byte order mark, which RFC 8259 8.1 lets readers ignore.
func bomless(r io.Reader) io.Reader {
	var b [3]byte
	n, err := io.ReadFull(r, b[:])
	if err != nil {
		return io.MultiReader(bytes.NewReader(b[:n]), eof{err})
	}
	if string(b[:]) == "\xef\xbb\xbf" {
		return r
	}
	return io.MultiReader(bytes.NewReader(b[:]), r)
}

type eof struct{ err error }

func (e eof) Read([]byte) (int, error) {
	if errors.Is(e.err, io.ErrUnexpectedEOF) {
		return 0, io.EOF
	}
	return 0, e.err
}

// causeJSON marks, within this file, that reading cannot go on.
const causeJSON = "json"

func jsonRefusal(err error) error {
	if errors.Is(err, errTooLarge) {
		return unreadable(causeJSON, fmt.Sprintf("A FHIR resource in the file is larger than %s. Send it in smaller ones.", bytesText(maxPart)))
	}
	return unreadable(causeJSON, "The file is not whole or not JSON. Make it anew and send it again.")
}

func fhirError(what string) error {
	return unreadable(CauseForm, "The FHIR file cannot be taken: "+what+". Correct it and send it again.")
}

// root reads one resource from the stream: the entries of a Bundle one by one,
// everything else as a whole.
func (l *looker) root(d *json.Decoder, a *allowance) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fhirErrorEnd("it does not begin with a resource")
	}
	var rest bytes.Buffer // the members but the entries
	rest.WriteByte('{')
	entries, wrong := -1, error(nil)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok || len(key) > maxKey {
			return fhirErrorEnd("a name in it is too long")
		}
		if key == "entry" {
			if entries >= 0 {
				return fhirErrorEnd("a member stands there twice")
			}
			if entries, err = l.entries(d, a, &wrong); err != nil {
				return err
			}
			continue
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return err
		}
		if rest.Len() > 1 {
			rest.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		rest.Write(k)
		rest.WriteByte(':')
		rest.Write(v)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	rest.WriteByte('}')
	kind, err := l.resource(rest.Bytes())
	switch {
	case err != nil:
		return err
	case entries >= 0 && kind != "Bundle":
		return fhirError("only a Bundle has entries")
	}
	return wrong
}

// fhirErrorEnd is one behind which the stream cannot be read on.
func fhirErrorEnd(what string) error {
	e := fhirError(what)
	e.(*refusal).cause = causeJSON //nolint:errorlint // made so
	return e
}

func (l *looker) entries(d *json.Decoder, a *allowance, wrong *error) (int, error) {
	t, err := d.Token()
	if err != nil {
		return 0, err
	}
	if t != json.Delim('[') {
		return 0, fhirErrorEnd("Bundle.entry is no list")
	}
	n := 0
	for ; d.More(); n++ {
		a.left = maxPart
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return 0, err
		}
		var e struct {
			Resource json.RawMessage `json:"resource"`
		}
		err := shape(v)
		if err == nil && json.Unmarshal(v, &e) != nil {
			err = fhirError("an entry of the Bundle is no object")
		}
		if err == nil && len(e.Resource) > 0 {
			_, err = l.resource(e.Resource)
		}
		if err != nil && *wrong == nil {
			*wrong = err
		}
	}
	a.left = maxPart
	_, err = d.Token()
	return n, err
}

// Limits of one resource.
const (
	maxDepth  = 64
	maxValues = 200_000
	maxKey    = 256
)

// shape bounds a value before anything is built of it, and refuses what two
// readers could read differently: a name that stands twice in an object (whatever
// the case of its letters), and text that is not UTF-8 (RFC 8259 4, 8.1).
func shape(b []byte) error {
	if !utf8.Valid(b) {
		return fhirError("it is not written in UTF-8")
	}
	type level struct {
		keys map[string]bool // nil in a list
		key  bool            // a name comes next
	}
	var stack []level
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for values := 0; ; values++ {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fhirError("it is not JSON")
		}
		if values > maxValues {
			return fhirError("a resource holds more values than can be looked at")
		}
		top := len(stack) - 1
		if top >= 0 && stack[top].keys != nil && stack[top].key {
			if k, ok := t.(string); ok {
				k = strings.ToLower(k)
				if len(k) > maxKey || stack[top].keys[k] {
					return fhirError("a member stands there twice, or its name is too long")
				}
				stack[top].keys[k] = true
				stack[top].key = false
				continue
			}
		}
		if top >= 0 && stack[top].keys != nil {
			stack[top].key = true
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{map[string]bool{}, true})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
			if top > 0 && stack[top-1].keys != nil {
				stack[top-1].key = true
			}
		}
		if len(stack) > maxDepth {
			return fhirError("it is nested too deeply")
		}
	}
}

// resource judges one resource and says its type.
func (l *looker) resource(b []byte) (string, error) {
	if err := shape(b); err != nil {
		return "", err
	}
	return l.judged(b)
}

// signs are what is read of every resource.
type signs struct {
	Type           string                 `json:"resourceType"`
	Interpretation []fhir.CodeableConcept `json:"interpretation"`
	Component      []struct {
		Interpretation []fhir.CodeableConcept `json:"interpretation"`
	} `json:"component"`
	Contained []json.RawMessage `json:"contained"`
	Entry     []struct {
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
}

func (l *looker) judged(b []byte) (string, error) {
	var head struct {
		Type string `json:"resourceType"`
	}
	if err := json.Unmarshal(b, &head); err != nil || !resourceTypes[head.Type] {
		return "", fhirError("a resourceType is missing or none of FHIR R4")
	}
	within := signs{Type: head.Type}
	if head.Type == "Observation" || bytes.Contains(b, []byte(`"contained"`)) || head.Type == "Bundle" {
		if err := json.Unmarshal(b, &within); err != nil {
			return "", fhirError("a resource of type " + head.Type + " has not the structure of FHIR R4")
		}
	}
	if head.Type == "Observation" {
		l.critical(within.Interpretation)
		for _, c := range within.Component {
			l.critical(c.Interpretation)
		}
	}
	var wrong error
	for _, c := range within.Contained {
		if _, err := l.judged(c); err != nil && wrong == nil {
			wrong = err
		}
	}
	for _, e := range within.Entry {
		if len(e.Resource) > 0 {
			if _, err := l.judged(e.Resource); err != nil && wrong == nil {
				wrong = err
			}
		}
	}
	if wrong != nil {
		return "", wrong
	}
	return head.Type, structure(head.Type, b)
}

// critical reads an Observation's flags
// (http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation).
func (l *looker) critical(in []fhir.CodeableConcept) {
	for _, c := range in {
		for _, code := range c.Coding {
			is := func(s string) bool { return strings.EqualFold(strings.TrimSpace(code.Code), s) }
			if is("HH") || is("LL") || is("AA") || slices.ContainsFunc(l.rules.Critical, is) {
				l.seen.critical = true
			}
		}
	}
}
