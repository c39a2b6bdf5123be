package message_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/workspace"
)

// One message, and a death at every call, before it took effect and after: it is
// never sent twice, and ends as sent, or as unknown.
func TestDeathAtEveryCall(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for at := 0; ; at++ {
				w := newWorld()
				if quiet {
					w.definition.Policies.Quiet = &workspace.Quiet{From: "09:00", To: "10:00"}
				}
				r := w.ask(request(1, "a", lan))
				calls, died := 0, ""
				w.gate = func(_ int, call string, do func()) {
					if calls++; calls-1 != at {
						do()
						return
					}
					if died = call; after {
						do()
					}
					panic(death{})
				}
				handle(w.worker(0), requested(r))
				if died == "" {
					break
				}
				w.gate = func(_ int, _ string, do func()) { do() }
				for range 3 { // the queue brings it again, and sweep what was armed
					w.now = w.now.Add(6 * time.Minute)
					handle(w.worker(1), requested(r))
				}
				w.now = start.Add(time.Hour)
				handle(w.worker(1), due(r))
				m := w.messages[r.ID]
				if len(w.mails) > 1 || !m.Is(message.Sent) && !m.Is(message.Unknown) {
					t.Errorf("death at %s, after it %v: %d mails, %s", died, after, len(w.mails), m.Status)
				}
				if m.Is(message.Sent) && len(w.mails) != 1 {
					t.Errorf("death at %s, after it %v: it is called sent", died, after)
				}
				if early := died != "claim" && died != "send" && died != "commit"; early && !m.Is(message.Sent) {
					t.Errorf("death at %s, before anything was claimed: %s", died, m.Status)
				}
			}
		}
	}
}

// turns lets several workers run, one call at a time, in an order that a seed
// gives, and ends some of them.
type turns struct {
	rand  *rand.Rand
	ready chan int // a worker that wants to call, or -1-n where n is done
	go_   []chan struct{}
	die   []int // calls that each still makes; -1 = for ever
	after bool
}

func (x *turns) gate(worker int, _ string, do func()) {
	x.ready <- worker
	<-x.go_[worker]
	switch x.die[worker] {
	case 0:
		if x.after {
			do()
		}
		panic(death{})
	case -1:
	default:
		x.die[worker]--
	}
	do()
}

// run runs the jobs, each as a worker, and tells which of them are done with.
func (x *turns) run(jobs []func() bool) []bool {
	done := make([]bool, len(jobs))
	x.ready = make(chan int)
	x.go_ = make([]chan struct{}, len(jobs))
	for n := range jobs {
		x.go_[n] = make(chan struct{})
		go func() {
			done[n] = jobs[n]()
			x.ready <- -1 - n
		}()
	}
	running := len(jobs)
	var waiting []int
	for running > 0 {
		for len(waiting) < running {
			if n := <-x.ready; n < 0 {
				running--
			} else {
				waiting = append(waiting, n)
			}
		}
		if running == 0 {
			return done
		}
		slices.Sort(waiting)
		i := x.rand.IntN(len(waiting))
		n := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		x.go_[n] <- struct{}{}
	}
	return done
}

