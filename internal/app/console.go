package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// console is what about people only the machine's own console may do.
type console struct {
	h *Hub
	c *config.Config
}

func (c console) link(l access.Link, err error) (control.AccessLink, error) {
	var no *access.Refusal
	if errors.As(err, &no) {
		kind := control.Conflict
		if no.Kind == access.KindNotFound {
			kind = control.NotFound
		}
		return control.AccessLink{}, &control.Error{Kind: kind, Message: no.Text}
	}
	if err != nil {
		return control.AccessLink{}, fmt.Errorf("make link: %w", err)
	}
	return control.AccessLink{URL: strings.TrimSuffix(string(c.c.Node.Web.PublicURL), "/") + l.Path(), Until: l.Until.UTC().Truncate(time.Second)}, nil
}

// First implements control.Access.
func (c console) First(ctx context.Context, _ string) (control.AccessLink, error) {
	return c.link(c.h.Access.FirstAdminLink(ctx))
}

// Recover implements control.Access.
func (c console) Recover(ctx context.Context, account, by string) (control.AccessLink, error) {
	return c.link(c.h.Access.RecoverAtConsole(ctx, account, by))
}

// Confirm implements control.Access.
func (c console) Confirm(ctx context.Context, account, by string) error {
	_, err := c.link(access.Link{}, c.h.Access.ConfirmAtConsole(ctx, account, by))
	return err
}

// Root implements control.Access.
func (c console) Root(ctx context.Context) ([]byte, error) { return c.h.PagesRoot(ctx, c.c) }
