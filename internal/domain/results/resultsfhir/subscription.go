package resultsfhir

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// The facts about subscriptions.
const (
	KindSubscribed         = "fhir.subscription_made"
	KindUnsubscribed       = "fhir.subscription_ended"
	KindSubscriptionFailed = "fhir.subscription_failed"
)

const (
	subscriptionsEach = 20
	subscriptionLife  = 366 * 24 * time.Hour
	subscriptionUsual = 90 * 24 * time.Hour
	maxSubscription   = 16 << 10
	maxHeaders        = 5
)

const (
	subRequested = iota
	subActive
	subError
	subOff
)

var subStates = [...]string{"requested", "active", "error", "off"}

// subscription is R4 Subscription, as far as it is served (rest-hook, no payload).
type subscription struct {
	id           event.ID
	partner      string
	client       string
	made         int64
	changed      int64
	ends         int64
	version      int64
	state        int64
	seq          int64 // told up to this row
	tries        int64
	next         int64
	fault        string
	subscribedTo // sealed
}

type subscribedTo struct {
	Reason   string   `json:"reason"`
	Criteria string   `json:"criteria"`
	Endpoint string   `json:"endpoint"`
	Headers  []string `json:"headers,omitempty"`
}

var taggedSubscriptions = &bus.Tagged{Table: "results_fhir_subscriptions", Key: "id", Columns: []string{
	"partner", "client", "made_at", "changed_at", "ends_at", "version", "state", "seq", "tries", "next_at", "fault", bodyThere,
}}

func subscriptionWhere(id event.ID) vault.Where {
	return vault.Where{Table: "results_fhir_subscriptions", Column: "body", Row: id[:]}
}

// wireSubscription is the resource on the wire. What is not here is refused.
type wireSubscription struct {
	ResourceType string      `json:"resourceType"`
	ID           string      `json:"id,omitempty"`
	Meta         *wireMeta   `json:"meta,omitempty"`
	Status       string      `json:"status"`
	End          string      `json:"end,omitempty"`
	Reason       string      `json:"reason"`
	Criteria     string      `json:"criteria"`
	Error        string      `json:"error,omitempty"`
	Channel      wireChannel `json:"channel"`
}

type wireMeta struct {
	VersionID   string `json:"versionId,omitempty"`
	LastUpdated string `json:"lastUpdated,omitempty"`
}

type wireChannel struct {
	Type     string   `json:"type"`
	Endpoint string   `json:"endpoint"`
	Payload  string   `json:"payload,omitempty"`
	Header   []string `json:"header,omitempty"`
}

func (x *subscription) wire() wireSubscription {
	out := wireSubscription{
		ResourceType: "Subscription", ID: x.id.String(), Status: subStates[x.state], End: time.UnixMicro(x.ends).UTC().Format(instant),
		Meta:   &wireMeta{fmt.Sprint(x.version), time.UnixMicro(x.changed).UTC().Format(instant)},
		Reason: x.Reason, Criteria: x.Criteria, Error: x.fault,
		Channel: wireChannel{Type: "rest-hook", Endpoint: x.Endpoint},
	}
	for range x.Headers {
		out.Channel.Header = append(out.Channel.Header, "Authorization: (kept, not shown)")
	}
	return out
}

func (s *Service) subscriptionRoutes(closed func(string, func(http.ResponseWriter, *asked) error)) {
	closed("POST /fhir/Subscription", s.subscribe)
	closed("GET /fhir/Subscription", s.subscriptions)
	closed("GET /fhir/Subscription/{id}", s.subscriptionRead)
	closed("PUT /fhir/Subscription/{id}", s.subscriptionPut)
	closed("DELETE /fhir/Subscription/{id}", s.subscriptionDelete)
}

