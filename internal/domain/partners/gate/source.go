package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
)

// body reads the uploaded file. It keeps the first error of reading apart from
// what readers make of it, and ends when ctx does.
type body struct {
	ctx  context.Context // io.ReaderAt has no room for one
	at   io.ReaderAt
	size int64

	mu  sync.Mutex
	err error
}

func (b *body) ReadAt(p []byte, off int64) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.at.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || errors.Is(err, io.EOF) && off+int64(n) < b.size {
		err = errShort
	}
	if !errors.Is(err, io.EOF) {
		b.mu.Lock()
		if b.err == nil {
			b.err = err
		}
		b.mu.Unlock()
	}
	return n, err
}

var errShort = errors.New("the file is shorter than its size")

func (b *body) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// content is a file, or an entry of an archive.
type content struct {
	name string
	size int64
	at   io.ReaderAt      // nil for an entry that is read in one go
	open func() io.Reader // from its beginning
}

// start is the first bytes, at most n.
func (c *content) start(n int) ([]byte, error) {
	if c.at == nil {
		b, err := io.ReadAll(io.LimitReader(c.open(), int64(n)))
		return b, err
	}
	b := make([]byte, min(int64(n), c.size))
	if _, err := c.at.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// anywhere makes the content readable at any place: an entry of an archive is
// taken into memory for that.
func (c *content) anywhere() error {
	if c.at != nil {
		return nil
	}
	if c.size > maxPart {
		return refuse(CauseArchive, "A file in the archive is too large to be looked at there. Send it by itself, not in an archive.")
	}
	b, err := io.ReadAll(io.LimitReader(c.open(), maxPart))
	if err != nil {
		return err
	}
	c.at, c.size = bytes.NewReader(b), int64(len(b))
	return nil
}

// end is the last bytes, at most n. The content must be readable anywhere.
func (c *content) end(n int64) ([]byte, error) {
	n = min(n, c.size)
	b := make([]byte, n)
	if _, err := c.at.ReadAt(b, c.size-n); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// refusal is a no with its reason.
type refusal struct {
	cause, reason string
	// unread: the content could not be seen, so that it may hold anything.
	unread bool
}

func (r *refusal) Error() string { return r.reason }

func refuse(cause, reason string) *refusal { return &refusal{cause: cause, reason: reason} }

// unreadable refuses what could not be read as its kind.
func unreadable(cause, reason string) *refusal {
	return &refusal{cause: cause, reason: reason, unread: true}
}

// mayHoldResults says whether what could not be read may be results that a
// program was to take: by what it is, or by what its name says. A name without an
// extension says nothing, so it may.
func mayHoldResults(name, kind string) bool {
	switch strings.TrimSuffix(kind, unseen) {
	case KindHL7, KindFHIR, KindZIP, KindAge, KindOpenPGP, KindCMS:
		return true
	}
	ext := extension(name)
	return ext == "" || slices.Contains(extensions[KindHL7], ext) || slices.Contains(extensions[KindFHIR], ext) ||
		slices.Contains(extensions[KindZIP], ext) || encryptedBy(ext)
}

func extension(name string) string { return strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) }

// sentence makes one of an error's words.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// whereOf is the first place of ours in a stack that is not this gate's recover:
// file and line, never the panic's value, which may hold content.
func whereOf(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	after := false
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "panic("):
			after = true
		case after && strings.Contains(l, "/internal/") && strings.HasPrefix(l, "\t"):
			at, _, _ := strings.Cut(strings.TrimSpace(l), " +")
			return at[strings.LastIndex(at, "/internal/")+1:]
		}
	}
	return "unknown place"
}
