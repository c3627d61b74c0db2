package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// ReplaceFile makes the configuration file at path say source, as the person
// wrote it, with the node section that stands in the file: that belongs to this
// machine and to no revision. applied is the text that was in force before; when
// the file says something else, which nobody applied, that is kept beside it
// under ".unapplied".
func ReplaceFile(path string, source, applied []byte) desk.File {
	out := desk.File{Path: path}
	failed := func(err error) desk.File {
		out.Problem = err.Error()
		return out
	}
	now, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		now = nil
	case err != nil:
		return failed(fmt.Errorf("read the configuration file: %w", err))
	}
	if bytes.Equal(now, source) {
		return out
	}
	next := source
	if now != nil {
		if next, err = config.WithNode(source, now); err != nil {
			return failed(err)
		}
	}
	if bytes.Equal(now, next) {
		return out
	}
	if now != nil && !sameText(now, applied) {
		if err := WriteFile(path+".unapplied", now, path); err != nil {
			return failed(err)
		}
		out.Kept = path + ".unapplied"
	}
	if err := WriteFile(path, next, path); err != nil {
		return failed(err)
	}
	out.Written = true
	return out
}

// sameText says that file is the text that was applied, but for the node section.
func sameText(file, applied []byte) bool {
	if applied == nil {
		return false
	}
	same, err := config.WithNode(applied, file)
	return err == nil && bytes.Equal(same, file)
}

// WriteFile puts text in place of the file at path: whole or not at all, on
// disk when it returns. Owner, group and mode are those of the file like (0600
// and ours where there is none); where they cannot be kept nothing changes. A
// symbolic link stays one.
func WriteFile(path string, text []byte, like string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the configuration file: %w", err)
		}
	}()
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	mode := fs.FileMode(0o600)
	uid, gid := os.Getuid(), os.Getgid()
	switch i, err := os.Stat(like); {
	case err == nil:
		mode = i.Mode().Perm()
		if st, ok := i.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(st.Uid), int(st.Gid)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if uid != os.Getuid() || gid != os.Getgid() {
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("its owner cannot be kept: %w", err)
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	done = true
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