// parseSubscription reads one and holds it against what the client may.
func (s *Service) parseSubscription(w http.ResponseWriter, a *asked) (*wireSubscription, *subscription, error) {
	body, err := readAll(w, a.Request, maxSubscription)
	if err != nil {
		return nil, nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var in wireSubscription
	if d.Decode(&in) != nil || d.More() || in.ResourceType != "Subscription" {
		return nil, nil, invalid("structure", "this is no Subscription as it is served here: status, end, reason, criteria, channel (type, endpoint, header)")
	}
	x := &subscription{
		partner: a.client.Partner, client: a.client.ID,
		subscribedTo: subscribedTo{in.Reason, in.Criteria, in.Channel.Endpoint, in.Channel.Header},
	}
	switch {
	case in.Status != "requested" && in.Status != "off":
		return nil, nil, invalid("value", "status is requested, or off to end it; the server makes it active")
	case strings.TrimSpace(in.Reason) == "":
		return nil, nil, invalid("required", "reason is needed")
	case in.Channel.Type != "rest-hook" || in.Channel.Payload != "":
		return nil, nil, invalid("not-supported", "the channel is rest-hook, without a payload: fetch what is new when you are told")
	}
	now := s.now()
	end := now.Add(subscriptionUsual)
	if in.End != "" {
		at, ok := parseTime(in.End)
		if end = at.from; !ok || !end.After(now) || end.After(now.Add(subscriptionLife)) {
			return nil, nil, invalid("value", "end lies between now and a year from now")
		}
	}
	x.made, x.changed, x.ends, x.version = now.UnixMicro(), now.UnixMicro(), end.UnixMicro(), 1
	if _, err := criteria(in.Criteria); err != nil {
		return nil, nil, err
	}
	if why := a.mayNotify(x); why != "" {
		return nil, nil, &refusal{status: http.StatusUnprocessableEntity, code: "business-rule", text: why}
	}
	return &in, x, nil
}

// criteria reads what a subscription is about.
func criteria(text string) (*search, error) {
	name, query, _ := strings.Cut(text, "?")
	k, ok := kindOf(name)
	if !ok || k != kindReport && k != kindObservation {
		return nil, invalid("not-supported", "criteria are DiagnosticReport?… or Observation?…")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, invalid("value", "the criteria cannot be read")
	}
	q, err := parseSearch(k, values, false)
	if err != nil {
		return nil, err
	}
	for name := range q.said {
		if p := paramOf(k, name); p.form == formSpecial || p.form == formInstant || p.form == formChainID {
			return nil, invalid("not-supported", "criteria do not take %s", p.name)
		}
	}
	return q, nil
}

// mayNotify says why the client may not have it, empty if it may: what the
// configuration lists is looked at again before each notice.
func (a *asked) mayNotify(x *subscription) string { return a.client.mayNotify(x) }

func (c *Client) mayNotify(x *subscription) string {
	name, _, _ := strings.Cut(x.Criteria, "?")
	if !covered(parseScopes(c.Scopes), name, 'r') {
		return "the client's scopes do not cover what the criteria name"
	}
	if len(x.Headers) > maxHeaders {
		return "there are too many headers"
	}
	for _, h := range x.Headers { // nothing that could change what is sent or to whom
		name, value, ok := strings.Cut(h, ":")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "Authorization") || len(h) > 4096 || strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return "the only header that is taken is Authorization"
		}
	}
	if c.endpoint(x.Endpoint) == nil {
		return "the laboratory has not listed this endpoint for the client; ask it to (partners.…destination.fhir_pull.notify)"
	}
	return ""
}

// endpoint is the listed one that an address lies under; nil for none.
func (c *Client) endpoint(text string) *Endpoint {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.RawQuery != "" || len(text) > 2000 || strings.Contains(u.Path, "..") || u.RawPath != "" {
		return nil
	}
	for i := range c.Notify {
		p, err := url.Parse(c.Notify[i].Prefix)
		if err != nil || p.Scheme != u.Scheme || !strings.EqualFold(p.Host, u.Host) {
			continue
		}
		if below := strings.TrimSuffix(p.Path, "/"); u.Path == p.Path || u.Path == below || strings.HasPrefix(u.Path, below+"/") {
			return &c.Notify[i]
		}
	}
	return nil
}

func (s *Service) subscribe(w http.ResponseWriter, a *asked) error {
	if !a.may("Subscription", 'c') {
		return forbidden()
	}
	_, x, err := s.parseSubscription(w, a)
	if err != nil {
		return err
	}
	x.id = event.NewID()
	full := false
	err = s.db.Do(a.Context(), func(ctx context.Context, tx *store.Tx) error {
		var n int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM results_fhir_subscriptions WHERE partner = $1", x.partner).Scan(&n); err != nil {
			return err
		}
		if full = n >= subscriptionsEach; full {
			return nil
		}
		return s.keepSubscription(ctx, tx, x, KindSubscribed)
	})
	if err != nil {
		return fmt.Errorf("keep subscription: %w", err)
	}
	if full {
		return &refusal{status: http.StatusUnprocessableEntity, code: "too-costly", text: fmt.Sprintf("a partner may have %d subscriptions", subscriptionsEach)}
	}
	s.wake()
	w.Header().Set("Location", a.base+"/Subscription/"+x.id.String())
	s.answer(w, http.StatusCreated, x.wire())
	return nil
}

// keepSubscription writes all of it, and the fact, where kind names one.
func (s *Service) keepSubscription(ctx context.Context, tx *store.Tx, x *subscription, fact string) error {
	plain, err := json.Marshal(x.subscribedTo)
	if err != nil {
		return err
	}
	body, err := s.vault.Seal(sealedWith, subscriptionWhere(x.id), nil, plain)
	if err != nil {
		return err
	}
	_, err = s.tags.Exec(ctx, tx, taggedSubscriptions, x.id[:], `INSERT INTO results_fhir_subscriptions
			(id, partner, client, made_at, changed_at, ends_at, version, state, seq, tries, next_at, fault, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET changed_at = excluded.changed_at, ends_at = excluded.ends_at, version = excluded.version, state = excluded.state,
			seq = excluded.seq, tries = excluded.tries, next_at = excluded.next_at, fault = excluded.fault, body = excluded.body`,
		x.id[:], x.partner, x.client, x.made, x.changed, x.ends, x.version, x.state, x.seq, x.tries, x.next, x.fault, body)
	if err != nil || fact == "" {
		return err
	}
	_, err = bus.Publish(ctx, tx, ledger.Event{
		Kind: fact, At: s.now().UnixMicro(),
		IDs: ledger.Pairs{{K: "partner", V: ledger.Code(x.partner)}, {K: "subscription", V: x.id.String()}, {K: "by", V: ledger.Code(Account(x.client))}},
	})
	return err
}

