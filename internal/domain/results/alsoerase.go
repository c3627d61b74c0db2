package results

import (
	"context"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Erasing removes what else was made of the message at a leaf, in the transaction
// in which retention erases its body.
type Erasing func(ctx context.Context, tx *store.Tx, leaf int64) error

// AlsoErase has f run with every erasure: a copy must not outlive its original.
func (s *Service) AlsoErase(f Erasing) { s.alsoErase.Store(&f) }
