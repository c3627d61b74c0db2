package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/node/bypass"
	"github.com/labwarden/labwarden/internal/platform/config"
)

func bypassCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bypass",
		Short: "The way round a hub that does not run: results go straight to the partners",
		Long: `Carry results round a dead hub, byte for byte, over the approved channels, without
its database and keys. The laboratory's system connects where it always does. It
gets its acknowledgement when every partner has accepted; what cannot be delivered
stays with it. docs/operate/bypass.md has a card to print.`,
	}
	c.AddCommand(bypassOpenCommand(), bypassStatusCommand(), bypassExtendCommand(), bypassCloseCommand(), bypassReconcileCommand(), bypassKeyCommand())
	return c
}

func namedFlags(c *cobra.Command) *bypass.Named {
	n := &bypass.Named{}
	c.Flags().StringVar(&n.By, "by", "", "your name (needed)")
	c.Flags().StringVarP(&n.Reason, "reason", "r", "", "why (needed); never name a patient")
	return n
}

func needNamed(c *cobra.Command, n *bypass.Named) error {
	if err := n.Check(); err != nil {
		return usageError{c.CommandPath(), fmt.Errorf(`%w: --by "R. Alvarez" --reason "the hub does not start"`, err)}
	}
	return nil
}

// bypassNode reads the node section of the configuration; from there on
// relative paths count from its folder.
func bypassNode(c *cobra.Command, path string) (*config.Node, error) {
	file, err := readDraft(path, time.Now())
	if err != nil {
		return nil, err
	}
	return file.node(c.ErrOrStderr())
}

func bypassSocket(n *config.Node) string { return bypass.Socket(bypass.Folder(string(n.Data))) }

func bypassOpenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "open",
		Short: "Open the bypass; it stays open while this runs, 8 hours at most",
		Long: `Open the bypass. It is refused while the hub answers or holds the data folder, and
while it is open no hub starts. It ends after 8 hours unless somebody extends it,
and warns an hour before. Closing the terminal does not end it.`,
	}
	path, n := configFlag(c), namedFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := needNamed(c, n); err != nil {
			return err
		}
		node, err := bypassNode(c, *path)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGHUP) // the terminal may go
		log := logger(config.Log{Level: "info", Format: "text"}, c.ErrOrStderr())
		b, err := app.OpenBypass(c.Context(), node, *n, app.Deps{Now: time.Now, Log: log, Version: Version()})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		w := c.OutOrStdout()
		printOpened(w, b)
		end, err := b.Run(c.Context())
		switch {
		case end.Over:
			fmt.Fprintln(w, "The bypass has ended: its 8 hours are over. Results stay at the laboratory's system now.")
		case end.By != "":
			fmt.Fprintf(w, "The bypass was closed by %s.\n", end.By)
		default:
			fmt.Fprintln(w, "The bypass was stopped.")
		}
		fmt.Fprintln(w, "Next: start the hub. It reads what went in bypass into its ledger by itself.")
		return err
	}
	return c
}

func printOpened(w io.Writer, b *app.Bypass) {
	st := b.State()
	for _, source := range sortedKeys(st.Doors) {
		fmt.Fprintf(w, "listening %s %s\n", source, st.Doors[source])
	}
	fmt.Fprintf(w, "THE BYPASS IS OPEN, by %s, until %s. Configuration revision %d of %s.\n", st.By, clock(st.Until), st.Number, b.Card.Lab)
	fmt.Fprintln(w, "Results go straight to the partners; the laboratory's system gets its acknowledgement when they have accepted.")
	for _, p := range sortedKeys(st.Cannot) {
		fmt.Fprintf(w, "NOT REACHED in bypass: %s (%s). Its results stay at the laboratory's system.\n", p, st.Cannot[p])
	}
	if b.Earlier > 0 {
		fmt.Fprintf(w, "%d earlier bypass logs are not in the hub yet; what they say was sent is not sent again.\n", b.Earlier)
	}
	for _, u := range b.Unread {
		fmt.Fprintf(w, "WARNING: an earlier log could not be read whole (%s): partners may get some results twice.\n", u)
	}
	fmt.Fprintln(w, "Close it, from another terminal, with: labwarden bypass close --by NAME --reason WHY")
}

func bypassStatusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Whether a bypass is open, until when, and what went through it",
		Long:  `Say whether a bypass is open. Exit status: 0 one is open, 1 none is.`,
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		node, err := bypassNode(c, *path)
		if err != nil {
			return err
		}
		st, err := bypass.Ask(c.Context(), bypassSocket(node), "state", nil)
		w := c.OutOrStdout()
		if errors.Is(err, bypass.ErrNotOpen) {
			logs, err := bypass.Logs(bypass.Folder(string(node.Data)))
			if err != nil {
				return err
			}
			if *asJSON {
				return errors.Join(showJSON(c, map[string]any{"open": false, "unread_logs": len(logs)}), errSilent)
			}
			fmt.Fprintln(w, "No bypass is open.")
			if len(logs) > 0 {
				fmt.Fprintf(w, "%d bypass logs wait to be read in; the hub does that when it starts.\n", len(logs))
			}
			return errSilent
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return showJSON(c, st)
		}
		printBypass(w, st)
		return nil
	}
	return c
}

func printBypass(w io.Writer, st bypass.State) {
	fmt.Fprintf(w, "A bypass is open since %s, by %s (%s), until %s.\n", clock(st.OpenedAt), st.By, st.Reason, clock(st.Until))
	fmt.Fprintf(w, "%d messages delivered and acknowledged, the last at %s; %d repeats acknowledged; %d times \"send it again\"; %d refusals.\n",
		st.Counts.Acknowledged, clock(st.Counts.LastAt), st.Counts.Repeated, st.Counts.Later, st.Counts.Refused)
	for _, p := range sortedKeys(st.Cannot) {
		fmt.Fprintf(w, "Not reached in bypass: %s (%s).\n", p, st.Cannot[p])
	}
}

func bypassExtendCommand() *cobra.Command {
	return bypassAct("extend", "Let the open bypass run for 8 more hours from now", func(st bypass.State) string {
		return "The bypass now ends at " + clock(st.Until) + "."
	})
}

func bypassCloseCommand() *cobra.Command {
	return bypassAct("close", "Close the bypass; what is being delivered is finished first", func(st bypass.State) string {
		return fmt.Sprintf("The bypass closes: %d messages went through it. Start the hub now; it reads them into its ledger by itself.", st.Counts.Acknowledged)
	})
}

func bypassAct(what, short string, say func(bypass.State) string) *cobra.Command {
	c := &cobra.Command{Use: what, Short: short}
	path, n := configFlag(c), namedFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needNamed(c, n); err != nil {
			return err
		}
		node, err := bypassNode(c, *path)
		if err != nil {
			return err
		}
		st, err := bypass.Ask(c.Context(), bypassSocket(node), what, n)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), say(st))
		return nil
	}
	return c
}

func bypassKeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Make the bypass key where there is none; one that is there stays",
		Long: `Make the bypass key file (node.bypass.key) of a laboratory that has none; init makes
it for a new one. The hub writes the card that goes with it at its next start.`,
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		node, err := bypassNode(c, *path)
		if err != nil {
			return err
		}
		if err := app.MakeBypassKey(node); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "The bypass key is %s. Keep a copy away from this machine, and restart the hub: it then writes its card.\n", node.Bypass.Key)
		return nil
	}
	return c
}

func bypassReconcileCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reconcile",
		Short: "Read what went in bypass into store and ledger",
		Long: `Read the bypass logs into store and ledger as "sent in bypass". The hub does this by
itself when it starts; this does it again, for a log that could not be read then.
Nothing is entered or sent twice, however often it runs.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		read, err := client.ReadBypass(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, read, func(w io.Writer) {
			if len(read.Sessions) == 0 {
				fmt.Fprintln(w, "There is no bypass log to read in.")
			}
			for _, s := range read.Sessions {
				fmt.Fprintf(w, "Session %s, opened %s by %s: %d sent in bypass entered, %d read before, %d in the hub as well (%d of them sent by both), %d with a control id the hub knows for another body, %d older ones held, %d stayed at the laboratory's system.\n",
					s.Session[:min(8, len(s.Session))], clock(s.OpenedAt), s.By, s.Taken, s.Before, s.Too, s.Twice, s.Conflicts, s.Held, s.StayedWithLIS)
				if len(s.InBoth)+len(s.InConflict) > 0 {
					fmt.Fprintf(w, "  In the hub and in bypass: %s\n", strings.Join(append(s.InBoth, s.InConflict...), " "))
				}
				if s.Damage != "" {
					fmt.Fprintf(w, "  The log is damaged (%s): what stands before the damage was read in. Keep the file.\n", s.Damage)
				}
			}
		})
	}
	return c
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
