package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// checkCarry says what routes lack that would begin to carry: the file could
// not be applied. The running hub is asked, or its store while none runs.
func checkCarry(c *cobra.Command, file *draft) error {
	var carry []results.Candidate
	for _, r := range file.conf.Routes {
		if r.Stage == results.Carry.String() {
			carry = append(carry, app.Candidate(file.conf, r))
		}
	}
	if len(carry) == 0 {
		return nil
	}
	client := control.NewClient(string(file.conf.Node.Control.Socket))
	defer client.Close()
	a, err := client.MayCarry(c.Context(), carry)
	missing := a.Missing
	if errors.Is(err, control.ErrNoHub) {
		err = withHub(c, file, func(h *app.Hub) error {
			missing, err = h.MayCarry(c.Context(), file.conf)
			return err
		})
	}
	if errors.Is(err, app.ErrNotInitialised) {
		return nil // nothing could be approved yet: `init` comes first
	}
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "Whether its routes may carry was not looked at: %v\n", err)
		return nil
	}
	for _, m := range missing {
		fmt.Fprintf(c.ErrOrStderr(), "%s: %s.\n", file.path, m)
	}
	if len(missing) > 0 {
		return errSilent
	}
	return nil
}
