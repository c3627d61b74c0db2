package witness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// writeDurable puts data under name in dir so that after a power cut there is
// either the old file, or the new one whole. With fresh it refuses to replace.
func writeDurable(dir, name string, data []byte, fresh bool) (err error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	tmp := f.Name()
	defer func() {
		if rm := os.Remove(tmp); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	to := filepath.Join(dir, name)
	if fresh {
		// Rename would replace without asking. Not every file system can link
		// (FAT on a stick), so look first; the folder has one writer.
		if _, err := os.Lstat(to); err == nil {
			return fmt.Errorf("write %s: %w", name, fs.ErrExist)
		}
	}
	if err := os.Rename(tmp, to); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return flushDir(dir)
}

func flushDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	err = d.Sync()
	// Some network file systems cannot flush a folder and say so; the file
	// itself is flushed, and more than they offer cannot be had.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("flush folder: %w", err)
	}
	return nil
}
