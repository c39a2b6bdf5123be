package sim

import "time"

// Point is a place and moment at which something can go wrong: a call of a function, or the end of an invocation.
type Point struct {
	Number     int // of the points of the world, from 1
	Nth        int // of the points with the same Function, Service, Operation, Site and Caller, from 1
	Time       time.Time
	Function   string // the stage
	Invocation string // id
	Service    string // as dispatch names it, the host of a system outside, or "lambda"
	Operation  string // "PutItem"; the method and path of a request to a system outside; "end"
	Site       string // the exported function in the code that made the call, "shared/aws/hub.Workspace.Commit"
	Caller     string // the function of the stage for which it was made, "functions/unify.Unifier.commit"
}

// place is a point without its number and moment.
func (p Point) place() Point {
	return Point{Function: p.Function, Service: p.Service, Operation: p.Operation, Site: p.Site, Caller: p.Caller}
}

// End says whether the point is the end of an invocation.
func (p Point) End() bool { return p.Service == "lambda" && p.Operation == end }

const end = "end"

// Fault is what goes wrong.
type Fault struct {
	Kind Kind
	For  time.Duration // how long a time-out or a slow call takes; 0 is three seconds
}

// Kind is a kind of fault.
type Kind string

// The kinds. Calls know all but the last two, ends of invocations those two alone; where a kind does not fit, nothing
// goes wrong.
const (
	None         Kind = ""
	Throttle     Kind = "throttle"      // refused in the service's own words
	Unavailable  Kind = "unavailable"   // refused with a 5xx
	LostBefore   Kind = "lost before"   // time-out; the call had no effect
	LostAfter    Kind = "lost after"    // time-out; the call had its effect
	Twice        Kind = "twice"         // carried out twice, and answered once
	Partial      Kind = "partial"       // a part of the batch's entries fails
	Slow         Kind = "slow"          // held up
	DieBefore    Kind = "die before"    // the invocation ends before the call
	DieAfter     Kind = "die after"     // the invocation ends after the call
	Redeliver    Kind = "redeliver"     // the success of the invocation is not heard
	PartlyFailed Kind = "partly failed" // one finished item of the batch is taken as failed
)

// Kinds are all kinds of faults of calls.
func Kinds() []Kind {
	return []Kind{Throttle, Unavailable, LostBefore, LostAfter, Twice, Partial, Slow, DieBefore, DieAfter}
}

// timeOut is how long a lost call takes at most.
const timeOut = 3 * time.Second

func (f Fault) lasts() time.Duration {
	if f.For == 0 {
		return timeOut
	}
	return f.For
}

// at makes a point of a place, and asks the plan what goes wrong there.
func (w *World) at(p Point) Fault {
	w.mu.Lock()
	place := p.place()
	w.nth[place]++
	p.Number, p.Nth, p.Time = len(w.points)+1, w.nth[place], w.Now()
	w.points = append(w.points, p)
	plan := w.cfg.Plan
	if w.calm {
		plan = nil
	}
	w.mu.Unlock()
	if plan == nil {
		return Fault{}
	}
	return plan(p)
}
