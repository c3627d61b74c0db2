package witness

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// maxProof is the number of proof lines allowed, c2sp.org/tlog-witness
// "add-checkpoint".
const maxProof = 63

// MaxRequest is the greatest size of an add-checkpoint body in bytes.
const MaxRequest = 64 + maxProof*45 + ledger.MaxCheckpoint

// Request is the body of add-checkpoint.
type Request struct {
	Old        int64
	Proof      tlog.TreeProof
	Checkpoint []byte
}

// Encode writes the body.
func (r Request) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b.WriteString(h.String())
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.Write(r.Checkpoint)
	return b.Bytes()
}

// ParseRequest reads a body. It does not look into the checkpoint.
func ParseRequest(b []byte) (Request, error) {
	if len(b) > MaxRequest {
		return Request{}, errors.New("parse add-checkpoint request: too large")
	}
	head, checkpoint, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		return Request{}, errors.New("parse add-checkpoint request: no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || old < 0 || old > ledger.MaxNumber || strconv.FormatInt(old, 10) != size {
		return Request{}, errors.New("parse add-checkpoint request: the first line is not an old size")
	}
	if len(lines)-1 > maxProof {
		return Request{}, errors.New("parse add-checkpoint request: too many proof lines")
	}
	r := Request{Old: old, Checkpoint: checkpoint}
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil || h.String() != l {
			return Request{}, errors.New("parse add-checkpoint request: a proof line is not a hash")
		}
		r.Proof = append(r.Proof, h)
	}
	return r, nil
}
