package attribution_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	stage "loophub/functions/attribution"
	"loophub/shared/attribution"
	"loophub/shared/profile"
)

// verdict is what becomes of a worker's next call.
type verdict int

const (
	run       verdict = iota
	dieBefore         // the call is never made
	dieAfter          // it takes effect, and nobody hears of it
)

// worker handles one message of the queue. Before each call it waits for its turn;
// so of all workers one runs at a time, and the seed says which.
type worker struct {
	*world
	body  string
	ready chan bool    // true: waits for its turn; false: it has ended
	turn  chan verdict // its turn
	dead  bool
	done  bool // its message is handled
}

func (w *world) start() *worker {
	k := &worker{world: w, body: w.queue[0], ready: make(chan bool), turn: make(chan verdict)}
	w.queue = w.queue[1:]
	s := w.newStage(func(string) stage.Hub { return k })
	go func() {
		k.done = len(handle(w.t, s, k.body)) == 0
		k.ready <- false
	}()
	return k
}

// call makes one call, if the worker lives.
func call[T any](k *worker, f func() (T, error)) (none T, err error) {
	if k.dead {
		return none, errDied
	}
	k.ready <- true
	v := <-k.turn
	k.dead = v != run
	if v == dieBefore {
		return none, errDied
	}
	out, err := f()
	if v == dieAfter {
		return none, errDied
	}
	return out, err
}

func (k *worker) Fragments(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error) {
	return call(k, func() ([]profile.Fragment, error) { return k.world.Fragments(ctx, ids) })
}

func (k *worker) OlderOrders(ctx context.Context, f profile.ID, since time.Time) ([]profile.Order, error) {
	return call(k, func() ([]profile.Order, error) { return k.world.OlderOrders(ctx, f, since) })
}

func (k *worker) Credits(ctx context.Context, ids []profile.ID) ([]attribution.Credits, error) {
	return call(k, func() ([]attribution.Credits, error) { return k.world.Credits(ctx, ids) })
}

func (k *worker) CommitCredits(ctx context.Context, s attribution.Step) error {
	_, err := call(k, func() (bool, error) { return true, k.world.CommitCredits(ctx, s) })
	return err
}

func (k *worker) Messages(ctx context.Context, f profile.ID, since time.Time) ([]attribution.Sent, error) {
	return call(k, func() ([]attribution.Sent, error) { return k.world.Messages(ctx, f, since) })
}

func (k *worker) Engagement(ctx context.Context, m attribution.Sent) (attribution.Engagement, error) {
	return call(k, func() (attribution.Engagement, error) { return k.world.Engagement(ctx, m) })
}

func (k *worker) Entries(ctx context.Context, f profile.ID) ([]attribution.Entry, error) {
	return call(k, func() ([]attribution.Entry, error) { return k.world.Entries(ctx, f) })
}

func (k *worker) Issues(ctx context.Context, codes []string) ([]attribution.Issue, error) {
	return call(k, func() ([]attribution.Issue, error) { return k.world.Issues(ctx, codes) })
}

// chaos is a random history, with workers at work meanwhile.
type chaos struct {
	*world
	r       *rand.Rand
	people  int
	workers []*worker
	deaths  int
	links   []func() // fragments to be written for a link or cut under way
	orders  int
	busy    int // in twelve: how often something happens instead of a call
	linking int // in ten: how often that is a link or cut
	slow    int // in ten: how often it is not the first worker's turn
}

func (c *chaos) any() profile.ID { return id(c.r.IntN(c.people)) }

func (c *chaos) ago() time.Duration { return time.Duration(c.r.IntN(120)) * day / 2 }

// happen lets one thing happen.
func (c *chaos) happen() {
	f := c.any()
	p := c.person(f)
	if c.r.IntN(10) < c.linking {
		c.link()
		return
	}
	switch c.r.IntN(9) {
	case 0, 1:
		voucher := ""
		if c.r.IntN(2) == 0 {
			voucher = fmt.Sprint("CODE-", c.r.IntN(4))
		}
		c.send(f, string("ab"[c.r.IntN(2)]), string("xy"[c.r.IntN(2)]), voucher, c.ago())
	case 2, 3, 4:
		for name, m := range p.messages {
			if name == slices.Min(names(p)) || c.r.IntN(2) == 0 && len(p.messages) == 1 {
				at := m.At + int64(c.r.IntN(6))*day.Milliseconds()
				c.engage(f, name, attribution.Engagement{Delivered: m.At + 1, Clicked: at, Clicks: []int64{at}})
				break
			}
		}
	case 5:
		c.enter(f, attribution.Entry{Journey: "back", Variant: "a", Holdout: c.r.IntN(2) == 0, At: c.Now().Add(-c.ago()).UnixMilli()})
	case 6, 7:
		c.orders++
		o := profile.Order{At: c.Now().Add(-c.ago()).UnixMilli(), Record: fmt.Sprint("shop|order|", c.orders), Total: int64(c.orders) * 1000, Currency: "VND"}
		if c.r.IntN(2) == 0 {
			o.Codes = []string{fmt.Sprint("CODE-", c.r.IntN(6))}
		}
		c.order(f, o.Record, &o)
	case 8:
		for record, o := range p.orders {
			if len(p.orders) == 1 || record == slices.Min(records(p)) {
				if o.Refunded += 500; c.r.IntN(3) == 0 {
					c.order(f, record, nil) // cancelled
				} else {
					c.order(f, record, &o)
				}
				break
			}
		}
	}
}

