package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Book is a vault.Book in memory. The zero value is empty.
type Book struct {
	mu           sync.Mutex
	raw          []byte
	loads, saves int
	before       error // fail the next Save, nothing stored
	after        error // fail the next Save, stored nevertheless
}

// Load returns a copy of what is stored.
func (b *Book) Load(context.Context) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loads++
	if b.raw == nil {
		return nil, vault.ErrEmpty
	}
	return bytes.Clone(b.raw), nil
}

// Save compares and replaces.
func (b *Book) Save(_ context.Context, old, new []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saves++
	if err := b.before; err != nil {
		b.before = nil
		return err
	}
	if (old == nil) != (b.raw == nil) || !bytes.Equal(old, b.raw) {
		return vault.ErrConflict
	}
	b.raw = bytes.Clone(new)
	err := b.after
	b.after = nil
	return err
}

// Saves counts the calls of Save, failed ones included.
func (b *Book) Saves() int { b.mu.Lock(); defer b.mu.Unlock(); return b.saves }

// Bytes returns a copy of what is stored.
func (b *Book) Bytes() []byte { b.mu.Lock(); defer b.mu.Unlock(); return bytes.Clone(b.raw) }

// Set replaces what is stored behind the vault's back.
func (b *Book) Set(raw []byte) { b.mu.Lock(); defer b.mu.Unlock(); b.raw = bytes.Clone(raw) }

// FailBefore lets the next Save fail with err before anything is stored.
func (b *Book) FailBefore(err error) { b.mu.Lock(); defer b.mu.Unlock(); b.before = err }

// FailAfter lets the next Save store and then fail with err, as a crash
// between the write and its answer does.
func (b *Book) FailAfter(err error) { b.mu.Lock(); defer b.mu.Unlock(); b.after = err }

// TestBook holds what a vault.Book must do. empty returns a book in which
// nothing was stored yet, and again a second view of the same book, as another
// process would have it.
func TestBook(t *testing.T, empty func(t *testing.T) (b, again vault.Book)) {
	ctx := t.Context()
	t.Run("empty", func(t *testing.T) {
		b, _ := empty(t)
		if _, err := b.Load(ctx); !errors.Is(err, vault.ErrEmpty) {
			t.Fatalf("Load of an empty book: %v, want ErrEmpty", err)
		}
		if err := b.Save(ctx, []byte("x"), []byte("y")); !errors.Is(err, vault.ErrConflict) {
			t.Fatalf("Save over bytes that are not there: %v, want ErrConflict", err)
		}
		if _, err := b.Load(ctx); !errors.Is(err, vault.ErrEmpty) {
			t.Fatalf("a refused Save stored something: %v", err)
		}
	})
	t.Run("compare and replace", func(t *testing.T) {
		b, again := empty(t)
		one, two := []byte(`{"n":1}`), []byte(`{"n":2}`)
		must(t, b.Save(ctx, nil, one))
		want(t, again, one)
		if err := again.Save(ctx, nil, two); !errors.Is(err, vault.ErrConflict) {
			t.Fatalf("second first Save: %v, want ErrConflict", err)
		}
		must(t, again.Save(ctx, one, two))
		if err := b.Save(ctx, one, []byte("late")); !errors.Is(err, vault.ErrConflict) {
			t.Fatalf("Save over changed bytes: %v, want ErrConflict", err)
		}
		want(t, b, two)
	})
	t.Run("one winner", func(t *testing.T) {
		b, again := empty(t)
		must(t, b.Save(ctx, nil, []byte("start")))
		errs := make(chan error, 8)
		for i := range 8 {
			go func() {
				book := b
				if i%2 == 1 {
					book = again
				}
				errs <- book.Save(ctx, []byte("start"), []byte{'0' + byte(i)})
			}()
		}
		won := 0
		for range 8 {
			switch err := <-errs; {
			case err == nil:
				won++
			case !errors.Is(err, vault.ErrConflict):
				t.Errorf("Save: %v, want ErrConflict", err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of 8 saves over the same bytes won, want 1", won)
		}
	})
	t.Run("large", func(t *testing.T) {
		b, again := empty(t)
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		must(t, b.Save(ctx, nil, big))
		want(t, again, big)
	})
}

func want(t *testing.T, b vault.Book, raw []byte) {
	t.Helper()
	got, err := b.Load(t.Context())
	must(t, err)
	if !bytes.Equal(got, raw) {
		t.Fatalf("Load gave %d other bytes, want %d", len(got), len(raw))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
