package app

import (
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// A box takes results that are encrypted to the partner's key, and a delivery that
// is tried again stays the file that is there. Its receipt is about the bytes that
// were fetched, and names the key.
func TestEncryptedResultsInABox(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p := config.Partner{Destination: config.Destination{Box: &config.BoxDestination{}, Encrypt: &config.Encrypt{Age: []string{id.Recipient().String()}}}}
	snd, err := h.builder().sender(&config.Config{Partners: map[string]config.Partner{"p": p}}, "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"placed", "present"} {
		r, err := snd.Send(t.Context(), channel.Message{ID: event.NewID().String() + "-7", Name: "a.hl7", Body: []byte("MSH|x\r")})
		if err != nil || r.Code != code || r.PickUp != "a.hl7.age" || r.Sealed == nil || (r.Sealed.SHA256 == nil) != (code == "present") {
			t.Fatalf("%+v %v", r, err)
		}
	}
	f, err := h.rooms.boxes.Open(t.Context(), "p", channel.BoxResults, "a.hl7.age", boxes.Via{Protocol: "sftp", Proof: "key"})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(io.NewSectionReader(f, 0, f.Size()), id)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(plain); err != nil || string(b) != "MSH|x\r" {
		t.Errorf("%q %v", b, err)
	}
	print, err := receipt.PrintOf(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := h.rooms.boxes.Open(t.Context(), "p", channel.BoxReceipts, "a.hl7.age.receipt.json", boxes.Via{})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if rep := receipt.Verify(signed, print, h.Vault.VerifierKey()); !rep.Holds() || !strings.Contains(string(signed), `"encrypted_to"`) {
		t.Errorf("%s\n%s", rep.Text(), signed)
	}
}
