package kit

import (
	"context"
	"fmt"
	"html"
	"io"

	"github.com/a-h/templ"
)

// Layout draws a page in its shell.
func Layout(s Shell, p Page) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		if _, err := fmt.Fprintf(w, "<!doctype html><html lang=en><title>%s</title><h1>%s</h1>", html.EscapeString(p.Title), html.EscapeString(p.Lead)); err != nil {
			return err
		}
		if p.Body == nil {
			return nil
		}
		return p.Body.Render(ctx, w)
	})
}

// Refusal is the body of a page that says no.
func Refusal(message string, a Action) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := fmt.Fprintf(w, "<p>%s</p><a href=%q>%s</a>", html.EscapeString(message), html.EscapeString(a.Href), html.EscapeString(a.Text))
		return err
	})
}
