package config

import (
	"reflect"
	"time"
)

// Options is what Parse needs from outside. The zero value checks the text alone.
type Options struct {
	// Now is the time warnings about dates count from; the zero time gives none.
	Now time.Time
	// Validators judge what other packages understand.
	Validators Validators
	// CheckFile says whether a file (or folder) the configuration names is
	// there and readable. path is as written, relative ones included.
	CheckFile func(path string, folder bool) error
	// ReadFile reads a program that the configuration names; its text then
	// takes the place of the name, so that it is part of the revision.
	ReadFile func(path string) ([]byte, error)
}

// Validators judge settings whose language belongs to another package. Each
// may be nil. An error is shown to the person who wrote the value.
type Validators struct {
	// When judges the condition of a route.
	When func(expression string) error
	// Path judges a place in a message, such as OBX(2)-5.1.
	Path func(path string) error
	// Starlark judges a program; name is the file, or the path of the setting.
	Starlark func(name, source string) error
}

// Parse reads a configuration. file is only used in problems. The
// configuration is nil when there is an error among the problems; warnings
// alone do not keep it from running.
func Parse(file string, src []byte, opts Options) (*Config, Problems) {
	root, problems := readTree(file, src)
	if root == nil || root.refused {
		problems.sort()
		return nil, problems
	}
	d := &decoder{file: file, opts: opts, problems: problems, pos: map[string]position{}}
	c := &Config{}
	d.structure(reflect.ValueOf(c).Elem(), root, "")
	d.check(c)
	full := d.count[Error] >= maxProblems || len(problems) >= maxProblems
	problems = withoutEchoes(d.problems)
	problems.sort()
	if full {
		p := problems[len(problems)-1]
		problems = append(problems, Problem{
			File: file, Line: p.Line, Column: p.Column, Severity: Error,
			Message: "there are more problems than are shown", Fix: "mend these first",
		})
	}
	if len(problems.Errors()) > 0 {
		return nil, problems
	}
	return c, problems
}

// withoutEchoes drops a second error at the same place: where the YAML is
// refused, that the value is then empty is no news.
func withoutEchoes(ps Problems) Problems {
	type place struct {
		line, col int
		path      string
	}
	seen := map[place]int{}
	out := ps[:0:0]
	for _, p := range ps {
		at := place{p.Line, p.Column, p.Path}
		if i, ok := seen[at]; ok && p.Severity == Error {
			if p.mask > 0 {
				out[i].mask = p.mask
			}
			continue
		}
		if p.Severity == Error {
			seen[at] = len(out)
		}
		out = append(out, p)
	}
	return out
}

// ListenAddress returns where the listener of a source listens on this
// machine: node.listen when it names the source, else the source's own.
func (c *Config) ListenAddress(source string) Listen {
	if l, ok := c.Node.Listen[source]; ok {
		return l
	}
	if s, ok := c.Sources[source]; ok && s.MLLP != nil {
		return s.MLLP.Listen
	}
	return ""
}
