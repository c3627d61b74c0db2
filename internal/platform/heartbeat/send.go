package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Sender posts beats to a watcher.
type Sender struct {
	URL    string
	Hub    string
	Signer func() note.Signer // asked for each beat, so that a rotation is followed
	Client *http.Client
	Every  time.Duration // 0 means 30 s
	Now    func() time.Time
	// Heard is told after each beat whether the watcher has taken it.
	Heard func(err error)
}

// Run beats until ctx ends. It never fails: a watcher that is away is told to
// Heard.
func (s *Sender) Run(ctx context.Context) {
	every := s.Every
	if every <= 0 {
		every = 30 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var seq int64
	for {
		now := s.Now()
		seq = max(seq+1, now.UnixMilli())
		err := s.beat(ctx, Beat{s.Hub, seq, now}, every)
		if ctx.Err() != nil {
			return
		}
		s.Heard(err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Sender) beat(ctx context.Context, b Beat, limit time.Duration) error {
	signed, err := Sign(b, s.Signer())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, min(limit, 10*time.Second))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(signed))
	if err != nil {
		return errors.New("the watcher's address cannot be used")
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := s.Client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, whose path may be a secret
		}
		return fmt.Errorf("reach the watcher: %w", err)
	}
	defer resp.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only to say why
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the watcher answered %d: %s", resp.StatusCode, strings.TrimSpace(string(why)))
	}
	return nil
}
