package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func boxCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "box",
		Short: "The partners' boxes: what lies there, who is connected, passwords, host keys",
		Long: `Each partner with a box signs in by SFTP or FTPS under its name in the
configuration and finds three folders: results (what the laboratory put there),
inbox (what the partner sends) and receipts. Keys stand in the configuration,
partners.NAME.box.keys; a partner that cannot use a key gets a password here.`,
	}
	c.AddCommand(boxListCommand(), boxGetCommand(), boxReleaseCommand(), boxRemoveCommand(), boxSessionsCommand(), boxHostKeysCommand(), boxPasswordCommand())
	return c
}

// boxClient runs do with a client of the running hub.
func boxClient(c *cobra.Command, f *hubFlags, do func(context.Context, *control.Client) error) error {
	client, err := f.client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(c.Context(), client)
}

// boxPlace reads PARTNER and FOLDER/FILE.
func boxPlace(args []string) (control.BoxAsk, error) {
	folder, name, ok := strings.Cut(strings.Trim(args[1], "/"), "/")
	if !ok || name == "" {
		return control.BoxAsk{}, fmt.Errorf("name the file with its folder, like inbox/orders.hl7, not %q", args[1])
	}
	return control.BoxAsk{Partner: args[0], Folder: folder, Name: name}, nil
}

func boxListCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "list PARTNER [FOLDER]", Short: "List a box's folder: results, inbox (the default) or receipts", Args: cobra.RangeArgs(1, 2),
		Long: "List a box's folder. File names were chosen by the partner and may name a patient.",
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		a := control.BoxAsk{Partner: args[0], Folder: "inbox"}
		if len(args) > 1 {
			a.Folder = strings.Trim(args[1], "/")
		}
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			all := []control.BoxFile{}
			for {
				l, err := client.BoxList(ctx, a)
				if err != nil {
					return err
				}
				if all = append(all, l.Files...); l.After == "" {
					break
				}
				a.After = l.After
			}
			return f.show(c, all, func(w io.Writer) { showBox(w, a, all) })
		})
	}
	return c
}

func showBox(w io.Writer, a control.BoxAsk, all []control.BoxFile) {
	if len(all) == 0 {
		fmt.Fprintf(w, "Nothing lies in %s of %s.\n", a.Folder, a.Partner)
		return
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "CAME\tSIZE\tBY\tSTATE\tNAME")
	for _, x := range all {
		state := x.State
		switch {
		case state == "held":
			state = "held: waits for you"
		case state == "named":
			state = "not named yet"
		case a.Folder == "results" && !x.Picked.IsZero():
			state = "picked up " + x.Picked.Local().Format("2006-01-02 15:04")
		case a.Folder == "results":
			state = "not picked up"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", x.Came.Local().Format("2006-01-02 15:04"), x.Size, x.By, state, x.Name)
	}
	_ = t.Flush()
}

func boxGetCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "get PARTNER FOLDER/FILE", Short: "Read a file of a box; that you did is recorded", Args: cobra.ExactArgs(2),
		Long:    "Write a file of a box to --out, readable by you alone, or to standard output. It may be patient data; the record says who read it and why.",
		Example: "  labwarden box get riverside inbox/orders.hl7 --reason \"order that never came\" --out orders.hl7",
	}
	f := addHubFlags(c)
	out := c.Flags().String("out", "", "file to write; standard output if none is named. One that is there is not written over")
	why := c.Flags().String("reason", "", "why you read it (needed)")
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := boxPlace(args)
		if err != nil {
			return usageError{c.CommandPath(), err}
		}
		if a.Reason = strings.TrimSpace(*why); a.Reason == "" {
			return usageError{c.CommandPath(), errors.New("say why with --reason")}
		}
		return boxClient(c, f, func(ctx context.Context, client *control.Client) (err error) {
			to := c.OutOrStdout()
			if *out != "" {
				file, err := os.OpenFile(*out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
				if err != nil {
					return fmt.Errorf("write file: %w", err)
				}
				defer func() { err = errors.Join(err, file.Close()) }()
				to = file
			}
			return boxCopy(ctx, client, a, to)
		})
	}
	return c
}

