package app

import (
	"context"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
)

// calledFor is how long names of people are kept: a page of a result asks for each
// act on it.
const calledFor = 10 * time.Second

// called says how people are called whom the ledger names. Where they cannot be
// read it leaves what stands there.
func (h *Hub) called() func(who string) string {
	var mu sync.Mutex
	var names record.Names
	var at time.Time
	return func(who string) string {
		mu.Lock()
		defer mu.Unlock()
		if now := h.now(); names == nil || now.Sub(at) >= calledFor || now.Before(at) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			people, err := h.Access.People(ctx)
			if err != nil {
				return who
			}
			names, at = record.NewNames(), now
			for i := range people {
				names.Add(people[i].ID, people[i].Account, people[i].Name)
			}
		}
		return names.Of(who)
	}
}
