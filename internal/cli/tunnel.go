package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func tunnelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "tunnel",
		Short: "Tunnels to partners: WireGuard or mutual TLS, and what may pass in them",
		Long: `Reach devices at a partner, and let a partner's devices reach this hub, through a
tunnel that both sides have agreed to. add, list, show, allow, invite, rotate, export
and remove are for the hub; join, confirm and run for the machine at the partner.`,
	}
	c.AddCommand(tunnelListCommand(), tunnelShowCommand(), tunnelAddCommand(), tunnelAllowCommand(), tunnelInviteCommand(), tunnelRotateCommand(),
		tunnelExportCommand(), tunnelRemoveCommand(), tunnelJoinCommand(), tunnelConfirmCommand(), tunnelRunCommand())
	return c
}

func tunnelListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "The tunnels and how they are"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Tunnels(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			defer printVPNs(w, list.VPNs)
			if len(list.Tunnels) == 0 {
				fmt.Fprintln(w, "No tunnels. labwarden tunnel add NAME makes one.")
				return
			}
			rows := make([][]string, len(list.Tunnels))
			for i, t := range list.Tunnels {
				rows[i] = []string{t.Name, tunnelKind(t), t.State, clock(t.Since), clock(t.Handshake), rate(t.InRate), rate(t.OutRate), age(t.KeysAt), strings.Join(t.Users, ", ")}
			}
			table(w, "TUNNEL|KIND|STATE|SINCE|LAST HANDSHAKE|IN|OUT|KEYS|USED BY", rows)
		})
	}
	return c
}

func printVPNs(w io.Writer, all []control.VPN) {
	if len(all) == 0 {
		return
	}
	rows := make([][]string, len(all))
	for i, v := range all {
		rows[i] = []string{v.Name, v.State, clock(v.Since), clock(v.At), v.Peer, v.Checked, v.Cipher, dash(v.Expires), v.Owner}
	}
	fmt.Fprintln(w, "\nVPNs that partners keep:")
	table(w, "VPN|STATE|SINCE|CHECKED|PEER|BY REACHING|CIPHER|EXPIRES|OWNER", rows)
}

func tunnelKind(t control.Tunnel) string {
	if t.Standard {
		return t.Kind + ", device"
	}
	return t.Kind
}

// rate writes bytes a second.
func rate(n int64) string { return size(n) + "/s" }

func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

func age(t time.Time) string {
	if t.IsZero() {
		return "none yet"
	}
	d := time.Since(t)
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min old", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h old", int(d.Hours()))
	}
	return fmt.Sprintf("%d days old", int(d.Hours()/24))
}

func tunnelShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "One tunnel: state, what may pass, keys", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		t, err := client.Tunnel(c.Context(), args[0])
		if err != nil {
			return err
		}
		return f.show(c, t, func(w io.Writer) { printTunnel(w, t) })
	}
	return c
}

func printTunnel(w io.Writer, t control.Tunnel) {
	fmt.Fprintf(w, "Tunnel %s (%s). %s\n\n", t.Name, tunnelKind(t), t.Words)
	pq := "no"
	if t.PostQuantum {
		pq = "yes, from an ML-KEM exchange"
	}
	rows := [][]string{
		{"State since", clock(t.Since)},
		{"Last handshake", clock(t.Handshake)},
		{"From", dash(t.From)},
		{"Far machine", dash(t.Host)},
		{"In", size(t.In) + " since the hub started, " + rate(t.InRate) + " in the last minute"},
		{"Out", size(t.Out) + " since the hub started, " + rate(t.OutRate) + " in the last minute"},
		{"Connections", fmt.Sprint(t.Connections)},
		{"Keys", fmt.Sprintf("number %d, %s", t.KeyNumber, age(t.KeysAt))},
		{"Post-quantum", pq},
		{"Joined", clock(t.JoinedAt)},
		{"Added", clock(t.MadeAt) + " by " + t.MadeBy},
		{"Used by", dash(strings.Join(t.Users, ", "))},
	}
	if !t.InvitedUntil.IsZero() {
		rows = append(rows, []string{"Token", "good until " + clock(t.InvitedUntil)})
	}
	table(w, "|", rows)
	fmt.Fprintln(w, "\nThe hub may reach:")
	for _, a := range t.Allow {
		fmt.Fprintf(w, "  %s\n", a)
	}
	fmt.Fprintln(w, "The far side may reach:")
	for _, o := range t.Offers {
		fmt.Fprintf(w, "  source %s, at %s there\n", o.Source, o.Listen)
	}
	fmt.Fprintln(w, "Nothing else passes.")
	for _, m := range t.Missing {
		fmt.Fprintf(w, "NOT CONFIRMED at the far end, so it does not pass: %s (labwarden tunnel confirm, there)\n", m)
	}
}

