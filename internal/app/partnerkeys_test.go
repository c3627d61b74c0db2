package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// keyed is a partner that fetches encrypted files from a folder.
func keyed(dir string) string {
	return fmt.Sprintf("  p: {name: Practice p, retry: {first: 100ms, breaker: {failures: 1}}, destination: {folder: {path: %q, receipts: true}, encrypt: {keys: registered}}}\n", dir)
}

// takenIntoUse brings a key all the way, as two people do.
func takenIntoUse(t *testing.T, h *Hub, file string, overlap int) keys.Key {
	t.Helper()
	ctx := t.Context()
	k, err := h.rooms.keys.Add(ctx, "p", []byte(file), "", "dana")
	if err != nil {
		t.Fatal(err)
	}
	_, theirs := keys.Halves(k.Fingerprint)
	if k, err = h.rooms.keys.Compare(ctx, k.ID, keys.Comparison{With: "Pat Ruiz", How: keys.ByPhone, Number: "+1 555 0100"}, strings.Join(theirs, " "), "dana"); err != nil {
		t.Fatal(err)
	}
	if k, err = h.rooms.keys.Use(ctx, k.ID, time.Time{}, overlap, "sofia"); err != nil {
		t.Fatal(err)
	}
	return k
}

func inFolder(dir, pattern string) []string {
	out, _ := filepath.Glob(filepath.Join(dir, pattern))
	return out
}

func opens(t *testing.T, path string, id age.Identity) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := age.Decrypt(f, id)
	if err != nil {
		return false
	}
	b, err := io.ReadAll(r)
	return err == nil && bytes.HasPrefix(b, []byte("MSH|"))
}

