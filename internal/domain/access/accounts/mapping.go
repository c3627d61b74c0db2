package accounts

import (
	"fmt"
	"slices"
	"strings"
)

// Field is something a list can say of an account.
type Field string

// The fields. Only the account's name must be there.
const (
	FieldAccount    Field = "account"
	FieldName       Field = "name"
	FieldMail       Field = "mail"
	FieldEnabled    Field = "enabled"
	FieldDisabled   Field = "disabled" // the other way round
	FieldLastUsed   Field = "last used"
	FieldGroups     Field = "groups"
	FieldPrivileged Field = "privileged"
	FieldMFA        Field = "second factor"
)

// Fields lists them in the order in which pages ask.
func Fields() []Field {
	return []Field{FieldAccount, FieldName, FieldMail, FieldEnabled, FieldDisabled, FieldLastUsed, FieldGroups, FieldPrivileged, FieldMFA}
}

// Mapping says which column of a system's lists is what. It is remembered.
type Mapping struct {
	// Columns names, for a field, the column it is read from.
	Columns map[Field]string `json:"columns"`
	// Dates is how dates are written: "ymd", "dmy", "mdy", or empty where every
	// date of the list can be read in one way only.
	Dates string `json:"dates,omitempty"`
}

// usual are headings that lists have, in lower case without blanks.
var usual = []struct {
	field Field
	names []string
}{
	{FieldAccount, []string{"samaccountname", "account", "accountname", "username", "user", "userid", "login", "loginname", "logon", "operatorid", "benutzername"}},
	{FieldName, []string{"displayname", "fullname", "name", "cn", "operatorname"}},
	{FieldMail, []string{"mail", "email", "emailaddress", "e-mail"}},
	{FieldEnabled, []string{"enabled", "active", "isactive", "status", "accountstatus", "state"}},
	{FieldDisabled, []string{"disabled", "inactive", "locked"}},
	{FieldLastUsed, []string{"lastlogondate", "lastlogontimestamp", "lastlogon", "lastlogin", "lastused", "lastsignin", "lastaccess", "lastseen"}},
	{FieldGroups, []string{"memberof", "groups", "group", "roles", "role"}},
	{FieldPrivileged, []string{"privileged", "admin", "isadmin", "administrator"}},
	{FieldMFA, []string{"mfa", "mfaenabled", "2fa", "twofactor", "mfastate", "mfastatus", "secondfactor"}},
}

func folded(heading string) string {
	return strings.NewReplacer(" ", "", "_", "", ".", "").Replace(strings.ToLower(heading))
}

// guess proposes a mapping by the headings. A person sees it before anything is
// taken.
func (s *grid) guess() Mapping {
	m := Mapping{Columns: map[Field]string{}}
	for _, u := range usual {
		for _, name := range u.names {
			i := slices.IndexFunc(s.columns, func(c string) bool { return folded(c) == name })
			if i >= 0 && !m.uses(s.columns[i]) {
				m.Columns[u.field] = s.columns[i]
				break
			}
		}
	}
	if m.Columns[FieldEnabled] != "" {
		delete(m.Columns, FieldDisabled)
	}
	return m
}

func (m Mapping) uses(column string) bool {
	for _, c := range m.Columns {
		if c == column {
			return true
		}
	}
	return false
}

// fit says what of a mapping does not suit the sheet; empty is fine.
func (m Mapping) fit(s *grid) []string {
	var out []string
	if m.Columns[FieldAccount] == "" {
		out = append(out, "Say which column holds the name of the account.")
	}
	for _, f := range Fields() {
		if c := m.Columns[f]; c != "" && !slices.Contains(s.columns, c) {
			out = append(out, fmt.Sprintf("The column %q, which said %s until now, is not in this list.", c, f))
		}
	}
	if m.Columns[FieldEnabled] != "" && m.Columns[FieldDisabled] != "" {
		out = append(out, "Choose one of enabled and disabled, not both.")
	}
	return out
}

func (m Mapping) check() error {
	for f := range m.Columns {
		if !slices.Contains(Fields(), f) {
			return fmt.Errorf("%w: there is no field %q", ErrInvalid, f)
		}
	}
	if !slices.Contains([]string{"", "ymd", "dmy", "mdy"}, m.Dates) {
		return fmt.Errorf("%w: dates are written ymd, dmy or mdy", ErrInvalid)
	}
	return nil
}
