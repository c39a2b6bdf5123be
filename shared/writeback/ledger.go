// Package writeback decides what is written to a CRM: the difference between what
// is wanted and what was last written, never more. It is pure: the stage reads
// ledgers, calls the CRM and stores what comes out of here.
package writeback

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Ledger is what is known of one profile's record at one destination: what was
// last written, what is being written, and what went wrong. It is stored before
// anything is sent, so that after a death nothing is written blindly.
type Ledger struct {
	Fragment profile.ID `json:"-"` // under which it lies
	Version  int64      `json:"-"` // of the stored item; 0 = not stored yet

	Record  string             `json:"r,omitempty"` // the destination's id; "" = not known
	Fields  map[string]Written `json:"f,omitempty"`
	Pending map[string]string  `json:"p,omitempty"` // sent, or about to be: only the destination knows
	Began   int64              `json:"t,omitempty"` // when Pending was put down, Unix ms
	Lease   int64              `json:"l,omitempty"` // until when its writer may be at work, Unix ms
	Trouble *Trouble           `json:"x,omitempty"` // why the last attempt wrote nothing
}

// Written is the value that a field was last given.
type Written struct {
	Value  string `json:"v"`
	At     int64  `json:"t"`           // Unix ms; 0 = nothing is known to be written
	Before []Past `json:"b,omitempty"` // newest first: their echoes may still be on the way
}

// Past is a value that was written, or may have been, and was replaced.
type Past struct {
	Value string `json:"v"`
	From  int64  `json:"f"`
	To    int64  `json:"u"`
}

// Trouble is why an attempt wrote nothing.
type Trouble struct {
	Class  fault.Class `json:"c"`
	Reason string      `json:"r"` // for operators; names fields, no values
	At     int64       `json:"t"` // Unix ms
	Tries  int         `json:"n"` // one after the other without success
	Next   int64       `json:"u"` // when it is tried again, Unix ms; 0 = when something else is wanted
	Wanted string      `json:"w"` // digest of what was wanted
}

// Diff is what of the wanted values was not last written. A field that was never
// written is not cleared, for it is not ours; one that is wanted no more stays.
func Diff(wanted map[string]string, l Ledger) map[string]string {
	d := map[string]string{}
	for field, value := range wanted {
		last := l.Fields[field]
		if known := last.At > 0; known && last.Value != value || !known && value != "" {
			d[field] = value
		}
	}
	return d
}

// Do is what comes next.
type Do int

// The steps.
const (
	Nothing Do = iota // all is written, or was refused as it is
	Wait              // somebody is at work, or the next attempt is later
	Seek              // claim, find the record, compare, write the rest
	Write             // claim and write
)

// Step is what comes next for a ledger.
type Step struct {
	Do    Do
	Until time.Time // of Wait
}

// Next decides what comes next.
func Next(l Ledger, wanted map[string]string, now time.Time) Step {
	t := l.Trouble
	switch {
	case len(l.Pending) > 0 && now.UnixMilli() < l.Lease:
		return Step{Wait, time.UnixMilli(l.Lease).UTC()}
	case t != nil && now.UnixMilli() < t.Next:
		return Step{Wait, time.UnixMilli(t.Next).UTC()}
	case len(l.Pending) > 0:
		return Step{Do: Seek}
	case t != nil && t.Next == 0 && t.Wanted == Digest(wanted), len(Diff(wanted, l)) == 0:
		return Step{}
	case l.Record == "":
		return Step{Do: Seek}
	}
	for field := range Diff(wanted, l) {
		if l.Fields[field].At == 0 { // somebody else may have given it that value
			return Step{Do: Seek}
		}
	}
	return Step{Do: Write}
}

// Claim notes what is about to be written, and that its writer has until lease.
// What was pending before and is now overtaken may have been written as well.
func (l Ledger) Claim(wanted map[string]string, now, lease time.Time) Ledger {
	l = l.clone()
	if l.Pending == nil {
		l.Pending = map[string]string{}
	}
	for field, value := range Diff(wanted, l) {
		if old, there := l.Pending[field]; there && old != value {
			l.past(field, Past{old, l.Began, now.UnixMilli()})
		}
		l.Pending[field] = value
	}
	l.Began, l.Lease = now.UnixMilli(), lease.UnixMilli()
	return l
}

// Compare takes in what the destination holds of the record: of what was pending,
// that which is there was written. It gives what is left to write, pending in
// the ledger; where held is true that was pending before, and need not be stored
// again before it is sent.
func (l Ledger) Compare(found connector.Found, wanted map[string]string, now time.Time) (next Ledger, left map[string]string, held bool) {
	was := l.Pending
	l = l.clone()
	if found.Record != "" {
		l.Record = found.Record
	}
	for field, value := range was {
		is, there := found.Fields[field]
		switch {
		case there && is == value:
			l.note(field, value, l.Began)
			continue
		case there && l.tried(field, is): // an attempt before that one was the last to get through
			l.note(field, is, l.Began)
		}
		if wanted[field] != value { // it may yet get through
			l.past(field, Past{value, l.Began, now.UnixMilli()})
		}
	}
	for field, value := range Diff(wanted, l) {
		if is, there := found.Fields[field]; there && is == value {
			l.note(field, value, now.UnixMilli())
		}
	}
	left, held = Diff(wanted, l), true
	l.Pending = left
	for field, value := range l.Pending {
		if old, there := was[field]; !there || old != value {
			held = false
		}
	}
	if len(l.Pending) == 0 {
		l = l.rest()
	}
	return l, left, held
}

