package store

import (
	"net/netip"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// encryptedOnly takes out the ways to a database on another machine that are not
// encrypted, where there is one that is: sslmode=prefer, which counts where a
// connection string says nothing, would fall back to plaintext for whoever stands
// between and refuses TLS. sslmode=disable is somebody's word, and stays.
func encryptedOnly(c *pgx.ConnConfig) {
	all := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	encrypted := map[string]bool{}
	for _, w := range all {
		encrypted[w.Host] = encrypted[w.Host] || w.TLSConfig != nil
	}
	var kept []*pgconn.FallbackConfig
	for _, w := range all {
		if w.TLSConfig != nil || !encrypted[w.Host] || thisMachine(w.Host) {
			kept = append(kept, w)
		}
	}
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = kept[0].Host, kept[0].Port, kept[0].TLSConfig, kept[1:]
}

// thisMachine: a Unix socket, or a loopback address.
func thisMachine(host string) bool {
	if strings.HasPrefix(host, "/") || host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
