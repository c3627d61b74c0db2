package arch

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// A pkg is what `go list -json` says of a package, as far as it is judged.
type pkg struct {
	ImportPath string
	Imports    []string
}

// check returns every import that breaks the table, one line each, sorted.
func check(rules []rule, packages []pkg) []string {
	var bad []string
	onStore := reachStore(packages)
	for _, p := range packages {
		path, ok := ourPath(p.ImportPath)
		if !ok {
			continue
		}
		r, ok := ruleFor(rules, path)
		if !ok {
			bad = append(bad, fmt.Sprintf("%s: no layer in the table covers this package", path))
			continue
		}
		for _, imported := range p.Imports {
			if why := r.refuses(path, imported, onStore); why != "" {
				bad = append(bad, fmt.Sprintf("%s -> %s: %s", path, strings.TrimPrefix(imported, module+"/"), why))
			}
		}
	}
	bad = append(bad, circles(packages)...)
	sort.Strings(bad)
	return bad
}

func (r rule) refuses(path, imported string, onStore map[string]bool) string {
	target, ours := ourPath(imported)
	switch {
	case ours:
		if component(path) == component(target) || slices.Contains(r.ours, "all") {
			return ""
		}
		if !slices.ContainsFunc(r.ours, func(layer string) bool { return within(layer, target) && !deeper(layer, target) }) {
			return r.layer + " may not import it"
		}
		if r.noDatabase && onStore[component(target)] {
			return r.layer + " runs without a database, and this reaches the store"
		}
	case isStd(imported):
		if slices.Contains(r.noStd, imported) {
			return r.layer + " has no clock, network, database or log"
		}
	default:
		if !slices.ContainsFunc(r.modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }) {
			return "third-party module not allowed in " + r.layer
		}
	}
	return ""
}

// ourPath is a package's path below the module, "" for the module's root.
func ourPath(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// isStd: the first element of every other module's path has a dot.
func isStd(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func ruleFor(rules []rule, path string) (rule, bool) {
	i := slices.IndexFunc(rules, func(r rule) bool { return within(r.layer, path) })
	if i < 0 {
		return rule{}, false
	}
	return rules[i], true
}

// within says whether path is layer or below it.
func within(layer, path string) bool {
	l, p := strings.Split(layer, "/"), strings.Split(path, "/")
	if len(p) < len(l) {
		return false
	}
	for i := range l {
		if l[i] != "*" && l[i] != baseName(p[i]) && l[i] != p[i] {
			return false
		}
	}
	return true
}

// deeper keeps "internal/channel", the leaf types, apart from the transports
// below it, which are another layer.
func deeper(layer, path string) bool { return layer == "internal/channel" && path != layer }

// component is the part of the tree that a package belongs to: the element after
// the layer's folder. A domain's pages and API (resultsui, resultsapi) are its own.
func component(path string) string {
	e := strings.Split(path, "/")
	if len(e) < 3 {
		return path
	}
	switch e[1] {
	case "codec", "convert", "channel", "platform", "node":
		return strings.Join(e[:3], "/")
	case "domain":
		return "internal/domain/" + baseName(e[2])
	}
	return strings.Join(e[:2], "/")
}

func baseName(element string) string {
	for _, suffix := range []string{"ui", "api"} {
		if base, ok := strings.CutSuffix(element, suffix); ok && base != "" {
			return base
		}
	}
	return element
}

// graph is which component imports which.
func graph(packages []pkg) map[string]map[string]bool {
	g := map[string]map[string]bool{}
	for _, p := range packages {
		path, ok := ourPath(p.ImportPath)
		if !ok {
			continue
		}
		from := component(path)
		if g[from] == nil {
			g[from] = map[string]bool{}
		}
		for _, imported := range p.Imports {
			if target, ok := ourPath(imported); ok && component(target) != from {
				g[from][component(target)] = true
			}
		}
	}
	return g
}

// reachStore is the components from which the database is reached.
func reachStore(packages []pkg) map[string]bool {
	reach := map[string]bool{"internal/platform/store": true}
	g := graph(packages)
	for changed := true; changed; {
		changed = false
		for from, targets := range g {
			for target := range targets {
				if reach[target] && !reach[from] {
					reach[from] = true
					changed = true
				}
			}
		}
	}
	return reach
}

// circles finds components of the platform that import each other, which Go
// allows as long as no two packages do.
func circles(packages []pkg) []string {
	var bad []string
	g := graph(packages)
	for from := range g {
		if !strings.HasPrefix(from, "internal/platform/") {
			continue
		}
		seen := map[string]bool{}
		next := []string{from}
		for len(next) > 0 {
			at := next[0]
			next = next[1:]
			for target := range g[at] {
				if target == from {
					bad = append(bad, fmt.Sprintf("%s -> ... -> %s -> %s: platform parts in a circle", from, at, from))
				}
				if !seen[target] {
					seen[target] = true
					next = append(next, target)
				}
			}
		}
	}
	return bad
}
