package matrix

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/infra/local/sim"
)

// operation is what a fault can make of a call.
type operation struct {
	writes bool // it has an effect
	batch  bool // of several entries some may fail
	// alone: nothing on the way sends it twice, neither the network, over which a connection carries a request once, nor the
	// SDK, which is told not to. It has no key by which the other side would know a second one.
	alone bool
}

// operations are all that stages ask for. One that is not here is an error, so that somebody says what it is.
var operations = map[string]operation{
	"dynamodb GetItem": {}, "dynamodb Query": {}, "dynamodb Scan": {}, "dynamodb BatchGetItem": {batch: true},
	"dynamodb PutItem": {writes: true}, "dynamodb UpdateItem": {writes: true}, "dynamodb DeleteItem": {writes: true},
	"dynamodb TransactWriteItems": {writes: true}, "dynamodb BatchWriteItem": {writes: true, batch: true},
	"ssm GetParameter": {}, "s3 GetObject": {}, "s3 PutObject": {writes: true},
	"sqs SendMessage": {writes: true}, "sqs SendMessageBatch": {writes: true, batch: true},
	"sqs ReceiveMessage":     {writes: true}, // what is received is hidden
	"sqs DeleteMessageBatch": {writes: true, batch: true}, "events PutEvents": {writes: true, batch: true}, "ses SendEmail": {writes: true, alone: true},
	"api.hubapi.com POST /crm/v3/objects/contacts/batch/read":   {},
	"api.hubapi.com POST /crm/v3/objects/contacts/batch/update": {writes: true},
	"api.hubapi.com POST /crm/v3/objects/contacts/batch/upsert": {writes: true},
}

// failure is one thing that goes wrong.
type failure struct {
	name string
	kind sim.Kind
	// lasts: also when the SDK tries again, so that the stage has to do with it.
	lasts bool
	// dies: the function ends before its next call. Other deaths come with a fault whose effect is theirs: to be refused and
	// die is to die before the call, to lose an answer and die is to die after it.
	dies bool
}

// forever is slower than any function may be.
const forever = time.Hour

var (
	anyCall = []failure{{name: "throttle", kind: sim.Throttle, lasts: true},
		{name: "unavailable", kind: sim.Unavailable, lasts: true},
		{name: "lost before", kind: sim.LostBefore, lasts: true}, {name: "slow", kind: sim.Slow}, {name: "die before", kind: sim.DieBefore}}
	// A call without effect is the same before and after it, once and twice.
	anyWrite = []failure{{name: "lost after once", kind: sim.LostAfter}, {name: "lost after", kind: sim.LostAfter, lasts: true},
		{name: "twice", kind: sim.Twice}, {name: "twice, then die", kind: sim.Twice, dies: true}, {name: "die after", kind: sim.DieAfter}}
	anyBatch      = []failure{{name: "partial once", kind: sim.Partial}, {name: "partial", kind: sim.Partial, lasts: true}}
	anyBatchWrite = []failure{{name: "partial, then die", kind: sim.Partial, dies: true}}
	anyEnd        = []failure{{name: "redeliver", kind: sim.Redeliver}}
	anyBatchEnd   = []failure{{name: "partly failed", kind: sim.PartlyFailed}}
)

// batches are the stages that are given several things at once and may say which of them failed.
var batches = map[string]bool{"unify": true, "publish": true, "segment": true, "journey": true, "message": true, "attribution": true, "writeback": true}

// failures are all that can go wrong at a point.
func failures(p sim.Point) ([]failure, error) {
	if p.End() {
		if batches[p.Function] {
			return append(anyEnd, anyBatchEnd...), nil
		}
		return anyEnd, nil
	}
	o, known := operations[p.Service+" "+p.Operation]
	if !known {
		return nil, fmt.Errorf("%s %s is not among the operations: say there whether it writes, and several entries", p.Service, p.Operation)
	}
	l := anyCall
	if o.writes {
		l = append(l[:len(l):len(l)], anyWrite...)
	}
	if o.alone {
		l = slices.DeleteFunc(l, func(f failure) bool { return f.kind == sim.Twice })
	}
	if o.batch {
		l = append(l[:len(l):len(l)], anyBatch...)
	}
	if o.batch && o.writes {
		l = append(l[:len(l):len(l)], anyBatchWrite...)
	}
	return l, nil
}

// place is where in the code something can go wrong.
type place struct{ stage, caller, site, service, operation string }

func placeOf(p sim.Point) place { return place{p.Function, p.Caller, p.Site, p.Service, p.Operation} }

func (p place) String() string {
	return strings.Join([]string{p.stage, p.caller, p.site, p.service, p.operation}, " ")
}

// cell is one field of the matrix.
type cell struct {
	theme string
	place place
	nth   int // of the points of the place
	failure
}

func (c cell) String() string {
	return strings.Join([]string{c.theme, c.place.String(), fmt.Sprint(c.nth), c.name}, " | ")
}

const (
	attempts = 3 // of the SDK
	// trying is longer than these take together, and shorter than it takes until an invocation is tried again.
	trying = 30 * time.Second
)

// plan lets the cell's failure happen, once. It is for one world.
func (c cell) plan() func(sim.Point) sim.Fault {
	struck, invocation, since := 0, "", time.Time{}
	return func(p sim.Point) sim.Fault {
		here := placeOf(p) == c.place
		switch {
		case struck == 0 && here && p.Nth == c.nth:
			struck, invocation, since = 1, p.Invocation, p.Time
		case struck == 0 || p.Invocation != invocation || p.Time.Sub(since) > trying:
			return sim.Fault{}
		case c.dies && struck == 1:
			struck++
			return sim.Fault{Kind: sim.DieBefore}
		case c.lasts && here && struck < attempts:
			struck++
		default:
			struck = attempts // what comes after another call is another try of the stage's own
			return sim.Fault{}
		}
		f := sim.Fault{Kind: c.kind}
		if c.kind == sim.Slow {
			f.For = forever
		}
		return f
	}
}
