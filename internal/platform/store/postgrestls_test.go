package store

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestNoPlaintextToADatabaseElsewhere: a database on another machine is asked with
// TLS, or as the connection string says in so many words.
func TestNoPlaintextToADatabaseElsewhere(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u@db.example/x":                       "db.example:tls",
		"postgres://u@db.example/x?sslmode=prefer":        "db.example:tls",
		"postgres://u@db.example/x?sslmode=allow":         "db.example:tls",
		"postgres://u@db.example/x?sslmode=require":       "db.example:tls",
		"postgres://u@10.1.2.3,10.1.2.4/x":                "10.1.2.3:tls 10.1.2.4:tls",
		"postgres://u@db.example/x?sslmode=disable":       "db.example:plain",
		"postgres://u@127.0.0.1/x":                        "127.0.0.1:tls 127.0.0.1:plain",
		"host=/var/run/postgresql user=u dbname=x":        "/var/run/postgresql:plain",
		"host=localhost,db.example user=u sslmode=prefer": "localhost:tls localhost:plain db.example:tls",
		"postgres://u@[::1]/x?sslmode=disable":            "::1:plain",
		"postgres://u@127.0.0.1.evil.example/x":           "127.0.0.1.evil.example:tls",
	} {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		encryptedOnly(c)
		word := func(encrypted bool) string {
			if encrypted {
				return "tls"
			}
			return "plain"
		}
		got := fmt.Sprintf("%s:%s", c.Host, word(c.TLSConfig != nil))
		for _, f := range c.Fallbacks {
			got += fmt.Sprintf(" %s:%s", f.Host, word(f.TLSConfig != nil))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
}
