package cli

import (
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/qr"
)

func tunnelExportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "export NAME",
		Short: "Make the configuration of a device that speaks WireGuard itself",
		Long: `Print the configuration of a --standard tunnel's device, or write it as a QR code.
Each export makes new keys: the configuration before it stops working at once. With
--public-key the device keeps a private key of its own, and the file has none.
The file is a secret; this program does not keep it.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	out := c.Flags().StringP("out", "o", "", "write the configuration to this file (0600)")
	code := c.Flags().String("qr", "", "also write it as a QR code: FILE.png, FILE.svg, or - for text on the terminal")
	public := c.Flags().String("public-key", "", "the device's own public key (wg pubkey)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if ext := filepath.Ext(*code); *code != "" && *code != "-" && ext != ".png" && ext != ".svg" {
			return usageError{c.CommandPath(), errors.New("--qr is FILE.png, FILE.svg or -")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.ExportTunnel(c.Context(), args[0], *public)
		if err != nil {
			return err
		}
		w := c.OutOrStdout()
		if *code != "" {
			if err := writeQR(*code, x.Bare(), w); err != nil {
				return err
			}
		}
		if *out != "" {
			if err := writeSecretFile(*out, func(w io.Writer) error { _, err := io.WriteString(w, x.Config); return err }); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "Written to %s. It is a secret: delete it once the device has it.\n", *out)
			return nil
		}
		if *code != "" && *code != "-" && !*f.json {
			fmt.Fprintf(c.ErrOrStderr(), "Written to %s. It is a secret: delete it once the device has it.\n", *code)
			return nil
		}
		return f.show(c, x, func(w io.Writer) { fmt.Fprint(w, x.Config) })
	}
	return c
}

func writeSecretFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

func writeQR(path, text string, terminal io.Writer) error {
	code, err := qr.Of(text)
	if err != nil {
		return err
	}
	switch filepath.Ext(path) {
	case ".png":
		return writeSecretFile(path, func(w io.Writer) error { return png.Encode(w, code.Image(8)) })
	case ".svg":
		return writeSecretFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, code.SVG("QR code of the configuration", 8*code.Side)+"\n")
			return err
		})
	}
	// Two modules in a character, dark on light whatever the terminal's colours are.
	var b strings.Builder
	for y := 0; y < code.Side; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := range code.Side {
			switch up, down := code.Dark(x, y), code.Dark(x, y+1); {
			case up && down:
				b.WriteRune('█')
			case up:
				b.WriteRune('▀')
			case down:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	if _, err := io.WriteString(terminal, b.String()); err != nil {
		return fmt.Errorf("print QR code: %w", err)
	}
	return nil
}
