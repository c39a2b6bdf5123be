package journey

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/segment"
)

// Given is what the world tells a step.
type Given struct {
	Now      time.Time
	View     segment.View        // the profile as it is, for rules
	Segments []string            // names of those that it is in
	Occurred []events.Occurrence // what happened to the customer; nothing where only time passed
	Codes    map[string]string   // codes at hand, by cause; "" = the pool is empty
}

// Outcome is what a step leads to. Where it asks for something, nothing is decided:
// get it, and step again from the same entry.
type Outcome struct {
	Entry    Entry // as it is now; its Due says when to look again
	Changed  bool  // false: there is nothing to write
	Messages []Request
	Vouchers []Assignment
	Tags     []Tagging
	Tasks    []Task

	Older time.Time // asks for the orders placed from then on, in the view
	Code  *Wanted   // asks for a code of a pool
}

// Wanted is a voucher that a step is to give.
type Wanted struct{ Pool, Cause string }

// Asks tells whether something is missing.
func (o Outcome) Asks() bool { return !o.Older.IsZero() || o.Code != nil }

// retry is how long an entry waits for a pool to be filled.
const retry = 15 * time.Minute

// Step takes an entry as far as it goes now: until it has to wait, or is over. It
// does no more than can be written at once; what is due at once goes on.
func (j Journey) Step(e Entry, g Given) (Outcome, error) {
	g.Now = g.Now.Truncate(time.Millisecond)
	r := &run{j: j, given: g, at: g.Now}
	r.out.Entry = e
	r.e = &r.out.Entry
	if !e.Open() {
		return r.out, nil
	}
	if r.goal() {
		return r.out, nil
	}
	if e.Status == Holdout {
		if !g.Now.Before(time.UnixMilli(e.Due)) {
			r.close(Watched, "", "its time is over")
		}
		return r.out, nil
	}
	if !e.Waiting {
		r.at = taken(time.UnixMilli(e.Since), g.Now)
	}
	for range maxRun {
		on, err := r.one()
		if err != nil {
			return Outcome{Entry: e}, err
		}
		if r.out.Asks() {
			return Outcome{Entry: e, Older: r.out.Older, Code: r.out.Code}, nil
		}
		if !on {
			return r.out, nil
		}
		if len(r.out.Messages)+len(r.out.Tasks)+3*len(r.out.Vouchers)+len(r.out.Tags) >= maxWrites {
			break
		}
	}
	r.e.Since, r.e.Due = r.at.UnixMilli(), g.Now.UnixMilli()
	return r.out, nil
}

// run is one call of Step.
type run struct {
	j     Journey
	given Given
	at    time.Time // the moment from which what comes next is reckoned
	e     *Entry
	out   Outcome
	left  *bool // whether the rule of exit holds, once it was asked
}

// goal ends the entry where its goal was reached.
func (r *run) goal() bool {
	goal := r.j.def.Goal
	if goal == nil {
		return false
	}
	until := int64(1<<63 - 1)
	if goal.Within > 0 {
		until = r.e.Began + goal.Within.Milliseconds() + 1
	}
	o, at, ok := r.occurred(goal.Event, r.e.Began, until)
	if ok {
		r.e.use(o)
		r.e.Goal = at
		r.close(Reached, "", fmt.Sprintf("%s at %s", o.What, stamp(at)))
	}
	return ok
}

// occurred finds the first occurrence of an event from one moment to before another
// that had no effect yet. A source's clock that is ahead counts as ours.
func (r *run) occurred(what string, from, until int64) (found events.Occurrence, at int64, ok bool) {
	l := slices.Clone(r.given.Occurred)
	slices.SortFunc(l, func(a, b events.Occurrence) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Record, b.Record))
	})
	for _, o := range l {
		at := min(o.At, r.given.Now.UnixMilli())
		if o.What == what && from <= at && at < until && r.e.concerns(o) && !slices.Contains(r.e.Used, mark(o)) {
			return o, at, true
		}
	}
	return found, 0, false
}

