package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Class is what an entry is about, for people.
type Class int64

// The classes.
const (
	SignIn Class = iota
	Refusal
	View
	Export
	Change
)

var classes = [...]string{"sign-in", "refusal", "view", "export", "change"}

func (c Class) String() string {
	if c < SignIn || c > Change {
		return "?"
	}
	return classes[c]
}

// Classes lists them.
func Classes() []Class { return []Class{SignIn, Refusal, View, Export, Change} }

// MarshalText implements encoding.TextMarshaler.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Class) UnmarshalText(b []byte) error {
	i := slices.Index(classes[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: there is no such class of entries", ErrInvalid)
	}
	*c = Class(i)
	return nil
}

// rules counts the changes of what follows: another number makes the table anew.
const rules = 1

// special are kinds whose words would class them otherwise.
var special = map[string]Class{
	"signin.refused": Refusal, "signin.throttled": Refusal, "signin.passkey_cloned": Refusal, "signin.enrolled": Change, "signin.removed": Change, "signin.renamed": Change, "signin.unlocked": Change,
	"session.noticed": Refusal, "session.answered": Change,
	"access.refused": Refusal, "service.refused": Refusal,
	"link.used": SignIn, "record.patient_reported": Export,
	"record.own_exported": Export,
}

var words = map[string]Class{
	"viewed": View, "shown": View, "read": View, "revealed": View, "searched": View, "printed": View, "listed": View,
	"exported": Export, "downloaded": Export,
	"denied": Refusal,
}

// Classify says what a kind of event is about.
func Classify(kind string) Class {
	if c, ok := special[kind]; ok {
		return c
	}
	area, _, _ := strings.Cut(kind, ".")
	if area == "signin" || area == "session" {
		return SignIn
	}
	last := kind[strings.LastIndexAny(kind, "._")+1:]
	if c, ok := words[last]; ok {
		return c
	}
	return Change
}

// aboutPeople are the areas whose events stand in the record also when nobody is
// named: somebody unknown was refused.
var aboutPeople = []string{"signin", "session", "access", "request", "link", "service"}

var (
	kindAt      = []byte(`{"v":1,"kind":"`)
	actorFields = [][]byte{[]byte(`"by":"`), []byte(`"account":"`)}
)

// machines tells, without parsing, that an event is the machine's own: nearly all
// are when results come fast. It leans on the one spelling events have; a quote
// within a value is written \" and cannot look like the name of a field.
func machines(raw []byte) bool {
	kind, ok := bytes.CutPrefix(raw, kindAt)
	if !ok {
		return false
	}
	for _, f := range actorFields {
		if bytes.Contains(raw, f) {
			return false
		}
	}
	area, _, _ := bytes.Cut(kind, []byte("."))
	return !slices.Contains(aboutPeople, string(area))
}

// entry makes the row of an event; false where the event is the machine's own.
func entry(leaf int64, raw []byte) (Entry, bool) {
	if machines(raw) {
		return Entry{}, false
	}
	e, err := ledger.ParseEvent(raw)
	if err != nil {
		return Entry{}, false
	}
	out := Entry{Leaf: leaf, At: e.At, Kind: e.Kind, Class: Classify(e.Kind), Who: actor(&e), Message: message(&e)}
	area, _, _ := strings.Cut(e.Kind, ".")
	return out, out.Who != "" || slices.Contains(aboutPeople, area)
}

// actor is who did it: the account, where an event has the person's name too;
// for sign-ins, which name only the person, their id.
func actor(e *ledger.Event) string {
	by, account := e.IDs.Get("by"), e.IDs.Get("account")
	if by == "" {
		by = e.Codes.Get("by")
	}
	if by == "-" {
		by = "" // what ledger.Code makes of nobody
	}
	area, _, _ := strings.Cut(e.Kind, ".")
	switch {
	case by != "" && account != "" && !slices.Contains([]string{"person", "grant", "delegation", "service", "token", "link"}, area):
		return account // results name the person in "by" and the account beside
	case by != "":
		return by
	case area == "signin" || area == "session" || area == "link":
		if p := e.IDs.Get("person"); p != "" {
			return ByPerson(p)
		}
		return account
	}
	return account
}

// ByPerson is the actor of events that name a person by id.
func ByPerson(id string) string { return "person:" + id }

func message(e *ledger.Event) string {
	for _, k := range []string{"message", "about"} {
		if id, err := event.ParseID(e.IDs.Get(k)); err == nil {
			return id.String()
		}
	}
	return ""
}
