package boxes_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// receipts are the names in the folder, after what is owed was written.
func (r *rig) receipts(partner string) string {
	r.t.Helper()
	must(r.t, r.svc.Receipts(r.t.Context(), partner))
	return r.names(partner, channel.BoxReceipts)
}

// holds verifies a receipt with the laboratory's public key.
func (r *rig) holds(partner, name string, of []byte) []byte {
	r.t.Helper()
	b := r.read(partner, channel.BoxReceipts, name, "sftp")
	print, err := receipt.PrintOf(bytes.NewReader(of))
	must(r.t, err)
	if rep := receipt.Verify(b, print, strings.Join(r.svc.Vault.VerifierKeys(), "\n")); !rep.Holds() {
		r.t.Errorf("%s: %s\n%s", name, rep.Text(), b)
	}
	return b
}

func TestReceiptsOfUploadsAndPickUps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		big := make([]byte, 3*spool.ChunkSize+5)
		_, _ = rand.Read(big)
		small := []byte("MSH|a")
		must(t, r.svc.Put(t.Context(), "riverside", "a.hl7", sftp, small))
		must(t, r.large("riverside", "big.pdf", big))
		must(t, r.svc.Put(t.Context(), "riverside", "c.hl7.part", sftp, small))
		_, _, err := r.svc.Deliver(t.Context(), "riverside", "r.hl7", boxes.Delivery{Number: 7, Body: small})
		must(t, err)
		if got := r.receipts("riverside"); got != "a.hl7.receipt.json big.pdf.receipt.json" {
			t.Error(got)
		}
		if got := r.receipts("northgate"); got != "" {
			t.Error("another partner sees", got)
		}
		first := r.holds("riverside", "a.hl7.receipt.json", small)
		r.holds("riverside", "big.pdf.receipt.json", big)
		said, err := receipt.Parse(first)
		must(t, err)
		if said.Event != receipt.Taken || said.From != "riverside" || said.Protocol != "sftp" || said.Peer.Proof != "key" || said.Peer.Fingerprint != "SHA256:abc" || said.File.Name != "a.hl7" {
			t.Errorf("%+v", said)
		}
		// The name that a file gets in the end has the receipt; a pick-up has one of its own.
		must(t, r.svc.Rename(t.Context(), "riverside", "c.hl7.part", "c.hl7"))
		r.read("riverside", channel.BoxResults, "r.hl7", "ftps")
		if got := r.receipts("riverside"); got != "a.hl7.receipt.json big.pdf.receipt.json r.hl7.receipt.json c.hl7.receipt.json" {
			t.Error(got)
		}
		said, err = receipt.Parse(r.holds("riverside", "r.hl7.receipt.json", small))
		must(t, err)
		if said.Event != receipt.Fetched || said.To != "riverside" || said.Protocol != "ftps" {
			t.Errorf("%+v", said)
		}
		// A file of the same name: the newest receipt has the plain name, the older stays as it was signed.
		must(t, r.svc.Remove(t.Context(), "riverside", "inbox", "a.hl7", "anna"))
		other := []byte("MSH|another day")
		must(t, r.svc.Put(t.Context(), "riverside", "a.hl7", sftp, other))
		stamp := ".20261122T0900"
		if got := r.receipts("riverside"); !strings.Contains(got, "a.hl7"+stamp) {
			t.Error(got)
		}
		r.holds("riverside", "a.hl7.receipt.json", other)
		for name := range strings.FieldsSeq(r.receipts("riverside")) {
			if strings.HasPrefix(name, "a.hl7"+stamp) && !bytes.Equal(r.holds("riverside", name, small), first) {
				t.Error("the older receipt was signed again")
			}
		}
		if err := r.svc.Remove(t.Context(), "riverside", channel.BoxReceipts, "a.hl7.receipt.json", "partner"); !refused(err) {
			t.Error("a receipt was removed by its partner:", err)
		}
		r.sound()
		must(t, r.svc.RemoveReceipts(t.Context(), "riverside", r.now.Add(-time.Hour)))
		if got := r.receipts("riverside"); len(strings.Fields(got)) != 5 {
			t.Error("too early:", got)
		}
		must(t, r.svc.RemoveReceipts(t.Context(), "riverside", r.now.Add(time.Hour)))
		if got := r.receipts("riverside"); got != "" {
			t.Error("they stay for ever:", got)
		}
		r.sound()
	})
}

