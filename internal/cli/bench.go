package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/bench"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: how many results a second it takes in, durably",
		Long: `Measure the hub on this machine in a temporary folder: the bare store, then
intake over mutual TLS with every acknowledgement after the flush. Ratios hold
within one run; absolute figures are this machine's at this moment.`,
	}
	o := bench.Options{}
	f := c.Flags()
	f.StringVar(&o.Engine, "engine", "sqlite", "sqlite or postgres")
	f.StringVar(&o.DSN, "dsn", "", "for postgres: the address of an empty database")
	f.IntVar(&o.Conns, "connections", 64, "connections")
	f.IntVar(&o.Partners, "destinations", 1, "destinations of each message")
	f.DurationVar(&o.Time, "time", 10*time.Second, "length of each measurement")
	profile := f.String("cpuprofile", "", "write a CPU profile of the whole run to this file")
	asJSON := f.Bool("json", false, "print the report as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if (o.Engine == "postgres") != (o.DSN != "") {
			return usageError{c.CommandPath(), errors.New("postgres needs --dsn, sqlite takes none")}
		}
		o.Out = c.OutOrStdout()
		if *asJSON {
			o.Out = io.Discard
		}
		if *profile != "" {
			w, err := os.Create(*profile)
			if err != nil {
				return fmt.Errorf("write profile: %w", err)
			}
			defer w.Close()
			if err := pprof.StartCPUProfile(w); err != nil {
				return fmt.Errorf("write profile: %w", err)
			}
			defer pprof.StopCPUProfile()
		}
		r, err := bench.Run(c.Context(), o)
		if err != nil {
			return err
		}
		if *asJSON {
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(r)
		}
		c.Printf("ratio to the bare store: %.2f with %d connections, %.2f with one\n", r.Ratio, r.Conns, r.RatioOne)
		return nil
	}
	return c
}
