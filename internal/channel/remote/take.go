package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// take carries one file all the way. Killed at any step it is taken again from
// its beginning: messages that were stored then are repeats by their control id.
func (w *Watcher) take(ctx context.Context, l *link, e channel.BoxEntry) error {
	if err := w.stop("read"); err != nil {
		return err
	}
	if e.Size > w.cfg.MaxFile {
		return w.away(ctx, l, e, [32]byte{}, failedDir, fmt.Appendf(nil, "The file is larger than %d bytes. Nothing of it was taken.\n", w.cfg.MaxFile))
	}
	body, err := w.read(ctx, l, e)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if w.cfg.After == Leave {
		known, err := w.cfg.Memory.Known(ctx, Taken{Name: e.Name, Size: e.Size, Modified: e.Modified, Sum: sum})
		if err != nil {
			return fmt.Errorf("look whether a file was taken: %w", err)
		}
		if known { // somebody touched it
			return w.away(ctx, l, e, sum, doneDir, nil)
		}
	}
	parts, err := hl7.SplitAll(body)
	switch {
	case err != nil:
		// A batch whose trailer is missing or counts differently may have been cut
		// off in the middle of a message: half a result is worse than none.
		return w.away(ctx, l, e, sum, failedDir, []byte("The file is not whole. Nothing of it was taken.\n"+err.Error()+"\n"))
	case len(parts) == 0:
		return w.away(ctx, l, e, sum, failedDir, []byte("The file holds no HL7 message.\n"))
	}
	for _, p := range parts {
		if int64(len(p.Body)) > w.cfg.MaxMessage {
			return w.away(ctx, l, e, sum, failedDir, fmt.Appendf(nil, "Message %d (line %d) is larger than %d bytes. Nothing of the file was taken.\n", p.Index, p.Line, w.cfg.MaxMessage))
		}
	}
	var side bytes.Buffer
	from := l.Peer()
	from.Name = w.cfg.Name
	refused := 0
	for _, p := range parts {
		if err := w.stop("present"); err != nil {
			return err
		}
		a, err := w.cfg.Taker.Present(ctx, from, p.Body)
		l.moved()
		if err != nil {
			return fmt.Errorf("present message %d of a file: %w", p.Index, kept(err))
		}
		if a.Again {
			return kept(ErrAgain)
		}
		if !a.Taken {
			refused++
		}
		side.Write(a.Body)
		if n := len(a.Body); n > 0 && a.Body[n-1] != '\r' {
			side.WriteByte('\r')
		}
	}
	if err := w.stop("taken"); err != nil {
		return err
	}
	to := doneDir
	if refused > 0 {
		to = failedDir
		w.cfg.Log.Warn("messages of a file were refused and kept in quarantine", "messages", len(parts), "refused", refused)
	}
	return w.away(ctx, l, e, sum, to, side.Bytes())
}

// kept is an error that has nothing to do with the connection: it stays open.
func kept(err error) error { return &ours{err} }

type ours struct{ error }

func (o *ours) Unwrap() error { return o.error }

// read reads the file as it was listed.
func (w *Watcher) read(ctx context.Context, l *link, e channel.BoxEntry) ([]byte, error) {
	b := &bounded{left: e.Size}
	err := l.Get(ctx, e.Name, 0, pulse{w: b, l: l})
	l.moved()
	switch {
	case errors.Is(err, errEnough), errors.Is(err, channel.ErrNoFile):
		return nil, errChanged
	case err != nil:
		return nil, err
	case b.left != 0:
		return nil, errChanged
	}
	return b.Bytes(), w.unchanged(ctx, l, e.Name, e)
}

// bounded takes no more than a number of bytes.
type bounded struct {
	bytes.Buffer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errEnough
	}
	b.left -= int64(len(p))
	return b.Buffer.Write(p)
}

