package resultsfhir

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	notifyPoll  = time.Second
	notifyFirst = 5 * time.Second
	notifyMax   = 10 * time.Minute
	// notifyTries in a row that fail (some two hours) end in status error.
	notifyTries = 20
	// handshakeTries: who asks for notices is there to hear the first.
	handshakeTries = 5
	notifyBatch    = 200
)

var errInside = errors.New("the endpoint's address is of this machine or a private network, which the configuration does not allow")

// NewTransport reaches endpoints of subscriptions: never a loopback, link-local
// or private address unless private allows it. The address is looked at when it
// is dialled, so that no name can lead elsewhere afterwards.
func NewTransport(conf *tls.Config, private bool) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read address: %w", err)
		}
		if a := ap.Addr().Unmap(); !private && (!a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || shared.Contains(a)) {
			return errInside
		}
		return nil
	}}
	return &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: conf, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: operationLimit, MaxResponseHeaderBytes: 16 << 10,
	}
}

// shared is carriers' address space, RFC 6598: no place of a partner's server.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// Run tells subscribers and removes what is over, until ctx ends. Run it where
// results are delivered: one node does.
func (s *Service) Run(ctx context.Context) error {
	defer s.work.Wait()
	tick := time.NewTicker(notifyPoll)
	defer tick.Stop()
	var swept time.Time
	for {
		if err := s.Notify(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("subscribers could not be told; it is tried again", "error", err)
		}
		if now := s.now(); now.Sub(swept) >= sweepEvery || now.Before(swept) {
			swept = now
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("what is over for partners that pull could not be removed; it is tried again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.woken:
		case <-tick.C:
		}
	}
}

// Notify goes once through the subscriptions that are due.
func (s *Service) Notify(ctx context.Context) error {
	var due []*subscription
	now := s.now().UnixMicro()
	err := s.db.Query(ctx, "SELECT "+subscriptionCols+" FROM results_fhir_subscriptions WHERE state < 2 AND next_at <= $1 ORDER BY next_at LIMIT 200", []any{now}, func(sc store.Scanner) error {
		x, err := s.readSubscription(sc)
		if err != nil {
			s.log.Error("a subscription does not open; it is passed over", "error", err)
			return nil
		}
		due = append(due, x)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	if len(due) == 0 {
		return nil
	}
	top, _, err := s.snap(ctx, s.db)
	if err != nil {
		return err
	}
	// Several at a time: an endpoint that is slow to answer must not keep the
	// others waiting.
	turns, faults := make(chan struct{}, notifyAtOnce), make(chan error, len(due))
	var all sync.WaitGroup
	for _, x := range due {
		if x.ends < now || x.state == subActive && x.seq >= top {
			continue
		}
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			if err := s.notify(ctx, x, top); err != nil {
				faults <- err
			}
		})
	}
	all.Wait()
	close(faults)
	var errs []error
	for err := range faults {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

const notifyAtOnce = 8

// notify brings one subscription forward: its handshake, or what is new for it.
func (s *Service) notify(ctx context.Context, x *subscription, top int64) error {
	was := *x
	forged := false
	if err := s.tags.Row(ctx, s.db, taggedSubscriptions, x.id[:], func(string, string) { forged = true }); err != nil {
		return err
	}
	if forged {
		s.log.Error("a subscription in the database was changed or added there; nobody is told by it", "partner", x.partner)
		return nil
	}
	c := s.client(x.client)
	q, err := criteria(x.Criteria)
	switch {
	case c == nil || c.Partner != x.partner || err != nil:
		return s.failed(ctx, x, "the client or its criteria are no longer known", true)
	case c.mayNotify(x) != "":
		return s.failed(ctx, x, c.mayNotify(x), true)
	}
	tell, reached := x.state == subRequested, top
	if !tell {
		if tell, reached, err = s.anyNew(ctx, x, q, top); err != nil {
			return err
		}
	}
	if tell {
		if fault := c.post(ctx, x); fault != "" {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.failed(ctx, x, fault, false)
		}
	}
	x.state, x.seq, x.tries, x.next, x.fault = subActive, reached, 0, 0, ""
	if was.state != x.state {
		x.changed = s.now().UnixMicro()
	}
	return s.stillThere(ctx, x, was.version, "")
}

// anyNew looks for one row that fits, behind what the subscriber was told of.
func (s *Service) anyNew(ctx context.Context, x *subscription, q *search, top int64) (found bool, reached int64, err error) {
	for reached = x.seq; reached < top; {
		rows, err := s.rows(ctx, s.db, "SELECT "+rowCols+" FROM results_fhir_rows WHERE partner = $1 AND kind = $2 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5",
			x.partner, int64(q.kind), reached, top, int64(notifyBatch))
		if err != nil {
			return false, 0, err
		}
		for _, r := range rows {
			if q.fits(r, membersOf(r.resource)) {
				return true, top, nil // they fetch all that is new: one notice is enough
			}
			reached = r.seq
		}
		if len(rows) < notifyBatch {
			return false, top, nil
		}
	}
	return false, reached, nil
}

// failed puts a try off, or ends them.
func (s *Service) failed(ctx context.Context, x *subscription, fault string, final bool) error {
	version := x.version
	x.tries++
	x.fault = fault
	most := int64(notifyTries)
	if x.state == subRequested {
		most = handshakeTries
	}
	fact := ""
	if final || x.tries >= most {
		x.state, fact = subError, KindSubscriptionFailed
		x.changed = s.now().UnixMicro()
		s.log.Warn("a subscription ended in error", "partner", x.partner, "fault", fault)
	}
	wait := notifyMax
	if x.tries < 8 {
		wait = min(wait, notifyFirst<<(x.tries-1))
	}
	x.next = s.now().Add(wait).UnixMicro()
	return s.stillThere(ctx, x, version, fact)
}

// stillThere writes it unless it was changed or removed meanwhile.
func (s *Service) stillThere(ctx context.Context, x *subscription, version int64, fact string) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var now int64
		err := tx.QueryRow(ctx, "SELECT version FROM results_fhir_subscriptions WHERE id = $1", x.id[:]).Scan(&now)
		if errors.Is(err, store.ErrNoRows) || err == nil && now != version {
			return nil
		}
		if err != nil {
			return err
		}
		return s.keepSubscription(ctx, tx, x, fact)
	})
	if err != nil {
		return fmt.Errorf("keep subscription: %w", err)
	}
	return nil
}

// post tells the subscriber that something is there, and nothing else: R4
// subscription.html 2.46.8.1, rest-hook without payload. fault is empty if it
// answered 2xx.
func (c *Client) post(ctx context.Context, x *subscription) (fault string) {
	e := c.endpoint(x.Endpoint)
	if e == nil {
		return "the endpoint is not listed"
	}
	client := &http.Client{
		Transport: e.Transport, Timeout: operationLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.Endpoint, http.NoBody)
	if err != nil {
		return "the endpoint cannot be asked"
	}
	for _, h := range x.Headers {
		_, value, _ := strings.Cut(h, ":")
		req.Header.Set("Authorization", strings.TrimSpace(value))
	}
	req.Header.Set("User-Agent", "Labwarden")
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, errInside):
		return errInside.Error()
	case err != nil:
		return "the endpoint cannot be reached"
	}
	if err := resp.Body.Close(); err != nil {
		return "the endpoint broke off"
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "the endpoint answered " + strconv.Itoa(resp.StatusCode)
	}
	return ""
}
