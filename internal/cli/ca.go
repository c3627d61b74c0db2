package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

func caCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "The laboratory's own authority: certificates for devices, partners and services",
		Long: `The laboratory's own small authority. Its root lies in a file that does not stay on
this machine; the hub holds an intermediate that the root has signed, and issues
short-lived certificates that renew themselves. docs/operate/certificates.md tells
the whole way.`,
	}
	c.AddCommand(caInitCommand(), caStatusCommand(), caRequestCommand(), caSignCommand(), caInstallCommand(),
		caTokenCommand(), caSSHCommand(), caListCommand(), caRevokeCommand(), caCRLCommand())
	return c
}

// rootPassphrase reads the passphrase of a root: from a file, or on a terminal,
// twice where it is new.
func rootPassphrase(c *cobra.Command, file string, fresh bool) (string, error) {
	if file != "" {
		b, err := readLimited(file)
		if err != nil {
			return "", err
		}
		return string(bytes.TrimRight(b, "\r\n")), nil
	}
	in, ok := terminal(c)
	if !ok {
		return "", usageError{c.CommandPath(), errors.New("there is no terminal to ask for the root's passphrase on; give --passphrase-file")}
	}
	first, err := hidden(c, in, "Passphrase of the root: ")
	if err != nil || !fresh {
		return string(first), err
	}
	again, err := hidden(c, in, "The same again: ")
	if err == nil && !bytes.Equal(first, again) {
		err = errors.New("the two are not the same")
	}
	return string(first), err
}

func caInitCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init --root-out FILE",
		Short: "Make the laboratory's own authority; its root goes into FILE, which leaves this machine",
		Long: `Make the laboratory's own authority. The root's key is made in this command, never
in the hub, and written to FILE, encrypted with a passphrase (PKCS #8, which openssl
opens as well). The hub gets an intermediate for five years, signed by it, and an
authority for SSH users of its own.

Move FILE to two USB sticks in two safes, keep the passphrase apart from them, and
remove it here. You need it again to renew the intermediate, every five years at the
latest, and if the hub's keys were stolen. Whoever has both can make certificates
that every partner believes.`,
	}
	f := addHubFlags(c)
	out := c.Flags().String("root-out", "", "file for the encrypted root, best on a removable disk (needed)")
	phrase := c.Flags().String("passphrase-file", "", "file with the root's passphrase; asked for when absent")
	domains := c.Flags().StringSlice("domain", nil, "let the root sign for host names below this domain only; may be repeated")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *out == "" {
			return usageError{c.CommandPath(), errors.New("say where the root goes: --root-out FILE")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ca, err := client.CA(c.Context())
		if err != nil {
			return err
		}
		if ca.Root != "" {
			return certificates.ErrExists
		}
		words, err := rootPassphrase(c, *phrase, true)
		if err != nil {
			return err
		}
		now := time.Now()
		root, err := pki.NewRoot(pki.RootOptions{Lab: ca.Lab, Now: now, Rand: rand.Reader, Domains: *domains})
		if err != nil {
			return err
		}
		file, err := pki.WriteRoot(root, words, rand.Reader)
		if err != nil {
			return err
		}
		if err := writeNew(*out, file); err != nil { // before anything is signed with it
			return err
		}
		a, err := signAndInstall(c, client, root, now)
		if err != nil {
			return errors.Join(err, os.Remove(*out))
		}
		return f.show(c, a, func(w io.Writer) {
			fmt.Fprintf(w, `The laboratory has its own authority until %s.

Root:  %s
  SHA-256 %s

What to do now:
  1. Copy that file to two USB sticks and keep them in two safes; write down which.
  2. Keep its passphrase somewhere else, where two people of the laboratory find it.
  3. Remove the file from this machine: shred -u %s
  4. Read the SHA-256 out to partners who ask whom to trust.
`, day(a.Ends), *out, grouped(a.Root), *out)
			if ca.Address == "" {
				fmt.Fprintln(w, "Nobody can enrol yet: set node.enrol in labwarden.yaml and restart.")
			}
		})
	}
	return c
}

func signAndInstall(c *cobra.Command, client *control.Client, root *pki.Issuer, now time.Time) (certificates.Authority, error) {
	csr, err := client.RequestCA(c.Context())
	if err != nil {
		return certificates.Authority{}, err
	}
	der, err := root.SignIntermediate([]byte(csr.PEM), now, rand.Reader)
	if err != nil {
		return certificates.Authority{}, err
	}
	return client.InstallCA(c.Context(), control.InstallCA{PEM: string(pki.PEM(der, root.Cert.Raw))})
}

// grouped writes a fingerprint so that it can be read out.
func grouped(hex string) string {
	var parts []string
	for i := 0; i+4 <= len(hex); i += 4 {
		parts = append(parts, hex[i:i+4])
	}
	return strings.Join(parts, " ")
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

func caStatusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "What authorities there are, and when they end"}
	f := addHubFlags(c)
	root := c.Flags().Bool("root", false, "print the root's certificate (PEM), for who must trust it")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ca, err := client.CA(c.Context())
		if err != nil {
			return err
		}
		if *root {
			if ca.Root == "" {
				return certificates.ErrNone
			}
			fmt.Fprint(c.OutOrStdout(), ca.Root)
			return nil
		}
		return f.show(c, ca, func(w io.Writer) {
			if len(ca.Authorities) == 0 {
				fmt.Fprintln(w, "There is no authority yet; `labwarden ca init --root-out FILE` makes it.")
				return
			}
			rows := make([][]string, len(ca.Authorities))
			for i, a := range ca.Authorities {
				rows[i] = []string{a.Form, a.State, dash(a.Name), day(a.Made), day(a.Ends), day(a.RootEnds), dash(a.Print)}
			}
			table(w, "FORM|STATE|NAME|MADE|ENDS|ROOT ENDS|SHA-256", rows)
			fmt.Fprintf(w, "Others enrol at %s.\n", dash(ca.Address))
		})
	}
	return c
}
