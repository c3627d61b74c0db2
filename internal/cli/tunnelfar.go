package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/channel/tunnel"
	"github.com/labwarden/labwarden/internal/node/tunnelend"
	"github.com/labwarden/labwarden/internal/platform/config"
)

func folderFlag(c *cobra.Command) *string {
	return c.Flags().String("dir", "./labwarden-tunnel", "folder of this end: its keys and what was confirmed")
}

func tunnelJoinCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "join TOKEN",
		Short: "At the far side: join a tunnel with its one-time token",
		Long: `Join a tunnel on this machine. Keys are made here and stay here. The hub is believed
only if its certificate is the one the token names. Then it shows what the laboratory
asks this machine to forward, and forwards what you agree to. - reads the token from
standard input, so that it does not stand in the shell's history.`,
		Args: cobra.ExactArgs(1),
	}
	dir := folderFlag(c)
	yes := c.Flags().Bool("yes", false, "agree to what is shown without being asked")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		token := args[0]
		if token == "-" {
			b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 64<<10))
			if err != nil {
				return fmt.Errorf("read the token: %w", err)
			}
			token = string(b)
		}
		f := tunnelend.Folder(*dir)
		s, err := tunnelend.Join(c.Context(), f, token, farDeps(c, "error"))
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		if *asJSON {
			if *yes {
				if err := f.Confirm(s.Lines()); err != nil {
					return err
				}
			}
			return printJSON(c.OutOrStdout(), map[string]any{"tunnel": s.Name, "laboratory": s.Lab, "kind": s.Kind, "asks": s.Lines(), "confirmed": *yes})
		}
		fmt.Fprintf(c.OutOrStdout(), "Joined tunnel %s of %s.\n", s.Name, s.Lab)
		if err := confirmLines(c, f, s, *yes); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Start it with: labwarden tunnel run --dir %s\n", *dir)
		return nil
	}
	return c
}

func farDeps(c *cobra.Command, level string) tunnelend.Deps {
	return tunnelend.Deps{Now: time.Now, Log: logger(config.Log{Level: level, Format: "text"}, c.ErrOrStderr())}
}

// confirmLines shows what the laboratory asks for and keeps what was agreed to.
func confirmLines(c *cobra.Command, f tunnelend.Folder, s tunnel.FarState, yes bool) error {
	w := c.OutOrStdout()
	fmt.Fprintln(w, "The laboratory asks this machine to")
	for _, r := range s.Reach {
		fmt.Fprintf(w, "  connect to %s when the laboratory wants to reach it\n", r)
	}
	for _, o := range s.Offers {
		fmt.Fprintf(w, "  listen on %s and carry what connects there to the laboratory's source %s\n", o.Listen, o.Service)
	}
	if !yes {
		if _, ok := terminal(c); !ok {
			fmt.Fprintln(w, "Nothing of it is confirmed, so nothing passes. Agree with: labwarden tunnel confirm --yes")
			return nil
		}
		fmt.Fprint(w, "Agree to all of it? [y/N] ")
		line, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
			fmt.Fprintln(w, "Nothing was confirmed. labwarden tunnel confirm asks again.")
			return nil
		}
	}
	if err := f.Confirm(s.Lines()); err != nil {
		return err
	}
	fmt.Fprintln(w, "Confirmed. Nothing else passes, whatever the laboratory asks for later.")
	return nil
}

func tunnelConfirmCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "confirm",
		Short: "At the far side: agree to what the laboratory asks this machine to forward",
		Long: `Show what the laboratory asks this machine to forward and agree to it. What was agreed
to before and is no longer asked for is dropped. A running labwarden tunnel run takes
it within seconds.`,
	}
	dir := folderFlag(c)
	yes := c.Flags().Bool("yes", false, "agree without being asked")
	c.RunE = func(c *cobra.Command, _ []string) error {
		f := tunnelend.Folder(*dir)
		s, err := f.State()
		if err != nil {
			return err
		}
		pending, err := f.Pending()
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			fmt.Fprintln(c.OutOrStdout(), "Everything that the laboratory asks for is confirmed:")
			for _, l := range s.Lines() {
				fmt.Fprintf(c.OutOrStdout(), "  %s\n", l)
			}
			return nil
		}
		return confirmLines(c, f, s, *yes)
	}
	return c
}

func tunnelRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "At the far side: keep the tunnel up; prints what it forwards",
		Long: `Keep the tunnel up and forward what was confirmed. It connects to the hub by itself, so
it works behind a router, and comes back after any break. It needs no root.`,
	}
	dir := folderFlag(c)
	level := c.Flags().String("log", "info", "the least important line written: debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		w := c.OutOrStdout()
		return tunnelend.Run(c.Context(), tunnelend.Folder(*dir), farDeps(c, *level), func(s tunnel.FarState, forwards, waits []string) {
			fmt.Fprintf(w, "tunnel %s to %s (%s)\n", s.Name, s.Lab, s.Hub)
			for _, l := range forwards {
				fmt.Fprintf(w, "forwarding %s\n", l)
			}
			for _, l := range waits {
				fmt.Fprintf(w, "NOT forwarding %s: confirm it with labwarden tunnel confirm --dir %s\n", l, *dir)
			}
			if len(forwards)+len(waits) == 0 {
				fmt.Fprintln(w, "forwarding nothing: the laboratory asks for nothing")
			}
		})
	}
	return c
}
