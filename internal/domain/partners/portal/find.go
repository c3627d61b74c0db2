package portal

import (
	"context"
	"slices"
	"strings"
)

// findMost is how many results of a practice are looked through, the newest first: labels
// are sealed, so each is opened. About a second's work on a slow machine.
const findMost = 20_000

// Find lists what a person sees whose patient, birth date, tests or numbers have all the
// words, the newest first. It writes that the list was shown. whole is false where not
// everything was looked through.
func (s *Service) Find(ctx context.Context, p *Person, text string) (items []Item, whole bool, err error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 || len(text) > 200 {
		return nil, true, wrong("words", "Write a part of the patient's name, their birth date as 1990-05-05, or a number.")
	}
	all, err := s.items(ctx, p, Ask{All: true}, findMost)
	if err != nil {
		return nil, true, err
	}
	whole = len(all) < findMost
	slices.SortStableFunc(all, func(a, b Item) int { return b.Placed.Compare(a.Placed) })
	for i := range all {
		l := &all[i].Label
		in := strings.ToLower(strings.Join(slices.Concat([]string{l.Patient, l.Born, l.Lab}, l.Tests, l.Orders), " "))
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(in, w) }) {
			continue
		}
		if items = append(items, all[i]); len(items) == listMost {
			whole = whole && i == len(all)-1
			break
		}
	}
	return items, whole, s.listed(ctx, p, items)
}
