package resultsui

import (
	"context"
	"sync"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A file of the list is bounded by what it holds, and by what is looked at for it:
// a filter that fits nothing would read every result that was ever kept.
const (
	maxCSV    = 5_000
	maxLooked = 50_000
)

// gathered is what a file is made of. stopped says why it does not go further
// back; empty: it has everything that fits.
type gathered struct {
	messages []results.Summary
	stopped  string
}

// gather reads page by page, newest first.
func gather(ctx context.Context, search func(context.Context, results.Query, results.Page) (results.Hits, error), q results.Query, page results.Page) (gathered, error) {
	var out gathered
	page.Limit = 500
	for looked := 0; ; {
		h, err := search(ctx, q, page)
		if err != nil {
			return out, err
		}
		out.messages = append(out.messages, h.Messages...)
		looked += h.Looked
		switch page.Before = h.Next; {
		case h.Next == 0:
			return out, nil
		case len(out.messages) >= maxCSV:
			out.stopped = "This file ends here, with " + kit.Count(len(out.messages)) + " results. There may be older ones that fit: choose times to see them."
			return out, nil
		case looked >= maxLooked:
			out.stopped = "This file ends here: " + kit.Count(looked) + " results were looked at. There may be older ones that fit: choose times to see them."
			return out, nil
		}
	}
}

// oneEach lets each account make one file at a time on this node.
type oneEach struct {
	mu     sync.Mutex
	making map[string]bool
}

// begin returns what ends it; false while another file of theirs is being made.
func (o *oneEach) begin(account string) (end func(), ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.making[account] {
		return nil, false
	}
	if o.making == nil {
		o.making = map[string]bool{}
	}
	o.making[account] = true
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.making, account)
	}, true
}

var errMaking = &web.Error{Kind: web.KindBusy, Message: "Another file of yours is still being made. Wait for it, then ask again."}
