package demo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// NewIdentity returns the recipient of the age identity in path and makes the
// identity (0600) when the file is missing. The recipient is kept beside it in
// path+".pub" for the sender to read.
func NewIdentity(path string) (recipient string, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return "", fmt.Errorf("make identity: %w", err)
		}
		b = []byte(id.String() + "\n")
		if err := pki.WritePrivate(path, b); err != nil {
			return "", fmt.Errorf("make identity: %w", err)
		}
		if err := os.WriteFile(path+".pub", []byte(id.Recipient().String()+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("make identity: %w", err)
		}
	} else if err != nil {
		return "", fmt.Errorf("read identity: %w", err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return "", errors.New("read identity: not an age identity file")
	}
	switch id := ids[0].(type) {
	case *age.X25519Identity:
		return id.Recipient().String(), nil
	case *age.HybridIdentity:
		return id.Recipient().String(), nil
	}
	return "", errors.New("read identity: of a kind without a recipient")
}

func (c *clinic) serveFolder(ctx context.Context) error {
	if _, err := NewIdentity(c.o.Identity); err != nil {
		return err
	}
	b, err := os.ReadFile(c.o.Identity)
	if err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return errors.New("read identity: not an age identity file")
	}
	if err := os.MkdirAll(c.o.Folder, 0o700); err != nil {
		return err
	}
	// A name counts as listed while it is the same file: one renamed over it is
	// a new arrival. Of names listed by an earlier run only the name is known.
	listed := map[string]fs.FileInfo{}
	for _, n := range c.names {
		listed[n] = nil
	}
	pick := func(name string) error {
		if ignored(name) {
			return nil
		}
		content, now, err := readStable(filepath.Join(c.o.Folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		before, known := listed[name]
		listed[name] = now
		if known && (before == nil || os.SameFile(before, now) && before.ModTime().Equal(now.ModTime())) {
			return nil
		}
		return c.picked(name, content, ids)
	}
	return watch(ctx, c.o.Folder, func() { _, _ = fmt.Fprintf(c.o.Out, "ready %s\n", c.o.Folder) }, pick)
}

// readStable returns a file's content and which file it was.
func readStable(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	i, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFrame))
	return b, i, err
}

// ignored are the names a careful writer uses before its rename.
func ignored(name string) bool {
	ext := filepath.Ext(name)
	return strings.HasPrefix(name, ".") || ext == ".tmp" || ext == ".part"
}

func (c *clinic) picked(name string, content []byte, ids []age.Identity) error {
	plain, problem := open(content, ids)
	if problem != "" {
		plain = content
	}
	_, err := c.arrival(plain, func(_ string, ln *ClinicLine) {
		ln.Name, ln.Problem, ln.Code = name, problem, "taken"
		if problem != "" {
			ln.Code = ""
			return
		}
		f := readFacts(plain)
		ln.Orders = f.Fillers
		if f.OK {
			ln.Controls = []string{f.Control}
		}
	})
	return err
}

// open decrypts an age file, armored or not.
func open(content []byte, ids []age.Identity) (plain []byte, problem string) {
	var in io.Reader = bytes.NewReader(content)
	switch {
	case bytes.HasPrefix(content, []byte(armor.Header)):
		in = armor.NewReader(in)
	case !bytes.HasPrefix(content, []byte("age-encryption.org/")):
		return nil, "not encrypted with age"
	}
	r, err := age.Decrypt(in, ids...)
	if err != nil {
		return nil, "cannot be decrypted with this clinic's identity"
	}
	plain, err = io.ReadAll(io.LimitReader(r, maxFrame+1))
	if err != nil {
		return nil, "is damaged"
	}
	if len(plain) > maxFrame {
		return nil, "is too large"
	}
	return plain, ""
}

// scan calls pick for the files present, in the order of their last write.
func scan(folder string, pick func(string) error) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var found []fs.FileInfo
	for _, e := range entries {
		if i, err := e.Info(); err == nil && i.Mode().IsRegular() {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, i := range found {
		if err := pick(i.Name()); err != nil {
			return err
		}
	}
	return nil
}
