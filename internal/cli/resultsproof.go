package cli

import (
	"errors"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func resultsProofCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "proof DELIVERY",
		Short: "The proof file of a completed delivery, on standard output",
		Long: `Print the proof of one completed delivery (its number is in ` + "`results show`" + `).
Whoever has it, the message and the laboratory's public key checks it without a
network and without this program's data: labwarden verify MESSAGE PROOF --key lab.pub.
A proof holds no patient data.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || n < 0 {
			return usageError{c.CommandPath(), errors.New("a delivery is named by its number; `labwarden results show MESSAGE` shows it")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		p, err := client.Proof(c.Context(), n)
		if err != nil {
			return err
		}
		if *f.json {
			return f.show(c, p, nil)
		}
		_, err = io.WriteString(c.OutOrStdout(), p.Proof)
		return err
	}
	return c
}

func resultsReceiptCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "receipt DELIVERY",
		Short: "The signed receipt of a completed delivery, on standard output",
		Long: `Print the receipt of one completed delivery (its number is in ` + "`results show`" + `):
what was handed over, to whom, when and how, signed by the laboratory. It is about
the bytes as they went; where they were encrypted to the partner, about those.
Save it beside the file and check it with labwarden verify FILE RECEIPT --key lab.pub.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || n < 0 {
			return usageError{c.CommandPath(), errors.New("a delivery is named by its number; `labwarden results show MESSAGE` shows it")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		r, err := client.Receipt(c.Context(), n)
		if err != nil {
			return err
		}
		if *f.json {
			return f.show(c, r, nil)
		}
		_, err = io.WriteString(c.OutOrStdout(), r.Receipt)
		return err
	}
	return c
}

func resultsFindCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "find",
		Short: "Find results by order number, patient identifier, or last name and birth date",
		Long: `Find results by what they name. What you look for goes to the hub over its socket
and into no log; the hub compares keyed fingerprints, so identifiers stand nowhere
in the clear. A new result can be found half a second after it was taken.`,
	}
	f := addHubFlags(c)
	var q control.Find
	fl := c.Flags()
	fl.StringVar(&q.Order, "order", "", "order, accession or specimen number")
	fl.StringVar(&q.PatientID, "patient", "", "identifier of the patient")
	fl.StringVar(&q.Authority, "authority", "", "with --patient: who assigned it")
	fl.StringVar(&q.LastName, "last-name", "", "with --birth-date")
	fl.StringVar(&q.BirthDate, "birth-date", "", "YYYY-MM-DD, with --last-name")
	fl.StringVar(&q.Partner, "partner", "", "only what goes to this partner")
	fl.IntVar(&q.Limit, "limit", 50, "how many, at most 500")
	fl.Int64Var(&q.Before, "before", 0, "go on from where an earlier answer ended")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if (q.LastName == "") != (q.BirthDate == "") {
			return usageError{c.CommandPath(), errors.New("--last-name and --birth-date go together: one alone fits too many people")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		r, err := client.Find(c.Context(), q)
		if err != nil {
			return err
		}
		return f.show(c, r, func(w io.Writer) { printResults(w, r) })
	}
	return c
}
