package tunnels

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Facts about tunnels.
const (
	KindAdded    = "tunnel.added"
	KindInvited  = "tunnel.invited"
	KindJoined   = "tunnel.joined"
	KindRenewed  = "tunnel.keys_renewed"
	KindSettled  = "tunnel.certificate_settled"
	KindAllowed  = "tunnel.list_changed"
	KindExported = "tunnel.exported"
	KindRemoved  = "tunnel.removed"
)

// Add makes a tunnel that nobody has joined. token is the hash of its one-time
// token, empty for a device that speaks WireGuard itself.
func (b *Book) Add(ctx context.Context, t Tunnel, token []byte, until time.Time, by By) (Tunnel, error) {
	if !nameForm.MatchString(t.Name) {
		return t, ErrName
	}
	if by.Who == "" {
		return t, ErrPerson
	}
	sealed, err := b.seal(t.Name, Secrets{})
	if err != nil {
		return t, err
	}
	err = b.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := b.read(ctx, tx, t.Name); !errors.Is(err, ErrNone) {
			if err == nil {
				err = ErrTaken
			}
			return err
		}
		var top int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM tunnels_tunnels").Scan(&top); err != nil {
			return err
		}
		t.Number, t.MadeAt, t.MadeBy = top+1, b.now().UTC(), by.Who
		_, err := tx.Exec(ctx, `INSERT INTO tunnels_tunnels (name, kind, standard, number, made_at, made_by, reach, offers, pins, far_public, far_host,
				joined_at, epoch, keys_at, token, token_until, secrets)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '[]', $9, '', 0, 0, 0, $10, $11, $12)`,
			t.Name, t.Kind, flag(t.Standard), t.Number, micro(t.MadeAt), by.Who, list(t.Reach), list(t.Offers), "", hex.EncodeToString(token), micro(until), sealed)
		if err != nil {
			return err
		}
		if err := b.tags.Put(ctx, tx, taggedTunnels, t.Name); err != nil {
			return err
		}
		return b.publish(ctx, tx, KindAdded, &t, by)
	})
	if err != nil {
		return t, fmt.Errorf("add tunnel %s: %w", t.Name, err)
	}
	t.InvitedUntil = until
	return t, nil
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Invite makes another one-time token for a tunnel. Who joined before is known no
// longer from here on.
func (b *Book) Invite(ctx context.Context, name string, token []byte, until time.Time, by By) error {
	return b.change(ctx, name, KindInvited, by, func(ctx context.Context, tx *store.Tx, r *row) error {
		r.Pins = nil
		_, err := tx.Exec(ctx, "UPDATE tunnels_tunnels SET pins = '[]', token = $1, token_until = $2 WHERE name = $3", hex.EncodeToString(token), micro(until), name)
		return err
	})
}

// Invited is the tunnel whose token has this hash and may be used now.
func (b *Book) Invited(ctx context.Context, token []byte) (Tunnel, error) {
	r, err := b.invited(ctx, b.db, token)
	return r.Tunnel, err
}

func (b *Book) invited(ctx context.Context, q store.Queryer, token []byte) (row, error) {
	r, err := scan(q.QueryRow(ctx, columns+"WHERE token = $1", hex.EncodeToString(token)))
	if errors.Is(err, store.ErrNoRows) || err == nil && (len(token) == 0 || !b.now().Before(r.InvitedUntil)) {
		return row{}, ErrToken
	}
	if err != nil {
		return row{}, fmt.Errorf("look for a token: %w", err)
	}
	return r, nil
}

