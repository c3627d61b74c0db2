package analyzers

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// Model is an analyzer model.
type Model struct {
	Key       string   `yaml:"-"` // its file's name
	Vendor    string   `yaml:"vendor"`
	Name      string   `yaml:"model"`
	Kind      string   `yaml:"kind"`      // what it measures, in words
	Protocols []string `yaml:"protocols"` // astm, hl7, poct1a
	// Names are what the device calls itself (H-5.1, MSH-3, DEV.model_id or
	// DEV.device_name). One that
	// ends in * stands for every ending.
	Names   []string `yaml:"names"`
	Sources []Source `yaml:"sources"`
	At      Places   `yaml:"at"`
	// Controls tell specimens of quality control, beside what the standard has for it
	// (H-12 and O-12 Q). A mark in R is looked for in an order's first result.
	Controls []Mark `yaml:"controls"`
	// Codes by what the device writes.
	Codes map[string]Code `yaml:"codes"`
	// CodeEnds is what ends a code where the device writes more behind it: a cobas
	// writes 685/ or 117/1/not, and / ends it.
	CodeEnds string `yaml:"code_ends"`
	// Echo: orders answer the device's own query and give its whole range back
	// as O-3; there are no others.
	Echo bool `yaml:"echo"`
	// Units by what the device writes: the UCUM unit.
	Units map[string]string `yaml:"units"`
	Notes string            `yaml:"notes"`
}

// Source is where the file's facts are from.
type Source struct {
	Title string `yaml:"title"`
	URL   string `yaml:"url"`
	Read  string `yaml:"read"` // the day
	Says  string `yaml:"says"` // what was taken from it
}

// Places say where things stand in ASTM records. An empty one means the
// standard's own place.
type Places struct {
	Name     Place     `yaml:"name"`     // what the device calls itself; H-5.1
	Serial   Place     `yaml:"serial"`   // of the instrument; the standard has none
	Version  Place     `yaml:"version"`  // of its software; the standard has none
	Patient  Place     `yaml:"patient"`  // P-4.1, else P-3.1
	Family   Place     `yaml:"family"`   // P-6.1
	Given    Place     `yaml:"given"`    // P-6.2
	Specimen PlaceList `yaml:"specimen"` // O-3.1
	Test     Place     `yaml:"test"`     // its component counts in O-5 too
	Sub      PlaceList `yaml:"sub"`      // what tells results of one test apart; the standard has none
	Query    Place     `yaml:"query"`    // the specimen of a host query, else
}

// Mark is a value at a place.
type Mark struct {
	At     Place    `yaml:"at"`
	Is     []string `yaml:"is"`
	Begins []string `yaml:"begins"`
}

// Code is what a code of the device means.
type Code struct {
	Name  string `yaml:"name"`
	LOINC string `yaml:"loinc"`
}

// Place is a component of a field: "O-3.1".
type Place struct {
	Record           byte
	Field, Component int
}

// UnmarshalYAML reads a place as it is written.
func (p *Place) UnmarshalYAML(b []byte) error {
	s := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	var err error
	*p, err = ParsePlace(s)
	return err
}

// ParsePlace reads "O-3" or "O-3.1".
func ParsePlace(s string) (Place, error) {
	bad := fmt.Errorf("place %q: write it like O-3.1: record, field, component", s)
	if len(s) < 3 || s[0] < 'A' || s[0] > 'Z' || s[1] != '-' {
		return Place{}, bad
	}
	field, component, has := strings.Cut(s[2:], ".")
	p := Place{Record: s[0]}
	var err error
	if p.Field, err = strconv.Atoi(field); err != nil || p.Field < 2 || p.Field > 200 {
		return Place{}, bad
	}
	if has {
		if p.Component, err = strconv.Atoi(component); err != nil || p.Component < 1 || p.Component > 99 {
			return Place{}, bad
		}
	}
	return p, nil
}

// PlaceList is one place or several: the first that holds something counts, or all
// of them, as it is said where they are used.
type PlaceList []Place

// UnmarshalYAML reads one place or a list.
func (l *PlaceList) UnmarshalYAML(unmarshal func(any) error) error {
	var one Place
	if err := unmarshal(&one); err == nil {
		*l = PlaceList{one}
		return nil
	}
	var all []Place
	if err := unmarshal(&all); err != nil {
		return err
	}
	*l = all
	return nil
}

func (p Place) String() string {
	if p.Field == 0 {
		return ""
	}
	s := string(p.Record) + "-" + strconv.Itoa(p.Field)
	if p.Component > 0 {
		s += "." + strconv.Itoa(p.Component)
	}
	return s
}

// Or is the place, or the other where it is none.
func (p Place) Or(other Place) Place {
	if p.Field == 0 {
		return other
	}
	return p
}

//go:embed models/*.yaml
var files embed.FS

// All reads every model, in the order of their keys.
func All() ([]*Model, error) {
	folder, err := fs.Sub(files, "models")
	if err != nil {
		return nil, fmt.Errorf("read analyzer models: %w", err)
	}
	return Own(folder)
}

