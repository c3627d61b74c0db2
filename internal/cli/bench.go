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
	f.StringVar(&o.DSN, "dsn", "", "for postgres: the address of a database; schemas are made in it and dropped")
	f.IntVar(&o.Conns, "connections", 64, "connections")
	f.IntVar(&o.Partners, "destinations", 1, "destinations of each message")
	f.DurationVar(&o.Travel, "travel", 0, "also measure intake and delivery together for this long")
	f.Int64Var(&o.Before, "before", 0, "store this many messages before measuring intake")
	f.DurationVar(&o.Time, "time", 10*time.Second, "length of each measurement")
	profile := f.String("cpuprofile", "", "write CPU profiles to this file's name with .intake, .bare and .travel added")
	asJSON := f.Bool("json", false, "print the report as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if (o.Engine == "postgres") != (o.DSN != "") {
			return usageError{c.CommandPath(), errors.New("postgres needs --dsn, sqlite takes none")}
		}
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o.Load = []string{self, "bench-load"}
		o.Out = c.OutOrStdout()
		if *asJSON {
			o.Out = io.Discard
		}
		if *profile != "" {
			o.Profile = func(part string) (func() error, error) { return cpuProfile(*profile + "." + part) }
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
		return nil
	}
	return c
}

func cpuProfile(name string) (stop func() error, err error) {
	w, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	if err := pprof.StartCPUProfile(w); err != nil {
		return nil, errors.Join(fmt.Errorf("write profile: %w", err), w.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return w.Close()
	}, nil
}

// benchLoadCommand is the load generator, a process of its own.
func benchLoadCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench-load", Short: "Load for bench", Hidden: true}
	var a bench.LoadArgs
	f := c.Flags()
	f.StringVar(&a.Hub, "hub", "", "address")
	f.StringVar(&a.Certs, "certs", "", "folder of certificates")
	f.IntVar(&a.Connections, "connections", 1, "connections")
	f.IntVar(&a.Base, "base", 0, "keeps control ids of several runs apart")
	f.DurationVar(&a.Time, "time", time.Second, "how long")
	f.Int64Var(&a.Count, "count", 0, "how many at most; 0 for no bound")
	c.RunE = func(c *cobra.Command, _ []string) error {
		l, err := bench.RunLoad(c.Context(), a)
		if err != nil {
			return err
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(l)
	}
	return c
}
