package receipt

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/proof"
)

// Names of the checks, in the order of the report.
const (
	CheckKey       = "key"
	CheckFormat    = "format"
	CheckSignature = "signature"
	CheckFile      = "file"
	CheckName      = "name"
	CheckParties   = "parties"
	CheckWhen      = "when"
	CheckEncrypted = "encrypted"
	CheckLedger    = "ledger"
)

// Report is what Verify found.
type Report struct {
	Checks []proof.Check `json:"checks"`
}

// Verify checks a receipt against a file's fingerprint (PrintOf) and the public
// key(s) of the laboratory, the text of lab.pub. It never fails otherwise than
// in its report.
func Verify(receipt []byte, file Print, key string) Report {
	var r Report
	keys, err := proof.ParseKeys(key)
	if err != nil {
		r.put(CheckKey, proof.Fails, "The public key cannot be used.", err.Error())
		return r
	}
	r.put(CheckKey, proof.Holds, "The public key is in its form. Whether it is the laboratory's own is for you to make sure of, once.", "")
	f, err := Parse(receipt)
	if err != nil {
		r.put(CheckFormat, proof.Fails, "This is not a whole, unaltered receipt.", err.Error())
		return r
	}
	r.put(CheckFormat, proof.Holds, "This is a whole receipt, version 1.", "made "+f.Made.Format("2006-01-02 15:04:05 UTC"))
	signed := r.signature(f, keys.Lab)
	got := hex.EncodeToString(file.SHA256[:])
	if got == f.File.SHA256 && file.Size == f.File.Size {
		r.put(CheckFile, proof.Holds, "This is the file that the receipt is about: size and fingerprint match.", "SHA-256 "+got)
	} else {
		r.put(CheckFile, proof.Fails, "This is not the file that the receipt is about: the fingerprint differs.",
			fmt.Sprintf("SHA-256 %s, %d bytes; the receipt says %s, %d bytes", got, file.Size, f.File.SHA256, f.File.Size))
	}
	if !signed {
		r.put(CheckParties, proof.Unknown, "Who handed what to whom cannot be believed, because the signature does not hold.", "")
		return r
	}
	r.says(f)
	return r
}

func (r *Report) signature(f *Receipt, lab []note.Verifier) bool {
	for _, v := range lab {
		if fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) != f.key {
			continue
		}
		if v.Name() == f.Lab && v.Verify(f.text, f.signedBy) {
			r.put(CheckSignature, proof.Holds, "The laboratory signed this receipt and nothing in it was changed since.", "key "+f.key)
			return true
		}
		r.put(CheckSignature, proof.Fails, "The signature does not fit: the receipt was changed or was not signed by this laboratory.", "key "+f.key)
		return false
	}
	r.put(CheckSignature, proof.Fails, "The receipt is signed with another key than the one given.", "key "+f.key)
	return false
}

// says repeats, in words no stronger than the evidence, what a believed receipt says.
func (r *Report) says(f *Receipt) {
	if f.File.Name != "" {
		r.put(CheckName, proof.Holds, "Its name was "+f.File.Name+".", f.File.ContentType)
	}
	what := map[string]string{
		Placed:    "The laboratory placed it for " + f.To + ". Nobody answered; this does not show that it was fetched.",
		Committed: f.To + "'s system said that it has it. This does not show that it is in the patient's chart.",
		Accepted:  f.To + "'s system accepted it. This does not show that it is in the patient's chart.",
		Fetched:   f.To + ", signed in, read the whole of it. This does not show that it is in the patient's chart.",
		Taken:     "The laboratory took it from " + f.From + " and had it on its disk.",
	}[f.Event]
	detail := "by " + f.Protocol + ", proof of the other side: " + f.Peer.Proof
	for _, d := range []struct{ word, v string }{
		{", its key ", f.Peer.Fingerprint},
		{", over ", f.Peer.Secured},
		{", its answer ", f.Peer.Code},
	} {
		if d.v != "" {
			detail += d.word + d.v
		}
	}
	r.put(CheckParties, proof.Holds, what, detail)
	r.put(CheckWhen, proof.Holds, "That was at "+f.At.Format("2006-01-02 15:04:05 UTC")+" by the laboratory's own clock.", "")
	if len(f.EncryptedTo) > 0 {
		r.put(CheckEncrypted, proof.Holds, "It was encrypted; only who holds the private key of one of these can read it.", strings.Join(f.EncryptedTo, ", "))
	}
	if f.Ledger == nil {
		r.put(CheckLedger, proof.Unknown, "The receipt names no place in the laboratory's ledger: it was written at the moment of handing over. Ask the laboratory for a proof.", "")
		return
	}
	r.put(CheckLedger, proof.Unknown, fmt.Sprintf("The laboratory says that this is entry %d of its ledger; the receipt alone does not show it. Ask for a proof.", f.Ledger.Leaf), "")
}

// Holds says whether the receipt holds: key, form, signature and file do, and
// nothing fails.
func (r Report) Holds() bool {
	for _, id := range []string{CheckKey, CheckFormat, CheckSignature, CheckFile} {
		if r.State(id) != proof.Holds {
			return false
		}
	}
	for _, c := range r.Checks {
		if c.State == proof.Fails {
			return false
		}
	}
	return true
}

// State returns the outcome of the named check, Unknown where it was not made.
func (r Report) State(id string) proof.State {
	for _, c := range r.Checks {
		if c.ID == id {
			return c.State
		}
	}
	return proof.Unknown
}

// Text writes the report for a terminal, the conclusion last.
func (r Report) Text() string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-8s %s\n", c.State, c.Sentence)
		if c.Detail != "" {
			fmt.Fprintf(&b, "%-8s   %s\n", "", c.Detail)
		}
	}
	if r.Holds() {
		b.WriteString("The receipt holds.\n")
	} else {
		b.WriteString("The receipt does NOT hold.\n")
	}
	return b.String()
}

// MarshalJSON adds the conclusion.
func (r Report) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Holds  bool          `json:"holds"`
		Checks []proof.Check `json:"checks"`
	}{r.Holds(), r.Checks})
}

func (r *Report) put(id string, s proof.State, sentence, detail string) {
	r.Checks = append(r.Checks, proof.Check{ID: id, State: s, Sentence: sentence, Detail: detail})
}
