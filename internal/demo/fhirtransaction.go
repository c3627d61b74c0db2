package demo

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// step is what one entry of a transaction will do.
type step struct {
	ref    string // Type/id
	res    resource
	write  bool
	status string
}

// transaction carries out a Bundle of type transaction wholly or not at all
// (FHIR R4 3.1.0.11.2) and returns the transaction-response. POST with or
// without ifNoneExist, PUT by id and conditional PUT are understood. commit is
// called when all is known to fit, before anything changes.
func (s *fhirStore) transaction(b resource, now time.Time, commit func() error) (resource, error) {
	if text(b, "resourceType") != "Bundle" || text(b, "type") != "transaction" {
		return nil, refuse(400, "not a Bundle of type transaction")
	}
	entries := objects(b["entry"])
	if len(entries) == 0 {
		return nil, refuse(400, "a transaction without entries")
	}
	next := s.next
	steps := make([]step, len(entries))
	moved := map[string]string{} // fullUrl -> Type/id
	taken := map[string]int{}
	for i, e := range entries {
		st, err := s.plan(e, &next)
		if err != nil {
			return nil, at(i, err)
		}
		if j, ok := taken[st.ref]; ok && (st.write || steps[j].write) {
			return nil, refuse(400, "entries %d and %d are the same resource %s", j, i, st.ref)
		}
		taken[st.ref] = i
		if u := text(e, "fullUrl"); u != "" {
			if _, ok := moved[u]; ok {
				return nil, refuse(400, "entry %d: fullUrl is used twice", i) // bdl-7
			}
			moved[u] = st.ref
		}
		steps[i] = st
	}
	known := func(ref string) bool { _, ok := taken[ref]; return ok || s.latest(ref) != nil }
	for i, st := range steps {
		if err := s.resolve(st.res, st.res, moved, known); err != nil {
			return nil, at(i, err)
		}
	}
	if err := commit(); err != nil {
		return nil, err
	}
	s.next = next
	answer := make([]any, len(steps))
	for i, st := range steps {
		if st.write {
			s.put(st, now)
		}
		n := len(s.versions[st.ref])
		answer[i] = resource{"response": resource{
			"status": st.status, "location": fmt.Sprintf("%s/_history/%d", st.ref, n),
			"etag": fmt.Sprintf(`W/"%d"`, n), "lastModified": text(object(s.latest(st.ref), "meta"), "lastUpdated"),
		}}
	}
	return resource{"resourceType": "Bundle", "type": "transaction-response", "entry": answer}, nil
}

func at(i int, err error) error {
	var r refusal
	if errors.As(err, &r) {
		return refuse(r.status, "entry %d: %s", i, r.words)
	}
	return err
}

// plan decides against the state before the transaction.
func (s *fhirStore) plan(e resource, next *int) (step, error) {
	req, res := object(e, "request"), object(e, "resource")
	typ := text(res, "resourceType")
	if req == nil || typ == "" {
		return step{}, refuse(400, "request or resource is missing")
	}
	fresh := func() string { *next++; return fmt.Sprintf("%s/%d", typ, *next) }
	url := text(req, "url")
	switch text(req, "method") {
	case "POST":
		if url != typ {
			return step{}, refuse(400, "POST to another type than the resource's")
		}
		if q := text(req, "ifNoneExist"); q != "" { // 3.1.0.8.1 conditional create
			found, err := s.search(typ, q)
			if err != nil {
				return step{}, err
			}
			if len(found) > 1 {
				return step{}, refuse(412, "ifNoneExist matches %d resources", len(found))
			}
			if len(found) == 1 {
				return step{ref: found[0], res: res, status: "200 OK"}, nil
			}
		}
		return step{fresh(), res, true, "201 Created"}, nil
	case "PUT":
		return s.planPut(req, res, typ, url, fresh)
	}
	return step{}, refuse(400, "method is not POST or PUT")
}

