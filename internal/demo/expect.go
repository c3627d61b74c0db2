package demo

import (
	"fmt"
	"iter"
	"slices"
)

// Expectation says of one message to whom it is due.
type Expectation struct {
	Name       string // file and number within it, for the problems' text
	Control    string
	SHA256     string
	Partners   []string
	Quarantine bool
}

// Expectations returns those of the bundled set, from the manifest.
func Expectations() ([]Expectation, error) {
	var out []Expectation
	for _, f := range Manifest() {
		body, err := Read(f.File)
		if err != nil {
			return nil, err
		}
		i := 0
		for _, u := range unitsOf(f, body, false) {
			for _, p := range u.Parts {
				if i == len(f.Partners) {
					return nil, fmt.Errorf("read manifest: %s presents more than %d messages", f.File, i)
				}
				out = append(out, Expectation{
					Name: fmt.Sprintf("%s#%d", f.File, p.Index), Control: readFacts(p.Body).Control,
					SHA256: hash(p.Body), Partners: slices.Clone(f.Partners[i]), Quarantine: f.Malformed,
				})
				i++
			}
		}
		if i != len(f.Partners) {
			return nil, fmt.Errorf("read manifest: %s presents %d messages, not %d", f.File, i, len(f.Partners))
		}
	}
	return out, nil
}

// ExpectationsOf returns those of well-formed messages by PartnersOf, for the
// messages of Synthetic.
func ExpectationsOf(messages iter.Seq[[]byte]) []Expectation {
	var out []Expectation
	for b := range messages {
		out = append(out, Expectation{Name: fmt.Sprintf("synthetic-%d#1", len(out)+1), Control: readFacts(b).Control, SHA256: hash(b), Partners: PartnersOf(b)})
	}
	return out
}
