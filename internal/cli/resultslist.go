package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func resultsListCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Results, newest first, with their deliveries; no patient data",
		Long: `List results, newest first. The number before each partner is the delivery: hold,
release, refuse and resend take it.`,
	}
	f, choose := addHubFlags(c), addFilterFlags(c)
	limit := c.Flags().IntP("limit", "n", 50, "at most so many, up to 500")
	before := c.Flags().Int64("before", 0, "go on from here (the list says the number)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *limit < 1 || *limit > 500 {
			return usageError{c.CommandPath(), fmt.Errorf("--limit is from 1 to 500, not %d", *limit)}
		}
		filter, err := choose.filter(c, time.Now())
		if err != nil {
			return err
		}
		filter.Limit, filter.Before = *limit, *before
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Results(c.Context(), filter)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) { printResults(w, list) })
	}
	return c
}

func printResults(w io.Writer, list control.Results) {
	if len(list.Results) == 0 {
		fmt.Fprintln(w, "No results.")
	} else {
		rows := make([][]string, len(list.Results))
		for i, r := range list.Results {
			rows[i] = []string{r.ID, clock(r.ReceivedAt), r.Source, fmt.Sprint(r.Size), marks(r), deliveries(r.Deliveries)}
		}
		table(w, "MESSAGE|RECEIVED|SOURCE|BYTES|MARKS|DELIVERIES", rows)
	}
	if list.Next > 0 {
		fmt.Fprintf(w, "There may be older ones: --before %d\n", list.Next)
	}
}
