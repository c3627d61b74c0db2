package witness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Folder is a witness that adds one file per checkpoint to a folder and never
// changes one. It is as good as the folder is out of reach of whoever can put
// the database back: a stick, a share with write-once rights. It has one writer.
// Each checkpoint stays for good as a file of about 200 bytes, so it is for one
// every some minutes, not for every commit.
type Folder struct {
	name, dir, origin string
	keys              []note.Verifier
	mu                sync.Mutex
}

// NewFolder returns the folder witness of one ledger, whose public keys (of one
// name, the origin) are given. The folder must exist: a stick that is not
// plugged in must not look like an empty one.
func NewFolder(name, dir string, keys ...note.Verifier) (*Folder, error) {
	if len(keys) == 0 {
		return nil, errors.New("open witness folder: no public key of the ledger")
	}
	return &Folder{name: name, dir: dir, origin: keys[0].Name(), keys: keys}, nil
}

// Name implements Witness.
func (f *Folder) Name() string { return f.name }

const folderSuffix = ".checkpoint"

// fileName sorts by size.
func fileName(size int64) string { return fmt.Sprintf("%016d%s", size, folderSuffix) }

// Last returns the checkpoint with the greatest size in the folder, nil when
// there is none. A greatest file that does not hold what its name says or is
// not signed is an error: the folder was tampered with or has failed.
func (f *Folder) Last(ctx context.Context) (*ledger.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read witness folder: %w", err)
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("read witness folder: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), folderSuffix) && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	sort.Strings(names)
	last := names[len(names)-1]
	b, err := os.ReadFile(filepath.Join(f.dir, last))
	if err != nil {
		return nil, fmt.Errorf("read witness folder: %w", err)
	}
	c, _, err := ledger.OpenCheckpoint(b, f.keys...)
	if err != nil {
		return nil, fmt.Errorf("read witness folder: %s: %w", last, err)
	}
	if fileName(c.Size) != last || c.Origin != f.origin {
		return nil, fmt.Errorf("read witness folder: %s holds another checkpoint than its name says", last)
	}
	return &c, nil
}

// Submit implements Witness. It returns no cosignatures: the folder has no key.
func (f *Folder) Submit(ctx context.Context, old int64, checkpoint []byte, proof tlog.TreeProof) ([]note.Signature, error) {
	next, _, err := ledger.OpenCheckpoint(checkpoint, f.keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if next.Origin != f.origin {
		return nil, fmt.Errorf("%w: a checkpoint of another ledger", ErrRefused)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	last, err := f.Last(ctx)
	if err != nil {
		return nil, err
	}
	if err := extend(last, old, next, proof); err != nil {
		return nil, err
	}
	if last != nil && last.Size == next.Size {
		return nil, nil // remembered already
	}
	err = writeDurable(f.dir, fileName(next.Size), checkpoint, true)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: the folder got this size from elsewhere", ErrFork)
	}
	return nil, err
}
