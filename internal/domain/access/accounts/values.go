package accounts

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// yesNo reads what lists write for yes and no; false where it is neither.
func yesNo(v string) (Tri, bool) {
	switch strings.ToLower(v) {
	case "":
		return NotKnown, true
	case "true", "yes", "y", "1", "enabled", "active", "enforced", "on", "ja", "x":
		return Yes, true
	case "false", "no", "n", "0", "disabled", "inactive", "off", "locked", "nein", "none":
		return No, true
	case "unknown", "n/a", "-":
		return NotKnown, true
	}
	return NotKnown, false
}

// never are words for an account that was never used. lastLogon 0 is one.
func never(v string) bool {
	return slices.Contains([]string{"never", "nie", "0", "12/31/1600", "1601-01-01"}, strings.ToLower(v))
}

var (
	isoDate   = regexp.MustCompile(`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?$`)
	otherDate = regexp.MustCompile(`^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:,? .*)?$`)
	fileTime  = regexp.MustCompile(`^1[1-4]\d{16}$`)
)

// epoch1601 is the start of Windows FILETIME, which counts 100 ns.
const epoch1601 = 116444736000000000

// day reads a date; its clock time is left out, since lists do not say their
// time zone and 90 days do not hang on it. order is ymd, dmy or mdy.
func day(v, order string) (time.Time, bool) {
	if fileTime.MatchString(v) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		return time.UnixMicro((n - epoch1601) / 10).UTC().Truncate(24 * time.Hour), true
	}
	if m := isoDate.FindStringSubmatch(v); m != nil {
		return date(m[1], m[2], m[3])
	}
	m := otherDate.FindStringSubmatch(v)
	switch {
	case m == nil:
		return time.Time{}, false
	case order == "dmy":
		return date(m[3], m[2], m[1])
	case order == "mdy":
		return date(m[3], m[1], m[2])
	}
	return time.Time{}, false
}

func date(y, m, d string) (time.Time, bool) {
	n := [3]int{}
	for i, s := range []string{y, m, d} {
		v, err := strconv.Atoi(s)
		if err != nil {
			return time.Time{}, false
		}
		n[i] = v
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], 0, 0, 0, 0, time.UTC)
	return t, n[0] >= 1970 && t.Year() == n[0] && int(t.Month()) == n[1] && t.Day() == n[2]
}

// dateOrder finds how a column writes its dates: empty where none needs an order,
// "?" where they could be read in two ways, which a person then decides.
func dateOrder(values []string) string {
	var first, second, any bool
	for _, v := range values {
		m := otherDate.FindStringSubmatch(v)
		if m == nil || never(v) {
			continue
		}
		any = true
		a, _ := strconv.Atoi(m[1])
		b, _ := strconv.Atoi(m[2])
		first = first || a > 12
		second = second || b > 12
	}
	switch {
	case !any:
		return ""
	case first && !second:
		return "dmy"
	case second && !first:
		return "mdy"
	}
	return "?"
}

var groupName = regexp.MustCompile(`(?i)(?:^|[;|\s])CN=((?:\\.|[^,\\;|])+)`)

// unexported is what Export-Csv writes for a list it was not told to join: the
// groups are then not known.
const unexported = "Microsoft.ActiveDirectory.Management.ADPropertyValueCollection"

// groups are the names of the groups in a field: distinguished names as Active
// Directory writes them, or names apart by ; or |. false: the field does not say.
func groups(v string) ([]string, bool) {
	if v == unexported {
		return nil, false
	}
	var out []string
	if m := groupName.FindAllStringSubmatch(v, -1); m != nil {
		for _, g := range m {
			out = append(out, strings.ReplaceAll(strings.TrimSpace(g[1]), `\`, ""))
		}
	} else {
		for g := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == '|' }) {
			if g = strings.TrimSpace(g); g != "" {
				out = append(out, g)
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), 60)], true
}

// adminGroups are those that mean privileged everywhere; a system adds its own.
var adminGroups = []string{
	"administrators", "domain admins", "enterprise admins", "schema admins", "account operators", "backup operators", "server operators",
	"group policy creator owners", "dnsadmins", "hyper-v administrators", "remote desktop users",
}
