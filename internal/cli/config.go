package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// configFlag adds --config.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "labwarden.yaml", "the configuration file")
}

// loadConfig reads the file, shows every problem and fails if one is an error.
// Relative paths in the file are relative to the file's folder: the process
// goes there.
func loadConfig(path string, now time.Time, stderr io.Writer) (*config.Config, error) {
	d, err := readDraft(path, now)
	if err != nil {
		return nil, err
	}
	if err := d.problems.Render(stderr, d.source); err != nil {
		return nil, fmt.Errorf("show problems: %w", err)
	}
	if d.conf == nil {
		return nil, errSilent
	}
	return d.conf, nil
}

// draft is the configuration file: what is written, which is not always what
// runs.
type draft struct {
	path     string // as it was named
	abs      string
	source   []byte
	conf     *config.Config // nil when it has errors
	problems config.Problems
}

func readDraft(path string, now time.Time) (*draft, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", path, err)
	}
	src, err := os.ReadFile(abs)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("there is no %s here: run `labwarden init`, or name the file with --config", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := os.Chdir(filepath.Dir(abs)); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parseDraft(path, abs, src, now), nil
}

// parseDraft judges a text whose relative paths are relative to this folder.
func parseDraft(path, abs string, src []byte, now time.Time) *draft {
	d := &draft{path: path, abs: abs, source: src}
	opts := app.ParseOptions()
	opts.Now = now
	d.conf, d.problems = config.Parse(path, src, opts)
	return d
}

// target is the draft for the hub; conf is not nil.
func (d *draft) target() desk.Target { return desk.Target{Source: d.source, Hash: d.conf.Revision()} }

// node is this node's section, which a mistake elsewhere in the file does not
// spoil.
func (d *draft) node(stderr io.Writer) (*config.Node, error) {
	if d.conf != nil {
		return &d.conf.Node, nil
	}
	n, problems := config.ParseNode(d.path, d.source, config.Options{CheckFile: app.CheckFile})
	if n == nil {
		if err := problems.Render(stderr, d.source); err != nil {
			return nil, fmt.Errorf("show problems: %w", err)
		}
		return nil, errSilent
	}
	return n, nil
}

// log is the file's word on the program's log, or the default.
func (d *draft) log() config.Log {
	if d.conf != nil {
		return d.conf.Log
	}
	return config.Log{Level: "info", Format: "text"}
}

// logger writes the program's own log to w.
func logger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // the configuration allows no other words
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
