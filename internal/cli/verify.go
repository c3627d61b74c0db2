package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// Limits of what verify reads: the largest message the hub takes, and keys.
const (
	maxVerified = 256 << 20
	maxKeyFile  = 64 << 10
)

func verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify FILE PROOF|RECEIPT --key lab.pub",
		Short: "Check a proof or a receipt offline, with the laboratory's public key alone",
		Long: `Check that PROOF is the laboratory's proof for exactly the bytes in FILE, and
say in words what holds, what does not, and what is not known. Nothing but the
three files is read: no configuration, no database, no network. A receipt
(FILE.receipt.json) is checked in the same way.

With --ledger it goes through the whole store of the laboratory on this machine
instead: every row against the ledger, the ledger against itself. The hub must
be stopped for that.

The exit status is 0 when everything holds, 1 when something does not, and 2
when the files could not be read.`,
		Args: func(c *cobra.Command, args []string) error {
			ledger, err := c.Flags().GetBool("ledger")
			if err != nil {
				return err
			}
			if ledger {
				return cobra.NoArgs(c, args)
			}
			if len(args) != 2 {
				return errors.New("name the file and its proof or receipt: labwarden verify FILE PROOF --key lab.pub")
			}
			return nil
		},
	}
	key := c.Flags().String("key", "", "file of the laboratory's public key, further keys and witnesses' keys in it")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	ledger := c.Flags().Bool("ledger", false, "go through the whole store of the laboratory on this machine")
	conf := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *ledger {
			return runAudit(c, *conf, *asJSON)
		}
		if *key == "" {
			return usageError{c.CommandPath(), errors.New("name the laboratory's public key: --key lab.pub")}
		}
		return runVerify(c, args[0], args[1], *key, *asJSON)
	}
	return c
}

// report is what a proof's and a receipt's verification have to say.
type report interface {
	Holds() bool
	Text() string
}

// runReceipt checks a receipt. The file it is about may be of any size: only its
// fingerprint is needed.
func runReceipt(c *cobra.Command, path string, r []byte, key string, asJSON bool) error {
	keys, err := readUpTo(key, maxKeyFile)
	if err != nil {
		return usageError{c.CommandPath(), err}
	}
	f, err := os.Open(path)
	if err != nil {
		return usageError{c.CommandPath(), err}
	}
	defer f.Close()
	print, err := receipt.PrintOf(f)
	if err != nil {
		return usageError{c.CommandPath(), err}
	}
	return tell(c, receipt.Verify(r, print, string(keys)), asJSON)
}

func tell(c *cobra.Command, r report, asJSON bool) error {
	out := c.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	} else {
		fmt.Fprint(out, r.Text())
	}
	if !r.Holds() {
		return errSilent
	}
	return nil
}

func runVerify(c *cobra.Command, message, file, key string, asJSON bool) error {
	if b, err := readUpTo(file, receipt.Max); err == nil && bytes.HasPrefix(b, []byte("{")) {
		return runReceipt(c, message, b, key, asJSON) // a proof begins with its header line
	}
	var in [3][]byte
	for i, f := range []struct {
		path string
		max  int64
	}{{message, maxVerified}, {file, proof.MaxProof}, {key, maxKeyFile}} {
		var err error
		if in[i], err = readUpTo(f.path, f.max); err != nil {
			return usageError{c.CommandPath(), err}
		}
	}
	r := proof.Verify(in[1], in[0], string(in[2]))
	err := tell(c, r, asJSON)
	if !asJSON && r.State(proof.CheckMessage) == proof.Fails {
		fmt.Fprint(c.OutOrStdout(), otherwise(in[0], in[1]))
	}
	return err
}

// readUpTo reads one byte more than max at most, so that what is too large
// is judged as such by whoever reads it.
func readUpTo(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// otherwise tells why a message may differ: editors and mail change line ends.
func otherwise(message, file []byte) string {
	f, err := proof.Parse(file)
	if err != nil {
		return ""
	}
	b := bytes.TrimSuffix(bytes.TrimPrefix(message, []byte{0x0b}), []byte{0x1c, '\r'})
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\r"))
	b = bytes.ReplaceAll(b, []byte("\n"), []byte("\r"))
	for _, try := range [][]byte{b, append(bytes.Clone(b), '\r'), bytes.TrimSuffix(b, []byte("\r"))} {
		sum := sha256.Sum256(try)
		if hex.EncodeToString(sum[:]) == f.Delivered.Body {
			return "With line ends written as HL7 has them (a carriage return alone) the message would match: this copy was changed by an editor, a mail program or a transfer in text mode. Use the bytes as they were received.\n"
		}
	}
	return ""
}
