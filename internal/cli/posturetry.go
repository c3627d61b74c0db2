package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/posture"
)

func postureTryCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "try", Short: "Open a box without results in which a partner's client tries itself", Args: cobra.NoArgs,
		Long: `Opens a box in which somebody at a partner can try a client by SFTP and FTPS, and a
browser or program at the portal and the FHIR server. No result is in it, and what is put into
it is not kept. What was negotiated, and what to change, stands in results/REPORT.txt
there, and in labwarden posture tried here. It ends with its time, or when the hub stops.`,
		Example: "  labwarden posture try --partner riverside\n  labwarden posture try --key id_ed25519.pub --for 4h",
	}
	f := addHubFlags(c)
	partner := c.Flags().String("partner", "", "the partner that it is for, for the record")
	key := c.Flags().String("key", "", "file with a public SSH key that may sign in besides the code")
	life := c.Flags().Duration("for", time.Hour, "how long it lasts, 24h at most")
	c.RunE = func(c *cobra.Command, _ []string) error {
		q := posture.NewTrial{Partner: *partner, Minutes: max(int(*life/time.Minute), -1)}
		if q.Minutes == 0 {
			q.Minutes = -1 // less than a minute is not the default
		}
		if *key != "" {
			b, err := os.ReadFile(*key)
			if err != nil {
				return fmt.Errorf("read key: %w", err)
			}
			q.Key = string(b)
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		m, err := client.MakeTrial(c.Context(), q)
		if err != nil {
			return err
		}
		return f.show(c, m, func(w io.Writer) { printTrial(w, m) })
	}
	return c
}

func printTrial(w io.Writer, m posture.MadeTrial) {
	fmt.Fprintf(w, "The trial lasts until %s.\n\n  user   %s\n  code   %s\n\nThe code is the password; asked for a code besides, press Enter. It is not told again. To try:\n\n", clock(m.Ends), m.Name, m.Code)
	for _, x := range m.Ways {
		fmt.Fprintf(w, "  %-16s%s\n", x.What, x.Line)
	}
	fmt.Fprintf(w, "\nThe client finds its report in results/REPORT.txt; here: labwarden posture tried %s\n", m.Name)
}

func postureTriedCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tried [NAME]", Short: "The reports of trials of the last day", Args: cobra.MaximumNArgs(1),
		Example: "  labwarden posture tried\n  labwarden posture tried try.k7m2p4q6rs",
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		a, err := client.TrialList(c.Context())
		if err != nil {
			return err
		}
		if len(args) == 1 {
			r, ok := a.Reports[args[0]]
			if !ok {
				return fmt.Errorf("there is no trial %s on this node; labwarden posture tried lists them", args[0])
			}
			for i := range a.Trials {
				if a.Trials[i].Name == args[0] {
					return f.show(c, a.Trials[i], func(w io.Writer) { fmt.Fprint(w, r) })
				}
			}
		}
		return f.show(c, a, func(w io.Writer) {
			if len(a.Trials) == 0 {
				fmt.Fprintln(w, "There was no trial on this node in the last day.")
			}
			for i := range a.Trials {
				if i > 0 {
					fmt.Fprintln(w, strings.Repeat("-", 72))
				}
				fmt.Fprint(w, a.Reports[a.Trials[i].Name])
			}
		})
	}
	return c
}