// unchanged says that the file name is still as e says.
func (w *Watcher) unchanged(ctx context.Context, l *link, name string, e channel.BoxEntry) error {
	now, err := l.Stat(ctx, name)
	l.moved()
	switch {
	case errors.Is(err, channel.ErrNoFile):
		return errChanged
	case err != nil:
		return err
	case now.Dir || now.Size != e.Size || !now.Modified.Equal(e.Modified):
		return errChanged
	}
	return nil
}

// away does what is to be done with a file that was taken or refused. A file that
// is no longer the one that was read stays, or comes back, and is errChanged: a
// sender may use one name again and again, and what it put there meanwhile was
// not taken.
func (w *Watcher) away(ctx context.Context, l *link, e channel.BoxEntry, sum [32]byte, to string, answer []byte) error {
	if to == failedDir {
		w.cfg.Log.Warn("a file of a source was refused", "kept", to, "left", w.cfg.After == Leave)
	}
	if w.cfg.After == Leave {
		if err := w.cfg.Memory.Remember(ctx, Taken{e.Name, e.Size, e.Modified, sum, to == failedDir}); err != nil {
			return fmt.Errorf("remember a file that was taken: %w", kept(err))
		}
		return w.stop("remembered")
	}
	if err := w.unchanged(ctx, l, e.Name, e); err != nil {
		return err
	}
	if err := w.stop("hold"); err != nil {
		return err
	}
	held := tookPrefix + e.Name
	if err := l.Rename(ctx, e.Name, held); err != nil {
		return w.cannotMove(err)
	}
	l.moved()
	if err := w.stop("held"); err != nil {
		return err
	}
	if err := w.unchanged(ctx, l, held, e); err != nil {
		if !errors.Is(err, errChanged) {
			return err // the next look puts it back
		}
		return errors.Join(errChanged, w.back(ctx, l, held, e.Name))
	}
	delete(w.seen, e.Name)
	if w.cfg.After == Delete && to == doneDir {
		return w.cannotMove(l.Remove(ctx, held))
	}
	return w.file(ctx, l, held, e.Name, to, answer)
}

// file moves a held file into a folder and puts the answer beside it.
func (w *Watcher) file(ctx context.Context, l *link, held, name, to string, answer []byte) error {
	if err := l.Mkdir(ctx, to); err != nil {
		return w.cannotMove(err)
	}
	l.moved()
	target, err := "", errors.New("no free file name in "+to)
	names(name, func(n string) bool {
		for _, there := range []string{n, n + ackSuffix} {
			_, serr := l.Stat(ctx, to+"/"+there)
			l.moved()
			if serr == nil {
				return true
			}
			if !errors.Is(serr, channel.ErrNoFile) {
				err = serr
				return false
			}
		}
		target, err = n, nil
		return false
	})
	if err != nil {
		return err
	}
	if err := l.Rename(ctx, held, to+"/"+target); err != nil {
		return w.cannotMove(err)
	}
	l.moved()
	if err := w.stop("moved"); err != nil || len(answer) == 0 {
		return err
	}
	if err := l.Put(ctx, to+"/"+target+ackSuffix, 0, pulse{r: bytes.NewReader(answer), l: l}); err != nil {
		w.cfg.Log.Warn("the answer to a file could not be put beside it", "error", err)
	}
	return nil
}

func (w *Watcher) cannotMove(err error) error {
	if err == nil || lost(err) {
		return err
	}
	return fmt.Errorf("a file that was taken cannot be moved or removed there; give our user the right to it, or write after: leave: %w", err)
}

// back puts a file that was moved by mistake where it came from. Where another
// one has its name by now it gets one that ready takes for it.
func (w *Watcher) back(ctx context.Context, l *link, from, name string) error {
	name, _ = original(strings.TrimPrefix(name, tookPrefix))
	to := name
	for i := 1; i <= maxNames; i++ {
		_, err := l.Stat(ctx, to)
		l.moved()
		if errors.Is(err, channel.ErrNoFile) {
			return w.cannotMove(l.Rename(ctx, from, to))
		}
		if err != nil {
			return err
		}
		to = fmt.Sprintf("%s%s%d", name, againMark, i)
	}
	return errors.New("a file that was moved by mistake cannot be put back")
}