// one takes the step that the entry stands at. on tells that another may follow.
func (r *run) one() (on bool, err error) {
	at, known := r.j.places[r.e.At]
	if r.e.At == "" {
		r.close(Finished, "", "no step is left")
		return false, nil
	}
	if !known {
		return false, fmt.Errorf("journey %s, version %s has no step %s", r.j.Name, r.j.Version, r.e.At)
	}
	n := r.j.nodes[at]
	if !r.e.Waiting {
		if leaves, err := r.leaves(); err != nil || leaves || !r.out.Older.IsZero() {
			if leaves {
				r.close(Left, n.id(), "the rule of exit holds: "+r.j.def.Exit)
			}
			return false, err
		}
	}
	switch s := n.step; {
	case s.Wait != nil:
		return r.wait(n), nil
	case s.WaitFor != nil:
		return r.waitFor(n), nil
	case s.Branch != nil:
		return r.branch(n)
	case s.Split != nil:
		r.split(n)
	case s.Voucher != "":
		return r.voucher(n), nil
	case s.Exit:
		r.close(Left, n.id(), "the step says so")
		return false, nil
	case s.Goto != "":
		r.take(n, "goto "+s.Goto, "", n.next)
	default:
		r.effect(n)
	}
	return true, nil
}

// leaves tells whether the rule of exit holds.
func (r *run) leaves() (bool, error) {
	if r.j.exit == nil {
		return false, nil
	}
	if r.left == nil {
		is, _, err := r.holds(r.j.exit)
		if err != nil || !r.out.Older.IsZero() {
			return false, err
		}
		r.left = &is
	}
	return *r.left, nil
}

// holds decides a rule on the profile as it is.
func (r *run) holds(c *rule) (is bool, why string, err error) {
	d, err := c.decide(r.given.View, r.given.Segments, r.given.Now)
	if err != nil {
		return false, "", err
	}
	r.out.Older = d.Older
	return d.In, reason(d), nil
}

// take notes a step as taken and goes on.
func (r *run) take(n node, what, why string, next int) {
	r.out.Changed = true
	r.e.note(r.given.Now, n.id(), what, why)
	r.e.Count++
	r.e.Waiting, r.e.Due, r.e.Since = false, 0, r.at.UnixMilli()
	r.e.At = ""
	if next != end {
		r.e.At = r.j.nodes[next].place
	}
}

// close ends the entry.
func (r *run) close(s Status, step, why string) {
	r.out.Changed = true
	r.e.end(r.given.Now, s, step, why)
}

// hold lets the entry wait where it stands.
func (r *run) hold(n node, due time.Time, what string) {
	r.out.Changed = true
	r.e.note(r.given.Now, n.id(), what, "until "+stamp(due.UnixMilli()))
	r.e.Waiting, r.e.Since, r.e.Due = true, r.at.UnixMilli(), due.UnixMilli()
}

func (r *run) wait(n node) (on bool) {
	if !r.e.Waiting {
		r.hold(n, ends(*n.step.Wait, r.at, r.j.zoneOf(r.given.View)), "wait")
	}
	due := time.UnixMilli(r.e.Due)
	if r.given.Now.Before(due) {
		return false
	}
	r.at = taken(due, r.given.Now)
	r.take(n, "waited", "", n.next)
	return true
}

func (r *run) waitFor(n node) (on bool) {
	w := n.step.WaitFor
	if !r.e.Waiting {
		r.hold(n, r.at.Add(w.TimeOut), "wait_for "+w.Event)
	}
	if o, at, ok := r.occurred(w.Event, r.e.Since, r.e.Due); ok {
		r.e.use(o)
		r.at = taken(time.UnixMilli(at), r.given.Now)
		r.take(n, w.Event, "it came at "+stamp(at), n.ways[0])
		return true
	}
	due := time.UnixMilli(r.e.Due)
	if r.given.Now.Before(due) {
		return false
	}
	r.at = taken(due, r.given.Now)
	r.take(n, "timeout", w.Event+" did not come", n.ways[1])
	return true
}

