package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/node/bypass"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// ErrHubAnswers: there is nothing to go round.
var ErrHubAnswers = errors.New("the hub is running and answers: there is nothing to go round. If results do not flow, look at `labwarden status`; stop the hub before a bypass is opened")

// Bypass is an open way round a hub that does not run.
type Bypass struct {
	*bypass.Program
	Card bypass.Card
	// Earlier is how many logs of earlier sessions the hub has not read in yet,
	// Unread those of them that could not be read whole.
	Earlier int
	Unread  []string

	lock    *folderLock
	senders []channel.Sender
}

// OpenBypass opens the way round the hub of the node: it reads the card, takes
// the data folder (no hub can start meanwhile), opens the sources' doors and
// notes who opened it and why. It needs neither database nor vault.
func OpenBypass(ctx context.Context, n *config.Node, who bypass.Named, d Deps) (b *Bypass, err error) {
	if err := who.Check(); err != nil {
		return nil, err
	}
	key, err := bypass.ReadKey(string(n.Bypass.Key))
	if err != nil {
		return nil, err
	}
	data, err := filepath.Abs(string(n.Data))
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	dir := bypass.Folder(data)
	card, err := bypass.ReadCard(dir, key)
	if err != nil {
		return nil, err
	}
	if err := hubIsSilent(ctx, string(n.Control.Socket)); err != nil {
		return nil, err
	}
	b = &Bypass{Card: card}
	note := fmt.Sprintf("a bypass opened by %s at %s; close it with `labwarden bypass close --by NAME --reason WHY`", who.By, d.Now().Local().Format("2006-01-02 15:04"))
	if b.lock, err = lockData(n, note); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := os.Chdir(card.Base); err != nil {
		return nil, fmt.Errorf("go to the folder of the configuration: %w", err)
	}
	c, err := reread(card.Text, card.Revision)
	if err != nil {
		return nil, fmt.Errorf("read bypass card: %w", err)
	}
	c.Node = card.Node
	relay := &bypass.Relay{Now: d.Now, Slog: d.Log, Partners: map[string]bypass.Partner{}}
	p := &bypass.Program{Relay: relay, Card: card, Opening: who, Doors: map[string]bypass.Door{}, Cannot: map[string]string{}, Now: d.Now, Slog: d.Log}
	b.Program = p
	stops, err := cardStops(card)
	if err != nil {
		return nil, err
	}
	if card.Unknown > 0 {
		d.Log.Error("stops stand in the hub that the bypass cannot apply: whom they cover cannot be told", "stops", card.Unknown)
	}
	ca, err := cardAuthority(card)
	if err != nil {
		return nil, err
	}
	if err := b.partners(c, card, ca, stops, d); err != nil {
		return nil, err
	}
	if relay.Decide, err = decider(c, p.Cannot, stops); err != nil {
		return nil, err
	}
	if err := b.earlier(dir, key); err != nil {
		return nil, err
	}
	if err := b.doors(ctx, c, ca, d.Log); err != nil {
		return nil, err
	}
	if p.Control, err = control.Listen(ctx, shortest(bypass.Socket(dir))); err != nil {
		return nil, err
	}
	if relay.Log, err = bypass.NewLog(dir, key); err != nil {
		return nil, err
	}
	return b, p.Begin()
}

// shortest is the shorter way to path: a Unix socket's address has little room.
func shortest(path string) string {
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
			return rel
		}
	}
	return path
}

// hubIsSilent asks on the hub's socket. A hub that hangs holds the data folder,
// which is looked at next.
func hubIsSilent(ctx context.Context, socket string) error {
	if socket == "" {
		return nil
	}
	path, err := filepath.Abs(socket)
	if err != nil {
		return fmt.Errorf("find the control socket: %w", err)
	}
	client := control.NewClient(shortest(path))
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := client.Status(ctx); err == nil {
		return ErrHubAnswers
	}
	return nil
}

// partners builds a sender for every partner that can be reached in bypass.
func (b *Bypass) partners(c *config.Config, card bypass.Card, ca authority, stops []results.CarriedStop, d Deps) error {
	build := builder{now: d.Now, ca: ca, secret: func(_ context.Context, s config.Secret) ([]byte, error) {
		if s == "" {
			return nil, nil
		}
		if v, ok := card.Secrets[s.Vault()]; ok && s.Vault() != "" {
			return v, nil
		}
		if s.File() != "" {
			return readSecretFile(s)
		}
		return nil, fmt.Errorf("%w: %s is not on the bypass card", ErrNoSecret, s)
	}, keys: ofCard(card.Made, card.Keys)}
	for _, key := range sorted(c.Partners) {
		dest := c.Partners[key].Destination
		if stop := stopped(stops, key, ""); stop != "" {
			b.Cannot[key] = stop
			continue
		}
		if dest.FHIRPull != nil {
			b.Cannot[key] = "its program fetches results from the hub, which does not run"
			continue
		}
		if dest.FHIR != nil {
			b.Cannot[key] = "FHIR bundles carry the laboratory's signature, which only the hub can make"
			continue
		}
		s, err := build.sender(c, key)
		if err != nil { // one partner's certificate must not keep the others waiting
			b.Cannot[key] = err.Error()
			continue
		}
		b.senders = append(b.senders, s)
		p := bypass.Partner{Sender: s}
		if template := fileTemplate(dest); template != "" {
			p.Prepare = func(m channel.Message, route string, at time.Time) (channel.Message, error) {
				m.Name = fileName(template, key, route, m.ID, at)
				return m, nil
			}
		}
		b.Relay.Partners[key] = p
	}
	return nil
}

