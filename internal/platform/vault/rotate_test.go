package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"golang.org/x/mod/sumdb/note"
)

func TestRotateAndRewrap(t *testing.T) {
	f := setUp(t)
	other, err := vault.Open(t.Context(), f.book, f.one)
	must(t, err)
	old := seal(t, f.v, "1", "text")
	oldID, err := vault.KeyIDOf(old)
	must(t, err)
	must(t, f.v.Rotate(t.Context(), vault.PurposeBodies, day))
	fresh := seal(t, f.v, "2", "new")
	freshID, _ := vault.KeyIDOf(fresh)
	if now, _ := f.v.CurrentKey(vault.PurposeBodies); freshID == oldID || now != freshID {
		t.Fatal("Seal did not use the new key at once")
	}
	wantText(t, f.v, "1", "text", old)
	if _, err := other.Unseal(vault.PurposeBodies, place("2"), nil, fresh); !errors.Is(err, vault.ErrUnknownKey) {
		t.Fatalf("other node before Reload: %v", err)
	}
	must(t, other.Reload(t.Context()))
	wantText(t, other, "2", "new", fresh)

	again, changed, err := f.v.Rewrap(vault.PurposeBodies, place("1"), nil, old)
	must(t, err)
	if id, _ := vault.KeyIDOf(again); !changed || id != freshID {
		t.Fatal("Rewrap kept the old key")
	}
	wantText(t, f.v, "1", "text", again)
	if _, changed, err := f.v.Rewrap(vault.PurposeBodies, place("1"), nil, again); err != nil || changed {
		t.Fatalf("Rewrap of a current record: %v %v", changed, err)
	}
	if _, _, err := f.v.Rewrap(vault.PurposeBodies, place("2"), nil, old); !errors.Is(err, vault.ErrTampered) {
		t.Fatalf("Rewrap of a moved record: %v", err)
	}

	if err := f.v.Destroy(t.Context(), freshID, day); err == nil {
		t.Fatal("the current key was destroyed")
	}
	must(t, f.v.Destroy(t.Context(), oldID, day))
	if _, err := f.v.Unseal(vault.PurposeBodies, place("1"), nil, old); !errors.Is(err, vault.ErrUnknownKey) {
		t.Fatalf("after Destroy: %v", err)
	}
	if err := f.v.Destroy(t.Context(), oldID, day); !errors.Is(err, vault.ErrUnknownKey) {
		t.Fatalf("second Destroy: %v", err)
	}
	wantText(t, f.v, "1", "text", again)
}

// Two processes change the book at the same time: none is lost.
func TestTwoWriters(t *testing.T) {
	f := setUp(t)
	other, err := vault.Open(t.Context(), f.book, f.two)
	must(t, err)
	must(t, f.v.EnsurePurpose(t.Context(), "training", day))
	must(t, other.EnsurePurpose(t.Context(), "training", day))
	must(t, other.Rotate(t.Context(), vault.PurposeSecrets, day))
	must(t, f.v.Rotate(t.Context(), vault.PurposeSecrets, day))
	must(t, other.Reload(t.Context()))
	a, b := status(t, f.v), status(t, other)
	if len(a.Keys) != 7+1+2 || a.Revision != 4 || len(b.Keys) != len(a.Keys) || b.Revision != a.Revision {
		t.Fatalf("%d keys at revision %d, %d at %d", len(a.Keys), a.Revision, len(b.Keys), b.Revision)
	}
}

func TestReloadRefusesRollback(t *testing.T) {
	f := setUp(t)
	yesterday := f.book.Bytes()
	must(t, f.v.Rotate(t.Context(), vault.PurposeBodies, day))
	sealed := seal(t, f.v, "1", "text")
	f.book.Set(yesterday)
	if err := f.v.Reload(t.Context()); !errors.Is(err, vault.ErrBook) {
		t.Fatalf("rolled back: %v", err)
	}
	wantText(t, f.v, "1", "text", sealed)
}

