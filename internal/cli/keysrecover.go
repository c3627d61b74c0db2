package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// maxShares bounds what is read of shares: twenty of them with their headings.
const maxShares = 64 << 10

func keysRecoverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recover --new-key FILE",
		Short: "Get back in with recovery shares when every seal is lost",
		Long: `Open the laboratory's keys with recovery shares and seal them with a new key file.
The hub must be stopped. Give each share as a file with --share, or type them all
on standard input with an empty line between them.

The new key file is made by this command. Name it in node.seals afterwards and keep
a copy of it away from this machine. That the keys were recovered, when and by whom
goes into the ledger.`,
	}
	path := configFlag(c)
	files := c.Flags().StringArray("share", nil, "file with one share; once for each")
	newKey := c.Flags().String("new-key", "", "the key file to make (needed); it must not exist")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *newKey == "" {
			return usageError{c.CommandPath(), errors.New("name the key file to make with --new-key")}
		}
		key, err := filepath.Abs(*newKey)
		if err != nil {
			return fmt.Errorf("find the new key file: %w", err)
		}
		shares, err := readShares(*files, c.InOrStdin())
		if err != nil {
			return err
		}
		conf, err := loadConfig(*path, time.Now(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		node, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find this machine's name: %w", err)
		}
		who, err := user.Current()
		if err != nil {
			return fmt.Errorf("find who you are: %w", err)
		}
		st, err := app.Recover(c.Context(), conf, shares, key, who.Username, app.Deps{
			Now: time.Now, Log: logger(conf.Log, c.ErrOrStderr()), Node: node, Version: Version(),
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), st)
		}
		c.Printf("The keys are open again. %s now opens them.\n\nNext:\n"+
			"  1. In %s name it under node.seals: {kind: keyfile, path: %s}\n"+
			"  2. Keep a copy of it away from this machine.\n"+
			"  3. Start the hub, then look at `labwarden keys status`: seals that are lost stand there still.\n"+
			"  4. The shares were seen by those who typed them: consider making new ones.\n", key, *path, key)
		return nil
	}
	return c
}

// readShares reads shares from files, or all of them from in.
func readShares(files []string, in io.Reader) ([]vault.Share, error) {
	var texts []string
	for _, name := range files {
		b, err := readLimited(name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, shareTexts(b)...)
	}
	if len(files) == 0 {
		b, err := io.ReadAll(io.LimitReader(in, maxShares))
		if err != nil {
			return nil, fmt.Errorf("read shares: %w", err)
		}
		texts = shareTexts(b)
	}
	if len(texts) == 0 {
		return nil, errNoShares
	}
	shares := make([]vault.Share, len(texts))
	for i, t := range texts {
		var err error
		if shares[i], err = vault.ParseShare(t); err != nil {
			return nil, fmt.Errorf("share %d of those given: %w", i+1, err)
		}
	}
	return shares, nil
}

func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read share: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxShares))
	if err != nil {
		return nil, fmt.Errorf("read share: %w", err)
	}
	return b, nil
}

// shareTexts cuts what was typed at empty lines and at headings such as
// "Share 2", which init prints above each.
func shareTexts(b []byte) []string {
	var out []string
	var cur []string
	flush := func() {
		if len(cur) > 0 {
			out = append(out, strings.Join(cur, "\n"))
		}
		cur = nil
	}
	for line := range bytes.Lines(b) {
		t := strings.TrimSpace(string(line))
		if t == "" || strings.HasPrefix(strings.ToLower(t), "share ") {
			flush()
			continue
		}
		cur = append(cur, t)
	}
	flush()
	return out
}
