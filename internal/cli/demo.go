package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "A whole laboratory on this machine: watch results travel",
		Long: `Start a whole laboratory in a temporary folder: a simulated laboratory system,
the hub, and three practices (HL7 over TLS, FHIR R4, an encrypted folder), each
a process of its own with its own list. 93 invented messages travel; at the end
the lists are compared and every delivery's proof is checked.

The last line says what was counted:
  R received    presented by the laboratory system
  Q quarantined kept apart for a person, because they cannot be read
  D delivered   transmissions the transport completed
  A acknowledged of these, answered by the partner's own reply (a file is not)
  P proofs      verified with the laboratory's public key alone
  lost          due and neither delivered, held nor in quarantine
Anything lost is a failure.`,
	}
	once := c.Flags().Bool("once", false, "no live view: run through and print the count")
	keep := c.Flags().Bool("keep", false, "leave the temporary folder for looking around")
	c.RunE = func(c *cobra.Command, _ []string) error {
		pace, watch := 40*time.Millisecond, func(ctx context.Context, s *results.Service) { watchJourneys(ctx, s, c.OutOrStdout()) }
		if *once {
			pace, watch = 0, nil
		}
		t, proofs, err := runDemo(c.Context(), c.OutOrStdout(), pace, *keep, watch)
		if err != nil {
			return err
		}
		return demoVerdict(c, t, proofs)
	}
	return c
}

func demoVerdict(c *cobra.Command, t demo.Tally, proofs int) error {
	out := c.OutOrStdout()
	for _, p := range t.Problems {
		fmt.Fprintf(out, "problem: %s\n", p)
	}
	fmt.Fprintf(out, "demo: %d received, %d quarantined, %d delivered, %d acknowledged, %d proofs verified, %d lost\n",
		t.Received, t.Quarantined, t.Delivered, t.Acknowledged, proofs, t.Lost)
	switch {
	case !t.OK():
		return errSilent
	case proofs != t.Delivered:
		return errors.New("not every delivery has a proof that holds")
	}
	return nil
}
