package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func accessCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "access",
		Short: "Let the first administrator in, or somebody who lost every way in",
		Long: `What about people can only be done on the hub's own machine. Everything else
(people, roles, sessions, tokens) is done on the pages.

There is no default password: the first administrator comes in by a link that
works once, and enrols a passkey.`,
	}
	c.AddCommand(accessFirstCommand(), accessRecoverCommand(), accessConfirmCommand(), accessRootCommand(), accessPasswordsCommand())
	return c
}

func showLink(w io.Writer, l control.AccessLink) {
	fmt.Fprintf(w, "Open this in the browser of the person it is for. It works once, until %s:\n\n  %s\n\n", l.Until.Local().Format("2006-01-02 15:04"), l.URL)
	fmt.Fprintln(w, "Whoever has this link can come in: give it to nobody else. If the browser warns, it does not know")
	fmt.Fprintln(w, "the laboratory's own authority yet: labwarden access root > labwarden-root.pem, and import that file.")
}

func accessFirstCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "first",
		Short: "Make the one-time link for the first administrator",
		Long: `Make the one-time link for the first administrator of a running hub. It is
refused once there is an administrator; a new link ends an older one.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		l, err := client.FirstAdministrator(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, l, func(w io.Writer) { showLink(w, l) })
	}
	return c
}

func accessRecoverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recover ACCOUNT",
		Short: "Let somebody in again who lost every way in",
		Long: `Make a one-time link for somebody who lost every passkey and recovery code: an
administrator, an officer, the laboratory director, anybody. It is recorded with
your name, everybody responsible is told, and the person enrols a new passkey.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		l, err := client.RecoverAdministrator(c.Context(), args[0])
		if err != nil {
			return err
		}
		return f.show(c, l, func(w io.Writer) { showLink(w, l) })
	}
	return c
}

func accessConfirmCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "confirm ACCOUNT",
		Short: "Confirm that an account is in the hands of its person",
		Long: `Whoever one person let in, gave a role of weight or made a link for counts as
that person's hand where an act takes two people, until somebody else confirms
them on the page of that person. Where there is nobody else, you do it here: be
sure that it is them. It is recorded with your name and everybody responsible is
told.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.ConfirmPerson(c.Context(), args[0]); err != nil {
			return err
		}
		return f.show(c, struct{}{}, func(w io.Writer) { fmt.Fprintf(w, "%s is confirmed.\n", args[0]) })
	}
	return c
}

func accessRootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "root",
		Short: "Print the certificate that browsers must trust",
		Long: `Print the root certificate of the authority that the hub made for its pages, as
PEM. It can sign for the host of node.web.public_url and for this machine, and
for nothing else. Import it into the browsers of the laboratory.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		r, err := client.PagesRoot(c.Context())
		if err != nil {
			return err
		}
		if r.PEM == "" && !*f.json {
			return fmt.Errorf("the pages use the certificate of node.web.tls; import its authority instead")
		}
		return f.show(c, r, func(w io.Writer) { fmt.Fprint(w, r.PEM) })
	}
	return c
}