// TestResultsGoToTheRegisteredKeys: they wait without a key, loudly and never in
// the clear; with one they go, with a signed receipt beside each; in an overlap
// both keys open them; a revocation stops them again.
func TestResultsGoToTheRegisteredKeys(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		dir, ctx := t.TempDir(), t.Context()
		src := s.source(keyed(dir), "p", "carry")
		h := s.open()
		c := s.parse(src)
		if _, err := propose(ctx, h, c, src); err != nil {
			t.Fatal(err)
		}
		addrs, _ := s.serve(h, c)
		lis := dial(t, addrs["lis"])
		send := func(id string) {
			t.Helper()
			if code, err := lis.send(result(id)); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
		}
		send("K1")
		down := func() bool {
			all, err := h.Results.Partners(ctx)
			return err == nil && len(all) == 1 && !all[0].DownSince.IsZero()
		}
		eventually(t, "it waits", down)
		if got := inFolder(dir, "*"); len(got) != 0 {
			t.Fatalf("without a key there is %q", got)
		}
		look := newLookout(h)
		look.look(ctx)
		want(t, h, kindNoKey, "p", alarm.Urgent, "none is sent in the clear")

		one, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		first := takenIntoUse(t, h, one.Recipient().String(), 0)
		eventually(t, "it is there, with its receipt", func() bool {
			return len(inFolder(dir, "*.hl7.age")) == 1 && len(inFolder(dir, "*.hl7.age.receipt.json")) == 1
		})
		file := inFolder(dir, "*.hl7.age")[0]
		if !opens(t, file, one) {
			t.Error("their key does not open it")
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		note, err := os.ReadFile(file + receipt.Suffix)
		if err != nil {
			t.Fatal(err)
		}
		print, err := receipt.PrintOf(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		rep := receipt.Verify(note, print, strings.Join(h.Vault.VerifierKeys(), "\n")+"\n")
		if !rep.Holds() || !strings.Contains(rep.Text(), first.Fingerprint) || !strings.Contains(rep.Text(), filepath.Base(file)) {
			t.Error(rep.Text())
		}
		look.look(ctx)
		if live(h, kindNoKey, "p").Number != 0 {
			t.Error("the alarm goes on")
		}
		recent, err := h.Results.List(ctx, results.Page{Limit: 10})
		if err != nil || len(recent) == 0 {
			t.Fatal(err)
		}
		// The receipt that is made afterwards is about the same bytes, and knows its place.
		seq := recent[0].Deliveries[0].Seq
		eventually(t, "it is written down", func() bool { _, _, err := h.Results.Receipt(ctx, seq); return err == nil })
		later, name, err := h.Results.Receipt(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		x, err := receipt.Parse(later)
		y, err2 := receipt.Parse(note)
		if err != nil || err2 != nil || x.File != y.File || x.ID != y.ID || x.Protocol != "folder" || x.Ledger == nil || name != filepath.Base(file)+receipt.Suffix {
			t.Errorf("%v %v\n%s\n%s", err, err2, later, note)
		}

		two, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		second := takenIntoUse(t, h, two.Recipient().String(), 7)
		send("K2")
		eventually(t, "the second is there", func() bool { return len(inFolder(dir, "*.hl7.age")) == 2 })
		for _, f := range inFolder(dir, "*.hl7.age") {
			if f != file && (!opens(t, f, one) || !opens(t, f, two)) {
				t.Error("in the overlap not both open it")
			}
		}
		for _, k := range []keys.Key{first, second} {
			if _, err := h.rooms.keys.Revoke(ctx, k.ID, "their machine was stolen", "sofia"); err != nil {
				t.Fatal(err)
			}
		}
		send("K3")
		eventually(t, "the third waits", down)
		look.look(ctx)
		want(t, h, kindNoKey, "p", alarm.Urgent, "Its results wait")
		if got := inFolder(dir, "*"); len(got) != 4 {
			t.Errorf("after the revocation there is %q", got)
		}
	})
}

// The end of a key in use stands in the calendar, can be extended, and stops
// nothing.
func TestEndsOfKeysAreInTheCalendar(t *testing.T) {
	s := newSite(t, "")
	dir, ctx := t.TempDir(), t.Context()
	src := s.source(keyed(dir), "p", "carry")
	clock := &late{}
	h := s.openLate(clock)
	c := s.parse(src)
	if _, err := propose(ctx, h, c, src); err != nil {
		t.Fatal(err)
	}
	addrs, _ := s.serve(h, c)
	ends := time.Now().AddDate(0, 0, 40).Truncate(time.Second)
	takenIntoUse(t, h, string(partnerCertificate(t, ends)), 0)
	look := newLookout(h)
	what := func() string {
		for _, a := range h.Alarms.Live() {
			if a.Kind == kindKeyEnds {
				return a.Sentence
			}
		}
		return ""
	}
	look.look(ctx)
	if what() != "" {
		t.Error("too early: ", what())
	}
	clock.by.Store(int64(35 * 24 * time.Hour))
	look.look(ctx)
	if !strings.Contains(what(), "partner p") || !strings.Contains(what(), "in 4 days") {
		t.Error(what())
	}
	clock.by.Store(int64(45 * 24 * time.Hour))
	look.look(ctx)
	if !strings.Contains(what(), "go on being encrypted") {
		t.Error(what())
	}
	if x, err := h.Extend(ctx, "partner p", "dana", "they renew it tomorrow"); err != nil || x.Until.IsZero() {
		t.Error(err)
	}
	if code, err := dial(t, addrs["lis"]).send(result("E1")); err != nil || code != "AA" {
		t.Fatal(code, err)
	}
	eventually(t, "it goes out past the key's end", func() bool { return len(inFolder(dir, "*.p7m")) == 1 })
}

// In bypass the keys are those of the card; without one nothing goes there.
func TestBypassEncryptsToTheKeysOfTheCard(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := config.Partner{Destination: config.Destination{Folder: &config.FolderDestination{Path: config.Path(dir)}, Encrypt: &config.Encrypt{Keys: "registered"}}}
	c := &config.Config{Partners: map[string]config.Partner{"p": d}}
	b := builder{now: time.Now, keys: ofCard(time.Now(), map[string][][]byte{"p": {[]byte(id.Recipient().String())}})}
	snd, err := b.sender(c, "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snd.Send(context.Background(), channel.Message{ID: "1", Name: "a.hl7", Body: []byte("MSH|x\r")}); err != nil {
		t.Fatal(err)
	}
	if !opens(t, filepath.Join(dir, "a.hl7.age"), id) {
		t.Error("their key does not open it")
	}
	b.keys = ofCard(time.Now(), nil)
	if _, err := b.sender(c, "p"); err == nil {
		t.Error("a partner without a key can be reached in bypass")
	}
}

// A receipt that could not be written is tried again alone; the file stays the
// one that it is about.
func TestReceiptIsTriedAgainAlone(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	dir := t.TempDir()
	beside := &stubborn{}
	files := &counted{}
	r := &receipted{Sender: files, beside: beside, partner: "p", protocol: "folder", signer: h.Vault.NoteSigner, now: time.Now, owed: map[string]owed{}}
	m := channel.Message{ID: "1-0", Name: "a.hl7", Body: []byte("MSH|x\r")}
	beside.err = fmt.Errorf("no space in %s", dir)
	for range 3 {
		if _, err := r.Send(t.Context(), m); err == nil {
			t.Fatal("counts as delivered without its receipt")
		}
	}
	beside.err = nil
	got, err := r.Send(t.Context(), m)
	if err != nil || got.Code != "renamed" || files.n != 1 || beside.name != "a.hl7.receipt.json" || len(r.owed) != 0 {
		t.Errorf("%v %+v: the file was sent %d times, the receipt is %q", err, got, files.n, beside.name)
	}
}

type counted struct{ n int }

func (c *counted) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	c.n++
	return channel.Receipt{Level: channel.Placed, Code: "renamed", Name: m.Name, At: time.Now()}, nil
}
func (*counted) Close() error { return nil }

type stubborn struct {
	err  error
	name string
}

func (s *stubborn) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	s.name = m.Name
	return channel.Receipt{}, s.err
}
func (*stubborn) Close() error { return nil }

// partnerCertificate is a certificate that results can be encrypted to.
func partnerCertificate(t *testing.T, ends time.Time) []byte {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Practice p"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, KeyUsage: x509.KeyUsageKeyEncipherment}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
