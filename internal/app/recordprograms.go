package app

import (
	"context"

	"github.com/labwarden/labwarden/internal/domain/access/accountsui"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
)

// recordPrograms are the service accounts as the record names them: whoever made one
// stands beside what it saw.
func (h *Hub) recordPrograms(ctx context.Context) ([]accountsui.Program, error) {
	all, err := h.Access.Services(ctx)
	out := make([]accountsui.Program, len(all))
	for i, a := range all {
		out[i] = accountsui.Program{Account: a.Account, Name: a.Name, MadeBy: a.MadeBy}
	}
	c := h.inForce()
	if c == nil {
		return out, err
	}
	for _, key := range sorted(c.Partners) {
		if d := c.Partners[key].Destination.FHIRPull; d != nil {
			out = append(out, accountsui.Program{Account: resultsfhir.Account(d.ClientID), Name: "The program of " + c.Partners[key].Name, MadeBy: ""})
		}
	}
	return out, err
}
