package kit

import (
	"strings"

	"github.com/a-h/templ"
)

// refused is where an address leads that must lead nowhere.
const refused = "about:invalid#refused"

// here is an address of this site, for forms: nothing typed here is sent
// elsewhere.
func here(s string) templ.SafeURL {
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "\\\r\n\t\x00") || strings.HasPrefix(s, "//") || s[0] != '/' && s[0] != '?' && s[0] != '#' {
		return refused
	}
	return templ.SafeURL(s)
}

// link is an address of this site, or one elsewhere that begins with https. Most
// of all it is no script.
func link(s string) templ.SafeURL {
	if strings.HasPrefix(s, "https://") && !strings.ContainsAny(s, "\\\r\n\t\x00") {
		return templ.SafeURL(s)
	}
	return here(s)
}
