package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindRotation is written before the keys change: a rotation that nobody recorded
// does not happen, one that failed after it is in the log.
const KindRotation = "keys.rotation_ordered"

// Signer names the signing key among the purposes.
const Signer = "signer"

// ErrIndexKey refuses to rotate the key of the blind indexes: all of them,
// duplicate detection among them, would have to be built anew first.
var ErrIndexKey = errors.New("the index key is not rotated: repeated messages would no longer be recognised, and a correction could overtake its result; docs/develop/decisions/index-key.md says what to do when it has leaked")

// Rotation makes new keys: for the command line and for the pages alike.
type Rotation struct {
	DB    *store.DB
	Vault *vault.Vault
	// Reload makes witnesses ready that check our signature; nil: there are none.
	Reload func(context.Context) error
	Now    func() time.Time
	Log    *slog.Logger
}

// Rotate makes new keys for these purposes, in this order, and records each before
// it is made. who has been allowed to by the caller. What was refused is an
// Invalid, or ErrIndexKey.
func (r Rotation) Rotate(ctx context.Context, what []string, who, reason string) error {
	if err := r.check(what, reason); err != nil {
		return err
	}
	for _, w := range what {
		err := r.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: KindRotation, At: r.Now().UnixMicro(),
				IDs:   ledger.Pairs{{K: "by", V: ledger.Code(who)}, {K: "key", V: ledger.Code(w)}},
				Codes: ledger.Pairs{{K: "reason", V: ledger.Code(reason)}},
			})
			return err
		})
		switch {
		case err != nil:
		case w == Signer:
			err = r.Vault.RotateSigner(ctx, r.Now())
		default:
			err = r.Vault.Rotate(ctx, vault.Purpose(w), r.Now())
		}
		if err != nil {
			return fmt.Errorf("rotate %s: %w", w, err)
		}
		r.Log.Info("a key was rotated", "key", w, "by", ledger.Code(who))
	}
	if slices.Contains(what, Signer) && r.Reload != nil {
		// Witnesses in folders check our signature: they learn the new key.
		if err := r.Reload(ctx); err != nil {
			r.Log.Error("after a new signing key witnesses could not be made ready; labwarden reload tries again", "error", err)
		}
	}
	return nil
}

func (r Rotation) check(what []string, reason string) error {
	st, err := r.Vault.Status()
	if err != nil {
		return err
	}
	known := []string{Signer}
	for _, k := range st.Keys {
		if p := string(k.Purpose); k.Purpose != vault.PurposeIndex && !slices.Contains(known, p) {
			known = append(known, p)
		}
	}
	unknown := func(w string) bool { return !slices.Contains(known, w) }
	switch {
	case slices.Contains(what, string(vault.PurposeIndex)):
		return ErrIndexKey
	case len(what) == 0 || len(what) > len(known) || slices.ContainsFunc(what, unknown):
		return Refuse("name what to rotate; what can be rotated is: " + strings.Join(known, ", "))
	case strings.TrimSpace(reason) == "":
		return Refuse("name why the keys are rotated")
	}
	return nil
}
