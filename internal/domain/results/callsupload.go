package results

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// StoppedUpload is a partner's file that the content gate did not let through
// though it may hold a critical result.
type StoppedUpload struct {
	File    event.ID
	Partner string
	SHA256  [32]byte
	Came    time.Time
	// Stopped is how it was stopped, without patient data.
	Stopped string
	// Name is what its sender called it, Content what may be messages of it or nil:
	// both may name a patient. The name and the order numbers are kept sealed.
	Name    string
	Content []byte
}

// maxUploadCalls bounds the open tasks about one partner's files: one who sends
// without end must not bury the other tasks. The alarm of each file stands.
const maxUploadCalls = 50

// UploadStopped opens a phone task about a file, at once: unlike a result that
// waits nothing will acknowledge it by itself. The same content sent again while
// its task is open opens none. The file must not be answered before it returns.
func (s *Service) UploadStopped(ctx context.Context, u StoppedUpload) error {
	t := callTimer{subject: s.uploadSubject(&u), what: CallUpload, partner: u.Partner, started: u.Came.UnixMicro()}
	text := callText{File: u.Name, Orders: s.uploadOrders(u.Content)}
	full := false
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var same, open int64
		err := tx.QueryRow(ctx, `SELECT COALESCE(sum(CASE WHEN subject = $1 THEN 1 ELSE 0 END), 0), count(*) FROM results_calls
			WHERE state < 2 AND what = $2 AND partner = $3`, t.subject, int64(CallUpload), u.Partner).Scan(&same, &open)
		if full = err == nil && same == 0 && open >= maxUploadCalls; err != nil || same > 0 || full {
			return err
		}
		return s.writeCall(ctx, tx, t, u.File, u.Stopped, s.now(), text)
	})
	if err != nil {
		return fmt.Errorf("open a phone task about a file: %w", err)
	}
	if full {
		s.slog.Error("a partner has as many phone tasks about files as may be open; no other was opened", "partner", u.Partner, "file", u.File.String(), "open", maxUploadCalls)
	}
	return nil
}

// uploadSubject is the same for the same content of the same partner. It is below
// zero: deliveries and what was not taken are numbered from zero on.
func (s *Service) uploadSubject(u *StoppedUpload) int64 {
	h := s.vault.Index("results stopped upload", []byte(u.Partner), u.SHA256[:])
	return -1 - int64(binary.BigEndian.Uint64(h[:8])&math.MaxInt64)
}

// uploadOrders are the numbers of the messages that are flagged critical, or of
// all where none is: a sender may have flags of its own.
func (s *Service) uploadOrders(content []byte) []string {
	var flagged, all []string
	add := func(to *[]string, numbers []string) {
		for _, n := range numbers {
			if len(*to) < maxOrders && !slices.Contains(*to, n) {
				*to = append(*to, n)
			}
		}
	}
	for p, err := range hl7.Split(content) {
		if err != nil {
			continue
		}
		numbers, err := orderNumbers(p.Body, nil)
		if err != nil {
			continue
		}
		add(&all, numbers)
		if m, err := hl7.Parse(p.Body); err == nil && flagsOf(m)&FlagCritical != 0 {
			add(&flagged, numbers)
		}
	}
	if len(flagged) > 0 {
		return flagged
	}
	return all
}

// Uploads tells how a file is now that the gate stopped: in words, and whether a
// person of the laboratory has let it through. Without words nothing was kept.
type Uploads func(ctx context.Context, file event.ID) (words string, through bool, err error)

// SetUploads says where files are found.
func (s *Service) SetUploads(u Uploads) { s.uploads.Store(&u) }

// uploadFate is fateOf for a file. One that was let through is with the
// laboratory; of one that was refused nothing was kept.
func (s *Service) uploadFate(ctx context.Context, c *Call) (outlook, error) {
	out := outlook{words: "nothing of it was kept"}
	u := s.uploads.Load()
	if u == nil {
		return out, nil
	}
	words, through, err := (*u)(ctx, c.Message)
	if err != nil {
		return out, fmt.Errorf("look for the file of a phone task: %w", err)
	}
	if words != "" {
		out.words, out.acked = words, through
	}
	return out, nil
}

// empty says that there is nothing to be sealed.
func (t *callText) empty() bool {
	return t.Whom == "" && t.Note == "" && t.File == "" && len(t.Orders) == 0
}
