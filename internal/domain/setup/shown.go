package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

var taggedShown = &bus.Tagged{Table: "setup_shown", Key: "what", Columns: []string{"value", "shown_at", "shown_by", "leaf"}}

const shownShares = "recovery-shares"

// Errors of shares.
var (
	ErrOtherShares = errors.New("this is a share of another set: it opens nothing here any more")
	ErrNoShares    = errors.New("no recovery shares were handed out")
)

// Shown is what a person has shown.
type Shown struct {
	Set string
	At  time.Time
	By  string
}

// SharesShown is the set of shares of which somebody has shown a paper; the zero
// value where nobody has.
func (s *Service) SharesShown(ctx context.Context) (Shown, error) {
	var out Shown
	var at int64
	err := s.db.QueryRow(ctx, "SELECT value, shown_at, shown_by FROM setup_shown WHERE what = $1", shownShares).Scan(&out.Set, &at, &out.By)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return Shown{}, fmt.Errorf("read whether a recovery share was shown: %w", err)
	}
	out.At = moment(at)
	return out, nil
}

// ShowShare records that somebody has a paper of the present shares: they type
// its first line, which is no secret. set names the present ones.
func (s *Service) ShowShare(ctx context.Context, firstLine, set string, by approval.Person) error {
	if by.Account == "" {
		return approval.ErrNobody
	}
	if set == "" {
		return ErrNoShares
	}
	h, err := vault.ParseShareHead(firstLine)
	if err != nil {
		return err
	}
	if h.Set != set {
		return ErrOtherShares
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		at := s.clock()
		leaf, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: "keys.share_shown", At: at.UnixMicro(), IDs: ledger.Pairs{{K: "by", V: ledger.Code(by.Account)}, {K: "set", V: ledger.Code(set)}},
		})
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedShown, shownShares, `INSERT INTO setup_shown (what, value, shown_at, shown_by, leaf) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (what) DO UPDATE SET value = excluded.value, shown_at = excluded.shown_at, shown_by = excluded.shown_by, leaf = excluded.leaf`,
			shownShares, set, micro(at), by.Account, leaf)
		return err
	})
}
