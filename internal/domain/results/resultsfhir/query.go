package resultsfhir

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// Limits of a request.
const (
	defaultCount = 50
	maxCount     = 200
	maxValues    = 20 // of one parameter, joined by commas
	maxConds     = 20
	maxValue     = 500
	maxIncludes  = 8
)

// condition is one parameter: one of its values must fit.
type condition struct {
	param   *param
	tokens  []tokenValue
	ids     []event.ID
	moments []moment
}

// tokenValue is SYSTEM|VALUE; anySystem where no | was written.
type tokenValue struct {
	coded
	anySystem bool
}

// search is what a request asks for.
type search struct {
	kind     kind
	conds    []condition
	count    int
	includes []string
	// ignored are the parameters a lenient client wrote that we do not know.
	ignored []string
	// said is the request as it was understood, for the self link and for pages.
	said url.Values
}

// parseSearch reads the parameters of a search. What it does not know is refused,
// unless the client asked for leniency: then it is told.
func parseSearch(k kind, q url.Values, lenient bool) (*search, error) {
	out := &search{kind: k, count: defaultCount, said: url.Values{}}
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := paramOf(k, name)
		if p == nil || name == "_page" {
			if lenient && p == nil {
				out.ignored = append(out.ignored, printable(name))
				continue
			}
			return nil, invalid("not-supported", "the search parameter %s is not known for %s; /metadata lists those that are", printable(name), k)
		}
		for _, v := range q[name] {
			if len(v) > maxValue*maxValues {
				return nil, invalid("value", "the value of %s is too long", name)
			}
			if err := out.add(p, v); err != nil {
				return nil, err
			}
			out.said.Add(name, v)
		}
	}
	if len(out.conds) > maxConds {
		return nil, invalid("too-costly", "at most %d conditions are taken", maxConds)
	}
	return out, nil
}

func (q *search) add(p *param, v string) error {
	if p.form == formSpecial {
		return q.special(p.name, v)
	}
	values := split(v, ',')
	if len(values) > maxValues {
		return invalid("too-costly", "at most %d values are taken for %s", maxValues, p.name)
	}
	c := condition{param: p}
	for _, x := range values {
		if x == "" || len(x) > maxValue {
			return invalid("value", "a value of %s is empty or longer than %d characters", p.name, maxValue)
		}
		switch p.form {
		case formID, formReference:
			raw := unescape(x)
			if p.form == formReference {
				raw = strings.TrimPrefix(raw, "Patient/")
			}
			id, err := event.ParseID(raw)
			if err != nil {
				id = event.ID{} // no resource of ours has such an id: it fits nothing
			}
			c.ids = append(c.ids, id)
		case formDate, formInstant:
			m, ok := parseMoment(unescape(x))
			if !ok || p.form == formInstant && !slices.Contains([]string{"eq", "gt", "ge", "lt", "le"}, m.prefix) {
				return invalid("value", "a value of %s is no time, or has a prefix that it does not take", p.name)
			}
			c.moments = append(c.moments, m)
		default:
			c.tokens = append(c.tokens, parseToken(x))
		}
	}
	q.conds = append(q.conds, c)
	return nil
}

func (q *search) special(name, v string) error {
	switch name {
	case "_count":
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return invalid("value", "_count is a number from 1; for no more than a count there is no answer here")
		}
		q.count = min(n, maxCount)
	case "_sort":
		if v != "-_lastUpdated" {
			return invalid("not-supported", "results are sorted by -_lastUpdated only")
		}
	case "_format":
		if !jsonFormat(v) {
			return &refusal{status: 406, code: "not-supported", text: "only JSON is served: application/fhir+json"}
		}
	case "_include":
		of, what, ok := strings.Cut(v, ":")
		what, target, _ := strings.Cut(what, ":")
		k, known := kindOf(of)
		if _, found := includePaths(k, what); !ok || !known || !found || len(q.includes) >= maxIncludes {
			return invalid("not-supported", "this _include is not known, or there are more than %d; /metadata lists them", maxIncludes)
		}
		if _, known := kindOf(target); target != "" && !known {
			return invalid("not-supported", "the target of an _include is not a type that is served here")
		}
		q.includes = append(q.includes, v)
	}
	return nil
}

// cond is the condition on a parameter, nil where there is none.
func (q *search) cond(names ...string) *condition {
	for i := range q.conds {
		if slices.Contains(names, q.conds[i].param.name) {
			return &q.conds[i]
		}
	}
	return nil
}

// parseToken reads [system]|code (R4 search.html 2.21.1.5.1).
func parseToken(s string) tokenValue {
	parts := split(s, '|')
	if len(parts) == 1 {
		return tokenValue{coded{"", unescape(s)}, true}
	}
	return tokenValue{coded{unescape(parts[0]), unescape(strings.Join(parts[1:], "|"))}, false}
}

// split parts a value where sep stands without \ before it (2.21.1.4.3).
func split(s string, sep byte) []string {
	var out []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case sep:
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// printable is a parameter's name as an error may repeat it: values never are.
func printable(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' || r == '.' || r == ':' {
			return r
		}
		return '?'
	}, s)
	return clean
}

// fits compares a row with all conditions but those on ids of patients that were
// found by identifier, which the streams see to.
func (q *search) fits(r *row, m member) bool {
	for i := range q.conds {
		if !q.conds[i].fits(r, m) {
			return false
		}
	}
	return true
}

func (c *condition) fits(r *row, m member) bool {
	switch c.param.form {
	case formID:
		return slices.Contains(c.ids, r.rid)
	case formReference, formChainID:
		return r.patient != (event.ID{}) && slices.Contains(c.ids, r.patient)
	case formInstant:
		at := r.updated()
		for _, x := range c.moments {
			if x.holds(span{at, at.Add(1)}) {
				return true
			}
		}
	case formDate:
		for _, path := range c.param.paths {
			if at, ok := m.span(path); ok {
				for _, x := range c.moments {
					if x.holds(at) {
						return true
					}
				}
			}
		}
	default:
		for _, path := range c.param.paths {
			for _, have := range m.codings(path) {
				for _, want := range c.tokens {
					if want.fits(have) {
						return true
					}
				}
			}
		}
	}
	return false
}

func (t tokenValue) fits(have coded) bool {
	if t.value == "" { // "system|": any code of the system
		return !t.anySystem && have.system == t.system
	}
	return have.value == t.value && (t.anySystem || have.system == t.system)
}

func jsonFormat(v string) bool {
	return slices.Contains([]string{"json", "application/json", "application/fhir+json", "text/json"}, strings.TrimSpace(v))
}

// invalid is an answer of 400.
func invalid(code, format string, args ...any) error {
	return &refusal{status: 400, code: code, text: fmt.Sprintf(format, args...)}
}

// refusal is an answer with an OperationOutcome. Its text goes to the client: it
// names parameters and rules, never a value or patient data.
type refusal struct {
	status int
	code   string // of R4's issue-type
	text   string
	retry  int // seconds, for Retry-After
}

func (r *refusal) Error() string { return r.text }