const subscriptionCols = "id, partner, client, made_at, changed_at, ends_at, version, state, seq, tries, next_at, fault, body"

func (s *Service) readSubscription(sc store.Scanner) (*subscription, error) {
	var x subscription
	var id, body []byte
	err := sc.Scan(&id, &x.partner, &x.client, &x.made, &x.changed, &x.ends, &x.version, &x.state, &x.seq, &x.tries, &x.next, &x.fault, &body)
	if err != nil {
		return nil, err
	}
	if x.id, err = event.IDFromBytes(id); err != nil {
		return nil, err
	}
	if x.state < 0 || x.state > subOff {
		return nil, fmt.Errorf("read subscription: %w", vault.ErrTampered)
	}
	plain, err := s.vault.Unseal(sealedWith, subscriptionWhere(x.id), nil, body)
	if err != nil {
		return nil, fmt.Errorf("open subscription: %w", err)
	}
	return &x, json.Unmarshal(plain, &x.subscribedTo)
}

func (s *Service) ownSubscription(ctx context.Context, a *asked) (*subscription, error) {
	id, err := event.ParseID(a.PathValue("id"))
	if err != nil {
		return nil, notFound()
	}
	x, err := s.readSubscription(s.db.QueryRow(ctx, "SELECT "+subscriptionCols+" FROM results_fhir_subscriptions WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) || err == nil && (x.partner != a.client.Partner || x.client != a.client.ID) {
		return nil, notFound()
	}
	return x, err
}

func (s *Service) subscriptionRead(w http.ResponseWriter, a *asked) error {
	if !a.may("Subscription", 'r') {
		return forbidden()
	}
	x, err := s.ownSubscription(a.Context(), a)
	if err != nil {
		return err
	}
	s.answer(w, http.StatusOK, x.wire())
	return nil
}

func (s *Service) subscriptions(w http.ResponseWriter, a *asked) error {
	if !a.may("Subscription", 's') {
		return forbidden()
	}
	if a.URL.RawQuery != "" {
		return invalid("not-supported", "a list of subscriptions takes no parameters; it gives all of them")
	}
	type item struct {
		FullURL  string           `json:"fullUrl"`
		Resource wireSubscription `json:"resource"`
		Search   object           `json:"search"`
	}
	items := []item{}
	err := s.db.Query(a.Context(), "SELECT "+subscriptionCols+" FROM results_fhir_subscriptions WHERE partner = $1 ORDER BY id DESC", []any{a.client.Partner}, func(sc store.Scanner) error {
		x, err := s.readSubscription(sc)
		if err == nil && x.client == a.client.ID {
			items = append(items, item{a.base + "/Subscription/" + x.id.String(), x.wire(), object{"mode": "match"}})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	out := object{"resourceType": "Bundle", "type": "searchset", "total": len(items), "link": []object{{"relation": "self", "url": a.base + "/Subscription"}}}
	if len(items) > 0 {
		out["entry"] = items
	}
	s.answer(w, http.StatusOK, out)
	return nil
}

// subscriptionPut replaces one: it begins anew, or with status off it rests.
func (s *Service) subscriptionPut(w http.ResponseWriter, a *asked) error {
	if !a.may("Subscription", 'u') {
		return forbidden()
	}
	old, err := s.ownSubscription(a.Context(), a)
	if err != nil {
		return err
	}
	in, x, err := s.parseSubscription(w, a)
	if err != nil {
		return err
	}
	if in.ID != "" && in.ID != old.id.String() {
		return invalid("value", "the id is not that of the address")
	}
	fact := KindSubscribed
	if x.id, x.made, x.version = old.id, old.made, old.version+1; in.Status == "off" {
		x.state, fact = subOff, KindUnsubscribed
	}
	err = s.db.Do(a.Context(), func(ctx context.Context, tx *store.Tx) error { return s.keepSubscription(ctx, tx, x, fact) })
	if err != nil {
		return fmt.Errorf("keep subscription: %w", err)
	}
	s.wake()
	s.answer(w, http.StatusOK, x.wire())
	return nil
}

func (s *Service) subscriptionDelete(w http.ResponseWriter, a *asked) error {
	if !a.may("Subscription", 'd') {
		return forbidden()
	}
	x, err := s.ownSubscription(a.Context(), a)
	if err != nil {
		return err
	}
	err = s.db.Do(a.Context(), func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedSubscriptions, x.id[:], "DELETE FROM results_fhir_subscriptions WHERE id = $1", x.id[:])
		if err != nil || n == 0 {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindUnsubscribed, At: s.now().UnixMicro(),
			IDs: ledger.Pairs{{K: "partner", V: ledger.Code(x.partner)}, {K: "subscription", V: x.id.String()}, {K: "by", V: ledger.Code(Account(x.client))}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("end subscription: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
