package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// The kinds of alarms about the machine and the ledger.
const (
	kindStore      = "store.not_writable"
	kindDisk       = "disk.low"
	kindReadOnly   = "disk.read_only"
	kindSeal       = "seal.missing"
	kindClock      = "clock.jumped"
	kindLedger     = "ledger.trouble"
	kindDamaged    = "ledger.damaged"
	kindWitness    = "witness.late"
	kindCheckpoint = "checkpoint.behind"
	kindCert       = "certificate.ends"
	kindCertFile   = "certificate.unreadable"
	kindException  = "exception.ends"
	kindRetention  = "retention.over"
)

// clockJump is how far the clock may move by itself between two looks.
const clockJump = 5 * time.Second

// disk is how a file system stands.
type disk struct {
	free     int64 // bytes, for us
	readOnly bool
}

func statDisk(path string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return disk{}, fmt.Errorf("look at the disk of %s: %w", path, err)
	}
	const readOnly = 0x1 // ST_RDONLY, statfs(2)
	return disk{int64(s.Bavail) * s.Bsize, s.Flags&readOnly != 0}, nil
}

// store: does it take writes. Nothing is more urgent.
func (l *lookout) store(ctx context.Context, _ *config.Config) ([]string, []alarm.Alarm, error) {
	c := l.h.probe.Check(ctx)
	if c.Err == nil {
		return []string{kindStore}, nil, nil
	}
	return []string{kindStore}, []alarm.Alarm{{
		Key: alarm.Key{Kind: kindStore}, Severity: alarm.Urgent,
		Sentence: "The store does not take writes: no result is accepted; senders are told to send again.",
		Advice:   "Look at the disk's space, at PostgreSQL if it is used, and at the hub's log.",
	}}, nil
}

// machine: the disk and the files that open the vault.
func (l *lookout) machine(_ context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindDisk, kindReadOnly, kindSeal}
	d, err := l.disk(string(c.Node.Data))
	if err != nil {
		return nil, nil, err
	}
	var out []alarm.Alarm
	if limit := int64(c.Alarms.DiskFree); limit > 0 && d.free < limit {
		a := alarm.Alarm{
			Key: alarm.Key{Kind: kindDisk}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("The disk of the data folder has %d MiB left; the configuration asks for %s.", d.free>>20, c.Alarms.DiskFree),
			Advice:   "Give it more room before it is full: then no result could be accepted.",
		}
		if d.free < limit/4 {
			a.Severity = alarm.Urgent
		}
		out = append(out, a)
	}
	if d.readOnly {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindReadOnly}, Severity: alarm.Urgent,
			Sentence: "The disk of the data folder is mounted read-only: no result can be accepted.",
			Advice:   "The system does that when the disk fails. Look at its log before you mount it again.",
		})
	}
	for _, s := range c.Node.Seals {
		path := string(s.Path)
		if s.Kind == "systemd" {
			if path = os.Getenv("CREDENTIALS_DIRECTORY"); path == "" {
				path = "/nonexistent"
			}
			path = filepath.Join(path, s.Name)
		}
		if s.Kind == "passphrase" {
			continue
		}
		f, err := os.Open(path) //nolint:gosec // G703: where the node's own configuration says
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			why := "it cannot be read"
			if errors.Is(err, fs.ErrNotExist) {
				why = "it is not there"
			}
			about := s.Kind
			if s.Name != "" {
				about += " " + s.Name
			} else if path != "" {
				about += " " + filepath.Base(path)
			}
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindSeal, About: about}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("The seal %s would not open the vault at the next start: %s.", about, why),
				Advice:   "Results flow until the hub is restarted. Put it back, or add another seal, before that.",
			})
		}
	}
	return kinds, out, nil
}

// clock notices a clock that was set: the wall clock moved otherwise than the
// one nobody sets.
func (l *lookout) clock(ctx context.Context) {
	wall, mono := l.wall(), l.mono()
	if !l.lastWall.IsZero() {
		l.jumped(ctx, wall.Sub(l.lastWall)-(mono-l.lastMono), "since the last look")
	}
	l.lastWall, l.lastMono = wall, mono
}

// lastClock notices at start that the clock stands before what was written last.
func (l *lookout) lastClock(ctx context.Context) {
	at, err := l.h.Log.LastAt(ctx)
	if err != nil {
		l.h.slog.Error("the lookout could not look at the ledger's time", "error", err)
		return
	}
	if d := l.wall().Sub(at); !at.IsZero() && d < 0 {
		l.jumped(ctx, d, "while the hub was not running")
	}
}

func (l *lookout) jumped(ctx context.Context, by time.Duration, since string) {
	if by < clockJump && by > -clockJump {
		return
	}
	way := "forward"
	if by < 0 {
		way, by = "back", -by
	}
	l.desk.Raise(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: kindClock}, Severity: alarm.Warning, Once: true,
		Sentence: fmt.Sprintf("The machine's clock went %s by %s %s.", way, by.Round(time.Second), since),
		Advice:   "Times of results, proofs and certificates depend on it. Look at the time service of this machine, then close this alarm.",
	})
}

// ledger: what witnesses remember otherwise, and what keeps them from it.
func (l *lookout) ledger(ctx context.Context, _ *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindLedger, kindWitness, kindCheckpoint}
	g := l.h.guard.Load()
	if g == nil {
		return nil, nil, nil
	}
	g.mu.Lock()
	waiting := g.waiting
	g.mu.Unlock()
	if waiting {
		// An alarm is a fact in the ledger, which is to stay as it was found until
		// every witness was asked.
		return nil, nil, nil
	}
	head, err := l.h.Log.Head(ctx)
	if err != nil {
		return nil, nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []alarm.Alarm
	for name, a := range g.alarms {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindLedger, About: name}, Severity: alarm.Urgent, Sentence: a.Text,
			Advice: "Views of patient data are closed; results flow. Once you know why: labwarden ledger decide --reason WHY.",
		})
	}
	for _, w := range g.all {
		if w.state.Late {
			out = append(out, alarm.Alarm{
				Key: alarm.Key{Kind: kindWitness, About: w.state.Name}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("Witness %s has not confirmed the ledger for more than %d of its intervals: %s.", w.state.Name, lateAfter, w.state.Problem),
				Advice:   "A rolled-back database would not be noticed by it. Look whether it runs and can be reached.",
			})
		}
	}
	if l.h.now().Sub(g.checked) > lateAfter*g.every && head.Size > g.latest.size {
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindCheckpoint}, Severity: alarm.Warning,
			Sentence: fmt.Sprintf("No checkpoint of the ledger could be signed and kept since %s.", when(g.checked)),
			Advice:   "Proofs of newer results wait for it. The hub's log says why.",
		})
	}
	return kinds, out, nil
}

// audited is told of every audit of the ledger.
func (h *Hub) audited(ctx context.Context, sound bool) {
	k := alarm.Key{Kind: kindDamaged}
	if sound {
		h.Alarms.Over(ctx, k)
		return
	}
	h.Alarms.Raise(ctx, alarm.Alarm{
		Key: k, Severity: alarm.Urgent, Sentence: "An audit has found stored rows that were changed, moved or removed.",
		Advice: "Keep the database as it is, run labwarden ledger verify, and call for help. Results flow.",
	})
}
