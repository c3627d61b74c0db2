package app

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// KindRefused is the fact that somebody who is signed in was refused.
const KindRefused = "access.refused"

const (
	// refusedEvery is how often the same refusal of the same person is written: a
	// program that tries a thousand times a second must not fill the ledger.
	refusedEvery = time.Minute
	refusedMost  = 10_000 // kept in memory
)

// refusals writes down who was refused what.
type refusals struct {
	h    *Hub
	mu   sync.Mutex
	last map[string]time.Time
}

// note is called for each refusal. Who is not signed in is not written down one
// by one: sign-in attempts are, where they are made.
func (f *refusals) note(ctx context.Context, who *authz.Subject, r *http.Request, why error) {
	if who == nil {
		return
	}
	code := "not_found"
	permission := ""
	var denied *authz.Denied
	if errors.As(why, &denied) {
		code, permission = "denied", string(denied.Permission)
		if denied.StepUp || denied.Strong {
			return // they are asked to confirm, and can
		}
	}
	var said *web.Error
	if errors.As(why, &said) && said.Kind == web.KindBusy {
		code = "too_fast"
	}
	now := f.h.now()
	key := who.Account + "\x00" + r.Pattern + "\x00" + code + permission
	f.mu.Lock()
	again := now.Sub(f.last[key]) < refusedEvery
	if !again {
		if len(f.last) >= refusedMost {
			clear(f.last)
		}
		f.last[key] = now
	}
	f.mu.Unlock()
	if again {
		return
	}
	err := f.h.DB.Do(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: KindRefused, At: now.UnixMicro(),
			IDs:   ledger.Pairs{{K: "by", V: ledger.Code(who.Account)}, {K: "person", V: who.Person.String()}},
			Codes: ledger.Pairs{{K: "permission", V: ledger.Code(permission)}, {K: "page", V: ledger.Code(r.Pattern)}, {K: "why", V: code}},
		})
		return err
	})
	if err != nil {
		f.h.slog.Error("a refusal could not be written down", "pattern", r.Pattern, "error", err)
	}
}
