package main

import (
	"context"
	"fmt"
	"io"

	"loophub/infra/local/store"
)

// keep opens the folder where everything is kept; without one nothing is.
func keep(dir string, out io.Writer) (*store.Store, error) {
	if dir == "" {
		return nil, nil
	}
	return store.Open(dir, func(line string) { fmt.Fprintln(out, line) })
}

// known tells what a hub goes on with.
func (o options) known() string {
	if o.kept.Fresh() {
		return ""
	}
	return ", as it was left in " + o.data
}

// fate is what becomes of the hub's data at its end.
func (h *hub) fate() string {
	if h.store == nil {
		return "nothing is kept"
	}
	return "the same command goes on from there"
}

// watch ends what goes on when the data can't be kept any more: from then on every
// call would fail.
func (h *hub) watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-h.store.Failed():
			end(h.store.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil) }
}
