package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Verify checks a proof file against the message's bytes and the public key(s)
// of the laboratory (ParseKeys). It never fails otherwise than in its report.
func Verify(proof, message []byte, key string) Report {
	keys, err := ParseKeys(key)
	if err != nil {
		var r Report
		r.put(CheckKey, Fails, "The public key cannot be used.", err.Error())
		return r
	}
	return verify(proof, message, keys)
}

func verify(proof, message []byte, keys Keys) Report {
	var r Report
	r.put(CheckKey, Holds, "The public key is in its form. Whether it is the laboratory's own is for you to make sure of, once.",
		keyNames(keys.Lab))
	f, err := Parse(proof)
	if err != nil {
		r.put(CheckFormat, Fails, "This is not a whole, unaltered proof file.", err.Error())
		return r
	}
	r.put(CheckFormat, Holds, "This is a whole proof file, version 1.", "made "+f.Made)
	// check has looked at every field, so these cannot fail.
	in, _ := ledger.ParseEvent([]byte(f.Received.Event))
	out, _ := ledger.ParseEvent([]byte(f.Delivered.Event))

	signed := r.signature(f, keys.Lab)
	r.message(f, message)
	r.entry(CheckReceived, &f.Received, in, KindReceived)
	delivered := r.entry(CheckDelivered, &f.Delivered, out, KindDelivered)
	about := r.add(CheckAbout, in.IDs.Get("message") == f.Message && out.IDs.Get("message") == f.Message,
		"Both entries are about the same message.",
		"The entries are not about the same message.", "message "+f.Message)
	r.unchanged(f, out)
	c, _ := ledger.ParseCheckpoint(f.checkpointText())
	point := r.checkpoint(f, c, keys.Lab)
	r.inLedger(CheckReceivedIn, "came in", &f.Received, c)
	contained := r.inLedger(CheckDeliveredIn, "was sent", &f.Delivered, c)
	r.order(f, in, out)
	r.witnesses(f, point, keys.Witnesses)
	if signed && delivered && about && point && contained {
		r.journey(f, out)
	} else {
		r.distrust()
	}
	return r
}

func (r *Report) signature(f *File, lab []note.Verifier) bool {
	const yes = "The laboratory signed this file and nothing in it was changed since."
	detail := fmt.Sprintf("key %s+%08x", f.sig.name, f.sig.id)
	for _, v := range lab {
		if v.Name() == f.sig.name && v.KeyHash() == f.sig.id {
			ok := v.Verify([]byte(f.text), f.sig.sig) && f.sig.name == f.Lab
			return r.add(CheckSignature, ok, yes, "The signature does not fit: the file was changed or was not signed by this laboratory.", detail)
		}
	}
	return r.add(CheckSignature, false, yes, "The file is signed with another key than the one given.", detail)
}

func (r *Report) message(f *File, message []byte) {
	sum := sha256.Sum256(message)
	got := hex.EncodeToString(sum[:])
	no := "This is not the message the laboratory sent: the fingerprint differs."
	if got == f.Received.Body {
		no = "This is the message as it came in; what the laboratory sent was changed on the way and has another fingerprint."
	}
	r.add(CheckMessage, got == f.Delivered.Body, "This is the message the laboratory sent: the fingerprint matches.", no, "SHA-256 "+got)
}

// entry opens a commitment.
func (r *Report) entry(id string, e *Entry, ev ledger.Event, kind string) bool {
	salt, _ := ledger.ParseSalt(e.Salt)
	body, _ := parseHex(e.Body)
	hashes := [][]byte{body}
	if kind == KindDelivered {
		reply, _ := parseHex(e.Reply)
		hashes = append(hashes, reply[:len(reply):len(reply)])
	}
	c, err := ledger.Commit(salt, kind, ev.IDs, hashes...)
	ok := err == nil && ev.Kind == kind && ev.Commit != nil && *ev.Commit == c
	return r.add(id, ok,
		"The ledger entry '"+kind+"' is about the body whose fingerprint is in this file.",
		"The ledger entry '"+kind+"' is not about the body whose fingerprint is in this file.", "SHA-256 "+e.Body)
}

