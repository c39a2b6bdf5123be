package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
)

// Step is a step of the canonical trace: a call with its request and its reply, or the fault in its place.
type Step struct {
	Point
	Fault   Kind
	Request string // digest of the canonical body
	Reply   string
}

// String is one line of the trace.
func (s Step) String() string {
	line := fmt.Sprintf("%5d %s %s %s %s:%s %s %s", s.Number, s.Time.Format("15:04:05.000000000"), s.Function, s.Invocation, s.Service, s.Operation, s.Request, s.Reply)
	if s.Fault != None {
		line += " ! " + string(s.Fault)
	}
	return line
}

// note begins a step.
func (w *World) note(p Point, f Fault, request []byte) *recorder {
	if !w.cfg.Record {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.points[len(w.points)-1]
	w.trace = append(w.trace, Step{Point: last, Fault: f.Kind, Request: digestOf(request)})
	return &recorder{w, len(w.trace) - 1}
}

// recorder completes a step. Nil records nothing.
type recorder struct {
	w *World
	n int
}

func (r *recorder) replied(body []byte) {
	if r == nil {
		return
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.trace[r.n].Reply = digestOf(body)
}

// Trace is what has happened so far, if the world records it.
func (w *World) Trace() []Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Step(nil), w.trace...)
}

// Digest is that of the trace, and of every byte that the tables hold.
func (w *World) Digest() string {
	h := sha256.New()
	for _, s := range w.Trace() {
		fmt.Fprintln(h, s)
	}
	w.stored(h)
	return hex.EncodeToString(h.Sum(nil))
}

func (w *World) stored(h hash.Hash) {
	for _, t := range w.Cloud.Stack().Tables {
		fmt.Fprintln(h, t.LogicalID)
		for _, item := range w.Cloud.Table(t.LogicalID).Items() {
			text, err := json.Marshal(item)
			if err != nil { // what a table holds was once read from JSON
				panic(err)
			}
			h.Write(text)
		}
	}
}

// digestOf is short, since it is for reading, and the same for all ways to write the same JSON: the SDK writes the members
// of an object in any order.
func digestOf(body []byte) string {
	if len(body) == 0 {
		return "-"
	}
	if bytes.HasPrefix(body, []byte("{")) {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			if sorted, err := json.Marshal(v); err == nil {
				body = sorted
			}
		}
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:6])
}

// stage is the name by which the template calls a function.
func (w *World) stage(function string) string {
	for _, f := range w.Cloud.Stack().Functions {
		if f.Name == function {
			return f.Stage
		}
	}
	return strings.TrimPrefix(function, "arn:")
}
