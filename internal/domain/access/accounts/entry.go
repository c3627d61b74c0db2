package accounts

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Entry is an account as a list has it.
type Entry struct {
	Account string `json:"account"`
	Name    string `json:"name,omitempty"`
	Mail    string `json:"mail,omitempty"`
	Enabled Tri    `json:"enabled"`
	MFA     Tri    `json:"second_factor"`
	// Privileged is by its column, or by the groups where the list has them.
	Privileged Tri `json:"privileged"`
	// LastUsed is zero where it is not known; Never says that it never was.
	LastUsed time.Time `json:"last_used,omitzero"`
	Never    bool      `json:"never_used,omitempty"`
	Groups   []string  `json:"groups,omitempty"`
}

// fold is how account names are compared: systems that tell upper from lower
// case in them are none we know of.
func fold(account string) string { return strings.ToLower(strings.TrimSpace(account)) }

// entries reads the sheet under a mapping. problems are what keeps the list from
// being taken; doubts are what counts as not known.
func (s *grid) entries(m Mapping, admins []string) (out []Entry, problems, doubts []string) {
	if problems = m.fit(s); len(problems) > 0 {
		return nil, problems, nil
	}
	at := map[Field]int{}
	for f, c := range m.Columns {
		if c != "" {
			at[f] = slices.Index(s.columns, c)
		}
	}
	p := &parser{at: at, order: m.Dates, admins: append(lower(admins), adminGroups...), odd: map[Field]int{}}
	if i, ok := at[FieldLastUsed]; ok && p.order == "" {
		values := make([]string, len(s.rows))
		for n, row := range s.rows {
			values[n] = row[i]
		}
		if p.order = dateOrder(values); p.order == "?" {
			return nil, []string{fmt.Sprintf("The dates of column %q can be read in two ways: say whether the day or the month comes first.", m.Columns[FieldLastUsed])}, nil
		}
	}
	seen := map[string]int{}
	for n, row := range s.rows {
		e := p.entry(row)
		switch {
		case e.Account == "":
			problems = append(problems, fmt.Sprintf("Row %d has no account name.", n+2))
		case seen[fold(e.Account)] > 0:
			problems = append(problems, fmt.Sprintf("Rows %d and %d name the same account.", seen[fold(e.Account)], n+2))
		case len(e.Account) > 256:
			problems = append(problems, fmt.Sprintf("Row %d has an account name of more than 256 characters.", n+2))
		}
		if len(problems) >= 20 {
			return nil, append(problems, "There may be more."), nil
		}
		seen[fold(e.Account)] = n + 2
		out = append(out, e)
	}
	for _, f := range Fields() {
		if n := p.odd[f]; n == 1 {
			doubts = append(doubts, fmt.Sprintf("1 value of column %q was not understood: it counts as not known.", m.Columns[f]))
		} else if n > 1 {
			doubts = append(doubts, fmt.Sprintf("%d values of column %q were not understood: they count as not known.", n, m.Columns[f]))
		}
	}
	return out, problems, doubts
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = strings.ToLower(strings.TrimSpace(v))
	}
	return out
}

type parser struct {
	at     map[Field]int
	order  string
	admins []string
	odd    map[Field]int
}

func (p *parser) text(row []string, f Field) (string, bool) {
	i, ok := p.at[f]
	if !ok {
		return "", false
	}
	return row[i], true
}

func (p *parser) tri(row []string, f Field) Tri {
	v, ok := p.text(row, f)
	if !ok {
		return NotKnown
	}
	t, ok := yesNo(v)
	if !ok {
		p.odd[f]++
	}
	return t
}

func (p *parser) entry(row []string) Entry {
	e := Entry{Enabled: p.tri(row, FieldEnabled), MFA: p.tri(row, FieldMFA), Privileged: p.tri(row, FieldPrivileged)}
	e.Account, _ = p.text(row, FieldAccount)
	e.Name, _ = p.text(row, FieldName)
	e.Mail, _ = p.text(row, FieldMail)
	if _, ok := p.at[FieldDisabled]; ok {
		switch p.tri(row, FieldDisabled) {
		case Yes:
			e.Enabled = No
		case No:
			e.Enabled = Yes
		}
	}
	if v, ok := p.text(row, FieldLastUsed); ok && v != "" {
		if never(v) {
			e.Never = true
		} else if t, ok := day(v, p.order); ok {
			e.LastUsed = t
		} else {
			p.odd[FieldLastUsed]++
		}
	}
	if v, ok := p.text(row, FieldGroups); ok {
		list, known := groups(v)
		if !known {
			p.odd[FieldGroups]++
		} else if e.Groups = list; e.Privileged == NotKnown {
			e.Privileged = tri(slices.ContainsFunc(list, func(g string) bool { return slices.Contains(p.admins, strings.ToLower(g)) }))
		}
	}
	return e
}
