package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// maxAnswer bounds what a client reads: the largest message, in base64.
const maxAnswer = 400 << 20

// ErrNoHub means that nobody answers on the socket.
var ErrNoHub = errors.New("the hub is not running, or not with this configuration")

// Client talks to a running hub. Its methods return an *Error for a refusal
// and ErrNoHub when there is no hub.
type Client struct{ http *http.Client }

// NewClient returns a client for the socket at path. It connects on the first
// request.
func NewClient(path string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		},
		DisableCompression: true, MaxIdleConns: 1,
	}}}
}

// Close ends the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Running tells whether a hub answers on the socket at path.
func Running(ctx context.Context, path string) bool {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
	if err != nil {
		return errors.Is(err, fs.ErrPermission) // there, but not for this user
	}
	c.Close()
	return true
}

// send sends in (nil: a GET). An answer that is not a success is an error.
func (c *Client) send(ctx context.Context, path string, in any) (*http.Response, error) {
	method, body := http.MethodGet, []byte(nil)
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("ask the hub: %w", err)
		}
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://hub"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNoHub
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, &Error{Denied, "this user may not talk to the hub; use sudo or the user the hub runs as"}
		}
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var e struct {
		Error *Error `json:"error"`
	}
	if b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil || json.Unmarshal(b, &e) != nil || e.Error == nil {
		return nil, fmt.Errorf("read the hub's answer: status %d without a reason", resp.StatusCode)
	}
	return nil, e.Error
}

// do sends in and reads the answer into out.
func (c *Client) do(ctx context.Context, path string, in, out any) error {
	resp, err := c.send(ctx, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	if len(b) > maxAnswer {
		return errors.New("read the hub's answer: it is too large")
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	return nil
}

func ask[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	err = c.do(ctx, path, in, &out)
	return out, err
}

// Status asks how the hub is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, "/v1/status", nil)
}

// Results lists results, newest first.
func (c *Client) Results(ctx context.Context, f Filter) (Results, error) {
	q := url.Values{}
	set := func(k, v string) {
		if v != "" {
			q.Set(k, v)
		}
	}
	set("source", f.Source)
	set("partner", f.Partner)
	set("state", f.State)
	if !f.Since.IsZero() {
		set("since", f.Since.Format(time.RFC3339Nano))
	}
	if !f.Until.IsZero() {
		set("until", f.Until.Format(time.RFC3339Nano))
	}
	if f.Before > 0 {
		set("before", strconv.FormatInt(f.Before, 10))
	}
	if f.Limit > 0 {
		set("limit", strconv.Itoa(f.Limit))
	}
	return ask[Results](ctx, c, "/v1/results?"+q.Encode(), nil)
}

// Result asks for one message without its body.
func (c *Client) Result(ctx context.Context, id string) (Result, error) {
	return ask[Result](ctx, c, "/v1/results/"+url.PathEscape(id), nil)
}

// View asks for a message's body; the hub records the look.
func (c *Client) View(ctx context.Context, id, reason string) (Body[Result], error) {
	return ask[Body[Result]](ctx, c, "/v1/results/"+url.PathEscape(id)+"/view", Why{Reason: reason})
}

// Export asks for a message's body to be written to a file; the hub records it.
func (c *Client) Export(ctx context.Context, id, reason string) (Body[Result], error) {
	return ask[Body[Result]](ctx, c, "/v1/results/"+url.PathEscape(id)+"/export", Why{Reason: reason})
}

// Act does hold, release, refuse or resend to a delivery.
// among is how many are acted on at once.
func (c *Client) Act(ctx context.Context, act string, delivery int64, among int, reason string) (Acted, error) {
	return ask[Acted](ctx, c, fmt.Sprintf("/v1/deliveries/%d/%s", delivery, act), Why{reason, among})
}

// Quarantine lists what was not taken.
func (c *Client) Quarantine(ctx context.Context, all bool, limit int) (Quarantine, error) {
	return ask[Quarantine](ctx, c, fmt.Sprintf("/v1/quarantine?all=%t&limit=%d", all, limit), nil)
}

// ViewQuarantined asks for what is kept of a quarantined message; the hub
// records the look.
func (c *Client) ViewQuarantined(ctx context.Context, id, reason string) (Body[Quarantined], error) {
	return ask[Body[Quarantined]](ctx, c, "/v1/quarantine/"+url.PathEscape(id)+"/view", Why{Reason: reason})
}

// Rotate asks for new keys.
func (c *Client) Rotate(ctx context.Context, what []string, reason string) (Rotated, error) {
	return ask[Rotated](ctx, c, "/v1/keys/rotate", Rotate{what, reason})
}

// Audit asks the hub to recompute its whole ledger.
func (c *Client) Audit(ctx context.Context) (Audit, error) {
	return ask[Audit](ctx, c, "/v1/ledger/audit", struct{}{})
}

// DecideViews records a decision about the ledger's alarms.
func (c *Client) DecideViews(ctx context.Context, reason string) error {
	_, err := ask[struct{}](ctx, c, "/v1/ledger/decide", Why{Reason: reason})
	return err
}

// Reload asks the hub to take over what changed outside.
func (c *Client) Reload(ctx context.Context) (desk.Reloaded, error) {
	return ask[desk.Reloaded](ctx, c, "/v1/reload", struct{}{})
}

// Keys asks what keys there are; it shows no secret.
func (c *Client) Keys(ctx context.Context) (vault.Status, error) {
	return ask[vault.Status](ctx, c, "/v1/keys", nil)
}

// Decide releases, replays or refuses a quarantined message.
func (c *Client) Decide(ctx context.Context, act, id, reason string) (Decided, error) {
	return ask[Decided](ctx, c, "/v1/quarantine/"+url.PathEscape(id)+"/"+url.PathEscape(act), Why{Reason: reason})
}
