package accounts

import (
	"slices"
	"strings"
	"time"
)

// Change is one difference between the list at hand and a new one.
type Change struct {
	// What is "new", "changed", "back" or "gone".
	What   string `json:"what"`
	Before Entry  `json:"before,omitzero"`
	After  Entry  `json:"after,omitzero"`
	// Fields are those that differ, for "changed".
	Fields []string `json:"fields,omitempty"`

	old *Account
}

// Diff is what taking a list would change.
type Diff struct {
	Listed  int      `json:"listed"`
	New     int      `json:"new"`
	Changed int      `json:"changed"`
	Gone    int      `json:"gone"`
	Same    int      `json:"same"`
	Changes []Change `json:"changes"`
	// Thin: most of the accounts at hand are not in the new list. It is taken only
	// when a person says that the list is whole.
	Thin bool `json:"thin"`
}

func compare(have []Account, list []Entry) Diff {
	d := Diff{Listed: len(list)}
	old := map[string]*Account{}
	there := 0
	for i := range have {
		old[fold(have[i].Entry.Account)] = &have[i]
		if have[i].Gone.IsZero() {
			there++
		}
	}
	for i := range list {
		e := list[i]
		a := old[fold(e.Account)]
		if a == nil {
			d.New++
			d.Changes = append(d.Changes, Change{What: "new", After: e})
			continue
		}
		delete(old, fold(e.Account))
		fields := differ(a.Entry, e)
		switch {
		case !a.Gone.IsZero():
			d.New++
			d.Changes = append(d.Changes, Change{What: "back", Before: a.Entry, After: e, Fields: fields, old: a})
		case len(fields) > 0:
			d.Changed++
			d.Changes = append(d.Changes, Change{What: "changed", Before: a.Entry, After: e, Fields: fields, old: a})
		default:
			d.Same++
		}
	}
	for _, a := range old {
		if a.Gone.IsZero() {
			d.Gone++
			d.Changes = append(d.Changes, Change{What: "gone", Before: a.Entry, old: a})
		}
	}
	slices.SortFunc(d.Changes, func(a, b Change) int { return strings.Compare(a.name(), b.name()) })
	d.Thin = there >= 10 && d.Gone*2 > there
	return d
}

func (c *Change) name() string {
	if c.After.Account != "" {
		return fold(c.After.Account)
	}
	return fold(c.Before.Account)
}

// differ names the fields in which two entries differ, as pages show them.
func differ(a, b Entry) []string {
	var out []string
	add := func(name string, same bool) {
		if !same {
			out = append(out, name)
		}
	}
	add("spelling", a.Account == b.Account)
	add("name", a.Name == b.Name)
	add("mail", strings.EqualFold(a.Mail, b.Mail))
	add("enabled", a.Enabled == b.Enabled)
	add("second factor", a.MFA == b.MFA)
	add("privileged", a.Privileged == b.Privileged)
	add("last used", a.LastUsed.Equal(b.LastUsed) && a.Never == b.Never)
	add("groups", slices.Equal(a.Groups, b.Groups))
	return out
}

// apply writes a change into the account it is about. A match that rested on
// what has changed ends: the account may be another person's now.
func (c *Change) apply(a *Account, now, asOf time.Time) {
	a.Changed = now
	if c.What == "gone" {
		a.Gone = asOf
		return
	}
	renamed := a.Name != c.After.Name || !strings.EqualFold(a.Mail, c.After.Mail)
	if c.old != nil && a.Kind == Persons && (renamed || c.What == "back") {
		a.unmatch()
	}
	a.Entry, a.Gone = c.After, time.Time{}
}

func (a *Account) unmatch() {
	a.Kind, a.Person, a.Owner, a.Vendor, a.Reason, a.How, a.By, a.Matched = Nobodys, "", "", "", "", "", "", time.Time{}
}
