package boxes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Endings of the notices that lie beside the receipts.
const (
	refusedSuffix = ".refused.txt"
	heldSuffix    = ".held.txt"
)

const (
	// noticesAnHour bounds what a program that sends the same nonsense again and
	// again, under new names, leaves behind.
	noticesAnHour = 300
	noticeTime    = 5 * time.Second
)

// spoken is how many notices a partner got in an hour.
type spoken struct {
	hour time.Time
	n    int
}

// ruled is a refusal with the rule of the gate that it comes from.
type ruled struct {
	rule string
	no   error
}

func (r *ruled) Error() string { return r.no.Error() }
func (r *ruled) Unwrap() error { return r.no }

// refused leaves the reason why a file was refused beside the receipts, for those
// whose client does not show it (OpenSSH's sftp says "Failure" and no more), and
// returns the error. What is no refusal, but "try again", leaves nothing.
func (s *Service) refused(ctx context.Context, f File, err error) error {
	var no *channel.Refusal
	var by *ruled
	var rule, reason string
	switch {
	case errors.Is(err, channel.ErrFileExists):
		reason = "A file of that name is there already, or stands held. Send this one under another name."
	case errors.As(err, &no):
		reason = no.Reason
	default:
		return err
	}
	if errors.As(err, &by) {
		rule = by.rule
	}
	s.notice(ctx, f, refusedSuffix, rule, reason)
	return err
}

// notice writes one; that it can't must not change what becomes of the file.
func (s *Service) notice(ctx context.Context, f File, suffix, rule, reason string) {
	if channel.CheckBoxName(f.Name) != nil || !s.maySpeak(f.Partner) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeTime)
	defer cancel()
	if err := s.putNotice(ctx, f.Partner, f.Name+suffix, s.words(f, suffix, rule, reason)); err != nil {
		s.Log.Warn("the reason why a file was refused could not be left for its sender", "partner", f.Partner, "err", err)
	}
}

// words are the notice: what happened, why, what to do.
func (s *Service) words(f File, suffix, rule, reason string) []byte {
	var b strings.Builder
	line := func(word, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-9s%s\r\n", word+":", text)
		}
	}
	head, tail := "The laboratory did not take this file. Nothing of it was kept.", "When what the reason says is mended, send the whole file again. If it does not help, call the laboratory."
	switch {
	case f.from != "" && suffix == refusedSuffix:
		head = "The laboratory did not give this file its new name. It is still there under the old one, " + f.from + ", and goes nowhere from there."
		tail = "Rename it again when what the reason says is mended; or remove it and send it anew. If it does not help, call the laboratory."
	case suffix == heldSuffix:
		head, tail = "The laboratory has this file, and a person of the laboratory looks at it before it goes on.", "You need not send it again. If it is urgent, call the laboratory."
	}
	b.WriteString(head + "\r\n\r\n")
	line("File", f.Name)
	line("When", s.Now().UTC().Format("2006-01-02 15:04:05 UTC"))
	line("By", strings.ToUpper(f.Via.Protocol))
	if f.SHA256 != ([32]byte{}) {
		line("Size", fmt.Sprintf("%d bytes", f.Size))
		line("SHA-256", fmt.Sprintf("%x", f.SHA256))
	}
	line("Rule", rule)
	line("Reason", reason)
	b.WriteString("\r\n" + tail + "\r\n")
	return []byte(b.String())
}

func (s *Service) maySpeak(partner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hour := s.Now().Truncate(time.Hour)
	c := s.spoken[partner]
	if !c.hour.Equal(hour) {
		c = spoken{hour: hour}
	}
	c.n++
	s.spoken[partner] = c
	return c.n <= noticesAnHour
}

// putNotice writes a notice, over an older one of that name.
func (s *Service) putNotice(ctx context.Context, partner, name string, text []byte) error {
	p, err := s.paper(partner, name, KindNotice, Via{}, text)
	if err != nil {
		return err
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.dropNotice(ctx, tx, partner, name, p.Made); err != nil {
			return err
		}
		return s.row(ctx, tx, &p.File, p.named, p.head)
	})
	if err != nil {
		return fmt.Errorf("write notice: %w", err)
	}
	return nil
}

// dropNotice takes a notice away that was written up to the time.
func (s *Service) dropNotice(ctx context.Context, tx *store.Tx, partner, name string, upTo time.Time) error {
	var id []byte
	err := tx.QueryRow(ctx, `SELECT id FROM boxes_files WHERE named = $1 AND state <> 'gone' AND made_at <= $2`, s.named(partner, channel.BoxReceipts, name), micro(upTo)).Scan(&id)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.drop(ctx, tx, id, upTo)
}