func boxCopy(ctx context.Context, client *control.Client, a control.BoxAsk, to io.Writer) error {
	for at := int64(0); ; {
		b, err := client.BoxRead(ctx, control.BoxPiece{BoxAsk: a, Offset: at})
		if err != nil {
			return err
		}
		if _, err := to.Write(b.Bytes); err != nil {
			return fmt.Errorf("write file: %w", err)
		}
		if at += int64(len(b.Bytes)); !b.More || len(b.Bytes) == 0 {
			return nil
		}
	}
}

func boxReleaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "release PARTNER inbox/FILE", Short: "Let a file go on that the content gate kept", Args: cobra.ExactArgs(2),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := boxPlace(args)
		if err != nil {
			return usageError{c.CommandPath(), err}
		}
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			if err := client.BoxRelease(ctx, a); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "Released. The record has your name.")
			return nil
		})
	}
	return c
}

func boxRemoveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "remove PARTNER FOLDER/FILE", Short: "Take a file out of a box", Args: cobra.ExactArgs(2),
		Long: "Take a file out of a box. Its content is forgotten after a day; the result a file was made of stays where results are.",
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		a, err := boxPlace(args)
		if err != nil {
			return usageError{c.CommandPath(), err}
		}
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			if err := client.BoxRemove(ctx, a); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "Removed. The record has your name.")
			return nil
		})
	}
	return c
}

func boxSessionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "sessions", Short: "List the partners that are connected now", Args: cobra.NoArgs}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			all, err := client.BoxSessions(ctx)
			if err != nil {
				return err
			}
			return f.show(c, all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "No partner is connected.")
					return
				}
				t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
				fmt.Fprintln(t, "SINCE\tPARTNER\tFROM\tBY\tSECURED")
				for _, s := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Since.Local().Format("15:04:05"), s.Partner, s.Addr, s.Protocol, s.Secured)
				}
				_ = t.Flush()
			})
		})
	}
	return c
}

func boxHostKeysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "hostkeys", Short: "Print the keys by which partners know our SFTP", Args: cobra.NoArgs,
		Long: "Print the hub's SSH host keys. Give partners the fingerprints by another way than the network they connect over: they compare them at the first connection.",
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			all, err := client.BoxHostKeys(ctx)
			if err != nil {
				return err
			}
			return f.show(c, all, func(w io.Writer) {
				for _, k := range all {
					fmt.Fprintf(w, "%s\n  %s\n", k.Fingerprint, k.Line)
				}
			})
		})
	}
	return c
}

func boxPasswordCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "password PARTNER", Short: "Draw a new password with one-time codes for a partner that cannot use a key", Args: cobra.ExactArgs(1),
		Long: `Draw a new password and a new seed for one-time codes (RFC 6238, SHA-1, six digits,
30 seconds) and print them, once; those it had end now and its sessions are cut.
The partner signs in with the password followed at once by the code. Each code
works once. A key is better: nothing of it passes the line.`,
	}
	f := addHubFlags(c)
	end := c.Flags().Bool("end", false, "take the password away instead")
	c.RunE = func(c *cobra.Command, args []string) error {
		return boxClient(c, f, func(ctx context.Context, client *control.Client) error {
			if *end {
				if err := client.BoxEndPassword(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), "The password has ended.")
				return nil
			}
			p, err := client.BoxPassword(ctx, args[0])
			if err != nil {
				return err
			}
			return f.show(c, p, func(w io.Writer) {
				fmt.Fprintf(w, "User:      %s\nPassword:  %s\nCode seed: %s\n\n  %s\n\nThis is shown once. Tell password and seed to the partner by two different ways.\n", p.User, p.Password, p.Seed, p.URI)
			})
		})
	}
	return c
}
