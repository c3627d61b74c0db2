package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/gate"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// The kinds of alarms about files of partners.
const (
	kindScanner   = "scanner.down"
	kindScanLimit = "scanner.limit"
	kindVirus     = "upload.virus"
	kindUnread    = "upload.unread"
)

// scannerFor is how long a file that could not be scanned keeps the alarm, though
// the scanner answers when it is only asked whether it is there.
const scannerFor = 10 * time.Minute

var errNotServing = errors.New("the hub is not serving")

// gateway is the content gate of this node, from the start of Serve on.
type gateway struct {
	gate   atomic.Pointer[gate.Gate]
	failed atomic.Int64 // when a file could not be scanned, in microseconds; 0 for never
}

// newGate makes the gate as the node section says.
func newGate(n *config.Node, told func(kind, partner, detail string)) (*gate.Gate, error) {
	c := gate.Config{Told: told}
	if s := n.Scanner; s != nil {
		clamd, err := gate.NewClamd(s.ClamAV...)
		if err != nil {
			return nil, fmt.Errorf("set up the virus scanner: %w", err)
		}
		c.Scanner, c.WhenDown, c.ScanLimit = clamd, gate.WhenDown(s.WhenDown), s.Timeout.Std()
	}
	return gate.New(c), nil
}

func (h *Hub) openGate(n *config.Node) error {
	g, err := newGate(n, h.gateTold)
	if err != nil {
		return err
	}
	h.gateway.gate.Store(g)
	return nil
}

func (g *gateway) counts() gate.Counts {
	if open := g.gate.Load(); open != nil {
		return open.Counts()
	}
	return gate.Counts{}
}

// gateRules is what is taken from a partner. a may be nil; maxFile is its box's.
func gateRules(p *config.Partner, a *config.Accept, maxFile config.Size) gate.Rules {
	r := gate.Rules{MaxFile: min(int64(maxFile), gate.MaxFile)}
	if a == nil {
		return r
	}
	r.Kinds, r.Encrypted, r.Facilities, r.Receivers, r.Critical = a.Kinds, a.Encrypted, a.Facilities, a.Receivers, a.Critical
	if z := a.Zip; z != nil {
		r.Archive = &gate.Archive{Entries: z.Entries, Unpacked: int64(z.Unpacked), Ratio: int64(z.Ratio), Nested: z.Nested}
	}
	if a.Providers {
		r.Providers = []gate.Provider{} // none known: nobody's orders are taken
		for _, o := range p.Providers {
			r.Providers = append(r.Providers, gate.Provider{ID: o.ID, Authority: o.Authority})
		}
	}
	return r
}

// judge has the gate look at a partner's file.
func (h *Hub) judge(ctx context.Context, partner, name string, size int64, body io.ReaderAt, r gate.Rules) (gate.Verdict, error) {
	g := h.gateway.gate.Load()
	if g == nil {
		return gate.Verdict{}, fmt.Errorf("look at a file: %w", errNotServing)
	}
	return g.Check(ctx, gate.File{Partner: partner, Folder: "inbox", Name: name, Size: size, Body: body}, r)
}

// gateTold raises the alarm of what the gate tells.
func (h *Hub) gateTold(kind, partner, detail string) {
	h.slog.Warn("the content gate has something to tell", "what", kind, "partner", partner, "detail", detail)
	switch kind {
	case gate.ToldScanner:
		h.gateway.failed.Store(h.now().UnixMicro())
		h.Alarms.Raise(context.Background(), scannerDown(""))
	case gate.ToldLarge:
		h.Alarms.Raise(context.Background(), alarm.Alarm{
			Key: alarm.Key{Kind: kindScanLimit, About: partner}, Severity: alarm.Warning, Once: true,
			Sentence: "The virus scanner does not look at files as large as one that partner " + partner + " has sent.",
			Advice:   "node.scanner.when_down decided about that file. Raise StreamMaxLength, MaxFileSize and MaxScanSize in clamd.conf, or lower the partner's max_file. Then close this alarm.",
		})
	case gate.ToldVirus:
		h.Alarms.Raise(context.Background(), alarm.Alarm{
			Key: alarm.Key{Kind: kindVirus, About: partner}, Severity: alarm.Warning, Once: true,
			Sentence: fmt.Sprintf("The virus scanner found something (%s) in a file of partner %s. The file was refused.", detail, partner),
			Advice:   "Nobody has seen the file. Call the partner: one of their machines may be taken over. Then close this alarm.",
		})
	case gate.ToldBroken:
		h.Alarms.Raise(context.Background(), alarm.Alarm{
			Key: alarm.Key{Kind: kindUnread, About: partner}, Severity: alarm.Warning, Once: true,
			Sentence: "A file of partner " + partner + " could not be read because of a fault in this program. The file was refused.",
			Advice:   "Report it with labwarden support bundle; the hub's log says where. Then close this alarm.",
		})
	}
}

func scannerDown(policy string) alarm.Alarm {
	does := map[string]string{
		string(gate.Refuse): "Files of partners are refused meanwhile.", string(gate.PassAndTell): "Files of partners pass unscanned meanwhile.",
		string(gate.Hold): "Files of partners are held for a person meanwhile.",
	}[policy]
	if does == "" {
		does = "What happens to files of partners meanwhile, node.scanner.when_down says."
	}
	return alarm.Alarm{
		Key: alarm.Key{Kind: kindScanner}, Severity: alarm.Urgent,
		Sentence: "The virus scanner does not answer. " + does,
		Advice:   "Look whether clamd runs (systemctl status clamav-daemon) and whether the hub may open its socket. A held file waits until somebody decides about it.",
	}
}

// scanner: does it answer, and did it for the files of the last minutes.
func (l *lookout) scanner(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	kinds := []string{kindScanner}
	g := l.h.gateway.gate.Load()
	if g == nil || c.Node.Scanner == nil {
		return kinds, nil, nil
	}
	failed := l.h.gateway.failed.Load()
	recent := failed != 0 && l.h.now().Sub(time.UnixMicro(failed)) < scannerFor
	if err := g.Ready(ctx); err == nil && !recent {
		return kinds, nil, nil
	}
	return kinds, []alarm.Alarm{scannerDown(c.Node.Scanner.WhenDown)}, nil
}
