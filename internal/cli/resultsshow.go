package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func resultsShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "show MESSAGE",
		Short: "One result and its ways; with --body the message itself, which is recorded",
		Long: `Show one result and how far it has come on each way. With --body the message
itself is printed: patient data. The hub writes into its ledger that you looked,
and when and why; if it cannot write that, it shows nothing.`,
		Args: cobra.ExactArgs(1),
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	body := c.Flags().Bool("body", false, "print the message; needs --reason and is recorded")
	raw := c.Flags().Bool("raw", false, "with --body: the bytes as they came, nothing else on standard output")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *raw && (!*body || *f.json) {
			return usageError{c.CommandPath(), errors.New("--raw goes with --body and without --json")}
		}
		if *body {
			if err := needReason(c, *reason); err != nil {
				return err
			}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		if !*body {
			r, err := client.Result(c.Context(), args[0])
			if err != nil {
				return err
			}
			return f.show(c, r, func(w io.Writer) { printResult(w, r) })
		}
		b, err := client.View(c.Context(), args[0], *reason)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.ErrOrStderr(), "This look was recorded in the ledger.")
		if *raw {
			_, err := c.OutOrStdout().Write(b.Body)
			return err
		}
		return f.show(c, b, func(w io.Writer) {
			printResult(w, b.About)
			fmt.Fprintln(w)
			printBody(w, b.Body)
		})
	}
	return c
}

func printResult(w io.Writer, r control.Result) {
	fmt.Fprintf(w, "Message %s\nReceived %s from %s, %d bytes, ledger leaf %d, marks: %s\n", r.ID, clock(r.ReceivedAt), r.Source, r.Size, r.Leaf, marks(r))
	if len(r.Deliveries) == 0 {
		fmt.Fprintln(w, "It goes nowhere.")
		return
	}
	rows := make([][]string, len(r.Deliveries))
	for i, d := range r.Deliveries {
		rows[i] = []string{fmt.Sprint(d.Number), d.Partner, d.Route, stateWords(d), d.Code, fmt.Sprint(d.Attempts), clock(d.ChangedAt), clock(d.NextAt), d.Reason}
	}
	table(w, "DELIVERY|PARTNER|ROUTE|STATE|ANSWER|TRIES|CHANGED|NEXT TRY|REASON", rows)
	for _, d := range r.Deliveries {
		if d.SupersededBy != "" {
			fmt.Fprintf(w, "SUPERSEDED for %s: the latest is message %s.\n", d.Partner, d.SupersededBy)
		}
		if d.Words != "" && d.State == "done" {
			fmt.Fprintf(w, "%s.\n", d.Words)
		}
	}
}

// printBody prints a message for a person: a line per segment, and no control
// character that could command the terminal.
func printBody(w io.Writer, body []byte) {
	body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	out := make([]byte, 0, len(body)+1)
	for _, c := range body {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == 0x9b {
			c = '.'
		}
		out = append(out, c)
	}
	if len(out) == 0 || out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	w.Write(out) //nolint:errcheck // as the prints before it
}