// cardAuthority is the laboratory's own authority as the card carries it; nil for
// none.
func cardAuthority(card bypass.Card) (authority, error) {
	if len(card.Certificates) == 0 {
		return nil, nil
	}
	var carried certificates.Carried
	if err := json.Unmarshal(card.Certificates, &carried); err != nil {
		return nil, errors.New("read bypass card: the authority on it is of another version of Labwarden")
	}
	return carried.Open()
}

// cardStops are the stops that stood in the hub when the card was written.
func cardStops(card bypass.Card) ([]results.CarriedStop, error) {
	out := make([]results.CarriedStop, len(card.Stops))
	for i, b := range card.Stops {
		if json.Unmarshal(b, &out[i]) != nil { // its error may quote a name
			return nil, errors.New("read bypass card: a stop on it is of another version of Labwarden")
		}
	}
	return out, nil
}

// stopped says which stop stands before the way; empty for none.
func stopped(stops []results.CarriedStop, partner, route string) string {
	for _, x := range stops {
		if x.Before(partner, route) {
			return "a " + x.Kind + " stop of the " + string(x.Scope) + " stands in the hub"
		}
	}
	return ""
}

// decider turns the routes into the bypass's decision: what the hub would hold
// or could not answer is refused.
func decider(c *config.Config, cannot map[string]string, stops []results.CarriedStop) (bypass.Decide, error) {
	set, err := new(Hub).settings(c, nil)
	if err != nil {
		return nil, fmt.Errorf("read bypass card: %w", err)
	}
	return func(source string, body []byte) ([]bypass.Way, *bypass.Refusal) {
		d := set.Decide(source, body)
		if d.Cause != "" {
			return nil, &bypass.Refusal{Cause: d.Cause, Code: d.Code, Location: d.Location, Text: "The gateway runs in bypass. " + d.Text + " Nothing was kept; it stays with the sender."}
		}
		for i := range stops {
			if len(d.Ways) > 0 && stops[i].Covers(body) {
				return nil, &bypass.Refusal{Cause: "stopped", Code: "207", Text: "The gateway runs in bypass and would hold this message: a clinical stop covers it. It stays with the sender."}
			}
		}
		ways := make([]bypass.Way, 0, len(d.Ways))
		for _, w := range d.Ways {
			if w.Held != "" {
				return nil, &bypass.Refusal{Cause: "held", Code: "207", Text: "The gateway runs in bypass and would hold this message (" + w.Held + "). It stays with the sender."}
			}
			way := bypass.Way{Partner: w.Partner, Route: w.Route, Shadow: w.Shadow, Cannot: cannot[w.Partner]}
			if w.Changed {
				way.Cannot = "route " + w.Route + " changes messages"
			}
			if stop := stopped(stops, w.Partner, w.Route); stop != "" {
				way.Cannot = stop
			}
			ways = append(ways, way)
		}
		return ways, nil
	}, nil
}

// earlier remembers what sessions before this one relayed and the hub has not
// read in yet.
func (b *Bypass) earlier(dir string, key bypass.Key) error {
	logs, err := bypass.Logs(dir)
	if err != nil {
		return err
	}
	b.Earlier = len(logs)
	for _, path := range logs {
		if _, err := bypass.ReadLog(path, key, func(r bypass.Record) error { b.Relay.Remember(r); return nil }); err != nil {
			b.Unread = append(b.Unread, filepath.Base(path)+": "+err.Error())
		}
	}
	return nil
}

func (b *Bypass) doors(ctx context.Context, c *config.Config, ca authority, log *slog.Logger) error {
	for _, source := range sorted(c.Sources) {
		if c.Sources[source].MLLP == nil || copies(c, source) {
			continue // files stay where they are until the hub is back
		}
		srv, err := doorServer(c, source, watched{nil, "source " + source, ca}, &mllp.Server{
			Handler: b.Relay.Source(source), Log: log.With("source", source), Now: b.Now,
			Refused: func(_ context.Context, _ channel.Peer, r mllp.Refused) (channel.Reply, error) {
				return channel.Reply{Body: b.Relay.TooLarge(source, r.Head, r.Length, hex.EncodeToString(r.SHA256[:])), Close: true}, nil
			},
		})
		if err != nil {
			return err
		}
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(c.ListenAddress(source)))
		if err != nil {
			return fmt.Errorf("source %s: listen: %w", source, err)
		}
		b.Doors[source] = bypass.Door{Server: srv, Listener: ln}
	}
	return nil
}

// Close lets go of everything; Run must have ended.
func (b *Bypass) Close() error {
	var err error
	if b.Program != nil {
		for _, d := range b.Doors {
			_ = d.Listener.Close() // closed already where it was served
		}
		if b.Control != nil {
			_ = b.Control.Close()
		}
		if b.Relay.Log != nil {
			err = b.Relay.Log.Close()
		}
	}
	for _, s := range b.senders {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, b.lock.Close())
}
