package resultsfhir

import "slices"

// form is how a parameter's values are read and compared (R4 search.html 2.21.1.4).
type form int

const (
	formToken form = iota
	formReference
	formDate
	formID       // ids of resources
	formInstant  // _lastUpdated
	formSpecial  // shapes the answer: no condition
	formChainID  // patient.identifier
	formCodeTied // a token that needs a patient beside it to be found by index; else it is looked at row by row
)

// param is one search parameter. This table is the only one: requests are parsed
// by it, and the CapabilityStatement is made of it.
type param struct {
	name  string
	form  form
	kinds []kind // nil: every kind
	// paths are the members of the resource it is compared with.
	paths []string
	// definition is the canonical address of the R4 search parameter.
	definition string
	doc        string
}

var clinicalKinds = []kind{kindReport, kindObservation, kindRequest, kindSpecimen}

// params. What is not in it is refused.
var params = []param{
	{name: "_id", form: formID, definition: "http://hl7.org/fhir/SearchParameter/Resource-id", doc: "The resource's id; several with commas."},
	{name: "_lastUpdated", form: formInstant, definition: "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated", doc: "When this version was made available here; prefixes eq, gt, ge, lt, le."},
	{name: "identifier", form: formToken, paths: []string{"identifier"}, doc: "A business identifier, SYSTEM|VALUE or VALUE."},
	{name: "patient", form: formReference, kinds: clinicalKinds, paths: []string{"subject"}, doc: "The patient: ID or Patient/ID."},
	{name: "subject", form: formReference, kinds: clinicalKinds, paths: []string{"subject"}, doc: "As patient."},
	{name: "patient.identifier", form: formChainID, kinds: clinicalKinds, doc: "The patient by an identifier, SYSTEM|VALUE or VALUE."},
	{name: "status", form: formToken, kinds: []kind{kindReport, kindObservation, kindRequest, kindSpecimen}, paths: []string{"status"}, doc: "final, corrected, amended, preliminary and so on."},
	{name: "code", form: formCodeTied, kinds: []kind{kindReport, kindObservation, kindRequest}, paths: []string{"code"}, doc: "The test, SYSTEM|CODE or CODE. Together with patient it is found by index."},
	{name: "category", form: formToken, kinds: []kind{kindReport, kindObservation}, paths: []string{"category"}, doc: "The section of the laboratory, table 0074."},
	{name: "date", form: formDate, kinds: []kind{kindReport, kindObservation}, paths: []string{"effectiveDateTime", "effectivePeriod"}, doc: "The clinically relevant time; prefixes eq, ne, gt, ge, lt, le, sa, eb."},
	{name: "issued", form: formDate, kinds: []kind{kindReport}, paths: []string{"issued"}, doc: "When the laboratory released it; prefixes as for date."},

	{name: "_count", form: formSpecial, doc: "How many on a page, at most 200; 50 without it."},
	{name: "_sort", form: formSpecial, doc: "-_lastUpdated alone, which is also the order without it."},
	{name: "_include", form: formSpecial, doc: "What else to give with each result; see searchInclude."},
	{name: "_format", form: formSpecial, doc: "json."},
	{name: "_page", form: formSpecial, doc: "Of a next link; stands alone."},
}

// includes are the values of _include, and the members they follow.
var includes = []struct {
	of    kind
	name  string
	paths []string
}{
	{kindReport, "patient", []string{"subject"}},
	{kindReport, "subject", []string{"subject"}},
	{kindReport, "result", []string{"result"}},
	{kindReport, "based-on", []string{"basedOn"}},
	{kindReport, "specimen", []string{"specimen"}},
	{kindReport, "performer", []string{"performer"}},
	{kindReport, "results-interpreter", []string{"resultsInterpreter"}},
	{kindObservation, "patient", []string{"subject"}},
	{kindObservation, "subject", []string{"subject"}},
	{kindObservation, "specimen", []string{"specimen"}},
	{kindObservation, "performer", []string{"performer"}},
	{kindObservation, "has-member", []string{"hasMember"}},
	{kindRequest, "patient", []string{"subject"}},
	{kindRequest, "requester", []string{"requester"}},
	{kindRequest, "specimen", []string{"specimen"}},
	{kindSpecimen, "patient", []string{"subject"}},
	{kindRole, "practitioner", []string{"practitioner"}},
	{kindRole, "organization", []string{"organization"}},
}

func (p *param) of(k kind) bool { return p.kinds == nil || slices.Contains(p.kinds, k) }

// paramOf finds a parameter of a kind.
func paramOf(k kind, name string) *param {
	for i := range params {
		if params[i].name == name && params[i].of(k) {
			return &params[i]
		}
	}
	return nil
}

// includePaths are the members a value of _include follows; ok is false for one
// that is not in the table.
func includePaths(k kind, name string) (paths []string, ok bool) {
	for _, x := range includes {
		if x.of == k && x.name == name {
			return x.paths, true
		}
	}
	return nil, false
}
