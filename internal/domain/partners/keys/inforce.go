package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Force is what a partner's results are encrypted to at a moment.
type Force struct {
	// Keys are of one kind, the newest first.
	Keys []Key
	// Late: the time that was planned for them is over, and there is no other: the
	// last state is kept.
	Late bool
}

// InForce says what to encrypt to now. Its errors, ErrNoKey and ErrDamaged among
// them, mean that nothing may be sent.
func (s *Service) InForce(ctx context.Context, partner string) (Force, error) {
	all, err := s.verified(ctx, partner)
	if err != nil {
		return Force{}, err
	}
	f := force(all, s.now())
	if len(f.Keys) == 0 {
		return f, ErrNoKey
	}
	return f, nil
}

func force(all []Key, now time.Time) (f Force) {
	var late []Key
	for _, k := range all {
		switch {
		case k.State != InUse || now.Before(k.From):
		case k.Until.IsZero() || now.Before(k.Until):
			f.Keys = append(f.Keys, k)
		default:
			late = append(late, k)
		}
	}
	if len(f.Keys) == 0 && len(late) > 0 {
		// SAFETY.md 7: a date alone takes no partner's last key away.
		last := slices.MaxFunc(late, func(a, b Key) int { return a.Until.Compare(b.Until) })
		f.Keys, f.Late = []Key{last}, true
	}
	slices.SortFunc(f.Keys, func(a, b Key) int { return b.From.Compare(a.From) })
	return f
}

// verified reads a partner's rows and holds each of them against its tag: what is
// used is what was held, not what is read a moment later.
func (s *Service) verified(ctx context.Context, partner string) ([]Key, error) {
	for try := 0; ; try++ {
		all, err := s.Of(ctx, partner)
		if err != nil {
			return nil, err
		}
		fit := true
		for i := range all {
			ok, err := s.fits(ctx, &all[i])
			if err != nil {
				return nil, err
			}
			fit = fit && ok
		}
		if fit {
			return all, nil
		}
		if try == 2 { // row and tag are read one after the other
			return nil, ErrDamaged
		}
	}
}

func (s *Service) fits(ctx context.Context, k *Key) (bool, error) {
	var tag []byte
	err := s.db.QueryRow(ctx, "SELECT tag FROM row_tags WHERE tbl = $1 AND row = $2", tagged.Table, hex.EncodeToString(k.ID[:])).Scan(&tag)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the tag of a key: %w", err)
	}
	return s.tags.Fits(tagged, k.ID[:], k.values(), tag), nil
}
