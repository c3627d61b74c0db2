package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// fetched lets the files of a file server be presented.
type fetched struct{ handler }

func (t fetched) Present(ctx context.Context, from channel.Peer, body []byte) (remote.Answer, error) {
	ack, taken, again := t.handler.Present(ctx, from, body)
	return remote.Answer{Body: ack, Taken: taken, Again: again}, nil
}

// takenFiles remembers a source's files that stay where they are.
type takenFiles struct {
	of     *results.Service
	source string
}

func (t takenFiles) Known(ctx context.Context, f remote.Taken) (bool, error) {
	return t.of.WasTaken(ctx, t.source, results.TakenFile(f))
}

func (t takenFiles) Remember(ctx context.Context, f remote.Taken) error {
	return t.of.RememberTaken(ctx, t.source, results.TakenFile(f))
}

// fetcher builds what takes files from a source's file server; it connects to
// nothing.
func (h *Hub) fetcher(c *config.Config, source string) (*remote.Watcher, string, error) {
	s := c.Sources[source]
	w := remote.WatchConfig{
		Name: source, MaxMessage: int64(s.MaxMessage), Memory: takenFiles{h.Results, source},
		Taker: fetched{noticedIn{h.handler(c, source), func(secured string) { h.rooms.sightings.saw("source "+source, secured) }}}, Now: h.now, Log: h.slog.With("source", source),
	}
	var after string
	var at fileServer
	var err error
	if x := s.SFTP; x != nil {
		at, err = h.builder().sftpServer(source, s.Tunnel, x.Address, x.User, x.HostKeys, x.Key, x.Password, x.Dir)
		w.Match, w.Every, w.Settle, w.MaxFile, w.Patience, after = x.Match, x.Every.Std(), x.Settle.Std(), int64(x.MaxFile), x.Timeout.Std(), x.After
	} else {
		x := s.FTPS
		at, err = h.builder().ftpsServer(source, "source "+source, s.Tunnel, x.Address, x.User, x.Password, x.TLS, c.Node.TLS, x.Exception, x.Dir)
		w.Match, w.Every, w.Settle, w.MaxFile, w.Patience, after = x.Match, x.Every.Std(), x.Settle.Std(), int64(x.MaxFile), x.Timeout.Std(), x.After
	}
	if err != nil {
		return nil, "", fmt.Errorf("source %s: %w", source, err)
	}
	switch after {
	case "delete":
		w.After = remote.Delete
	case "leave":
		w.After = remote.Leave
	}
	w.Dial, w.Place = at.dial, at.place
	out, err := remote.NewWatcher(w)
	if err != nil {
		return nil, "", fmt.Errorf("source %s: %w", source, err)
	}
	return out, at.place, nil
}

// fetch is door for a source that is a file server.
func (st *staged) fetch(ctx context.Context, source string) error {
	r, s := st.r, st.conf.Sources[source]
	var node *config.KeyPair
	var of any = s.SFTP
	if s.FTPS != nil {
		of, node = s.FTPS, st.conf.Node.TLS
	}
	mark, err := r.h.material(ctx, of, s.Tunnel, s.MaxMessage, node, r.h.dates.extendedAt("source "+source), copies(st.conf, source))
	if err != nil {
		return fmt.Errorf("source %s: %w", source, err)
	}
	if d := r.doors[source]; d != nil && d.mark == mark {
		st.doors[source] = d
		return nil
	}
	d := &door{mark: mark}
	if d.watcher, d.path, err = r.h.fetcher(st.conf, source); err != nil {
		return err
	}
	st.doors[source] = d
	return nil
}

const (
	// kindNotTaken is the alarm of a file server that cannot be taken from.
	kindNotTaken = "source.not_taken"
	// notTakenAfter is how long it may be away before somebody is told.
	notTakenAfter = 15 * time.Minute
)

// unreached: sources' file servers that nothing can be taken from.
func (l *lookout) unreached(context.Context, *config.Config) ([]string, []alarm.Alarm, error) {
	var out []alarm.Alarm
	l.h.applying.Lock()
	defer l.h.applying.Unlock()
	if l.h.running == nil {
		return nil, nil, nil
	}
	for _, source := range sorted(l.h.running.doors) {
		w, ok := l.h.running.doors[source].watcher.(interface{ Trouble() (time.Time, error) })
		if !ok {
			continue
		}
		since, why := w.Trouble()
		if since.IsZero() || l.h.now().Sub(since) < notTakenAfter {
			continue
		}
		out = append(out, alarm.Alarm{
			Key: alarm.Key{Kind: kindNotTaken, About: source}, Severity: alarm.Urgent,
			Sentence: fmt.Sprintf("Nothing could be taken from source %s since %s (%s): results may wait there.", source, when(since), troubleWord(why)),
			Advice:   "The hub's log says why. Look at the line, and whether their host key, certificate or our account has changed. It is tried again by itself.",
		})
	}
	return []string{kindNotTaken}, out, nil
}

// troubleWord is a class: what a server says may hold more than belongs into a notice.
func troubleWord(err error) string {
	if errors.Is(err, remote.ErrAgain) {
		return "its messages cannot be stored"
	}
	var e *channel.Error
	if errors.As(err, &e) {
		return e.Class.String()
	}
	return "failed"
}
