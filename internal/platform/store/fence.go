package store

import "context"

// Fence decides within a writing transaction whether work may still be done.
// It runs before the work and queues its question (QueueOnce), so that it costs
// no round trip of its own; an error of the answer undoes the work. Because all
// nodes' transactions happen one after another, what it reads stays true until
// the commit.
type Fence func(ctx context.Context, tx *Tx) error

type fenceKey struct{}

// WithFence puts everything that Do writes under the returned context behind f.
// A node that has lost its right to act while it slept thereby cannot write
// anything it began before, whoever wrote that code. A nil f changes nothing.
func WithFence(ctx context.Context, f Fence) context.Context {
	if f == nil {
		return ctx
	}
	return context.WithValue(ctx, fenceKey{}, f)
}

// FenceOf is the fence that ctx stands behind, nil for none: for what must hold
// only as long as work that goes on under another context may go on.
func FenceOf(ctx context.Context) Fence {
	f, _ := ctx.Value(fenceKey{}).(Fence)
	return f
}

func fenced(ctx context.Context, fn func(context.Context, *Tx) error) func(context.Context, *Tx) error {
	f := FenceOf(ctx)
	if f == nil {
		return fn
	}
	return func(ctx context.Context, tx *Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	}
}
