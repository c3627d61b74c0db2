package app

import (
	"context"

	"github.com/labwarden/labwarden/internal/domain/access/accountsui"
)

// recordPrograms are the service accounts as the record names them: whoever made one
// stands beside what it saw.
func (h *Hub) recordPrograms(ctx context.Context) ([]accountsui.Program, error) {
	all, err := h.Access.Services(ctx)
	out := make([]accountsui.Program, len(all))
	for i, a := range all {
		out[i] = accountsui.Program{Account: a.Account, Name: a.Name, MadeBy: a.MadeBy}
	}
	return out, err
}
