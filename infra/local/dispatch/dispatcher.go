package dispatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"loophub/infra/local/journal"
	"loophub/infra/local/meter"
)

// Authoriser decides whether a principal may do what a call needs. A refusal is an *Error.
type Authoriser interface {
	Authorise(principal string, n Need) error
}

// Dispatcher recognises, authorises, counts and serves calls. Services are registered before the first call.
type Dispatcher struct {
	// Watch, if not nil, is told of every need of every call by a principal, and how the call ended: of a need that was
	// refused its refusal, of all others the call's own error. It is set before the first call.
	Watch func(principal string, n Need, err error)

	authoriser Authoriser
	gate       Gate
	services   map[string]Service
	// Requests counts the calls, for their ids.
	Requests journal.Serial
	meter    meter.Meter

	mu     sync.Mutex
	counts map[Count]int
	keys   map[string]pass // by access key id
}

// pass is what an access key opens.
type pass struct {
	principal string
	expired   func() bool // nil: never
}

// Count says what was called, by whom, and how it ended.
type Count struct {
	Principal string
	Service   string
	Operation string
	Code      string // "" for success, else the error's code
}

// New returns a dispatcher without services. It knows one principal, the account itself.
func New(a Authoriser) *Dispatcher {
	d := &Dispatcher{
		authoriser: a,
		services:   map[string]Service{},
		counts:     map[Count]int{},
		keys:       map[string]pass{},
	}
	d.Admit("")
	return d
}

// Register adds a service under the name that Call.Service carries.
func (d *Dispatcher) Register(name string, s Service) { d.services[name] = s }

// Guard puts a gate before every call.
func (d *Dispatcher) Guard(g Gate) { d.gate = g }

// Admit issues the access key of a principal. The key id is a function of the principal: a program that keeps it finds
// it valid after a restart. There is no secret to speak of, since the loopback door does not check signatures.
func (d *Dispatcher) Admit(principal string) (accessKeyID string) {
	sum := sha256.Sum256([]byte("loophub local access key\x00" + principal))
	id := "LOCAL" + base32.StdEncoding.EncodeToString(sum[:])[:15]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[id] = pass{principal: principal}
	return id
}

// AdmitFor makes an access key of a principal known for a time.
func (d *Dispatcher) AdmitFor(key, principal string, expired func() bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[key] = pass{principal, expired}
}

// Counts returns the calls so far, as a copy.
func (d *Dispatcher) Counts() map[Count]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

// Operations lists the distinct "service:Operation" pairs that a principal has called with success.
func (d *Dispatcher) Operations(principal string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for k := range d.counts {
		if k.Principal == principal && k.Code == "" {
			out = append(out, k.Service+":"+k.Operation)
		}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return slices.Compact(out)
}

// serve carries a recognised call through the gate to its reply; every error of AWS is a reply too.
func (d *Dispatcher) serve(ctx context.Context, c Call, p protocol) (Reply, error) {
	refuse := func(e *Error) Reply {
		d.count(c, e.Code)
		return p.refuse(e)
	}
	serve := func(c Call) Reply {
		counted, use := meter.Begin(ctx)
		reply, err := d.try(counted, c)
		d.used(c, *use)
		if err != nil {
			return refuse(asError(err))
		}
		d.count(c, "")
		return reply
	}
	var reply Reply
	if d.gate == nil {
		reply = serve(c)
	} else {
		var err error
		if reply, err = d.gate.Pass(ctx, c, serve, refuse); err != nil {
			return Reply{}, err
		}
	}
	p.finish(&reply, d.requestID())
	return reply, nil
}

func (d *Dispatcher) count(c Call, code string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[Count{c.Principal, c.Service, c.Operation, code}]++
}

// used meters a call. One that its service bills by no measure of its own is a request like any other.
func (d *Dispatcher) used(c Call, u meter.Use) {
	u.Billed = max(u.Billed, 1)
	d.meter.Add(meter.Key{Who: c.Principal, Service: c.Service, Operation: c.Operation}, u)
}

// Meter counts what calls use; what AWS does in somebody's name without a call is added to it.
func (d *Dispatcher) Meter() *meter.Meter { return &d.meter }

func (d *Dispatcher) try(ctx context.Context, c Call) (Reply, error) {
	s, ok := d.services[c.Service]
	if !ok {
		return Reply{}, Unimplemented(c)
	}
	needs, err := s.Needs(c)
	if err != nil {
		return Reply{}, err
	}
	for _, n := range needs {
		if err := d.authoriser.Authorise(c.Principal, n); err != nil {
			d.tell(c, err, n)
			return Reply{}, err
		}
	}
	reply, err := s.Serve(ctx, c)
	d.tell(c, err, needs...)
	return reply, err
}

func (d *Dispatcher) tell(c Call, err error, needs ...Need) {
	if d.Watch == nil {
		return
	}
	for _, n := range needs {
		d.Watch(c.Principal, n, err)
	}
}

func (d *Dispatcher) requestID() string {
	return fmt.Sprintf("10ca1000-0000-4000-8000-%012x", d.Requests.Next())
}

// Unimplemented refuses a call that the local cloud does not know, in words that nobody can take for AWS's own.
func Unimplemented(c Call) error {
	return &Error{Status: http.StatusBadRequest, Code: "UnknownOperationException",
		Message: fmt.Sprintf("the local cloud does not implement %s:%s", c.Service, c.Operation)}
}

// asError gives every failure a code. What is not an *Error is a fault of the local cloud itself, or the caller's
// context.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
}
