package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// secret resolves a reference of the configuration.
func (h *Hub) secret(s config.Secret) ([]byte, error) {
	if path := s.File(); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read secret: %w", err)
		}
		return bytes.TrimSpace(b), nil
	}
	name := s.Vault()
	var sealed []byte
	err := h.DB.QueryRow(context.Background(), "SELECT value FROM hub_secrets WHERE name = $1", name).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("the vault has no secret named %s: run `labwarden secret set %s`", name, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", name, err)
	}
	return h.Vault.Unseal("secrets", vault.Where{Table: "hub_secrets", Column: "value", Row: []byte(name)}, nil, sealed)
}
