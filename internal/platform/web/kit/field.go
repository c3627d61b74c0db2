package kit

import (
	"slices"
	"strings"
)

// Field is one question of a form.
type Field struct {
	Name, Label string
	Hint        string
	Value       string
	// Error stands beside the field: what is wrong and what to do.
	Error string
	Kind  FieldKind
	// Options are of a select, a radio group or several to tick.
	Options []Option
	// Values are those ticked of a ChecksField.
	Values []string
	// Checked is a checkbox's.
	Checked  bool
	Required bool
	// Optional is said in the label. Neither: nothing is said.
	Optional bool
	// Autocomplete as HTML names it: "username", "new-password", "one-time-code".
	Autocomplete string
	// InputMode: "numeric", "email", "url".
	InputMode string
	Max       int // characters
	Rows      int // of a textarea
	Mono      bool
	// Narrow is as wide as what goes in: codes, ports, dates.
	Narrow    bool
	Accept    string // of a file
	Autofocus bool
	Disabled  bool
	// Spell lets the browser check the spelling; identifiers are left alone.
	Spell bool
	// ID where two forms of a page have a field of the same name.
	ID string
}

// FieldKind is how it is answered.
type FieldKind int

// The kinds.
const (
	TextField FieldKind = iota
	PasswordField
	SelectField
	CheckboxField
	RadioField
	TextareaField
	DateField
	TimeField
	DateTimeField
	NumberField
	EmailField
	URLField
	FileField
	SearchField
	HiddenField
	// GroupField is no answer: its label heads the fields behind it.
	GroupField
	// ChecksField is several of the options, sent under one name; Values are chosen.
	ChecksField
)

func (k FieldKind) input() string {
	switch k {
	case PasswordField:
		return "password"
	case DateField:
		return "date"
	case TimeField:
		return "time"
	case DateTimeField:
		return "datetime-local"
	case NumberField:
		return "number"
	case EmailField:
		return "email"
	case URLField:
		return "url"
	case FileField:
		return "file"
	case SearchField:
		return "search"
	case HiddenField:
		return "hidden"
	}
	return "text"
}

// Option is an answer to choose.
type Option struct{ Value, Text, Hint string }

// FormOpts are a form's frame. The fields are children, or Fields.
type FormOpts struct {
	Action string
	Method string // POST where empty
	Fields []Field
	Submit string // the button; empty draws none
	Cancel string // where "Cancel" leads; empty draws none
	// Hidden goes along.
	Hidden map[string]string
	// Files lets files be sent.
	Files bool
	// Wrong is what is wrong with the form as a whole.
	Wrong string
	// Quick is a form of one line.
	Quick bool
	Bad   bool // a dangerous button
}

func (f Field) id() string {
	if f.ID != "" {
		return f.ID
	}
	return "f-" + f.Name
}

func (f Field) describedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.id()+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.id()+"-error")
	}
	return strings.Join(ids, " ")
}

// WithErrors puts each message beside its field, by name: what web.Error.Fields
// holds.
func WithErrors(fields []Field, errs map[string]string) []Field {
	out := slices.Clone(fields)
	for i := range out {
		if e, ok := errs[out[i].Name]; ok && out[i].Kind != GroupField {
			out[i].Error = e
		}
	}
	return out
}

func wrong(fields []Field) []Field {
	var out []Field
	for _, f := range fields {
		if f.Error != "" {
			out = append(out, f)
		}
	}
	return out
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// NewPassword asks for one of at least so many characters. The account goes along under
// the name that the site has for it, so that a password manager knows what it belongs to.
func NewPassword(label, account string, least int) []Field {
	return []Field{
		{Name: "username", Label: label, Value: account, Autocomplete: "username", Disabled: true},
		{
			Name: "password", Label: "New password", Kind: PasswordField, Autocomplete: "new-password", Required: true,
			Hint: "At least " + itoa(least) + " characters; a few words in a row are good. It never has to be changed.",
		},
	}
}

// Code asks for what an authenticator app shows.
func Code(hint string) Field {
	return Field{Name: "code", Label: "Code", Hint: hint, Autocomplete: "one-time-code", InputMode: "numeric", Required: true, Max: 10, Mono: true, Narrow: true}
}
