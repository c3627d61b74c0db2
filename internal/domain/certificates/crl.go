package certificates

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// crlLife is how long others may go by a list that they cannot fetch anew.
const crlLife = 24 * time.Hour

// CRL is the signed list of what the issuer in use has revoked and has not
// ended, as DER (RFC 5280 5). It is made for each who asks, so it is never
// behind; its number is the time in microseconds.
func (s *Service) CRL(ctx context.Context) ([]byte, error) {
	st := s.now.Load()
	if st.issuer == nil {
		return nil, ErrNone
	}
	now := s.clock()
	all, err := s.list(ctx, "WHERE form = $1 AND revoked_at > 0 AND ends_at > $2 ORDER BY serial", formX509, now.UnixMicro())
	if err != nil {
		return nil, err
	}
	var gone []pki.Gone
	for i := range all {
		gone = append(gone, pki.Gone{Serial: new(big.Int).SetBytes(all[i].serial), At: all[i].Revoked})
	}
	der, err := st.issuer.CRL(gone, big.NewInt(now.UnixMicro()), now, crlLife, s.Rand)
	if err != nil {
		return nil, fmt.Errorf("make the list of revoked certificates: %w", err)
	}
	return der, nil
}
