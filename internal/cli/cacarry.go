package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

func caRequestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "request --out FILE",
		Short: "First step of renewing the intermediate: a request for the offline root",
		Long: `Have the hub make a new key and write the request that the offline root signs. It
holds no secret. Carry it to the machine where the root is opened, sign it there with
labwarden ca sign-intermediate, and bring the answer back to labwarden ca install.`,
	}
	f, out := addHubFlags(c), c.Flags().String("out", "", "file for the request (needed)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *out == "" {
			return usageError{c.CommandPath(), errors.New("say where the request goes: --out FILE")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		csr, err := client.RequestCA(c.Context())
		if err != nil {
			return err
		}
		if err := writeNew(*out, []byte(csr.PEM)); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Written. Carry %s to the offline machine and sign it there:\n  labwarden ca sign-intermediate --root ROOT --request %s --out intermediate.pem\n", *out, *out)
		return nil
	}
	return c
}

func caSignCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sign-intermediate --root FILE --request FILE --out FILE",
		Short: "On an offline machine: sign a hub's request with the root",
		Long: `Sign a hub's request with the offline root. Run it on a machine without a network,
best started from a read-only medium; it needs no hub and no configuration. What it
writes is the intermediate and the root's certificate, no secret.`,
	}
	root := c.Flags().String("root", "", "the root's encrypted file (needed)")
	request := c.Flags().String("request", "", "the hub's request (needed)")
	out := c.Flags().String("out", "", "file for the answer (needed)")
	phrase := c.Flags().String("passphrase-file", "", "file with the root's passphrase; asked for when absent")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *root == "" || *request == "" || *out == "" {
			return usageError{c.CommandPath(), errors.New("--root, --request and --out are needed")}
		}
		file, err := readLimited(*root)
		if err != nil {
			return err
		}
		csr, err := readLimited(*request)
		if err != nil {
			return err
		}
		words, err := rootPassphrase(c, *phrase, false)
		if err != nil {
			return err
		}
		signer, err := pki.ReadRoot(file, words)
		if err != nil {
			return err
		}
		der, err := signer.SignIntermediate(csr, time.Now(), rand.Reader)
		if err != nil {
			return err
		}
		if err := writeNew(*out, pki.PEM(der, signer.Cert.Raw)); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Signed. Carry %s back to the hub: labwarden ca install %s\n", *out, *out)
		return nil
	}
	return c
}

func caInstallCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "install FILE",
		Short: "Last step of renewing the intermediate: put what the root has signed in force",
		Long: `Put the intermediate that the offline root has signed in force, without a restart.
Certificates of the former one stay good until they end. A root other than the one in
use is refused without --new-root: everybody who trusts the old root has to enrol
again then.`,
		Args: cobra.ExactArgs(1),
	}
	f, fresh := addHubFlags(c), c.Flags().Bool("new-root", false, "the root is another one, on purpose")
	c.RunE = func(c *cobra.Command, args []string) error {
		b, err := readLimited(args[0])
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		a, err := client.InstallCA(c.Context(), control.InstallCA{PEM: string(b), NewRoot: *fresh})
		if err != nil {
			return err
		}
		return f.show(c, a, func(w io.Writer) { fmt.Fprintf(w, "In force until %s: %s.\n", day(a.Ends), a.Name) })
	}
	return c
}

func caCRLCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "crl --out FILE",
		Short: "Write the signed list of revoked certificates, for others that check by it",
		Long: `Write the signed list of revoked certificates (DER). Labwarden's own listeners need no
list: they refuse a revoked certificate at once. Others fetch it anew each day at the
latest from https://ENROL-ADDRESS/ca/crl.`,
	}
	f, out := addHubFlags(c), c.Flags().String("out", "", "file to write or replace (needed)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *out == "" {
			return usageError{c.CommandPath(), errors.New("say where the list goes: --out FILE")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.CRL(c.Context())
		if err != nil {
			return err
		}
		if err := os.WriteFile(*out, list.DER, 0o644); err != nil { //nolint:gosec // public
			return fmt.Errorf("write file: %w", err)
		}
		return nil
	}
	return c
}
