package accounts

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/labwarden/labwarden/internal/platform/event"
)

// Suggestion is somebody an account may belong to. A person confirms it.
type Suggestion struct {
	Person Person `json:"-"`
	Name   string `json:"name"`
	Why    string `json:"why"`
}

// book finds our people by what lists say of them.
type book struct {
	byID, byMail, byAccount, byName map[string][]*Person
}

func newBook(people []Person) *book {
	b := &book{map[string][]*Person{}, map[string][]*Person{}, map[string][]*Person{}, map[string][]*Person{}}
	for i := range people {
		p := &people[i]
		add := func(m map[string][]*Person, k string) {
			if k != "" {
				m[k] = append(m[k], p)
			}
		}
		add(b.byID, p.ID.String())
		add(b.byMail, fold(p.Mail))
		add(b.byAccount, fold(p.Account))
		add(b.byName, normal(p.Name))
	}
	return b
}

func (b *book) person(id string) *Person {
	if p := b.byID[id]; len(p) == 1 {
		return p[0]
	}
	return nil
}

// certain is the one person whose mail or account name is exactly the account's,
// where nothing speaks against it: another person's mail, another name.
func (b *book) certain(e Entry) (*Person, string) {
	byMail := b.byMail[fold(e.Mail)]
	byAccount := b.byAccount[local(e.Account)]
	switch {
	case e.Mail != "" && len(byMail) == 1 && (len(byAccount) == 0 || byAccount[0] == byMail[0]):
		return byMail[0], "mail"
	case e.Mail != "" && len(byMail) > 0:
		return nil, ""
	case len(byAccount) == 1 && e.Mail == "" && (e.Name == "" || normal(e.Name) == normal(byAccount[0].Name)):
		return byAccount[0], "account"
	}
	return nil, ""
}

// local is an account name without the domain that Windows puts before or behind.
func local(account string) string {
	a := fold(account)
	if _, after, ok := strings.Cut(a, `\`); ok {
		a = after
	}
	a, _, _ = strings.Cut(a, "@")
	return a
}

// suggest lists whom an account may belong to, the likeliest first.
func (b *book) suggest(e Entry) []Suggestion {
	var out []Suggestion
	seen := map[event.ID]bool{}
	add := func(people []*Person, why string) {
		for _, p := range people {
			if !seen[p.ID] && len(out) < 5 {
				seen[p.ID] = true
				out = append(out, Suggestion{*p, p.Name, why})
			}
		}
	}
	if e.Mail != "" {
		add(b.byMail[fold(e.Mail)], "the same mail")
	}
	add(b.byAccount[local(e.Account)], "the same account name")
	if n := normal(e.Name); n != "" {
		add(b.byName[n], "the same name")
	}
	if n := normal(local(e.Account)); n != "" { // jane.doe
		add(b.byName[n], "the account reads as the name")
	}
	return out
}

// normal is a name without accents, signs, order and case: "Doe, Jane A." and
// "jane doe" are alike. Single letters are left out.
func normal(name string) string {
	var words []string
	word := func(r rune) bool { return !unicode.IsLetter(r) }
	flat := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
	for _, w := range strings.FieldsFunc(flat, word) {
		if len([]rune(w)) > 1 {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}
