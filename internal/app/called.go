package app

import (
	"context"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
)

// names is how people and programs of events read.
func (h *Hub) names(ctx context.Context) (record.Names, error) {
	people, err := h.Access.People(ctx)
	if err != nil {
		return nil, err
	}
	programs, err := h.Access.Services(ctx)
	if err != nil {
		return nil, err
	}
	out := record.NewNames()
	for i := range people {
		out.Add(people[i].ID, people[i].Account, people[i].Name)
	}
	for i := range programs {
		out.AddProgram(programs[i].Account, programs[i].Name, programs[i].MadeBy)
	}
	practices, err := h.rooms.portal.Names(ctx)
	if err != nil {
		return nil, err
	}
	for i := range practices {
		out.Add(practices[i].ID, "portal:"+practices[i].Account, practices[i].Name)
	}
	return out, nil
}

// calledFor is how long names are kept: a page of a result asks for each act on it.
const calledFor = 10 * time.Second

// called says how those are called whom the ledger names. Where they cannot be read
// it leaves what stands there.
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
			read, err := h.names(ctx)
			if err != nil {
				return who
			}
			names, at = read, now
		}
		return names.Of(who)
	}
}
