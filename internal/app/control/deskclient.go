package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
)

var _ desk.Desk = (*Client)(nil)

// maxLine bounds one line of a long answer: a difference of one message.
const maxLine = 8 << 20

// History implements desk.Revisions.
func (c *Client) History(ctx context.Context) ([]desk.Revision, error) {
	return ask[[]desk.Revision](ctx, c, "/v1/revisions", nil)
}

// Revision implements desk.Revisions.
func (c *Client) Revision(ctx context.Context, number int64) (desk.Text, error) {
	return ask[desk.Text](ctx, c, "/v1/revisions/"+strconv.FormatInt(number, 10), nil)
}

// Compare implements desk.Revisions.
func (c *Client) Compare(ctx context.Context, from int64, to desk.Target) (desk.Comparison, error) {
	return ask[desk.Comparison](ctx, c, "/v1/revisions/compare", compareRequest{from, to})
}

// Apply implements desk.Revisions.
func (c *Client) Apply(ctx context.Context, to desk.Target, why desk.Why) (desk.Outcome, error) {
	return ask[desk.Outcome](ctx, c, "/v1/revisions", applyRequest{to, why})
}

// Secrets implements desk.Secrets.
func (c *Client) Secrets(ctx context.Context) ([]desk.Secret, error) {
	return ask[[]desk.Secret](ctx, c, "/v1/secrets", nil)
}

// SetSecret implements desk.Secrets.
func (c *Client) SetSecret(ctx context.Context, name string, value []byte) error {
	_, err := ask[struct{}](ctx, c, "/v1/secrets/"+url.PathEscape(name), secretRequest{value})
	return err
}

// RemoveSecret implements desk.Secrets.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	_, err := ask[struct{}](ctx, c, "/v1/secrets/"+url.PathEscape(name)+"/remove", struct{}{})
	return err
}

// Extend implements desk.Dates.
func (c *Client) Extend(ctx context.Context, channel, reason string) (desk.Extension, error) {
	return ask[desk.Extension](ctx, c, "/v1/extend", extendRequest{channel, reason})
}

// Replay implements desk.Desk. An answer that ends without a summary is an error:
// what was seen until then is not the whole.
func (c *Client) Replay(ctx context.Context, r desk.ReplayRequest, each func(results.Difference) error, progress func(int64)) (sum desk.ReplaySummary, err error) {
	resp, err := c.send(ctx, "/v1/replay", r)
	if err != nil {
		return sum, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return sum, fmt.Errorf("read the hub's answer: %w", err)
		}
		switch {
		case l.Error != nil:
			return sum, l.Error
		case l.Summary != nil:
			return *l.Summary, nil
		case l.Difference != nil:
			if err := each(*l.Difference); err != nil {
				return sum, err
			}
		case l.Progress != nil && progress != nil:
			progress(*l.Progress)
		}
	}
	return sum, errors.Join(errCut, lines.Err())
}