func (s *fhirStore) planPut(req, res resource, typ, url string, fresh func() string) (step, error) {
	ref := url
	if path, q, conditional := strings.Cut(url, "?"); conditional { // 3.1.0.7.1 conditional update
		found, err := s.search(typ, q)
		switch {
		case path != typ:
			return step{}, refuse(400, "PUT to another type than the resource's")
		case err != nil:
			return step{}, err
		case len(found) > 1:
			return step{}, refuse(412, "conditional PUT matches %d resources", len(found))
		case len(found) == 0:
			ref = fresh()
		default:
			ref = found[0]
		}
	} else if id := text(res, "id"); id == "" || url != typ+"/"+id {
		return step{}, refuse(400, "PUT whose address is not the resource's type and id")
	}
	n := len(s.versions[ref])
	if m := text(req, "ifMatch"); m != "" && m != fmt.Sprintf(`W/"%d"`, n) { // 3.1.0.5
		return step{}, refuse(412, "ifMatch does not name the current version")
	}
	if n == 0 {
		return step{ref, res, true, "201 Created"}, nil
	}
	return step{ref, res, true, "200 OK"}, nil
}

// resolve rewrites the references below v to what they became and refuses
// those that lead nowhere.
func (s *fhirStore) resolve(v any, root resource, moved map[string]string, known func(string) bool) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := s.resolve(x, root, moved, known); err != nil {
				return err
			}
		}
	case resource:
		for k, x := range v {
			ref, ok := x.(string)
			if k != "reference" || !ok {
				if err := s.resolve(x, root, moved, known); err != nil {
					return err
				}
				continue
			}
			to, err := s.target(ref, root, moved, known)
			if err != nil {
				return err
			}
			v[k] = to
		}
	}
	return nil
}

func (s *fhirStore) target(ref string, root resource, moved map[string]string, known func(string) bool) (string, error) {
	if to, ok := moved[ref]; ok {
		return to, nil
	}
	if id, ok := strings.CutPrefix(ref, "#"); ok {
		for _, c := range objects(root["contained"]) {
			if text(c, "id") == id {
				return ref, nil
			}
		}
		return "", refuse(400, "a reference to a contained resource that is not there")
	}
	if typ, q, ok := strings.Cut(ref, "?"); ok { // 3.1.0.11.2 conditional references
		found, err := s.search(typ, q)
		if err != nil {
			return "", err
		}
		if len(found) != 1 {
			return "", refuse(412, "a conditional reference to %s matches %d resources", typ, len(found))
		}
		return found[0], nil
	}
	base, _, _ := strings.Cut(ref, "/_history/")
	if !known(base) {
		typ, _, _ := strings.Cut(ref, "/")
		return "", refuse(400, "a reference that does not resolve (%.20q)", typ)
	}
	return ref, nil
}

func (s *fhirStore) put(st step, now time.Time) {
	if s.versions == nil {
		s.versions = map[string][]resource{}
	}
	r := maps.Clone(st.res)
	_, id, _ := strings.Cut(st.ref, "/")
	r["id"] = id
	meta := maps.Clone(object(r, "meta"))
	if meta == nil {
		meta = resource{}
	}
	meta["versionId"] = fmt.Sprint(len(s.versions[st.ref]) + 1)
	meta["lastUpdated"] = now.UTC().Format("2006-01-02T15:04:05.000Z")
	r["meta"] = meta
	s.versions[st.ref] = append(s.versions[st.ref], r)
}

// fhirIdentity says which message a bundle carries. Control ids (MSH-10):
// Bundle.identifier.value and the value of each Provenance.entity.what.identifier.
// Order numbers (filler): each DiagnosticReport.identifier that is not typed
// PLAC, and each ServiceRequest.identifier typed FILL, secondary ones left out. The count goes by the
// control id, and by the filler number in order of arrival where a bundle
// gives no control id.
func fhirIdentity(b resource) (controls, orders []string) {
	add(&controls, text(object(b, "identifier"), "value"))
	for _, e := range objects(b["entry"]) {
		r := object(e, "resource")
		switch text(r, "resourceType") {
		case "Provenance":
			for _, n := range objects(r["entity"]) {
				add(&controls, text(object(object(n, "what"), "identifier"), "value"))
			}
		case "DiagnosticReport", "ServiceRequest":
			for _, i := range identifiers(r) {
				code := ""
				for _, c := range objects(object(i, "type")["coding"]) {
					code = text(c, "code")
				}
				if text(i, "use") == "secondary" {
					continue
				}
				if code == "FILL" || code != "PLAC" && text(r, "resourceType") == "DiagnosticReport" {
					add(&orders, text(i, "value"))
				}
			}
		}
	}
	return controls, orders
}
