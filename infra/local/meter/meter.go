// Package meter counts what an account is billed for: who asked which service for what, how often, and what that used. It
// knows no prices.
package meter

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
)

// Key says what was used, and on whose account.
type Key struct {
	Who       string // a role's ARN, "" for the account itself
	Service   string // as a dispatched call names it, "lambda" and "logs" besides
	Operation string
}

// Services of keys that are no calls of a function: what AWS does in its name.
const (
	Polled    = "sqs, by AWS" // a poller's receives and deletes, a rule's sends
	Logged    = "logs"
	Invoked   = "lambda"
	Scheduled = "scheduler"
	// Outside are calls that a function makes to systems that are not AWS.
	Outside = "outside"
)

// Use is what was used. Every number is exact: units of capacity come in halves.
type Use struct {
	Calls  int
	Billed int     // as many requests as AWS bills: SQS and EventBridge by 64 KB of payload, EventBridge by the event
	Reads  float64 // units of a table and its indexes
	Writes float64
	Bytes  int // of payload: written lines, events that a function was invoked with
}

// Plus is the sum of two.
func (u Use) Plus(o Use) Use {
	return Use{u.Calls + o.Calls, u.Billed + o.Billed, u.Reads + o.Reads, u.Writes + o.Writes, u.Bytes + o.Bytes}
}

func (u Use) minus(o Use) Use {
	return Use{u.Calls - o.Calls, u.Billed - o.Billed, u.Reads - o.Reads, u.Writes - o.Writes, u.Bytes - o.Bytes}
}

// Chunk is how much payload one billed request of SQS and EventBridge carries.
const Chunk = 64 << 10

// Chunks is how many requests a payload is billed as.
func Chunks(bytes int) int { return max(1, (bytes+Chunk-1)/Chunk) }

// Sheet is what was used, by key.
type Sheet map[Key]Use

// Since is what was used after an earlier sheet of the same meter.
func (s Sheet) Since(earlier Sheet) Sheet {
	out := Sheet{}
	for k, u := range s {
		if u = u.minus(earlier[k]); u != (Use{}) {
			out[k] = u
		}
	}
	return out
}

// Keys are in a fixed order.
func (s Sheet) Keys() []Key {
	return slices.SortedFunc(maps.Keys(s), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Who, b.Who), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
}

// Meter counts. Its zero value is ready.
type Meter struct {
	mu    sync.Mutex
	sheet Sheet
}

// Add counts a use.
func (m *Meter) Add(k Key, u Use) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sheet == nil {
		m.sheet = Sheet{}
	}
	m.sheet[k] = m.sheet[k].Plus(u)
}

// Sheet is what was used so far, as a copy.
func (m *Meter) Sheet() Sheet {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.sheet)
}

type callKey struct{}

// Begin returns the context of one call, and what the service that serves it will have noted.
func Begin(ctx context.Context) (context.Context, *Use) {
	u := &Use{Calls: 1}
	return context.WithValue(ctx, callKey{}, u), u
}

// Of is the use that the call of a context is counted in; a call that nobody counts has one that nobody reads. It belongs to
// the goroutine that serves the call.
func Of(ctx context.Context) *Use {
	if u, ok := ctx.Value(callKey{}).(*Use); ok {
		return u
	}
	return &Use{}
}
