package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
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
		conf, err := loadConfig(*path, time.Now(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		seals, err := app.Seals(&conf.Node, nil)
		if err != nil {
			return err
		}
		log := logger(conf.Log, c.ErrOrStderr())
		node, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find this machine's name: %w", err)
		}
		h, err := app.Open(c.Context(), conf, seals, app.Deps{Now: time.Now, Log: log, Node: node, Version: Version()})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, h.Close()) }()
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
