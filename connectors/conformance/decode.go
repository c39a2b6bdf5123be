package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

func body(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }

func text(facts []events.Fact, faults []connector.Fault) string {
	b, err := json.Marshal([]any{facts, faults})
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// What one delivery may give: each fact is one item of a table, and all faults
// lie in one.
const (
	maxFacts  = 500
	maxFaults = 200
	maxFact   = 100 << 10
)

// observe decodes and holds what comes out to the contract.
func (b *bench) observe(what string, r connector.Request, secrets []string) (facts []events.Fact, faults []connector.Fault) {
	defer func() {
		if p := recover(); p != nil {
			b.fail("%s: panicked: %v", what, p)
		}
	}()
	facts, faults = b.source.Decode(r)
	if len(facts) > maxFacts || len(faults) > maxFaults {
		b.fail("%s: %d facts and %d faults of one delivery", what, len(facts), len(faults))
	}
	for _, f := range facts {
		size := 0
		for name, v := range f.Fields {
			size += len(name) + len(v.String())
		}
		if size > maxFact {
			b.fail("%s: a fact of %d bytes", what, size)
		}
		if err := f.Validate(); err != nil {
			b.fail("%s: a fact that does not fit the catalogue: %v; leave the field out with a fault, or the fact", what, err)
		}
		if f.Workspace != "" || f.Connection != "" || f.Rank != 0 {
			b.fail("%s: workspace, connection and rank are the shell's to set", what)
		}
	}
	classes := []connector.FaultClass{connector.UnknownTopic, connector.Undecodable, connector.Incomplete, connector.InvalidValue}
	for _, f := range faults {
		if !slices.Contains(classes, f.Class) || f.Reason == "" {
			b.fail("%s: a fault of class %q without a class or a reason", what, f.Class)
		}
		for _, s := range secrets {
			if strings.Contains(f.Reason, s) {
				b.fail("%s: the reason of a fault tells a value of the body", what)
			}
		}
	}
	return facts, faults
}

// telling are the values of a body that a reason could only have from there.
func telling(r connector.Request) []string {
	var found []string
	for _, s := range append(leaves(r), personal(r)...) {
		if len(s) >= 12 || len(s) >= 5 && strings.ContainsAny(s, "@0123456789") {
			found = append(found, s)
		}
	}
	return found
}

func (b *bench) decodingIsPure() {
	for _, f := range b.fixtures {
		before := clone(f.request)
		facts, faults := b.observe(f.name, f.request, telling(f.request))
		first := text(facts, faults)
		for range 3 {
			again := text(b.source.Decode(f.request))
			fresh, err := b.New().Source(b.Settings)
			if err != nil {
				b.fail("making the source again: %v", err)
				return
			}
			if again != first || text(fresh.Decode(f.request)) != first {
				b.fail("%s: decoded again it gives something else", f.name)
			}
		}
		if !bytes.Equal(before.Body, f.request.Body) || !reflect.DeepEqual(before.Header, f.request.Header) {
			b.fail("%s: the request was changed", f.name)
		}
	}
}

func (b *bench) cutBodiesDoNoHarm() {
	const every = 3_000
	for _, f := range b.onePerTopic() {
		step := max(1, len(f.request.Body)/every)
		for n := 0; n < len(f.request.Body); n += step {
			r := f.request
			r.Body = f.request.Body[:n:n]
			b.observe(fmt.Sprintf("%s cut to %d bytes", f.name, n), r, nil)
			b.source.Key(r)
		}
	}
}

// marker is a text that stands nowhere else.
const marker = "Zq7vMarker"

// strange are values that no documentation promises.
var strange = []string{
	`null`, `""`, `"` + marker + `@Zq7v.vn"`, `"0` + marker + `"`, `-1`, `0.5`, `1e999`, `99999999999999999999999999`, `true`, `[]`, `{}`,
	`["` + marker + `",{"id":"` + marker + `"}]`, `{"` + marker + `":"` + marker + `"}`, `"\u0000|#\n` + marker + `"`, `"9999-12-31T00:00:00Z"`,
	`"1969-01-01T00:00:00Z"`, `"` + strings.Repeat("ế", 1500) + marker + `"`,
}

// tries is how many strange values are put into one fixture. Topics that share
// a decoder begin at different ones, so together they try far more.
const tries = 1_500

// wrongTypesDoNoHarm puts strange values in the places of the JSON fixtures, one
// at a time.
func (b *bench) wrongTypesDoNoHarm() {
	for i, f := range b.onePerTopic() {
		v, err := document.Parse(f.request.Body)
		if err != nil {
			continue // no JSON: there are no types to get wrong
		}
		found := places(v)
		all := len(found) * len(strange)
		step := max(1, all/tries)
		if step%len(strange) == 0 {
			step++ // else every place would meet the same value
		}
		for n := i % step; n < all; n += step {
			place, s := found[n/len(strange)], strange[n%len(strange)]
			r := f.request
			r.Body = slices.Concat(f.request.Body[:place[0]], []byte(s), f.request.Body[place[1]:])
			b.observe(fmt.Sprintf("%s with %.40s at byte %d", f.name, s, place[0]), r, []string{marker})
			b.source.Key(r)
		}
	}
}

// places are start and end of all values, of arrays the first item alone.
func places(v document.Value) [][2]int {
	start, end := v.Span()
	found := [][2]int{{start, end}}
	for _, value := range v.Fields() {
		found = append(found, places(value)...)
	}
	for item := range v.Items() {
		found = append(found, places(item)...)
		break
	}
	return found
}
