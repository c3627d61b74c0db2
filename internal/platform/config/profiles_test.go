package config

import (
	"strings"
	"testing"
)

const profiled = `lab: {name: Millbrook, id: millbrook}
node: {seals: [{kind: keyfile, path: k}]}
sources: {lis: {mllp: {listen: "127.0.0.1:2575"}}}
`

// TestWhatDoesNotExistCannotBeSwitchedOn: and what does can be.
func TestWhatDoesNotExistCannotBeSwitchedOn(t *testing.T) {
	plain, ps := Parse("x", []byte(profiled), Options{})
	if plain == nil {
		t.Fatal(ps)
	}
	if !plain.On(ProfileCarry) || !plain.On(ProfilePeople) || plain.On("watch") {
		t.Error("without the section carry and people are on, and nothing else")
	}
	c, ps := Parse("x", []byte(profiled+"profiles: {people: off, carry: \"on\"}\nchanges: {alone: never}\n"), Options{})
	if c == nil {
		t.Fatal(ps)
	}
	if !c.On(ProfileCarry) || c.On(ProfilePeople) || c.On("updates") || c.Changes.Alone != "never" {
		t.Errorf("%+v", c.Profiles)
	}
	for text, want := range map[string]string{
		"profiles: {watch: on}\n":    "not in this version",
		"profiles: {updates: on}\n":  "not in this version",
		"profiles: {carry: maybe}\n": "not one of on, off",
		"changes: {alone: always}\n": "not one of nobody-else, never",
	} {
		if c, ps := Parse("x", []byte(profiled+text), Options{}); c != nil || !strings.Contains(ps.Err().Error(), want) {
			t.Errorf("%q: %v", text, ps)
		}
	}
}

// TestNewSectionsDoNotChangeWhatWasApplied: a revision from before they existed
// keeps its hash.
func TestNewSectionsDoNotChangeWhatWasApplied(t *testing.T) {
	c, ps := Parse("x", []byte(profiled), Options{})
	if c == nil {
		t.Fatal(ps)
	}
	if s := string(c.Canonical()); strings.Contains(s, "profiles") || strings.Contains(s, "changes") || strings.Contains(s, "contact") {
		t.Error(s)
	}
}

func TestContactsAddressIsJudged(t *testing.T) {
	p := profiled + "partners: {r: {name: R, contact: {name: Desk, mail: %}, destination: {folder: {path: x}}}}\n"
	if c, ps := Parse("x", []byte(strings.Replace(p, "%", "it@r.example", 1)), Options{}); c == nil || c.Partners["r"].Contact.Mail != "it@r.example" {
		t.Error(ps)
	}
	if c, _ := Parse("x", []byte(strings.Replace(p, "%", "nobody", 1)), Options{}); c != nil {
		t.Error("taken")
	}
}
