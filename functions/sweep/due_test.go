package sweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"loophub/events"
	"loophub/functions/sweep"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// clockwork is the stage before workspaces in memory, with an empty spill queue.
type clockwork struct {
	t        *testing.T
	now      time.Time
	digest   string
	armed    map[sweep.Due]bool
	cursor   int64
	moves    int
	review   sweep.Review
	profiles [][]profile.ID // pages of the table
	fail     map[string]error
	log      bytes.Buffer
	queues   map[string]*sink
}

// sink is a queue.
type sink struct {
	sent   []events.Due
	refuse func(what string) bool
	err    error
	took   time.Duration
}

func (s *sink) Send(_ context.Context, l []events.Envelope) (failed []int, err error) {
	if len(l) > 10 {
		return nil, errors.New("more than ten")
	}
	time.Sleep(s.took)
	for n, e := range l {
		var d events.Due
		if err := json.Unmarshal(e.Data, &d); err != nil || e.Workspace != "saigon" || e.Type != events.DueReached {
			return nil, fmt.Errorf("%+v: %w", e, err)
		}
		if s.refuse != nil && s.refuse(d.What) {
			failed = append(failed, n)
		} else if s.err == nil {
			s.sent = append(s.sent, d)
		}
	}
	return failed, s.err
}

func newClockwork(t *testing.T) *clockwork {
	return &clockwork{t: t, now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), armed: map[sweep.Due]bool{}, fail: map[string]error{},
		queues: map[string]*sink{"segment": {}, "journey": {}}}
}

func (c *clockwork) arm(stage, what string, ago time.Duration) {
	c.armed[sweep.Due{Stage: stage, What: what, At: c.now.Add(-ago).UnixMilli()}] = true
}

// run runs the stage and gives its log.
func (c *clockwork) run(ctx context.Context) string {
	c.t.Helper()
	c.log.Reset()
	stages := sweep.Stages{}
	for name, q := range c.queues {
		stages[name] = q
	}
	s := sweep.New(sweep.Config{Queue: empty{}, Workspaces: func(context.Context) ([]sweep.Workspace, error) {
		return []sweep.Workspace{{ID: "saigon", Segments: c.digest}}, c.fail["workspaces"]
	}, Hub: func(string) sweep.Hub { return c }, Stages: stages, Log: telemetry.New(&c.log, "sweep"), Now: func() time.Time { return c.now }})
	if err := s.Handle(ctx); err != nil {
		c.t.Error(err)
	}
	return c.log.String()
}

type empty struct{}

func (empty) Receive(context.Context) ([]delivery.Spilled, error) { return nil, nil }
func (empty) Delete(context.Context, []string) error              { return nil }

func (c *clockwork) Cursor(context.Context) (int64, error) { return c.cursor, c.fail["cursor"] }

func (c *clockwork) MoveCursor(_ context.Context, from, to int64) error {
	if from != c.cursor {
		return profile.ErrLost
	}
	if to < from {
		c.t.Error("the cursor goes back")
	}
	c.cursor = to
	c.moves++
	return c.fail["move"]
}

func (c *clockwork) Dues(ctx context.Context, from, to int64) iter.Seq2[sweep.Dues, error] {
	return func(yield func(sweep.Dues, error) bool) {
		l := slices.SortedFunc(maps.Keys(c.armed), func(a, b sweep.Due) int { return int(a.At - b.At) })
		l = slices.DeleteFunc(l, func(d sweep.Due) bool { return d.At < from || d.At > to })
		for page := range slices.Chunk(l, 2) {
			err := c.fail["dues"]
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !yield(sweep.Dues{From: page[0].At, List: page}, err) {
				return
			}
		}
	}
}

func (c *clockwork) Disarm(_ context.Context, l []sweep.Due) error {
	if err := c.fail["disarm"]; err != nil {
		return err
	}
	for _, d := range l {
		delete(c.armed, d)
	}
	return nil
}