// More than one round of them, and nothing twice.
func TestManyReceipts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		const n = 50
		for i := range n {
			must(t, r.svc.Put(t.Context(), "p", fmt.Sprintf("f%03d", i), sftp, []byte{byte(i)}))
		}
		must(t, r.svc.AllReceipts(t.Context()))
		must(t, r.svc.AllReceipts(t.Context()))
		all, more, err := r.svc.List(t.Context(), "p", channel.BoxReceipts, event.ID{}, n+1)
		if err != nil || more || len(all) != n {
			t.Errorf("%d of %d receipts, %v %v", len(all), n, more, err)
		}
	})
}

func TestTheReasonOfARefusalLiesBeside(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.room.MaxFile = 300_000
		r.gate = func(_ string, body []byte) boxes.Verdict {
			switch {
			case bytes.Contains(body, []byte("virus")):
				return boxes.Verdict{Rule: "virus", Reason: "The scanner found something in it."}
			case bytes.Contains(body, []byte("odd")):
				return boxes.Verdict{Held: true, Rule: "scanner", Reason: "The scanner does not answer."}
			}
			return boxes.Verdict{Pass: true}
		}
		text := func(name string, holds ...string) {
			t.Helper()
			got := string(r.read("p", channel.BoxReceipts, name, "sftp"))
			for _, w := range holds {
				if !strings.Contains(got, w) {
					t.Errorf("%s does not say %q:\n%s", name, w, got)
				}
			}
		}
		if err := r.svc.Put(t.Context(), "p", "v.hl7", sftp, []byte("virus")); !refused(err) {
			t.Error(err)
		}
		text("v.hl7.refused.txt", "did not take", "Rule:    virus", "The scanner found something", "v.hl7", "5 bytes", "SHA-256:", "2026-11-22")
		// Again: one notice, the newest.
		if err := r.large("p", "v.hl7", bytes.Repeat([]byte("virus"), 20_000)); !refused(err) {
			t.Error(err)
		}
		text("v.hl7.refused.txt", "100000 bytes")
		if err := r.large("p", "large", make([]byte, 300_001)); err == nil {
			t.Error("too large a file")
		}
		if err := r.svc.Put(t.Context(), "p", "v.hl7", sftp, []byte("fine")); err != nil {
			t.Error(err)
		}
		if got := r.receipts("p"); got != "v.hl7.receipt.json" {
			t.Error("taken in the end, and there is", got)
		}
		if err := r.svc.Put(t.Context(), "p", "v.hl7", sftp, []byte("fine too")); err == nil {
			t.Error("written over")
		}
		text("v.hl7.refused.txt", "there already")
		r.holds("p", "v.hl7.receipt.json", []byte("fine"))
		u, err := r.svc.Begin(t.Context(), "p", "loose", sftp)
		must(t, err)
		u.Refused(t.Context(), "the file is not whole")
		text("loose.refused.txt", "the file is not whole")
		// Held: it says so until somebody has decided.
		must(t, r.svc.Put(t.Context(), "p", "odd.hl7", sftp, []byte("odd")))
		text("odd.hl7.held.txt", "a person of the laboratory", "does not answer", "You need not send it again")
		must(t, r.svc.Release(t.Context(), "p", "odd.hl7", "anna"))
		if got := r.receipts("p"); strings.Contains(got, "held.txt") || !strings.Contains(got, "odd.hl7.receipt.json") {
			t.Error(got)
		}
		must(t, r.svc.Put(t.Context(), "p", "x.part", sftp, []byte("virus")))
		if err := r.svc.Rename(t.Context(), "p", "x.part", "x.hl7"); !refused(err) {
			t.Error(err)
		}
		text("x.hl7.refused.txt", "still there under the old one, x.part")
		r.sound()
		// A program gone mad leaves so many and no more.
		for i := range 400 {
			_ = r.svc.Put(t.Context(), "mad", fmt.Sprint(i), sftp, []byte("virus"))
		}
		all, _, err := r.svc.List(t.Context(), "mad", channel.BoxReceipts, event.ID{}, 1000)
		if err != nil || len(all) != 300 {
			t.Errorf("%d notices, %v", len(all), err)
		}
	})
}