// Requests for one person, each brought twice to workers that run at once and die
// anywhere, under a cap: whatever the order, nobody gets more than the cap allows,
// and no message goes out twice.
func TestCapsUnderConcurrency(t *testing.T) {
	sent := map[int]int{}
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld()
		most := 1 + r.IntN(2)
		w.definition.Policies = workspace.Policies{Duplicates: 1, Caps: []workspace.Cap{{Channel: "ses", AtMost: most, Within: 7 * 24 * time.Hour}}}
		if r.IntN(4) == 0 { // a link that a worker has not seen yet
			f := w.profiles[hoa]
			f.State = w.profiles[lan].State
			w.profiles[hoa] = f
		}
		requests := []message.Request{w.ask(request(1, "a", lan)), w.ask(request(2, "b", hoa)), w.ask(request(3, "b", lan))}[:2+r.IntN(2)]
		deaths := r.IntN(3)
		var bodies []string
		for _, one := range requests {
			bodies = append(bodies, requested(one), requested(one))
		}
		for round := 0; len(bodies) > 0; round++ {
			if round > 8 {
				t.Fatalf("seed %d: the queue never empties: %q", seed, w.lines(t))
			}
			x := &turns{rand: r, after: r.IntN(2) == 0}
			w.gate = x.gate
			var jobs []func() bool
			for n, body := range bodies {
				x.die = append(x.die, -1)
				if deaths > 0 && r.IntN(2) == 0 {
					x.die[n] = r.IntN(12)
					deaths--
				}
				jobs = append(jobs, func() bool { return handle(w.worker(n), body) })
			}
			var rest []string
			for n, done := range x.run(jobs) {
				if !done {
					rest = append(rest, bodies[n])
				}
			}
			bodies = rest
			w.now = w.now.Add(6 * time.Minute) // until the queue shows them again
		}
		ids := w.sentIDs()
		if len(ids) > most || len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Fatalf("seed %d: %d mails where %d are allowed: %q", seed, len(ids), most, w.lines(t))
		}
		unknown := 0
		for _, one := range requests {
			switch m := w.messages[one.ID]; {
			case m.Is(message.Unknown):
				unknown++
			case m.Is(message.Sent) && !slices.Contains(ids, one.ID), !m.Is(message.Sent) && !m.Is(message.Dropped):
				t.Fatalf("seed %d: %s is %s", seed, one.ID, m.Status)
			}
		}
		if unknown == 0 && len(ids) != min(most, len(requests)) {
			t.Fatalf("seed %d: %d mails, and nothing is unknown: %q", seed, len(ids), w.lines(t))
		}
		sent[len(ids)]++
	}
	if sent[1] == 0 || sent[2] == 0 {
		t.Error("the seeds try too little: ", sent)
	}
}

// A channel that says "not now" costs no message and no room under a cap.
func TestThrottlingGivesTheClaimBack(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		w := newWorld()
		w.definition.Policies = workspace.Policies{Caps: []workspace.Cap{{AtMost: 2, Within: time.Hour}}}
		requests := []message.Request{w.ask(request(1, "a", lan)), w.ask(request(2, "b", hoa))}
		w.refusal = fault.New(fault.Throttled, "not now")
		x := &turns{rand: r, die: []int{-1, -1}}
		w.gate = x.gate
		for n, done := range x.run([]func() bool{func() bool { return handle(w.worker(0), requested(requests[0])) }, func() bool { return handle(w.worker(1), requested(requests[1])) }}) {
			m := w.messages[requests[n].ID]
			armed := w.armed[string(m.Fragment)+"|"+m.ID]
			if !done || !m.Is(message.Waiting) || m.Claimed != 0 || armed.UnixMilli() != m.Until || armed.Before(start.Add(5*time.Minute)) {
				t.Fatalf("seed %d: %+v, armed for %s", seed, m, armed)
			}
		}
		if n := len(w.sends[lan].List); n != 0 {
			t.Fatalf("seed %d: %d count", seed, n)
		}
		w.refusal, w.gate = nil, func(_ int, _ string, do func()) { do() }
		for _, one := range requests {
			if !handle(w.worker(2), due(one)) {
				t.Fatal(w.lines(t))
			}
		}
		if len(w.mails) != 2 {
			t.Fatalf("seed %d: %q", seed, w.lines(t))
		}
	}
}

// A claim that somebody else may still be sending is left alone for a while.
func TestClaimOfAnotherIsWaitedFor(t *testing.T) {
	w := newWorld()
	r := w.ask(request(1, "a", lan))
	m := w.messages[r.ID]
	m, err := m.Claim(message.Rendered{}, start)
	if err != nil {
		t.Fatal(err)
	}
	w.messages[r.ID] = m
	w.now = start.Add(message.Grace - time.Second)
	if handle(w.worker(0), requested(r)) || !w.messages[r.ID].Is(message.Claimed) {
		t.Error(w.lines(t))
	}
	w.now = start.Add(message.Grace)
	for range 2 {
		if !handle(w.worker(0), requested(r)) || !w.messages[r.ID].Is(message.Unknown) || len(w.mails) != 0 {
			t.Error(w.lines(t))
		}
	}
	if want := []string{r.ID + " unknown"}; !slices.Equal(w.announced, want) {
		t.Error(w.announced)
	}
}