func (r *run) branch(n node) (on bool, err error) {
	is, why, err := r.holds(n.when)
	if err != nil || !r.out.Older.IsZero() {
		return false, err
	}
	if is {
		r.take(n, "then", why, n.ways[0])
	} else {
		r.take(n, "else", why, n.ways[1])
	}
	return true, nil
}

// split sends a person the way that his share says: the same at every entry.
func (r *run) split(n node) {
	lot, below := draw(r.e.Journey, n.id(), string(r.e.Person)), 0
	for i, v := range n.step.Split {
		if below += v.Share; lot >= below {
			continue
		}
		r.e.Choices = slices.DeleteFunc(slices.Clone(r.e.Choices), func(c Choice) bool { return c.Split == n.id() })
		r.e.Choices = append(r.e.Choices, Choice{n.id(), v.Name})
		r.take(n, "variant "+v.Name, fmt.Sprintf("%d of 100", lot), n.ways[i])
		return
	}
	r.take(n, "no variant", fmt.Sprintf("%d of 100", lot), n.next) // shares make 100: not reached
}

// draw gives a person's lot from 0 to 99.
func draw(parts ...string) int {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return int(binary.BigEndian.Uint64(sum[:8]) % 100)
}

func (r *run) voucher(n node) (on bool) {
	if r.e.Waiting && r.given.Now.Before(time.UnixMilli(r.e.Due)) {
		return false
	}
	pool, cause := n.step.Voucher, r.e.cause(n.place)
	code, asked := r.given.Codes[cause]
	switch {
	case !asked:
		r.out.Code = &Wanted{pool, cause}
		return false
	case code == "":
		if due := r.given.Now.Add(retry); r.e.Waiting { // said once, not every quarter of an hour
			r.out.Changed, r.e.Due = true, due.UnixMilli()
		} else {
			r.hold(n, due, "voucher "+pool+" is empty")
		}
		return false
	}
	r.e.Voucher = &Voucher{pool, code}
	r.out.Vouchers = append(r.out.Vouchers, Assignment{*r.e.Voucher, cause, r.e.Fragment, r.e.ID, r.e.Journey, r.e.Variant(), r.given.Now.UnixMilli()})
	r.take(n, "voucher "+pool, "", n.next)
	return true
}

// effect takes a step that does something and goes on.
func (r *run) effect(n node) {
	now, e, cause := r.given.Now, r.e, r.e.cause(n.place)
	switch s := n.step; {
	case s.Send != "":
		t := r.j.templates[s.Send]
		m := Request{ID: named(now, cause), Fragment: e.Fragment, Connection: t.Connection, Template: s.Send, Purpose: t.Purpose,
			Journey: e.Journey, Version: e.Definition, Entry: e.ID, Variant: e.Variant(), Step: n.id(), Event: e.Event, At: now.UnixMilli()}
		if e.Voucher != nil {
			m.Voucher = *e.Voucher
		}
		r.out.Messages = append(r.out.Messages, m)
		e.Messages = append(slices.Clone(e.Messages), m.ID)
		e.Messages = e.Messages[max(0, len(e.Messages)-maxUsed):]
		r.take(n, "send "+s.Send, "message "+m.ID, n.next)
	case s.Tag != nil:
		r.out.Tags = append(r.out.Tags, Tagging{e.Fragment, s.Tag.Add, s.Tag.Remove, cause, now.UnixMilli()})
		r.take(n, "tag", "", n.next)
	case s.Task != nil:
		t := Task{named(now, cause), e.Fragment, s.Task.Title, s.Task.Note, e.Journey, e.ID, n.id(), now.UnixMilli()}
		r.out.Tasks = append(r.out.Tasks, t)
		r.take(n, "task", s.Task.Title, n.next)
	default:
		r.take(n, "nothing", "", n.next) // Checks has refused a step that is empty
	}
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }
