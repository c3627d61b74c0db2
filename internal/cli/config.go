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
	src, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("there is no %s here: run `labwarden init`, or name the file with --config", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, problems := config.Parse(path, src, config.Options{
		Now: now, Validators: app.Validators(), ReadFile: os.ReadFile, CheckFile: checkFile,
	})
	if err := problems.Render(stderr, src); err != nil {
		return nil, fmt.Errorf("show problems: %w", err)
	}
	if c == nil {
		return nil, errSilent
	}
	return c, nil
}

func checkFile(path string, folder bool) error {
	i, err := os.Stat(path)
	if err != nil {
		return err
	}
	if i.IsDir() != folder {
		if folder {
			return fmt.Errorf("it is not a folder")
		}
		return fmt.Errorf("it is a folder")
	}
	return nil
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
