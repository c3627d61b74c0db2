package ledger

import (
	"context"
	"sort"
)

// Memory is a Groups that keeps its rows in memory, in the order of First. It
// is for tests, trials and short-lived ledgers; it is not safe for concurrent
// writing.
type Memory struct{ Rows []Group }

// Append adds events as one row and returns the head after them.
func (m *Memory) Append(head Head, events ...[]byte) (Head, error) {
	g, next, err := Append(head, events)
	if err != nil {
		return Head{}, err
	}
	m.Rows = append(m.Rows, g)
	return next, nil
}

// ByLeaf implements Groups.
func (m *Memory) ByLeaf(_ context.Context, leaf int64) (Group, error) {
	return m.before(sort.Search(len(m.Rows), func(i int) bool { return m.Rows[i].First > leaf }))
}

// ByHash implements Groups.
func (m *Memory) ByHash(_ context.Context, index int64) (Group, error) {
	return m.before(sort.Search(len(m.Rows), func(i int) bool { return m.Rows[i].FirstHash > index }))
}

func (m *Memory) before(i int) (Group, error) {
	if i == 0 {
		return Group{}, ErrNotFound
	}
	return m.Rows[i-1], nil
}
