package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/heartbeat"
	"github.com/labwarden/labwarden/internal/platform/webhook"
)

// plan builds the on-call list. A way that cannot be built is one that fails,
// so that it shows; the error says why.
func (h *Hub) plan(ctx context.Context, c *config.Config) (alarm.Plan, error) {
	a := c.Alarms
	p := alarm.Plan{Lab: c.Lab.Name, Repeat: a.Repeat.Std(), AcceptedFor: a.AcceptedFor.Std()}
	if w := c.Node.Web; w != nil {
		p.Pages = strings.TrimSuffix(string(w.PublicURL), "/") + "/alarms"
	}
	var errs []error
	for _, x := range a.OnCall {
		person := alarm.Person{Name: x.Name, Wait: x.Wait.Std()}
		for _, w := range x.Ways {
			s, err := h.way(ctx, a, w)
			if err != nil {
				err = fmt.Errorf("alarms to %s by %s: %w", x.Name, w.Kind, err)
				errs = append(errs, err)
				s = brokenWay{err}
			}
			person.Ways = append(person.Ways, alarm.Way{Name: w.Label(), Sender: s})
		}
		p.People = append(p.People, person)
	}
	return p, errors.Join(errs...)
}

// brokenWay stands for a way whose settings cannot be used.
type brokenWay struct{ err error }

func (b brokenWay) Send(context.Context, alarm.Message) (string, error) { return "", b.err }

func (h *Hub) way(ctx context.Context, a config.Alarms, w config.Way) (alarm.Sender, error) {
	if w.Kind == "webhook" {
		ca, err := roots(w.CA)
		if err != nil {
			return nil, err
		}
		secret, err := h.secret(ctx, w.Secret)
		if err != nil {
			return nil, err
		}
		return webhook.New(webhook.Config{URL: string(w.URL), To: w.To, Secret: bytes.TrimRight(secret, "\r\n"), Roots: ca, Now: h.now})
	}
	if a.Mail == nil {
		return nil, errors.New("there is no mail server")
	}
	return h.mailTo(ctx, a.Mail, w.To)
}

// beater is a running heartbeat and the fingerprint of what it was built from.
type beater struct {
	mark string
	stop context.CancelFunc
}

// beat brings the heartbeat to the configuration.
func (r *reconciler) beat(c *config.Config) {
	var mark string
	b := c.Alarms.Heartbeat
	if b != nil {
		mark = fingerprint(b)
	}
	if r.beater.mark == mark {
		return
	}
	if r.beater.stop != nil {
		r.beater.stop()
	}
	r.beater = beater{mark: mark}
	if b == nil {
		r.h.Alarms.Over(r.ctx, alarm.Key{Kind: kindUnheard})
		return
	}
	ca, err := roots(b.CA)
	if err != nil {
		r.h.slog.Error("the heartbeat cannot be sent as it is configured", "error", err)
		r.h.unheard(r.ctx, err, time.Time{})
		return
	}
	ctx, stop := context.WithCancel(r.ctx)
	r.beater.stop = stop
	var since time.Time
	s := &heartbeat.Sender{
		URL: string(b.URL), Hub: r.h.node, Signer: r.h.Vault.NoteSigner, Every: b.Every.Std(), Now: r.h.now,
		Client: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca}, MaxIdleConns: 1, IdleConnTimeout: 2 * time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Heard: func(err error) {
			if err == nil {
				since = time.Time{}
				r.h.Alarms.Over(ctx, alarm.Key{Kind: kindUnheard})
				return
			}
			if since.IsZero() {
				since = r.h.now()
				r.h.slog.Warn("the heartbeat was not taken; it goes on", "error", err)
			}
			if r.h.now().Sub(since) >= 2*b.Every.Std() {
				r.h.unheard(ctx, err, since)
			}
		},
	}
	r.g.Go(func() error { s.Run(ctx); return nil })
}

const kindUnheard = "heartbeat.unheard"

func (h *Hub) unheard(ctx context.Context, err error, since time.Time) {
	text := "The watcher outside does not take the heartbeat"
	if !since.IsZero() {
		text += " since " + since.UTC().Format("2006-01-02 15:04 MST")
	}
	h.Alarms.Raise(ctx, alarm.Alarm{
		Key: alarm.Key{Kind: kindUnheard}, Severity: alarm.Warning, Sentence: text + ": " + err.Error() + ".",
		Advice: "Nobody would notice a dead hub. Look whether `labwarden heartbeat watch` runs and can be reached.",
	})
}