func (c *clockwork) Review(context.Context) (sweep.Review, error) { return c.review, c.fail["review"] }

func (c *clockwork) CommitReview(_ context.Context, r sweep.Review) error {
	if r.Version != c.review.Version {
		return profile.ErrLost
	}
	r.Version++
	c.review = r
	return c.fail["commit"]
}

func (c *clockwork) Profiles(_ context.Context, after string) ([]profile.ID, string, error) {
	n := len(after)
	if n+1 < len(c.profiles) {
		return c.profiles[n], after + ".", c.fail["profiles"]
	}
	return c.profiles[n], "", c.fail["profiles"]
}

func (c *clockwork) Controls(context.Context) (workspace.Controls, error) {
	return workspace.Controls{}, c.fail["controls"]
}
func (c *clockwork) Holding(context.Context) ([]string, error) { return nil, c.fail["holding"] }
func (c *clockwork) Held(context.Context, string, workspace.Held, int) ([]workspace.Held, error) {
	return nil, nil
}
func (c *clockwork) Release(context.Context, workspace.Held) error { return nil }

func (c *clockwork) sent(stage string) (l []string) {
	for _, d := range c.queues[stage].sent {
		l = append(l, d.What)
	}
	slices.Sort(l)
	return l
}

func TestTellsMoments(t *testing.T) {
	c := newClockwork(t)
	c.arm("segment", "a", 0)
	c.arm("segment", "b", time.Minute)
	c.arm("journey", "c", 6*24*time.Hour) // as after an outage
	c.arm("segment", "later", -time.Millisecond)
	if log := c.run(t.Context()); !strings.Contains(log, `"msg":"told"`) || !strings.Contains(log, `"told":3`) {
		t.Error(log)
	}
	if fmt.Sprint(c.sent("segment"), c.sent("journey"), len(c.armed)) != "[a b] [c] 1" || c.cursor != c.now.UnixMilli() {
		t.Error(c.sent("segment"), c.sent("journey"), c.armed, c.cursor)
	}
	c.now = c.now.Add(time.Minute)
	c.arm("segment", "late", 2*time.Minute) // armed after its moment was passed
	c.run(t.Context())
	if log := c.run(t.Context()); fmt.Sprint(c.sent("segment")) != "[a b late later]" || log != "" || c.moves != 1 {
		t.Error(c.sent("segment"), log, c.moves)
	}
	c.now = c.now.Add(5 * time.Minute)
	if c.run(t.Context()); c.moves != 2 {
		t.Error("the cursor stays")
	}
}

// TestWhatIsNotTakenWaits: and holds up nobody else; nothing is passed by.
func TestWhatIsNotTakenWaits(t *testing.T) {
	for name, breaks := range map[string]func(c *clockwork) func(){
		"a stage without a queue": func(c *clockwork) func() {
			q := c.queues["journey"]
			delete(c.queues, "journey")
			return func() { c.queues["journey"] = q }
		},
		"a queue is down": func(c *clockwork) func() {
			c.queues["journey"].err = errors.New("down")
			return func() { c.queues["journey"].err = nil }
		},
		"a queue refuses one": func(c *clockwork) func() {
			c.queues["journey"].refuse = func(what string) bool { return what == "b" }
			return func() { c.queues["journey"].refuse = nil }
		},
	} {
		c := newClockwork(t)
		c.arm("segment", "a", 3*time.Hour)
		c.arm("journey", "b", 2*time.Hour)
		c.arm("segment", "c", time.Hour)
		mend := breaks(c)
		for range 3 {
			if log := c.run(t.Context()); !strings.Contains(log, `"failures":1`) || fmt.Sprint(c.sent("segment")) != "[a c]" {
				t.Error(name, log, c.sent("segment"))
			}
			c.now = c.now.Add(20 * time.Minute)
		}
		mend()
		if c.run(t.Context()); fmt.Sprint(c.sent("journey")) != "[b]" || len(c.armed) != 0 || c.cursor != c.now.UnixMilli() {
			t.Error(name, c.sent("journey"), c.armed)
		}
	}
}

