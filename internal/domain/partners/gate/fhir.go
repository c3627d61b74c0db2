package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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
	a := &allowance{r: bomless(c.open()), left: maxResource}
	d := json.NewDecoder(a)
	lines := extension(c.name) == "ndjson"
	var wrong error
	for {
		err := l.root(d, a)
		over := unreadableJSON(err)
		if over != nil {
			err = over
		}
		if err != nil && wrong == nil {
			wrong = err
		}
		if over != nil {
			return wrong
		}
		a.left = maxResource
		if !d.More() {
			break
		}
		if !lines {
			if wrong == nil {
				wrong = unreadable(CauseForm, "Something stands behind the end of the FHIR resource. Send one resource a file, or name a file of one resource a line .ndjson.")
			}
			return wrong
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

// lost is a fault behind which the stream cannot be read on.
type lost struct{ what string }

func (e lost) Error() string { return e.what }

// unreadableJSON is the refusal when the stream cannot be read on, nil when it can.
func unreadableJSON(err error) error {
	var at lost
	switch {
	case err == nil || isRefusal(err):
		return nil
	case errors.As(err, &at):
		return fhirError(at.what)
	case errors.Is(err, errTooLarge):
		return unreadable(CauseForm, fmt.Sprintf("A FHIR resource in the file is larger than %s. Send it in smaller ones.", bytesText(maxResource)))
	}
	return unreadable(CauseForm, "The file is not whole or not JSON. Make it anew and send it again.")
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
		return lost{"it does not begin with a resource"}
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
			return lost{"a name in it is too long"}
		}
		if key == "entry" {
			if entries >= 0 {
				return lost{"a member stands there twice"}
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

func (l *looker) entries(d *json.Decoder, a *allowance, wrong *error) (int, error) {
	t, err := d.Token()
	if err != nil {
		return 0, err
	}
	if t != json.Delim('[') {
		return 0, lost{"Bundle.entry is no list"}
	}
	n := 0
	for ; d.More(); n++ {
		a.left = maxResource
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
			_, err = l.judged(e.Resource)
		}
		if err != nil && *wrong == nil {
			*wrong = err
		}
	}
	a.left = maxResource
	_, err = d.Token()
	return n, err
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
	if head.Type == "MessageHeader" {
		wrong = l.header(b)
	}
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
