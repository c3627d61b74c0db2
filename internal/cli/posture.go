package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/posture"
)

func postureCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "posture", Short: "How well each way is protected: protocol, cipher and key exchange as last negotiated",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(c, args[0])
			}
			return nil
		},
		Long: `Shows one line for each way on which results or people come and go: protocol, cipher
and key exchange as last negotiated, post-quantum, FIPS, end-to-end encryption, and
whether it meets the guidance of HHS on patient data that is secured in motion, with
the reason. What was not seen is said to be not seen; it never counts as good.`,
		Example: "  labwarden posture\n  labwarden posture --json",
	}
	c.AddCommand(postureTryCommand(), postureTriedCommand())
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		a, err := client.Posture(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, a, func(w io.Writer) { printPosture(w, a.Lines, time.Now()) })
	}
	return c
}

func printPosture(w io.Writer, all []posture.Line, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(w, "There is no channel yet.")
		return
	}
	rows := make([][]string, len(all))
	for i := range all {
		l := &all[i]
		what := strings.Join(strings.Fields(l.Protocol+" "+l.Cipher+" "+l.Exchange), " ")
		switch l.Protocol {
		case "":
			what = "not seen yet"
		case "none":
			what = "no encryption"
		}
		rows[i] = []string{l.Channel, l.Way, what, clock(l.SeenAt), l.PostQuantum, l.FIPS, l.EndToEnd, l.Guidance}
	}
	table(w, "CHANNEL|WAY|LAST NEGOTIATED|SEEN|POST-QUANTUM|FIPS|END TO END|MEETS HHS GUIDANCE", rows)
	fmt.Fprintln(w)
	for i := range all {
		l := &all[i]
		fmt.Fprintf(w, "%s, %s: %s\n", l.Channel, l.Way, l.Why)
		for _, d := range l.Dates {
			fmt.Fprintf(w, "  %s%s\n", d.Kind, dateWords(d, now))
		}
	}
}

func dateWords(d posture.Date, now time.Time) string {
	s := ""
	if d.Of != "" {
		s = " (" + d.Of + ")"
	}
	if !d.From.IsZero() {
		s += fmt.Sprintf(", %d days old", int(now.Sub(d.From)/(24*time.Hour)))
	}
	switch {
	case d.Past:
		s += ", ended " + clock(d.Ends)
	case !d.Ends.IsZero():
		s += ", ends " + clock(d.Ends)
	}
	if d.Owner != "" {
		s += ", owner " + d.Owner
	}
	return s
}