// Settle takes in what became of what was pending. Jitter is between 0 and 1.
func (l Ledger) Settle(r connector.Receipt, wanted map[string]string, now time.Time, jitter float64) Ledger {
	if r.Err != nil {
		return l.Fail(r.Err, fault.ClassOf(r.Err) == fault.Transient, wanted, now, jitter)
	}
	l = l.clone()
	l.Record = r.Record
	for field, value := range l.Pending {
		l.note(field, value, now.UnixMilli())
	}
	return l.rest()
}

// Fail notes why nothing is known to be written. With unsure, what was pending may
// have been, and is looked for before anything else is sent.
func (l Ledger) Fail(err error, unsure bool, wanted map[string]string, now time.Time, jitter float64) Ledger {
	l = l.clone()
	t := &Trouble{Class: fault.ClassOf(err), Reason: reason(err), At: now.UnixMilli(), Tries: 1, Wanted: Digest(wanted)}
	if l.Trouble != nil {
		t.Tries += l.Trouble.Tries
	}
	if t.Class != fault.Permanent {
		t.Next = Again(err, t.Tries, now, jitter).UnixMilli()
	}
	if errors.Is(err, connector.ErrGone) { // what is wanted next finds another record, or makes one
		l.Record, l.Fields = "", nil
	}
	l.Trouble, l.Lease = t, 0
	if !unsure {
		l.Pending, l.Began = nil, 0
	}
	return l
}

// rest is the ledger after all went well.
func (l Ledger) rest() Ledger {
	l.Pending, l.Began, l.Lease, l.Trouble = nil, 0, 0, nil
	return l
}

// Waits between attempts.
const (
	first        = 30 * time.Second // the first wait, doubled each time
	longest      = time.Hour
	unauthorised = 15 * time.Minute // a person has to renew the credential
)

// Again is when to try again after tries attempts that failed with err.
func Again(err error, tries int, now time.Time, jitter float64) time.Time {
	switch fault.ClassOf(err) {
	case fault.Unauthorised:
		return now.Add(unauthorised)
	case fault.Throttled:
		if until := fault.Until(err); until.After(now) {
			return until
		}
	}
	wait := longest
	if tries < 8 { // 30 s · 2⁷ is more than an hour
		wait = min(first<<max(tries-1, 0), longest)
	}
	return now.Add(wait/2 + time.Duration(float64(wait/2)*min(max(jitter, 0), 1)))
}

// skew is how far the destination's clock may be from ours.
const skew = 2 * time.Minute

// Own tells whether a field's value, which the destination says was set at a
// moment (Unix ms), is what we wrote: last, just now, or before what we last wrote.
func Own(l Ledger, field, value string, at int64) bool {
	if pending, there := l.Pending[field]; there && pending == value {
		return true
	}
	last, there := l.Fields[field]
	if there && last.At > 0 && last.Value == value {
		return true
	}
	return slices.ContainsFunc(last.Before, func(p Past) bool {
		return p.Value == value && at >= p.From-skew.Milliseconds() && at <= p.To+skew.Milliseconds()
	})
}

// Digest names wanted values.
func Digest(wanted map[string]string) string {
	b, err := json.Marshal(wanted) // sorted by field
	if err != nil {
		return "" // texts always encode
	}
	d := sha256.Sum256(b)
	return events.Short(d[:])
}

// depth is how many replaced values of a field are remembered.
const depth = 3

func (l *Ledger) note(field, value string, at int64) {
	if last := l.Fields[field]; last.At > 0 && last.Value != value {
		l.past(field, Past{last.Value, last.At, at})
	}
	last := l.Fields[field]
	last.Value, last.At = value, at
	l.set(field, last)
}

// past remembers a value whose echo may still come.
func (l *Ledger) past(field string, p Past) {
	last := l.Fields[field]
	last.Before = append([]Past{p}, last.Before...)
	last.Before = last.Before[:min(len(last.Before), depth)]
	l.set(field, last)
}

func (l Ledger) tried(field, value string) bool {
	return slices.ContainsFunc(l.Fields[field].Before, func(p Past) bool { return p.Value == value })
}

func (l *Ledger) set(field string, w Written) {
	if l.Fields == nil {
		l.Fields = map[string]Written{}
	}
	l.Fields[field] = w
}

func (l Ledger) clone() Ledger {
	l.Fields, l.Pending = maps.Clone(l.Fields), maps.Clone(l.Pending)
	return l
}

// maxReason bounds what is kept of a reason, in bytes.
const maxReason = 500

func reason(err error) string {
	s := []rune(err.Error())
	for len(string(s)) > maxReason {
		s = s[:len(s)-1]
	}
	return string(s)
}
