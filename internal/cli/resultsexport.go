package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

// exported is a line of the manifest.
type exported struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	control.Result
}

func resultsExportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "export --to FOLDER [MESSAGE...]",
		Short: "Write messages to files; each is recorded",
		Long: `Write messages, those named or those the filters choose, to a folder: one file per
message as it came in, readable by you alone, and manifest.json with their hashes
and deliveries. The files hold patient data in the clear: keep them accordingly.
The hub writes each export into its ledger; what it cannot record it does not give.`,
		Args: cobra.ArbitraryArgs,
	}
	f, choose, reason := addHubFlags(c), addFilterFlags(c), reasonFlag(c)
	to := c.Flags().String("to", "", "the folder (needed); it is made if it is missing")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		filter, err := choose.filter(c, time.Now())
		if err != nil {
			return err
		}
		switch chosen := filter != (control.Filter{}); {
		case *to == "":
			return usageError{c.CommandPath(), errors.New("name the folder with --to")}
		case chosen == (len(args) > 0):
			return usageError{c.CommandPath(), errors.New("name messages, or choose them with --since, --until, --source, --partner or --state")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		e := exporter{c: c, client: client, to: *to, reason: *reason}
		if err := e.run(args, filter); err != nil {
			return err
		}
		return f.show(c, e.manifest, func(w io.Writer) {
			fmt.Fprintf(w, "%d messages were written to %s and recorded in the ledger. They are patient data in the clear.\n", len(e.manifest), *to)
		})
	}
	return c
}

type exporter struct {
	c          *cobra.Command
	client     *control.Client
	to, reason string
	manifest   []exported
}

func (e *exporter) run(ids []string, filter control.Filter) error {
	if err := os.MkdirAll(e.to, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	e.manifest = []exported{}
	for _, id := range ids {
		if err := e.one(id); err != nil {
			return err
		}
	}
	for filter.Limit = 500; len(ids) == 0; {
		list, err := e.client.Results(e.c.Context(), filter)
		if err != nil {
			return err
		}
		for _, r := range list.Results {
			if r.Erased {
				continue
			}
			if err := e.one(r.ID); err != nil {
				return err
			}
		}
		if filter.Before = list.Next; list.Next == 0 {
			break
		}
	}
	b, err := json.MarshalIndent(e.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return writeNew(filepath.Join(e.to, "manifest.json"), append(b, '\n'))
}

func (e *exporter) one(id string) error {
	// The id becomes a file name: nothing but a message's id may be one.
	u, err := event.ParseID(id)
	if err != nil {
		return usageError{e.c.CommandPath(), fmt.Errorf("%q is not the id of a message", id)}
	}
	b, err := e.client.Export(e.c.Context(), u.String(), e.reason)
	if err != nil {
		return fmt.Errorf("export %s: %w", u, err)
	}
	name := u.String() + ".hl7"
	if err := writeNew(filepath.Join(e.to, name), b.Body); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Body)
	e.manifest = append(e.manifest, exported{name, hex.EncodeToString(sum[:]), b.About})
	return nil
}

// writeNew writes a file for its owner alone; an existing one is not replaced.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