func TestSeals(t *testing.T) {
	f := setUp(t)
	third := keyFile(t)
	must(t, f.v.AddSeal(t.Context(), third, day))
	s := status(t, f.v)
	must(t, f.v.RemoveSeal(t.Context(), s.Seals[0].ID, day))
	must(t, f.v.RemoveSeal(t.Context(), s.Seals[1].ID, day))
	if _, err := vault.Open(t.Context(), f.book, f.one, f.two); !errors.Is(err, vault.ErrLocked) {
		t.Fatalf("removed seals: %v", err)
	}
	saves := f.book.Saves()
	if err := f.v.RemoveSeal(t.Context(), s.Seals[2].ID, day); !errors.Is(err, vault.ErrLastSeal) || f.book.Saves() != saves {
		t.Fatalf("last seal: %v", err)
	}
	if err := f.v.RemoveSeal(t.Context(), "none", day); err == nil {
		t.Fatal("removed a seal that is not there")
	}
	_, err := vault.Open(t.Context(), f.book, third)
	must(t, err)
}

func TestRotateRoot(t *testing.T) {
	f := setUp(t)
	other, err := vault.Open(t.Context(), f.book, f.two)
	must(t, err)
	sealed, key := seal(t, f.v, "1", "text"), f.v.VerifierKey()
	before, was := f.book.Bytes(), status(t, f.v)

	saves := f.book.Saves()
	if _, err := f.v.RotateRoot(t.Context(), vault.RotateRootOptions{Seals: []vault.Seal{f.one}, Now: day}); err == nil || !strings.Contains(err.Error(), was.Seals[1].ID) {
		t.Fatalf("a seal missing: %v", err)
	}
	if _, err := f.v.RotateRoot(t.Context(), vault.RotateRootOptions{Seals: []vault.Seal{keyFile(t)}, DropMissing: true, Now: day}); !errors.Is(err, vault.ErrLastSeal) {
		t.Fatalf("all seals missing: %v", err)
	}
	if f.book.Saves() != saves {
		t.Fatal("a refused rotation wrote")
	}

	shares, err := f.v.RotateRoot(t.Context(), vault.RotateRootOptions{Seals: []vault.Seal{f.two, f.one}, Now: day})
	must(t, err)
	if s := status(t, f.v); s.RootID == was.RootID || len(s.Seals) != 2 || s.Seals[0].ID != was.Seals[0].ID {
		t.Fatalf("status: %+v", s)
	}
	if len(shares) != 5 || shares[0].Threshold() != 3 {
		t.Fatalf("%d new shares", len(shares))
	}
	if _, err := vault.Recover(t.Context(), f.book, f.shares); !errors.Is(err, vault.ErrShares) {
		t.Fatalf("old shares: %v", err)
	}
	fromShares, err := vault.Recover(t.Context(), f.book, shares[:3])
	must(t, err)
	opened, err := vault.Open(t.Context(), f.book, f.one)
	must(t, err)
	must(t, other.Reload(t.Context())) // by the seal it was opened with
	for _, v := range []*vault.Vault{f.v, fromShares, opened, other} {
		wantText(t, v, "1", "text", sealed)
		if v.VerifierKey() != key {
			t.Fatal("the signing key changed")
		}
	}
	// Old wraps put into the new book do not help: the old root is refused.
	if strings.Contains(string(f.book.Bytes()), string(before[100:200])) {
		t.Fatal("old wraps remain")
	}

	_, err = f.v.RotateRoot(t.Context(), vault.RotateRootOptions{Seals: []vault.Seal{f.two}, DropMissing: true, Shares: 3, Threshold: 2, Now: day})
	must(t, err)
	if _, err := vault.Open(t.Context(), f.book, f.one); !errors.Is(err, vault.ErrLocked) {
		t.Fatalf("dropped seal: %v", err)
	}
	if s := status(t, f.v); len(s.Seals) != 1 || s.Recovery.Shares != 3 {
		t.Fatalf("status: %+v", s)
	}
}

