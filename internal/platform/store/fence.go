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
// anything it began before, whoever wrote that code.
func WithFence(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

func fenced(ctx context.Context, fn func(context.Context, *Tx) error) func(context.Context, *Tx) error {
	f, ok := ctx.Value(fenceKey{}).(Fence)
	if !ok {
		return fn
	}
	return func(ctx context.Context, tx *Tx) error {
		if err := f(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	}
}
