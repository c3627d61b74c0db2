package witness

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Witness remembers the latest checkpoint of a ledger.
type Witness interface {
	// Name is the configured name, for words to people.
	Name() string
	// Submit offers a signed checkpoint with the proof that it extends the tree
	// of old leaves, the latest the witness is thought to remember (0: none).
	// It returns the witness's verified cosignatures; a Folder has none. A
	// nil error means that the checkpoint is durably remembered. Errors:
	// *StaleError, ErrFork, ErrRefused, or anything else for "not reached".
	Submit(ctx context.Context, old int64, checkpoint []byte, proof tlog.TreeProof) ([]note.Signature, error)
}

var (
	// ErrFork: the witness remembers a tree that the offered one does not
	// extend. Either the ledger was rewritten or the proof is wrong.
	ErrFork = errors.New("the witness remembers another ledger than this one")
	// ErrRefused: the witness does not know this ledger or its key, or finds the
	// request malformed.
	ErrRefused = errors.New("the witness refused the request")
	// ErrRollback: the witness remembers more leaves than the ledger has.
	ErrRollback = errors.New("the witness remembers a longer ledger than this one")
)

// StaleError says that the witness remembers another size than the caller
// thought.
type StaleError struct{ Size int64 }

func (e *StaleError) Error() string {
	return fmt.Sprintf("the witness remembers size %d", e.Size)
}

// Prover makes consistency proofs; *ledger.Reader is one.
type Prover interface {
	ConsistencyProof(ctx context.Context, old, size int64) (tlog.TreeProof, error)
}

// Push offers a signed checkpoint of the given size to w. old is what w is
// thought to remember; where w says otherwise Push tries once more from there.
// ErrRollback (with the *StaleError in the chain) and ErrFork are alarms;
// everything else is to be tried again later.
func Push(ctx context.Context, w Witness, p Prover, old int64, checkpoint []byte, size int64) ([]note.Signature, error) {
	for try := 0; ; try++ {
		if old > size {
			return nil, fmt.Errorf("push checkpoint to %s: %w: %w", w.Name(), ErrRollback, &StaleError{old})
		}
		proof, err := p.ConsistencyProof(ctx, old, size)
		if err != nil {
			return nil, fmt.Errorf("push checkpoint to %s: %w", w.Name(), err)
		}
		sigs, err := w.Submit(ctx, old, checkpoint, proof)
		if err == nil {
			return sigs, nil
		}
		var stale *StaleError
		if !errors.As(err, &stale) || try > 0 && stale.Size <= size {
			return nil, fmt.Errorf("push checkpoint to %s: %w", w.Name(), err)
		}
		old = stale.Size
	}
}

// Cosigned returns the signed checkpoint with cosignatures added after its own
// signatures.
func Cosigned(checkpoint []byte, sigs ...note.Signature) []byte {
	out := append([]byte(nil), checkpoint...)
	for _, s := range sigs {
		out = append(out, "— "+s.Name+" "+s.Base64+"\n"...)
	}
	return out
}

// extend is the rule every witness of ours keeps: may last (nil: nothing
// remembered) be replaced by next, given what the request says?
// c2sp.org/tlog-witness "add-checkpoint".
func extend(last *ledger.Checkpoint, old int64, next ledger.Checkpoint, proof tlog.TreeProof) error {
	if old < 0 || old > next.Size {
		return fmt.Errorf("%w: the old size is greater than the checkpoint's", ErrRefused)
	}
	var size int64
	if last != nil {
		size = last.Size
	}
	if old != size {
		return &StaleError{size}
	}
	if old == 0 {
		if len(proof) != 0 {
			return fmt.Errorf("%w: a proof from nothing must be empty", errProof)
		}
		// The empty tree has one root only.
		if next.Size == 0 && next.Root != (ledger.Head{}).Root() {
			return fmt.Errorf("%w: the root of the empty tree is wrong", ErrFork)
		}
		return nil
	}
	if old == next.Size && next.Root != last.Root {
		return fmt.Errorf("%w: another root for the same size", ErrFork)
	}
	if tlog.CheckTree(proof, next.Size, next.Root, old, last.Root) != nil {
		return errProof
	}
	return nil
}

// errProof is a fork or a wrong proof: which of both nobody can tell.
var errProof = fmt.Errorf("%w: the consistency proof does not hold", ErrFork)
