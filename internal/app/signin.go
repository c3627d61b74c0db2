package app

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// openID is the OpenID provider of the configuration in force. It is looked up at
// each sign-in, secret included: a new one counts at once, on every node, and one
// that is missing keeps nobody else out.
func (h *Hub) openID() *signin.Provider {
	c := h.inForce()
	if c == nil || c.SignIn == nil || c.SignIn.OIDC == nil {
		return nil
	}
	o := c.SignIn.OIDC
	p := &signin.Provider{
		Issuer: string(o.Issuer), ClientID: o.ClientID, Scopes: o.Scopes, Label: o.Label, Groups: o.Groups, SCIM: o.SCIMIsSub,
		Roots: func() (*x509.CertPool, error) { return roots(o.CA) },
		Secret: func(ctx context.Context) ([]byte, error) {
			b, err := h.secret(ctx, o.Secret)
			return bytes.TrimRight(b, "\r\n"), err
		},
	}
	if s := o.Strong; s != nil {
		p.TwoFactor, p.Passkey = s.TwoFactor, s.Passkey
	}
	return p
}

// rolesFor is how long roles of its groups count after a sign-in by it; zero where
// nothing is said.
func (h *Hub) rolesFor() time.Duration {
	c := h.inForce()
	if c == nil || c.SignIn == nil || c.SignIn.OIDC == nil {
		return 0
	}
	return time.Duration(c.SignIn.OIDC.RoleDays) * 24 * time.Hour
}

// breachedFile is the list of stolen passwords in the data folder.
const breachedFile = "breached.lw"

// BreachedPath is where the list of stolen passwords stands.
func BreachedPath(n *config.Node) string { return filepath.Join(string(n.Data), breachedFile) }

// ImportBreached makes the list of the one that Have I Been Pwned gives away.
func ImportBreached(ctx context.Context, r io.Reader, n *config.Node, progress func(passwords uint64)) (uint64, error) {
	return signin.ImportBreached(ctx, r, BreachedPath(n), progress)
}

// breached is the list that is looked into now.
type breached struct {
	size int64
	at   time.Time
}

// takeBreached has new passwords looked up in the list that is there now, if any,
// and says whether it is another one. The one before is not closed: a look-up may
// be under way in it; the file goes with it.
func (h *Hub) takeBreached(c *config.Config) (bool, error) {
	path := BreachedPath(&c.Node)
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		was := h.rooms.breached != breached{}
		h.rooms.breached = breached{}
		h.rooms.signin.SetBreached(nil)
		h.rooms.portalDoor.SetBreached(nil)
		return was, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the list of stolen passwords: %w", err)
	}
	now := breached{st.Size(), st.ModTime()}
	if now == h.rooms.breached {
		return false, nil
	}
	b, err := signin.OpenBreached(path)
	if err != nil {
		return false, err
	}
	h.rooms.breached = now
	h.rooms.signin.SetBreached(b)
	h.rooms.portalDoor.SetBreached(b)
	h.slog.Info("new passwords are looked up in the list of stolen ones", "passwords", b.Count())
	return true, nil
}
