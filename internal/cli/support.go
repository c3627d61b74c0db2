package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/domain/setup"
)

func supportCommand() *cobra.Command {
	c := &cobra.Command{Use: "support", Short: "What somebody who helps may have"}
	c.AddCommand(supportBundleCommand())
	return c
}

func supportBundleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle",
		Short: "Make a file for support that names no patient, with the proof that it does not",
		Long: `Make a zip file with versions, the shape of the configuration, counts, metrics,
keys' ages and migrations. Names of the laboratory, partners, people and hosts,
secrets, logs and messages are not in it.

Before it is written, every value that tells who a patient is, of every stored
message, is looked for in it. Where one is found there is no file. The figures
of that stand in bundle.json inside, and the ledger says that it was made.`,
		Args: cobra.NoArgs,
	}
	to := c.Flags().String("to", "labwarden-support.zip", "the file to write; it must not be there yet")
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		b, err := client.Bundle(c.Context())
		if err != nil {
			return err
		}
		if err := writeNew(*to, b.Zip); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
		return f.show(c, b.Manifest, func(w io.Writer) { printManifest(w, *to, len(b.Zip), b.Manifest) })
	}
	return c
}

func printManifest(w io.Writer, path string, size int, m setup.Manifest) {
	p := m.Proof
	fmt.Fprintf(w, "%s, %d bytes, holds no patient data: %d values of %d stored messages were looked for in %d words, and none was found.\n", path, size, p.Values, p.Messages, p.Words)
	if p.Unreadable > 0 {
		fmt.Fprintf(w, "%d messages were erased, damaged or no HL7, and could not be looked at.\n", p.Unreadable)
	}
	if p.TooShort > 0 {
		fmt.Fprintf(w, "%d values were too short to tell anybody apart.\n", p.TooShort)
	}
	for _, x := range m.Parts {
		fmt.Fprintf(w, "  %-20s %8d  %s\n", x.Name, x.Bytes, x.SHA256)
	}
}