func (r *Report) unchanged(f *File, out ledger.Event) {
	if f.Received.Body == f.Delivered.Body {
		r.put(CheckUnchanged, Holds, "It was sent byte for byte as it came in.", "")
		return
	}
	r.put(CheckUnchanged, Unknown, "It was changed between coming in and being sent, as the laboratory's configuration says; this file does not show the change.",
		"configuration "+out.Codes.Get("config"))
}

func (r *Report) checkpoint(f *File, c ledger.Checkpoint, lab []note.Verifier) bool { // C2SP tlog-checkpoint
	var own []note.Verifier
	for _, v := range lab {
		if v.Name() == f.Lab {
			own = append(own, v)
		}
	}
	_, _, err := ledger.OpenCheckpoint(f.checkpointNote(), own...)
	return r.add(CheckCheckpoint, err == nil && c.Origin == f.Lab,
		"The state of the ledger that this file refers to is signed by the laboratory.",
		"The state of the ledger that this file refers to is not signed by the laboratory.",
		fmt.Sprintf("%d entries, root %s", c.Size, c.Root))
}

func (r *Report) inLedger(id, what string, e *Entry, c ledger.Checkpoint) bool {
	// RFC 6962 2.1.1: the path leads from the leaf to the root of the checkpoint.
	err := tlog.CheckRecord(e.path(), c.Size, c.Root, e.Leaf, tlog.RecordHash([]byte(e.Event)))
	return r.add(id, err == nil,
		"That it "+what+" stands in the ledger.",
		"That it "+what+" does not stand in the ledger at the place this file names.",
		fmt.Sprintf("entry %d of %d", e.Leaf, c.Size))
}

func (r *Report) order(f *File, in, out ledger.Event) {
	detail := when(in) + ", then " + when(out)
	if f.Received.Leaf >= f.Delivered.Leaf {
		r.put(CheckOrder, Fails, "The ledger has the sending before the coming in.", detail)
		return
	}
	if in.At > out.At {
		r.put(CheckOrder, Unknown, "It came in before it was sent, but the laboratory's clock was put back between: the times are uncertain.", detail)
		return
	}
	r.put(CheckOrder, Holds, "It came in before it was sent; the times are those of the laboratory's own clock.", detail)
}

func (r *Report) witnesses(f *File, point bool, known []note.Verifier) { // C2SP tlog-cosignature
	if !point {
		r.put(CheckWitnesses, Unknown, "Witnesses were not looked at, because the state of the ledger is not signed by the laboratory.", "")
		return
	}
	_, n, err := ledger.OpenCheckpoint(f.checkpointNote(), known...)
	switch {
	case err == nil:
		detail := ""
		for _, s := range n.Sigs {
			at, _ := ledger.CosignatureTime(s)
			detail += fmt.Sprintf("%s at %s; ", s.Name, at.Format(time.RFC3339))
		}
		r.put(CheckWitnesses, Holds, fmt.Sprintf("Outside witnesses whose keys you gave confirmed this state of the ledger: %d.", len(n.Sigs)), detail[:len(detail)-2])
	case errors.Is(err, ledger.ErrUnsigned) && len(f.Checkpoint) > 5:
		r.put(CheckWitnesses, Unknown, "Further signatures are on this state of the ledger, but the keys to check them were not given.", fmt.Sprintf("%d signatures in all", len(f.Checkpoint)-4))
	case errors.Is(err, ledger.ErrUnsigned):
		r.put(CheckWitnesses, Unknown, "No outside witness has confirmed this state of the ledger: it is the laboratory's word alone.", "")
	default:
		r.put(CheckWitnesses, Fails, "A witness's signature on this state of the ledger is wrong.", "")
	}
}

func when(e ledger.Event) string { return time.UnixMicro(e.At).UTC().Format("2006-01-02 15:04:05 UTC") }

func keyNames(vs []note.Verifier) string {
	s := ""
	for i, v := range vs {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash())
	}
	return s
}
