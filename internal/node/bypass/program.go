package bypass

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel/mllp"
)

// Door is one source's open port.
type Door struct {
	Server   *mllp.Server
	Listener net.Listener
}

// Program is an open bypass. The caller holds the data folder's lock while it
// runs, so that no hub starts beside it.
type Program struct {
	Relay   *Relay
	Card    Card
	Opening Named
	Doors   map[string]Door
	// Cannot are partners that are not reached in bypass, with the reason.
	Cannot map[string]string
	// Control is the listener of the control socket.
	Control net.Listener
	Now     func() time.Time
	Slog    *slog.Logger

	opened time.Time
	term   *term
	stop   context.CancelFunc
	once   sync.Once
	ended  Record
}

// Begin writes that the bypass was opened; until that is on disk no door is.
func (p *Program) Begin() error {
	if err := p.Opening.Check(); err != nil {
		return err
	}
	p.opened = p.Now()
	p.term = newTerm(p.Now, p.warn)
	return p.Relay.Log.Append(Record{
		Kind: Opened, At: p.opened, By: p.Opening.By, Reason: p.Opening.Reason, Until: p.term.end(),
		Number: p.Card.Number, Revision: p.Card.Revision,
	})
}

// Ended says how a bypass came to its end.
type Ended struct {
	By   string // empty: its time was over, or the process was told to stop
	Over bool   // its time was over
}

// Run relays until a person closes the bypass, its time is over or ctx ends.
// What is being handled then is finished and answered; the end is in the log.
func (p *Program) Run(ctx context.Context) (Ended, error) {
	ctx, p.stop = context.WithCancel(ctx)
	defer p.stop()
	srv := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	var wg sync.WaitGroup
	errs := make(chan error, len(p.Doors)+1)
	run := func(f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- err
				p.stop()
			}
		})
	}
	run(func() error {
		if err := srv.Serve(p.Control); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the bypass socket: %w", err)
		}
		return nil
	})
	for source, d := range p.Doors {
		run(func() error {
			if err := d.Server.Serve(ctx, d.Listener); err != nil {
				return fmt.Errorf("source %s: %w", source, err)
			}
			return nil
		})
	}
	over := p.term.run(ctx)
	p.stop()
	shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := srv.Shutdown(shut)
	wg.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	if over {
		p.Slog.Error("THE BYPASS HAS ENDED: its time is over. Results stay at the laboratory's system until the hub runs or a bypass is opened again")
	}
	end := Record{Kind: Closed, At: p.Now(), By: p.ended.By, Reason: p.ended.Reason}
	if over {
		end.Reason = "its time was over"
	}
	return Ended{p.ended.By, over}, errors.Join(err, p.Relay.Log.Append(end))
}

func (p *Program) warn(left time.Duration) {
	p.Slog.Warn("THE BYPASS ENDS SOON; extend it with `labwarden bypass extend` or have the hub started", "in", left.String(), "at", p.term.end().Local().Format("15:04"))
	if err := p.Relay.Log.Append(Record{Kind: Warned, At: p.Now(), Until: p.term.end()}); err != nil {
		p.Slog.Error("a warning could not be written to the bypass log", "error", err)
	}
}

// extend notes who wants it first: what cannot be noted is not done.
func (p *Program) extend(n Named) error {
	err := p.Relay.Log.Append(Record{Kind: Extended, At: p.Now(), By: n.By, Reason: n.Reason, Until: p.Now().Add(Length)})
	if err != nil {
		return err
	}
	p.Slog.Warn("the bypass was extended", "until", p.term.extend().Local().Format("15:04"))
	return nil
}

func (p *Program) close(n Named) error {
	p.once.Do(func() {
		p.ended = Record{By: n.By, Reason: n.Reason}
		p.stop()
	})
	return nil
}

// State tells how the bypass is.
func (p *Program) State() State {
	st := State{
		Session: p.Relay.Log.Session, By: p.Opening.By, Reason: p.Opening.Reason, OpenedAt: p.opened, Until: p.term.end(),
		Number: p.Card.Number, Counts: p.Relay.Counts(), Doors: map[string]string{}, Cannot: p.Cannot,
	}
	for source, d := range p.Doors {
		st.Doors[source] = d.Listener.Addr().String()
	}
	return st
}
