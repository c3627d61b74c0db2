package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

func (d *decoder) checkRoutes(c *Config) {
	names := map[string]int{}
	copies := d.checkOldPaths(c)
	served, heard := map[string]bool{}, map[string]bool{}
	sources, partners := sorted(c.Sources), sorted(c.Partners)
	for i, r := range c.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		d.twice(names, r.Name, i, at+".name", "route")
		for j, s := range r.From {
			heard[s] = true
			d.refer(fmt.Sprintf("%s.from[%d]", at, j), "source", s, sources, false)
			if copies[s] != "" {
				d.add(fmt.Sprintf("%s.from[%d]", at, j), "take from the laboratory's own source", "%s is the copy of an old path (route %s): what it brings is compared and never sent", s, copies[s])
			}
		}
		for j, p := range r.To {
			served[p] = true
			item := fmt.Sprintf("%s.to[%d]", at, j)
			d.refer(item, "partner", p, partners, false)
			d.checkable(c, r, p, item)
		}
		if v := d.opts.Validators.When; v != nil && r.When != "" {
			if err := v(r.When); err != nil {
				d.add(at+".when", "", "%s", err)
			}
		}
		switch {
		case r.Check == "none" && r.CheckReason == "":
			d.need(at, "check_reason", false, "write check_reason: and why nothing has to be checked", "check: none")
		case r.Check != "none":
			d.only(at, "check_reason", r.CheckReason == "", "check: none")
		}
		for j := range r.Transform {
			d.checkTransform(c, &r.Transform[j], fmt.Sprintf("%s.transform[%d]", at, j))
		}
	}
	if len(d.problems.Errors()) > 0 {
		return // the route may be there, and misspelt
	}
	for _, name := range sources {
		if !heard[name] && copies[name] == "" {
			d.addKey(join("sources", name), Warning, "write a route with from: "+name, "no route takes messages from %s; they would all go to quarantine", name)
		}
	}
	for _, name := range partners {
		if !served[name] {
			d.addKey(join("partners", name), Warning, "write a route with to: ["+name+"]", "no route sends to %s", name)
		}
	}
}

// checkOldPaths gives the sources that are copies of an old path, with the
// first route that names each. What the old path sent is held against the
// messages of one partner, so its routes lead to that partner alone.
func (d *decoder) checkOldPaths(c *Config) map[string]string {
	routes, partner := map[string]string{}, map[string]string{}
	for i, r := range c.Routes {
		if r.OldPath == "" {
			continue
		}
		at := fmt.Sprintf("routes[%d].old_path", i)
		d.refer(at, "source", r.OldPath, sorted(c.Sources), false)
		if len(r.To) != 1 {
			d.add(at, "write one route for each partner", "a route with old_path leads to one partner, this one to %d", len(r.To))
			continue
		}
		if p, ok := partner[r.OldPath]; ok && p != r.To[0] {
			d.add(at, "give each partner's copy a source of its own", "%s is what the old path sent to %s, and this route leads to %s", r.OldPath, p, r.To[0])
			continue
		}
		if routes[r.OldPath] == "" {
			routes[r.OldPath] = r.Name
		}
		partner[r.OldPath] = r.To[0]
	}
	return routes
}

// checkable: a check against an empty list would hold every result.
func (d *decoder) checkable(c *Config, r Route, partner, at string) {
	p, ok := c.Partners[partner]
	if !ok || d.bad(join("partners", partner)) {
		return
	}
	if r.Check == "ordering_provider" && len(p.Providers) == 0 {
		d.add(at, "list providers under partners."+partner+", or choose another check", "the route checks the ordering provider, and %s has none: every result would be held", partner)
	}
	if r.Check == "account" && len(p.Accounts) == 0 {
		d.add(at, "list accounts under partners."+partner+", or choose another check", "the route checks the account, and %s has none: every result would be held", partner)
	}
}

func (d *decoder) checkTransform(c *Config, t *Transform, at string) {
	var kinds []string
	for _, k := range []string{"set", "copy", "remove", "map", "starlark"} {
		if d.written(at + "." + k) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) > 1 {
		d.addKey(at+"."+kinds[1], Error, "write - before each", "a step does one thing, here are %s", strings.Join(kinds, " and "))
	} else if len(kinds) == 0 && !d.bad(at) {
		d.add(at, "write set, copy, remove, map or starlark", "the step is empty")
	}
	if t.Map != nil {
		d.refer(at+".map.table", "table", t.Map.Table, sorted(c.Tables), false)
	}
	if t.Starlark != nil {
		d.checkScript(t.Starlark, at+".starlark")
	}
}

func (d *decoder) checkScript(s *Script, at string) {
	if (s.File == "") == (s.Source == "") {
		if !d.bad(at) {
			d.addKey(at, Error, "write file: FILE or source: |", "a program is exactly one of file and source")
		}
		return
	}
	name, where := at, at+".source"
	if s.File != "" {
		name, where = string(s.File), at+".file"
		if d.opts.ReadFile == nil {
			return
		}
		text, err := d.opts.ReadFile(string(s.File))
		if err != nil {
			d.add(where, "write the path of a file that is there", "%s", err)
			return
		}
		if len(text) > MaxSize {
			d.add(where, "", "the program has %d bytes, more than the limit of %d", len(text), MaxSize)
			return
		}
		if !utf8.Valid(text) {
			d.add(where, "save the program as UTF-8 text", "the program is not UTF-8 text")
			return
		}
		s.File, s.Source = "", string(text)
	}
	if v := d.opts.Validators.Starlark; v != nil {
		if err := v(name, s.Source); err != nil {
			d.add(where, "", "%s", err)
		}
	}
}
