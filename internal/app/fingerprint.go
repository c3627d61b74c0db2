package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"reflect"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// fingerprint is the same exactly for parts of a configuration that say the same.
func fingerprint(parts ...any) string {
	h := sha256.New()
	writeParts(h, parts)
	return hex.EncodeToString(h.Sum(nil))
}

func writeParts(h hash.Hash, parts []any) {
	if err := json.NewEncoder(h).Encode(parts); err != nil {
		panic(fmt.Sprintf("encode configuration: %v", err)) // plain data
	}
}

// maxNamed bounds how much of a named file counts.
const maxNamed = 1 << 20

// material is fingerprint together with what the files and secrets hold that
// the parts name: a renewed certificate makes a new sender, even where the
// configuration is the same. A file that is not there counts as empty; whoever
// needs it says so.
func (h *Hub) material(ctx context.Context, parts ...any) (string, error) {
	sum := sha256.New()
	writeParts(sum, parts)
	var failed error
	for _, p := range parts {
		walk(reflect.ValueOf(p), func(v any) {
			switch v := v.(type) {
			case config.Path:
				if i, err := os.Stat(string(v)); err != nil || !i.Mode().IsRegular() || i.Size() > maxNamed {
					writeParts(sum, []any{"none"})
				} else if b, err := os.ReadFile(string(v)); err == nil {
					writeParts(sum, []any{b})
				}
			case config.Secret:
				b, err := h.secret(ctx, v)
				if err != nil && failed == nil {
					failed = err
				}
				writeParts(sum, []any{b})
			}
		})
	}
	return hex.EncodeToString(sum.Sum(nil)), failed
}
