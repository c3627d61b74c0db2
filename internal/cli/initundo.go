package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// before is what stood where a laboratory is about to be made: a try that failed
// half-way takes back what it made, and nothing else. Else the next try would find
// a laboratory whose recovery shares nobody has seen.
type before map[string][]string // names in a folder; nil where there was none

// lookBefore looks at the folder itself and at those below it that are filled.
func (p *place) lookBefore() (before, error) {
	out := before{}
	for _, dir := range []string{p.dir, filepath.Join(p.dir, "keys"), filepath.Join(p.dir, "tls"), p.data} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			out[dir] = nil
			continue
		}
		if err != nil && !isFile(dir) {
			return nil, fmt.Errorf("look into %s: %w", dir, err)
		}
		out[dir] = []string{}
		for _, e := range entries {
			out[dir] = append(out[dir], e.Name())
		}
	}
	return out, nil
}

func isFile(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && !st.IsDir()
}

// undo removes what was not there before.
func (p *place) undo(b before) error {
	made := []string{filepath.Join(p.dir, "labwarden.yaml"), p.key, filepath.Join(p.dir, "keys"), filepath.Join(p.dir, "tls"), p.data}
	for _, dir := range []string{filepath.Join(p.dir, "keys"), filepath.Join(p.dir, "tls"), p.data} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // not made, or no folder
		}
		for _, e := range entries {
			made = append(made, filepath.Join(dir, e.Name()))
		}
	}
	var errs []error
	for _, path := range made {
		dir, name := filepath.Split(path)
		if slices.Contains(b[filepath.Clean(dir)], name) {
			continue
		}
		if had, looked := b[path]; looked && had != nil {
			continue // a folder that was there, wherever it lies
		}
		errs = append(errs, os.RemoveAll(path))
	}
	if b[p.dir] == nil {
		errs = append(errs, os.Remove(p.dir))
	}
	return errors.Join(errs...)
}
