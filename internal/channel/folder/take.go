package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// take carries one file all the way. Killed at any step it is taken again from
// its beginning: messages that were stored then are repeats by their control id.
func (w *Watcher) take(ctx context.Context, root *os.Root, name string) error {
	if err := w.stop("read"); err != nil {
		return err
	}
	b, st, err := w.readWhole(root, name)
	if err != nil {
		return err
	}
	if b == nil {
		return w.away(root, name, st, failedDir, []byte(fmt.Sprintf("The file is larger than %d bytes. Nothing of it was taken.\n", w.cfg.MaxFile)))
	}
	parts, err := hl7.SplitAll(b)
	switch {
	case err != nil:
		// A batch whose trailer is missing or counts differently may have been cut
		// off in the middle of a message: half a result is worse than none.
		return w.away(root, name, st, failedDir, []byte("The file is not whole. Nothing of it was taken.\n"+err.Error()+"\n"))
	case len(parts) == 0:
		return w.away(root, name, st, failedDir, []byte("The file holds no HL7 message.\n"))
	}
	for _, p := range parts {
		if int64(len(p.Body)) > w.cfg.MaxMessage {
			return w.away(root, name, st, failedDir, []byte(fmt.Sprintf("Message %d (line %d) is larger than %d bytes. Nothing of the file was taken.\n", p.Index, p.Line, w.cfg.MaxMessage)))
		}
	}
	var side bytes.Buffer
	from := channel.Peer{Name: w.cfg.Name, Addr: filepath.Join(w.cfg.Dir, name), Proof: "folder"}
	refused := 0
	for _, p := range parts {
		if err := w.stop("present"); err != nil {
			return err
		}
		a, err := w.cfg.Taker.Present(ctx, from, p.Body)
		if err != nil {
			return fmt.Errorf("present message %d of a file: %w", p.Index, err)
		}
		if a.Again {
			return ErrAgain
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
	return w.away(root, name, st, to, side.Bytes())
}

// away moves a file to dir and puts the answer beside it, NAME.ack. The answer
// is written under a name of its own first, so that after a crash finish
// knows what is missing. A file that is no longer the one that was read (st)
// stays, or comes back, and is errChanged: a sender may use one name again and
// again, and what it put there meanwhile was not taken.
func (w *Watcher) away(root *os.Root, name string, st fs.FileInfo, dir string, answer []byte) error {
	target, err := free(root, dir, name)
	if err != nil {
		return err
	}
	part := partOf(dir, target)
	if err := writeWhole(root, part, answer); err != nil {
		return fmt.Errorf("write the answer to a file: %w", plain(err))
	}
	if err := w.stop("answer"); err != nil {
		return err
	}
	if err := unchanged(root, name, st); err != nil {
		return errors.Join(err, root.Remove(part))
	}
	if err := w.stop("move"); err != nil {
		return err
	}
	// Held until it is known to be the one that was read: whoever dies here leaves
	// a file that finish puts back.
	held := heldOf(dir, name)
	if err := root.Rename(name, held); err != nil {
		return fmt.Errorf("move a taken file to %s: %w", dir, plain(err))
	}
	if err := w.stop("held"); err != nil {
		return err
	}
	if err := unchanged(root, held, st); err != nil {
		return errors.Join(err, root.Remove(part), back(root, held, name))
	}
	if err := root.Rename(held, dir+"/"+target); err != nil {
		return fmt.Errorf("move a taken file to %s: %w", dir, plain(err))
	}
	if err := w.stop("moved"); err != nil {
		return err
	}
	if err := root.Rename(part, dir+"/"+target+ackSuffix); err != nil {
		return fmt.Errorf("place the answer to a file: %w", plain(err))
	}
	if dir == failedDir {
		w.cfg.Log.Warn("a file went to failed; its .ack says why", "folder", w.cfg.Name)
	}
	delete(w.seen, name)
	return errors.Join(syncPath(root, dir), syncPath(root, "."))
}

// back puts a file that was moved by mistake where it came from. Where another
// one has its name by now it gets one that ready takes for it.
func back(root *os.Root, from, name string) error {
	name, _ = original(name)
	to := name
	for i := 1; ; i++ {
		_, err := root.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil || i > maxNames {
			return errors.Join(errors.New("a file that was moved by mistake cannot be put back into the watched folder"), plain(err))
		}
		to = fmt.Sprintf("%s%s%d", name, againMark, i)
	}
	if err := root.Rename(from, to); err != nil {
		return fmt.Errorf("move a file back: %w", plain(err))
	}
	return nil
}

// againMark stands behind the name of a file that was put back beside its
// successor, before a number.
const againMark = ".again-"

// original is the name under which a file came that may have been put back.
func original(name string) (was string, again bool) {
	i := strings.LastIndex(name, againMark)
	if i <= 0 {
		return name, false
	}
	if _, err := strconv.ParseUint(name[i+len(againMark):], 10, 16); err != nil {
		return name, false
	}
	return name[:i], true
}

func partOf(dir, target string) string { return dir + "/." + target + ackSuffix + tmpSuffix }

func heldOf(dir, name string) string { return dir + "/." + name + heldSuffix + tmpSuffix }

// free is name, or name-1, name-2 and so on: neither it nor its answer is there.
func free(root *os.Root, dir, name string) (found string, err error) {
	err = fmt.Errorf("no free file name in %s", dir)
	names(name, func(n string) bool {
		for _, there := range []string{n, n + ackSuffix} {
			if _, lerr := root.Lstat(dir + "/" + there); !errors.Is(lerr, fs.ErrNotExist) {
				return true
			}
		}
		found, err = n, nil
		return false
	})
	return found, err
}

func writeWhole(root *os.Root, name string, b []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// finish ends what a process that died between two renames left: a file of which
// nobody had seen yet that it is the one that was read goes back and is taken
// from its beginning; an answer whose file has arrived gets its name, one whose
// file has not is written anew.
func finish(root *os.Root) error {
	for _, dir := range []string{doneDir, failedDir} {
		d, err := root.Open(dir)
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, plain(err))
		}
		entries, err := d.ReadDir(-1)
		if err = errors.Join(err, d.Close()); err != nil {
			return fmt.Errorf("list %s: %w", dir, plain(err))
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), heldSuffix+tmpSuffix)
			if name, dot := strings.CutPrefix(name, "."); ok && dot {
				if err := back(root, dir+"/"+e.Name(), name); err != nil {
					return err
				}
			}
		}
		for _, e := range entries {
			target, ok := strings.CutSuffix(e.Name(), ackSuffix+tmpSuffix)
			if target, dot := strings.CutPrefix(target, "."); ok && dot {
				_, err := root.Lstat(dir + "/" + target)
				switch {
				case err == nil:
					err = root.Rename(dir+"/"+e.Name(), dir+"/"+target+ackSuffix)
				case errors.Is(err, fs.ErrNotExist):
					err = root.Remove(dir + "/" + e.Name())
				}
				if err != nil {
					return fmt.Errorf("finish an answer in %s: %w", dir, plain(err))
				}
			}
		}
	}
	return nil
}

func syncPath(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return fmt.Errorf("flush %s: %w", dir, plain(err))
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("flush %s: %w", dir, plain(err))
	}
	return nil
}