// Each step fails once before and once after its write, as a crash would. The
// book that is left opens and recovers, and the step can be done again.
func TestCrashBetweenSteps(t *testing.T) {
	crash := errors.New("power cut")
	for name, step := range map[string]func(*fixture, *vault.Vault) error{
		"rotate": func(f *fixture, v *vault.Vault) error { return v.Rotate(t.Context(), vault.PurposeBodies, day) },
		"signer": func(f *fixture, v *vault.Vault) error { return v.RotateSigner(t.Context(), day) },
		"add":    func(f *fixture, v *vault.Vault) error { return v.AddSeal(t.Context(), f.one, day) },
		"remove": func(f *fixture, v *vault.Vault) error {
			return v.RemoveSeal(t.Context(), status(t, v).Seals[0].ID, day)
		},
		"purpose": func(f *fixture, v *vault.Vault) error { return v.EnsurePurpose(t.Context(), "x", day) },
		"root": func(f *fixture, v *vault.Vault) error {
			_, err := v.RotateRoot(t.Context(), vault.RotateRootOptions{Seals: []vault.Seal{f.one, f.two}, DropMissing: true, Now: day})
			return err
		},
	} {
		for _, after := range []bool{false, true} {
			f := setUp(t)
			sealed := seal(t, f.v, "1", "text")
			if after {
				f.book.FailAfter(crash)
			} else {
				f.book.FailBefore(crash)
			}
			if err := step(f, f.v); !errors.Is(err, crash) {
				t.Fatalf("%s: %v", name, err)
			}
			v, err := vault.Open(t.Context(), f.book, f.one, f.two)
			if err != nil {
				t.Fatalf("%s, after the write %v: %v", name, after, err)
			}
			wantText(t, v, "1", "text", sealed)
			// The process that lived on goes on too.
			wantText(t, f.v, "1", "text", sealed)
			if name == "remove" && after {
				continue // it is gone, and asking again says so
			}
			if err := step(f, f.v); err != nil {
				t.Fatalf("%s again, after the write %v: %v", name, after, err)
			}
			v, err = vault.Open(t.Context(), f.book, f.one, f.two)
			must(t, err)
			wantText(t, v, "1", "text", sealed)
		}
	}
}

func TestSigner(t *testing.T) {
	f := setUp(t)
	text := "lab.example/log\n42\nAAAA\n"
	msg, err := note.Sign(&note.Note{Text: text}, f.v.NoteSigner())
	must(t, err)
	first, err := note.NewVerifier(f.v.VerifierKey())
	must(t, err)
	if first.Name() != "lab.example" || first.KeyHash() != f.v.NoteSigner().KeyHash() {
		t.Fatal("signer and verifier do not agree on name or key hash")
	}
	n, err := note.Open(msg, note.VerifierList(first))
	must(t, err)
	if n.Text != text {
		t.Fatal("another text")
	}
	msg[3] ^= 1
	if _, err := note.Open(msg, note.VerifierList(first)); err == nil {
		t.Fatal("a changed note verifies")
	}
	msg[3] ^= 1

	must(t, f.v.RotateSigner(t.Context(), day))
	keys := f.v.VerifierKeys()
	if len(keys) != 2 || keys[0] != f.v.VerifierKey() {
		t.Fatalf("keys: %v", keys)
	}
	old, err := note.NewVerifier(keys[1])
	must(t, err)
	_, err = note.Open(msg, note.VerifierList(old))
	must(t, err)
	second, err := note.Sign(&note.Note{Text: text}, f.v.NoteSigner())
	must(t, err)
	if _, err := note.Open(second, note.VerifierList(old)); err == nil {
		t.Fatal("the old key verifies what the new one signed")
	}
	reopened, err := vault.Open(t.Context(), f.book, f.one)
	must(t, err)
	sig, err := reopened.Sign([]byte("proof"))
	must(t, err)
	now, err := note.NewVerifier(reopened.VerifierKey())
	must(t, err)
	if !now.Verify([]byte("proof"), sig) || now.Verify([]byte("prooF"), sig) {
		t.Fatal("plain signature")
	}
}