// Joined uses a token up: who shows the certificate pin from here on is the far
// end. public and s are WireGuard's keys, empty for TLS.
func (b *Book) Joined(ctx context.Context, token []byte, pin string, epoch int64, public []byte, s Secrets, host string) error {
	t, err := b.Invited(ctx, token)
	if err != nil {
		return err
	}
	sealed, err := b.seal(t.Name, s)
	if err != nil {
		return err
	}
	return b.change(ctx, t.Name, KindJoined, By{Who: ledger.Program}, func(ctx context.Context, tx *store.Tx, r *row) error {
		// Again, in this transaction: of two with the same token the second finds none.
		if _, err := b.invited(ctx, tx, token); err != nil {
			return err
		}
		r.Pins, r.Epoch = []string{pin}, epoch
		at := micro(b.now())
		_, err := tx.Exec(ctx, `UPDATE tunnels_tunnels SET pins = $1, far_public = $2, far_host = $3, joined_at = $4, epoch = $5, keys_at = $6,
			token = $7, token_until = 0, secrets = $8 WHERE name = $9`, list(r.Pins), hex.EncodeToString(public), host, at, epoch, at, "", sealed, r.Name)
		return err
	})
}

// Renewed stores new keys of a tunnel that was joined.
func (b *Book) Renewed(ctx context.Context, name string, pins []string, epoch int64, public []byte, s Secrets) error {
	sealed, err := b.seal(name, s)
	if err != nil {
		return err
	}
	return b.change(ctx, name, KindRenewed, By{Who: ledger.Program}, func(ctx context.Context, tx *store.Tx, r *row) error {
		if len(r.Pins) == 0 && !r.Standard {
			return ErrNone // somebody was invited anew in the meantime
		}
		r.Pins, r.Epoch = pins, epoch
		_, err := tx.Exec(ctx, "UPDATE tunnels_tunnels SET pins = $1, far_public = $2, epoch = $3, keys_at = $4, secrets = $5 WHERE name = $6",
			list(pins), hex.EncodeToString(public), epoch, micro(b.now()), sealed, name)
		return err
	})
}

// Settled: the far end uses this certificate now; the one before counts no more.
func (b *Book) Settled(ctx context.Context, name string, pins []string) error {
	return b.change(ctx, name, KindSettled, By{Who: ledger.Program}, func(ctx context.Context, tx *store.Tx, r *row) error {
		if len(r.Pins) == 0 {
			return ErrNone
		}
		r.Pins = pins
		_, err := tx.Exec(ctx, "UPDATE tunnels_tunnels SET pins = $1 WHERE name = $2", list(pins), name)
		return err
	})
}

// Exported stores keys that were made here for a device.
func (b *Book) Exported(ctx context.Context, name string, epoch int64, public []byte, s Secrets, by By) error {
	sealed, err := b.seal(name, s)
	if err != nil {
		return err
	}
	return b.change(ctx, name, KindExported, by, func(ctx context.Context, tx *store.Tx, r *row) error {
		r.Epoch = epoch
		at := micro(b.now())
		_, err := tx.Exec(ctx, "UPDATE tunnels_tunnels SET far_public = $1, epoch = $2, keys_at = $3, joined_at = $3, secrets = $4 WHERE name = $5",
			hex.EncodeToString(public), epoch, at, sealed, name)
		return err
	})
}

// Allow replaces what may pass.
func (b *Book) Allow(ctx context.Context, name string, reach []string, offers []Offer, by By) error {
	return b.change(ctx, name, KindAllowed, by, func(ctx context.Context, tx *store.Tx, r *row) error {
		r.Reach, r.Offers = reach, offers
		_, err := tx.Exec(ctx, "UPDATE tunnels_tunnels SET reach = $1, offers = $2 WHERE name = $3", list(reach), list(offers), name)
		return err
	})
}

// Remove forgets a tunnel with its keys.
func (b *Book) Remove(ctx context.Context, name string, by By) error {
	if by.Who == "" {
		return ErrPerson
	}
	err := b.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := b.read(ctx, tx, name)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM tunnels_tunnels WHERE name = $1", name); err != nil {
			return err
		}
		if err := b.tags.Drop(ctx, tx, taggedTunnels, name); err != nil {
			return err
		}
		return b.publish(ctx, tx, KindRemoved, &r.Tunnel, by)
	})
	if err != nil {
		return fmt.Errorf("remove tunnel %s: %w", name, err)
	}
	return nil
}
