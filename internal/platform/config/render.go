package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

var plainPattern = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9_./+@ -]*(:[A-Za-z0-9_./+@-]+)*$`)

// plainText says whether text can stand in YAML without quotes and stay text.
func plainText(text string) bool {
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "~":
		return false
	}
	return plainPattern.MatchString(text) && !strings.HasSuffix(text, " ") && strings.Trim(text, "0123456789._eE+-") != ""
}

// generic turns a value a caller gives into plain maps, lists and scalars, the
// same shapes that node.generic makes of a file.
func generic(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string, bool:
		return v, nil
	case int, int32, int64, uint, uint32, uint64, json.Number:
		return json.Number(fmt.Sprint(v)), nil
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = generic(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = generic(v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case fmt.Stringer:
		return v.String(), nil
	}
	return nil, fmt.Errorf("set value: %T is not text, a number, a list or a section", value)
}

func (n *node) generic() any {
	switch n.kind {
	case kString:
		return n.text
	case kNumber:
		return json.Number(n.text)
	case kBool:
		return n.text == "true"
	case kList:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.generic()
		}
		return out
	case kMap:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = e.val.generic()
		}
		return out
	}
	return nil
}

// inline writes a value on one line, as it may stand anywhere.
func inline(value any, flow bool) string {
	switch v := value.(type) {
	case string:
		if plainText(v) && (!flow || !strings.ContainsAny(v, ":")) {
			return v
		}
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(b)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = inline(v[i], true)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, k := range sorted(v) {
			parts = append(parts, inline(k, true)+": "+inline(v[k], true))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case nil:
		return "null"
	}
	return fmt.Sprint(value)
}

// blockEntry writes key and value as lines, the first without indentation and
// the others indented by indent.
func blockEntry(key string, value any, indent int) []string {
	m, ok := value.(map[string]any)
	if !ok || len(m) == 0 {
		return []string{inline(key, false) + ": " + inline(value, false)}
	}
	out := []string{inline(key, false) + ":"}
	pad := strings.Repeat(" ", indent+2)
	for _, k := range sorted(m) {
		for i, line := range blockEntry(k, m[k], indent+2) {
			if i == 0 {
				line = pad + line
			}
			out = append(out, line)
		}
	}
	return out
}
