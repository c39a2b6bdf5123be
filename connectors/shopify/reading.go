package shopify

import (
	"fmt"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// reading is one delivery while it is read.
type reading struct {
	source
	topic     string
	body      document.Value
	received  int64 // Unix ms
	triggered int64 // X-Shopify-Triggered-At in Unix ms, 0 = not given
	facts     []events.Fact
	faults    []connector.Fault
}

// clockSkew is how far ahead of our clock a time may be.
const clockSkew = int64(24 * time.Hour / time.Millisecond)

// maxFaults is how many faults of one delivery are told: who mends the first
// ones sees the others at the next replay.
const maxFaults = 20

func (r *reading) fault(c connector.FaultClass, format string, args ...any) {
	if len(r.faults) >= maxFaults {
		return
	}
	r.faults = append(r.faults, connector.Fault{Class: c, Reason: r.topic + ": " + fmt.Sprintf(format, args...)})
}

// trigger reads the header that says when Shopify made the delivery. It is not
// signed: a time ahead of ours counts as not given.
func (r *reading) trigger(header string) int64 {
	ms, ok := stamp(header)
	if !ok || ms > r.received+clockSkew {
		return 0
	}
	return ms
}

// moment is the best that is known about when the delivery was made.
func (r *reading) moment() int64 {
	if r.triggered > 0 {
		return r.triggered
	}
	return r.received
}

// stamp reads an ISO 8601 time with offset as Unix ms.
func stamp(s string) (ms int64, ok bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2099 || t.UnixMilli() < 0 {
		return 0, false
	}
	return t.UnixMilli(), true
}

// empty tells of a value that says "none": null or "".
func empty(v document.Value) bool {
	return v.Kind() == document.Null || v.Kind() == document.String && v.Text() == ""
}

// given tells of a value that says something.
func given(v document.Value) bool { return v.Exists() && !empty(v) }

// first is the first of the values that says something, else the first that is
// there at all.
func first(values ...document.Value) document.Value {
	for _, v := range values {
		if given(v) {
			return v
		}
	}
	for _, v := range values {
		if v.Exists() {
			return v
		}
	}
	return document.Value{}
}

// identifier reads an id: digits of any length, or the last part of a
// gid://shopify/Customer/1.
func identifier(s string) (string, bool) {
	if rest, ok := strings.CutPrefix(strings.ReplaceAll(s, `\/`, "/"), "gid://shopify/"); ok {
		_, s, _ = strings.Cut(rest, "/")
		s, _, _ = strings.Cut(s, "?")
	} else if c, _, _ := strings.Cut(s, "?"); word(c, 100) && !strings.Contains(c, "/") {
		return c, true // a cart's token
	}
	return s, digits(s)
}

// number reads the id of anything but a cart: digits alone, kept as they stand.
func number(v document.Value) (string, bool) {
	id, ok := identifier(v.Text())
	return id, ok && digits(id)
}

func digits(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "0123456789") == ""
}

// shape tells whether the body is of the type that the topic promises: its
// global id names that type, and no field of another type's bodies is there.
func (r *reading) shape(kind string, foreign ...string) bool {
	if gid := r.body.Field("admin_graphql_api_id").Text(); gid != "" && !strings.HasPrefix(gid, "gid://shopify/"+kind+"/") {
		r.misplaced()
		return false
	}
	for _, name := range foreign {
		if r.body.Field(name).Exists() {
			r.misplaced()
			return false
		}
	}
	return true
}

func (r *reading) misplaced() {
	r.fault(connector.Undecodable, "the body is of another kind than the topic, which is not signed; somebody may have sent a delivery again under another topic")
}

// record begins a fact about the record whose id stands in the field name.
func (r *reading) record(k events.Kind, name string) (*draft, bool) {
	id, ok := number(r.body.Field(name))
	if !ok {
		r.fault(connector.Incomplete, "%s is missing or no id, so it is unknown which %s this is about; deliver whole bodies", name, k)
		return nil, false
	}
	return r.draft(k, id), true
}

// valid gives the facts that fit the catalogue. The readers let no other
// through; should one, it is parked and not stored.
func (r *reading) valid() []events.Fact {
	kept := r.facts[:0]
	for _, f := range r.facts {
		if f.Validate() != nil {
			r.fault(connector.InvalidValue, "a fact about the %s does not fit the catalogue; please report it", f.Kind)
			continue
		}
		kept = append(kept, f)
	}
	return kept
}
