package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Server is a witness for the ledgers it was told of. It is an http.Handler for
// POST .../add-checkpoint. The caller brings the listener, its TLS and its
// timeouts; Server limits the size of what it reads.
type Server struct {
	dir    string
	signer note.Signer
	logs   map[string]*log
}

// log is one ledger that the server watches. mu makes compare and replace one
// step, c2sp.org/tlog-witness "add-checkpoint", last paragraph.
type log struct {
	mu   sync.Mutex
	keys []note.Verifier
	file string
	last *ledger.Checkpoint
}

// NewServer opens a witness. dir keeps one file per ledger, the latest signed
// checkpoint; signer (ledger.NewCosigner) makes the cosignatures; logs are the
// public keys of the ledgers, whose names are the origins. It fails when a file
// in dir cannot be read or does not carry the ledger's signature: a witness
// that is not sure what it has seen must not start.
func NewServer(dir string, signer note.Signer, logs ...note.Verifier) (*Server, error) {
	s := &Server{dir: dir, signer: signer, logs: make(map[string]*log)}
	for _, v := range logs {
		l := s.logs[v.Name()]
		if l == nil {
			sum := sha256.Sum256([]byte(v.Name()))
			l = &log{file: hex.EncodeToString(sum[:8]) + ".checkpoint"}
			s.logs[v.Name()] = l
		}
		l.keys = append(l.keys, v)
	}
	for origin, l := range s.logs {
		b, err := os.ReadFile(filepath.Join(dir, l.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open witness: %w", err)
		}
		c, _, err := ledger.OpenCheckpoint(b, l.keys...)
		if err != nil {
			return nil, fmt.Errorf("open witness: %s: %w", l.file, err)
		}
		if c.Origin != origin {
			return nil, fmt.Errorf("open witness: %s belongs to another ledger", l.file)
		}
		l.last = &c
	}
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/add-checkpoint") {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest))
	if err != nil {
		http.Error(w, "the request could not be read or is too large", http.StatusBadRequest)
		return
	}
	req, err := ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, s.add(req))
}

// outcome is what add-checkpoint answers.
type outcome struct {
	status int
	size   int64 // with status 409 when it is about the size
	text   string
}

func answer(w http.ResponseWriter, o outcome) {
	switch {
	case o.status == http.StatusOK:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		// The checkpoint is kept; a client that does not hear so asks again.
		_, _ = io.WriteString(w, o.text)
	case o.status == http.StatusConflict && o.text == "":
		w.Header().Set("Content-Type", sizeType)
		w.WriteHeader(o.status)
		_, _ = fmt.Fprintf(w, "%d\n", o.size)
	default:
		http.Error(w, o.text, o.status)
	}
}

func (s *Server) add(req Request) outcome {
	origin, _, _ := strings.Cut(string(req.Checkpoint), "\n")
	l := s.logs[origin]
	if l == nil {
		return outcome{status: http.StatusNotFound, text: "this witness does not watch that ledger"}
	}
	next, n, err := ledger.OpenCheckpoint(req.Checkpoint, l.keys...)
	switch {
	case errors.Is(err, ledger.ErrUnsigned), errors.Is(err, ledger.ErrBadSignature):
		return outcome{status: http.StatusForbidden, text: "not signed by a key that this witness knows"}
	case err != nil:
		return outcome{status: http.StatusBadRequest, text: "not a checkpoint"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = extend(l.last, req.Old, next, req.Proof)
	var stale *StaleError
	switch {
	case errors.As(err, &stale):
		return outcome{status: http.StatusConflict, size: stale.Size}
	case errors.Is(err, ErrRefused):
		return outcome{status: http.StatusBadRequest, text: err.Error()}
	case errors.Is(err, errProof):
		return outcome{status: http.StatusUnprocessableEntity, text: err.Error()}
	case err != nil:
		return outcome{status: http.StatusConflict, text: err.Error()}
	}
	// Only the ledger's own signatures are kept and cosigned over.
	n.UnverifiedSigs = nil
	own, err := note.Sign(n)
	if err != nil {
		return outcome{status: http.StatusInternalServerError, text: "the witness could not write the checkpoint"}
	}
	both, err := note.Sign(n, s.signer)
	if err != nil {
		return outcome{status: http.StatusInternalServerError, text: "the witness could not sign"}
	}
	if err := writeDurable(s.dir, l.file, both, false); err != nil {
		return outcome{status: http.StatusInternalServerError, text: "the witness could not keep the checkpoint"}
	}
	l.last = &next
	return outcome{status: http.StatusOK, text: string(both[len(own):])}
}
