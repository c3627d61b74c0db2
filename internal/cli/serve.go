package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/config"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub: take results in and deliver them until told to stop",
		Long: `Run the hub with the configuration. It listens only where the configuration
says (this machine alone by default), delivers until it gets SIGTERM or SIGINT,
and then stops within ten seconds; what it has acknowledged is on disk.`,
	}
	path := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		file, err := readDraft(*path, time.Now())
		if err != nil {
			return err
		}
		if err := file.problems.Render(c.ErrOrStderr(), file.source); err != nil {
			return fmt.Errorf("show problems: %w", err)
		}
		local, err := file.node(c.ErrOrStderr())
		if err != nil {
			return err
		}
		seals, err := app.Seals(local, nil)
		if err != nil {
			return err
		}
		log := logger(file.log(), c.ErrOrStderr())
		node, err := nodeName(local)
		if err != nil {
			return err
		}
		h, err := app.Open(c.Context(), &config.Config{Node: *local}, seals, app.Deps{Now: time.Now, Log: log, Node: node, Version: Version(), File: file.abs})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Close()) }()
		conf, err := begin(c, h, local, file)
		if err != nil {
			return err
		}
		err = h.Serve(c.Context(), conf, func(addrs map[string]string) {
			for source, addr := range addrs {
				fmt.Fprintf(c.OutOrStdout(), "listening %s %s\n", source, addr)
			}
			log.Info("ready", "sources", len(addrs), "partners", len(conf.Partners))
		})
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		log.Info("stopped")
		return err
	}
	return c
}

// nodeName is what this node is called in the ledger and by the other nodes.
func nodeName(n *config.Node) (string, error) {
	if n.Name != "" {
		return n.Name, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find this machine's name: %w", err)
	}
	return name, nil
}

// begin finds what runs, and says where the file differs from it.
func begin(c *cobra.Command, h *app.Hub, node *config.Node, file *draft) (*config.Config, error) {
	start, err := h.Begin(c.Context(), *node, file.conf, file.source, whoami())
	switch {
	case errors.Is(err, app.ErrNoRevision):
		return nil, errSilent // the file's problems were shown, and there is nothing else to run
	case err != nil:
		return nil, err
	}
	w, r := c.ErrOrStderr(), start.Revision
	switch {
	case start.First:
		fmt.Fprintf(w, "First start: %s was applied as revision 1.\n", file.path)
	case file.conf == nil:
		fmt.Fprintf(w, "%s has errors. Revision %d, applied %s by %s, runs on.\n", file.path, r.Number, r.AppliedAt.Format(time.RFC3339), r.AppliedBy)
	case len(start.Differs) > 0:
		fmt.Fprintf(w, "%s differs from revision %d, which runs; the file was not taken:\n", file.path, r.Number)
		showChanges(w, start.Differs)
		fmt.Fprintf(w, "`labwarden config apply` puts the file in force.\n")
	}
	return start.Config, nil
}