func names(p *person) (l []string) {
	for n := range p.messages {
		l = append(l, n)
	}
	return l
}

func records(p *person) (l []string) {
	for n := range p.orders {
		l = append(l, n)
	}
	return l
}

// link deals some fragments into profiles anew. They are written one by one, in
// any order, while the workers run.
func (c *chaos) link() {
	if len(c.links) > 0 {
		return
	}
	parts := make([][]profile.ID, 1+c.r.IntN(c.people))
	for n := range c.people {
		k := c.r.IntN(len(parts))
		parts[k] = append(parts[k], id(n))
	}
	for _, members := range parts {
		for _, f := range members {
			c.links = append(c.links, func() { c.belong(f, members) })
		}
	}
	c.r.Shuffle(len(c.links), func(i, j int) { c.links[i], c.links[j] = c.links[j], c.links[i] })
}

// move makes one choice: something happens, a worker starts, or one makes a call.
func (c *chaos) move(things bool) {
	switch choice := c.r.IntN(12); {
	case things && choice < c.busy:
		c.happen()
	case len(c.links) > 0 && choice < c.busy+3:
		c.links[0]()
		c.links = c.links[1:]
	case len(c.queue) > 0 && len(c.workers) < 2:
		at := c.r.IntN(len(c.queue)) // in no order, and some twice
		c.queue[0], c.queue[at] = c.queue[at], c.queue[0]
		if c.r.IntN(8) == 0 {
			c.queue = append(c.queue, c.queue[0])
		}
		k := c.start()
		c.workers = append(c.workers, k)
		<-k.ready
	case len(c.workers) > 0:
		n := len(c.workers) - 1
		if c.r.IntN(10) >= c.slow {
			n = 0
		}
		c.turn(n)
	case things:
		c.happen()
	}
}

func (c *chaos) turn(n int) {
	k := c.workers[n]
	v := run
	if c.deaths > 0 && c.r.IntN(10) == 0 {
		v = dieBefore + verdict(c.r.IntN(2))
		c.deaths--
	}
	k.turn <- v
	if <-k.ready {
		return
	}
	c.workers = slices.Delete(c.workers, n, n+1)
	if !k.done {
		c.queue = append(c.queue, k.body) // it comes again
	}
}

func (c *chaos) rest() bool { return len(c.workers)+len(c.queue)+len(c.links) == 0 }

// TestCountersAreARecount: whatever happens, in whatever order workers come to it
// and wherever they die: at any moment the counters are the sum of what is kept,
// and at rest both are a recount.
func TestCountersAreARecount(t *testing.T) {
	histories := uint64(100)
	if testing.Short() {
		histories = 20
	}
	deaths, commits := 0, 0
	for seed := range histories {
		r := rand.New(rand.NewPCG(seed, 17))
		c := &chaos{world: newWorld(t), r: r, people: 1 + r.IntN(4), deaths: r.IntN(4),
			busy: 1 + r.IntN(3), linking: r.IntN(6), slow: 1 + r.IntN(9)}
		c.limit = []int{0, 6, 9}[r.IntN(3)]
		for n := range 3 {
			c.issued = append(c.issued, attribution.Issue{Code: fmt.Sprint("CODE-", 3+n), Fragment: c.any(), Journey: "back", Variant: "b", At: c.Now().Add(-20 * day).UnixMilli()})
		}
		given := c.deaths
		for range 2 {
			for range 100 {
				c.move(true)
				if n := c.Calls("dynamodb.TransactWriteItems"); n != commits {
					commits = n
					counters, kept, _ := c.tables()
					if diff := cmp.Diff(kept, counters); diff != "" {
						t.Fatalf("history %d: the counters are another sum than what is kept\n%s", seed, diff)
					}
				}
			}
			for moves := 0; !c.rest(); moves++ {
				if moves > 20_000 {
					t.Fatalf("history %d: no end", seed)
				}
				c.move(false)
			}
			if diff := c.holds(); diff != "" {
				t.Fatalf("history %d\n%s", seed, diff)
			}
			for _, p := range c.world.people { // what was counted outlives the items that it was read from
				for name := range p.messages {
					c.expired[name] = true
				}
			}
		}
		deaths += given - c.deaths
	}
	if deaths < int(histories)/3 {
		t.Errorf("%d deaths", deaths)
	}
}