// Own reads the models that a laboratory wrote itself: each .yaml file of the
// folder, in the order of their names.
func Own(folder fs.FS) ([]*Model, error) {
	names, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read analyzer models: %w", err)
	}
	var out []*Model
	for _, name := range names {
		b, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("read analyzer model: %w", err)
		}
		m, err := Read(strings.TrimSuffix(name, ".yaml"), b)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Merge puts the laboratory's own models before the others. One with the key of
// another replaces it whole; where two claim a name, its own is found.
func Merge(own, others []*Model) []*Model {
	out := slices.Clone(own)
	for _, m := range others {
		if !slices.ContainsFunc(own, func(o *Model) bool { return o.Key == m.Key }) {
			out = append(out, m)
		}
	}
	return out
}

// Read reads one model; a laboratory may bring its own.
func Read(key string, b []byte) (*Model, error) {
	m := &Model{Key: key}
	if err := yaml.UnmarshalWithOptions(b, m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("analyzer model %s: %w", key, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("analyzer model %s: %w", key, err)
	}
	return m, nil
}

func (m *Model) check() error {
	switch {
	case m.Vendor == "" || m.Name == "" || m.Kind == "":
		return errors.New("vendor, model and kind must be said")
	case len(m.Names) == 0 || slices.Contains(m.Names, ""):
		return errors.New("names: what does the device call itself?")
	case len(m.Sources) == 0:
		return errors.New("sources: what was this written from?")
	}
	for _, s := range m.Sources {
		if s.Title == "" || s.URL == "" || s.Read == "" || s.Says == "" {
			return errors.New("a source needs title, url, read (the day) and says")
		}
	}
	for _, p := range m.Protocols {
		if !slices.Contains([]string{"astm", "hl7", "poct1a"}, p) {
			return fmt.Errorf("protocol %q: astm, hl7 or poct1a", p)
		}
	}
	for _, p := range []struct {
		place   Place
		records string
	}{{m.At.Name, "H"}, {m.At.Serial, "H"}, {m.At.Version, "H"}, {m.At.Patient, "P"}, {m.At.Family, "P"}, {m.At.Given, "P"}, {m.At.Test, "R"}, {m.At.Query, "Q"}} {
		if p.place.Field > 0 && !strings.Contains(p.records, string(p.place.Record)) {
			return fmt.Errorf("place %s: it must be in a record %s", p.place, p.records)
		}
	}
	for _, p := range m.At.Specimen {
		if p.Record != 'O' {
			return fmt.Errorf("place %s: a specimen is in a record O", p)
		}
	}
	for _, p := range m.At.Sub {
		if p.Record != 'R' {
			return fmt.Errorf("place %s: a result is in a record R", p)
		}
	}
	if len(m.Protocols) == 0 {
		return errors.New("protocols must be said")
	}
	for _, c := range m.Controls {
		if c.At.Field == 0 || len(c.Is)+len(c.Begins) == 0 || !strings.Contains("HPOR", string(c.At.Record)) {
			return errors.New("controls: say where (in H, P, O or R), and what stands there")
		}
	}
	for code, c := range m.Codes {
		if c.Name == "" {
			return fmt.Errorf("code %q needs a name", code)
		}
		if c.LOINC != "" && !LOINC(c.LOINC) {
			return fmt.Errorf("code %q: %q is no LOINC code: its check digit is wrong", code, c.LOINC)
		}
	}
	return nil
}

// LOINC checks the form and the check digit (mod 10, as LOINC computes it).
func LOINC(s string) bool {
	number, check, ok := strings.Cut(s, "-")
	if !ok || number == "" || len(number) > 7 || len(check) != 1 || check[0] < '0' || check[0] > '9' {
		return false
	}
	sum := 0
	for i := range len(number) {
		c := number[len(number)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		d := int(c - '0')
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return (10-sum%10)%10 == int(check[0]-'0')
}

// Find is the model that calls itself so; the longest name wins. nil: unknown.
func Find(all []*Model, name string) *Model {
	return find(all, func(*Model) string { return name })
}

// InHeader is the model that an ASTM header names. at gives what stands at a place
// of it; models name themselves in different ones.
func InHeader(all []*Model, at func(Place) string) *Model {
	return find(all, func(m *Model) string { return at(m.At.Name.Or(Place{'H', 5, 1})) })
}

func find(all []*Model, name func(*Model) string) *Model {
	var best *Model
	length := -1
	for _, m := range all {
		is := strings.TrimSpace(name(m))
		for _, n := range m.Names {
			prefix, open := strings.CutSuffix(n, "*")
			if l := len(prefix); (open && strings.HasPrefix(is, prefix) || !open && is == n) && l > length {
				best, length = m, l
			}
		}
	}
	return best
}

// Code is what the file says of a code as the device writes it.
func (m *Model) Code(code string) (Code, bool) {
	k, ok := m.Codes[code]
	if !ok && m.CodeEnds != "" {
		if before, _, cut := strings.Cut(code, m.CodeEnds); cut {
			k, ok = m.Codes[before]
		}
	}
	return k, ok
}

// Numeric: digits with a sign and a point, as HL7 v2.5.1 2.A.47 takes them.
func Numeric(s string) bool {
	digits, point := 0, false
	for i, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case (c == '-' || c == '+') && i == 0:
		case c == '.' && !point:
			point = true
		default:
			return false
		}
	}
	return digits > 0
}
