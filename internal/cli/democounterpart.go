package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/demo"
)

// The counterparts of the demo and of tests run as processes of their own and
// keep their own lists; these two commands start them.

func demoLISCommand() *cobra.Command {
	c := &cobra.Command{Use: "demo-lis", Short: "A simulated laboratory system", Hidden: true}
	var o demo.LISOptions
	f := c.Flags()
	f.StringVar(&o.Hub, "hub", "", "address of the hub's listener")
	f.StringVar(&o.Certs, "certs", "", "folder of certificates")
	f.StringVar(&o.List, "list", "", "its own list")
	f.IntVar(&o.Connections, "connections", 1, "connections")
	f.DurationVar(&o.Pace, "pace", 0, "least time between messages on a connection")
	f.DurationVar(&o.AckTimeout, "ack-timeout", 10*time.Second, "how long to wait for an answer")
	f.DurationVar(&o.RetryEvery, "retry-every", time.Second, "pause before a repeat")
	f.IntVar(&o.Attempts, "attempts", 0, "how often to present one message; 0 for ever")
	f.BoolVar(&o.WholeBatches, "whole-batches", false, "send a batch in one frame")
	f.IntVar(&o.Synthetic, "synthetic", 0, "present this many generated messages instead of the set")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the generated messages")
	c.RunE = func(c *cobra.Command, _ []string) error {
		o.Out = c.OutOrStdout()
		return demo.RunLIS(c.Context(), o)
	}
	return c
}

func demoClinicCommand() *cobra.Command {
	c := &cobra.Command{Use: "demo-clinic", Short: "A simulated receiving practice", Hidden: true}
	var o demo.ClinicOptions
	f := c.Flags()
	f.StringVar(&o.Kind, "kind", "mllp", "mllp, fhir or folder")
	f.StringVar(&o.Name, "name", "", "partner key and certificate")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address")
	f.StringVar(&o.Certs, "certs", "", "folder of certificates")
	f.StringVar(&o.List, "list", "", "its own list")
	f.StringVar(&o.Folder, "folder", "", "folder to watch")
	f.StringVar(&o.Identity, "identity", "", "file of its age identity")
	fault := f.String("fault", "", "how it misbehaves")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if *fault != "" {
			if o.Fault, err = demo.ParseFault(*fault); err != nil {
				return usageError{c.CommandPath(), err}
			}
		}
		o.Out = c.OutOrStdout()
		return demo.RunClinic(c.Context(), o)
	}
	return c
}