func TestCallsOfDuesFail(t *testing.T) {
	for _, call := range []string{"workspaces", "cursor", "dues", "disarm", "move", "holding"} {
		c := newClockwork(t)
		c.arm("segment", "a", time.Hour)
		c.fail[call] = errors.New("down")
		if log := c.run(t.Context()); !strings.Contains(log, `"msg":"failed"`) {
			t.Error(call, log)
		}
		delete(c.fail, call)
		c.run(t.Context())
		c.run(t.Context())
		if got := slices.Compact(c.sent("segment")); fmt.Sprint(got) != "[a]" || len(c.armed) != 0 {
			t.Error(call, got, c.armed)
		}
	}
}

// TestDuesStopInTime: what is left is told by the next run.
func TestDuesStopInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(t)
		for n := range 100 {
			c.arm("segment", fmt.Sprintf("%03d", n), time.Duration(100-n)*time.Hour)
		}
		c.queues["segment"].took = time.Second
		start := time.Now()
		if log := c.run(t.Context()); !strings.Contains(log, `"msg":"stopped"`) {
			t.Error(log)
		}
		if took := time.Since(start); took > 31*time.Second || c.cursor == 0 || c.cursor >= c.now.UnixMilli() {
			t.Error(took, c.cursor)
		}
		for range 2 {
			c.run(t.Context())
		}
		if got := c.sent("segment"); len(got) != 100 || len(c.armed) != 0 {
			t.Error(len(got), len(c.armed))
		}
	})
}

func TestReviews(t *testing.T) {
	c := newClockwork(t)
	c.run(t.Context()) // no segments, no review
	if c.review != (sweep.Review{}) {
		t.Error(c.review)
	}
	for n := range 25 {
		var page []profile.ID
		for i := range n % 13 {
			page = append(page, profile.ID(fmt.Sprintf("c%02d-%02d", n, i)))
		}
		c.profiles = append(c.profiles, page)
	}
	all := slices.Concat(c.profiles...)
	c.digest = "one"
	for range 3 {
		c.run(t.Context())
	}
	if len(c.sent("segment")) != 0 {
		t.Error("looked at while stages may know the old segments alone")
	}
	c.now = c.now.Add(3 * time.Minute)
	if log := c.run(t.Context()); !strings.Contains(log, `"reviewed":`) || len(c.sent("segment")) == 0 || len(c.sent("segment")) == len(all) || c.review.Done {
		t.Error(log, len(c.sent("segment")), c.review)
	}
	c.run(t.Context())
	c.run(t.Context())
	if got := c.sent("segment"); len(got) != len(all) || !c.review.Done || len(slices.Compact(got)) != len(all) {
		t.Error(len(got), len(all), c.review)
	}
	c.digest = "" // all segments are gone: whoever is in one leaves
	c.queues["segment"].sent = nil
	c.run(t.Context())
	c.now = c.now.Add(3 * time.Minute)
	c.fail["commit"] = errors.New("down")
	c.run(t.Context())
	delete(c.fail, "commit")
	for range 3 {
		c.run(t.Context())
	}
	if got := slices.Compact(c.sent("segment")); len(got) != len(all) {
		t.Error(len(got), len(all))
	}
	// A queue that is down holds the place.
	c.digest = "two"
	c.queues["segment"].sent = nil
	c.run(t.Context())
	c.now = c.now.Add(3 * time.Minute)
	c.queues["segment"].err = errors.New("down")
	if log := c.run(t.Context()); !strings.Contains(log, `"failures":1`) {
		t.Error(log)
	}
	c.queues["segment"].err = nil
	for range 2 {
		c.run(t.Context())
	}
	if got := slices.Compact(c.sent("segment")); len(got) != len(all) {
		t.Error(len(got), len(all))
	}
}
