package config

import (
	"fmt"
	"strconv"
	"strings"
)

// join adds a key to a path, quoted where a plain key would be ambiguous.
func join(path, key string) string {
	if !plainKey(key) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func plainKey(key string) bool {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return key != ""
}

// step is one part of a path: a key, or a list index when key is empty and
// index is not negative.
type step struct {
	key   string
	index int
}

// splitPath reads partners.riverside.retry.first, routes[0].when and
// tables.units["mg/dL"].
func splitPath(path string) ([]step, error) {
	bad := func() ([]step, error) {
		return nil, fmt.Errorf("path %s: write it like partners.NAME.retry.first, routes[0].when or tables.NAME[\"mg/dL\"]", quote(path))
	}
	var out []step
	for rest := path; rest != ""; {
		if strings.HasPrefix(rest, `["`) {
			q, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(q):], "]") {
				return bad()
			}
			key, err := strconv.Unquote(q)
			if err != nil {
				return bad()
			}
			out, rest = append(out, step{key, -1}), rest[len(q)+2:]
			continue
		}
		if rest[0] == '[' {
			digits, after, ok := strings.Cut(rest[1:], "]")
			i, err := strconv.Atoi(digits)
			if !ok || err != nil || i < 0 || digits[0] == '+' {
				return bad()
			}
			out, rest = append(out, step{"", i}), after
			continue
		}
		if len(out) > 0 {
			if rest[0] != '.' {
				return bad()
			}
			rest = rest[1:]
		}
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		if !plainKey(rest[:end]) {
			return bad()
		}
		out, rest = append(out, step{rest[:end], -1}), rest[end:]
	}
	if len(out) == 0 {
		return bad()
	}
	return out, nil
}
