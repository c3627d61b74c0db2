package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// sizeType is the content type of a 409 that tells a size.
const sizeType = "text/x.tlog.size"

// submitTime is how long one request to a witness may take in all.
const submitTime = 20 * time.Second

// HTTP is a witness reached over c2sp.org/tlog-witness.
type HTTP struct {
	name, prefix string
	keys         []note.Verifier
	client       *http.Client
}

// NewHTTP returns the client of the witness with the given submission prefix
// and public keys (ledger.NewCosignatureVerifier). client brings the TLS
// settings; it need not have a timeout.
func NewHTTP(name, prefix string, client *http.Client, keys ...note.Verifier) (*HTTP, error) {
	if len(keys) == 0 {
		return nil, errors.New("make witness client: no public key of the witness")
	}
	return &HTTP{name: name, prefix: strings.TrimSuffix(prefix, "/"), keys: keys, client: client}, nil
}

// Name implements Witness.
func (h *HTTP) Name() string { return h.name }

// Submit implements Witness.
func (h *HTTP) Submit(ctx context.Context, old int64, checkpoint []byte, proof tlog.TreeProof) ([]note.Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	body := Request{Old: old, Proof: proof, Checkpoint: checkpoint}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.prefix+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask witness: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := h.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask witness: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, ledger.MaxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("read witness answer: %w", err)
	}
	switch res.StatusCode {
	case http.StatusOK:
		return h.cosignatures(checkpoint, answer)
	case http.StatusConflict:
		if strings.HasPrefix(res.Header.Get("Content-Type"), sizeType) {
			return nil, parseStale(answer)
		}
		return nil, ErrFork
	case http.StatusUnprocessableEntity:
		return nil, ErrFork
	case http.StatusNotFound, http.StatusForbidden, http.StatusBadRequest:
		return nil, fmt.Errorf("%w: HTTP %d", ErrRefused, res.StatusCode)
	}
	return nil, fmt.Errorf("ask witness: HTTP %d", res.StatusCode)
}

func parseStale(answer []byte) error {
	s, ok := strings.CutSuffix(string(answer), "\n")
	n, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil || n < 0 {
		return errors.New("read witness answer: a conflict without a size")
	}
	return &StaleError{n}
}

// cosignatures takes those of the witness's own keys out of the answer; others
// are ignored, as the specification demands.
func (h *HTTP) cosignatures(checkpoint, answer []byte) ([]note.Signature, error) {
	if len(answer) > ledger.MaxCheckpoint {
		return nil, errors.New("read witness answer: too large")
	}
	i := bytes.LastIndex(checkpoint, []byte("\n\n"))
	if i < 0 {
		return nil, errors.New("read witness answer: the checkpoint was not a signed note")
	}
	n, err := note.Open(append(append([]byte(nil), checkpoint[:i+2]...), answer...), note.VerifierList(h.keys...))
	if err != nil {
		return nil, fmt.Errorf("check witness answer: %w", err)
	}
	return n.Sigs, nil
}