// listFlags are what may pass.
func listFlags(c *cobra.Command) func() (control.TunnelList, error) {
	allow := c.Flags().StringArray("allow", nil, "HOST:PORT at the far side that the hub may reach, or HOST:FIRST-LAST (1,024 ports at most); repeat it for more")
	offer := c.Flags().StringArray("offer", nil, "SOURCE@IP:PORT: open a source of this hub to the far side, which reaches it at IP:PORT of its own machine; repeat it for more")
	return func() (control.TunnelList, error) {
		l := control.TunnelList{Allow: *allow, Offers: []control.TunnelOffer{}}
		for _, o := range *offer {
			source, at, ok := strings.Cut(o, "@")
			if !ok {
				return l, usageError{c.CommandPath(), fmt.Errorf("--offer %q is not SOURCE@IP:PORT, as lis@127.0.0.1:2575", o)}
			}
			l.Offers = append(l.Offers, control.TunnelOffer{Source: source, Listen: at})
		}
		if len(l.Allow)+len(l.Offers) == 0 {
			return l, usageError{c.CommandPath(), errors.New("nothing could pass: give --allow HOST:PORT, --offer SOURCE@IP:PORT or both")}
		}
		return l, nil
	}
}

func tunnelAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a tunnel and print the one-time token to join it",
		Long: `Add a tunnel. Nothing may pass in it but what --allow and --offer name. The token it
prints works once and for a short time: give it to the person at the far side, who
runs labwarden tunnel join there. It pins this hub's certificate.

--standard is for a device that speaks WireGuard itself: labwarden tunnel export then
prints its configuration.`,
		Args: cobra.ExactArgs(1),
	}
	f, list := addHubFlags(c), listFlags(c)
	kind := c.Flags().String("kind", "wireguard", "wireguard or tls; tls where only FIPS algorithms may be used")
	standard := c.Flags().Bool("standard", false, "the far side is a device that speaks WireGuard itself")
	reason := c.Flags().StringP("reason", "r", "", "why, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		l, err := list()
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		in, err := client.AddTunnel(c.Context(), control.NewTunnel{Name: args[0], Kind: *kind, Standard: *standard, Allowed: l, Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, in, func(w io.Writer) { printInvitation(w, in) })
	}
	return c
}

func printInvitation(w io.Writer, in control.Invitation) {
	if in.Token == "" {
		fmt.Fprintf(w, "Tunnel %s is there. Its device's configuration: labwarden tunnel export %s\n", in.Tunnel.Name, in.Tunnel.Name)
		return
	}
	fmt.Fprintf(w, "Tunnel %s waits for its far end. On the machine there, until %s, once:\n\n  labwarden tunnel join %s\n\nThe token is a secret: hand it over by a way that others do not read.\n",
		in.Tunnel.Name, clock(in.Until), in.Token)
}

func tunnelInviteCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "invite NAME",
		Short: "Print another one-time token; the far end that joined before is cut at once",
		Args:  cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	reason := c.Flags().StringP("reason", "r", "", "why, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		in, err := client.InviteTunnel(c.Context(), args[0], *reason)
		if err != nil {
			return err
		}
		return f.show(c, in, func(w io.Writer) { printInvitation(w, in) })
	}
	return c
}

func tunnelAllowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "allow NAME",
		Short: "Replace the list of what may pass",
		Long: `Replace the whole list of what may pass. What is no longer on it is cut at once. What
is new passes once somebody at the far end has confirmed it (labwarden tunnel confirm).`,
		Args: cobra.ExactArgs(1),
	}
	f, list := addHubFlags(c), listFlags(c)
	reason := c.Flags().StringP("reason", "r", "", "why, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		l, err := list()
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		t, err := client.AllowTunnel(c.Context(), args[0], l, *reason)
		if err != nil {
			return err
		}
		return f.show(c, t, func(w io.Writer) { printTunnel(w, t) })
	}
	return c
}

func tunnelRotateCommand() *cobra.Command {
	c := &cobra.Command{Use: "rotate NAME", Short: "Renew the keys on both sides now; connections live through it", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.RotateTunnel(c.Context(), args[0]); err != nil {
			return err
		}
		return f.show(c, struct {
			Asked bool `json:"asked"`
		}{true}, func(w io.Writer) {
			fmt.Fprintf(w, "The far end was asked to renew the keys with us. labwarden tunnel show %s has their number and age.\n", args[0])
		})
	}
	return c
}

func tunnelRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Short: "Remove a tunnel: it is cut at once, with every connection in it", Args: cobra.ExactArgs(1)}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.RemoveTunnel(c.Context(), args[0], *reason); err != nil {
			return err
		}
		return f.show(c, struct {
			Removed string `json:"removed"`
		}{args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Tunnel %s is removed and cut.\n", args[0]) })
	}
	return c
}
