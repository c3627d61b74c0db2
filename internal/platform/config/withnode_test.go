package config

import (
	"strings"
	"testing"
)

func TestWithNodeKeepsOneMachinesSectionAndEveryOtherByte(t *testing.T) {
	old := "# head\nlab: {name: A, id: a}\n\n# this node\nnode:\n  data: ./old # where\n  seals:\n    - {kind: keyfile, path: ./k}\n\n# the rest\nsources: {}\n"
	now := "lab: {name: B, id: b}\nnode:\n  # moved to the new disk\n  data: /srv/new\n  seals:\n  - {kind: keyfile, path: ./k2}\nroutes: []\n"
	want := "# head\nlab: {name: A, id: a}\n\n# this node\nnode:\n  # moved to the new disk\n  data: /srv/new\n  seals:\n  - {kind: keyfile, path: ./k2}\n\n# the rest\nsources: {}\n"
	for what, c := range map[string]struct{ src, from, want string }{
		"blocks":        {old, now, want},
		"carriage":      {strings.ReplaceAll(old, "\n", "\r\n"), now, strings.ReplaceAll(want, "\n", "\r\n")},
		"same meaning":  {old, "node: {data: ./old, seals: [{kind: keyfile, path: ./k}]}\n", old},
		"flow in there": {old, "node: {data: /x}\n", "# head\nlab: {name: A, id: a}\n\n# this node\nnode: {data: /x}\n\n# the rest\nsources: {}\n"},
		"last, no end":  {"lab: {name: A}\nnode:\n  data: ./old", "node:\n  data: /x\nlab: {}\n", "lab: {name: A}\nnode:\n  data: /x"},
		"neither":       {"lab: {}\n", "lab: {name: x}\n", "lab: {}\n"},
	} {
		got, err := WithNode([]byte(c.src), []byte(c.from))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%q, want\n%q", what, err, got, c.want)
		}
	}
	for what, c := range map[string]struct{ src, from string }{
		"none in the new text": {"lab: {}\n", now},
		"none in the file":     {old, "lab: {}\n"},
		"file is no YAML":      {old, "node: ]\n"},
		"text is no YAML":      {"node: ]\n", now},
	} {
		if got, err := WithNode([]byte(c.src), []byte(c.from)); err == nil {
			t.Errorf("%s: gave %q", what, got)
		}
	}
}
