package conformance

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/shared/document"
)

type hostile struct {
	name string
	text []byte
}

// hostileBodies are bodies of about size bytes that ask for more than they are
// worth.
func hostileBodies(size int) []hostile {
	fill := func(name, head, unit, tail string) hostile {
		n := max(1, (size-len(head)-len(tail))/len(unit))
		return hostile{name, []byte(head + strings.Repeat(unit, n) + tail)}
	}
	var keys strings.Builder
	keys.WriteString(`{"id":1`)
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, `,"k%d":%d`, i, i)
	}
	keys.WriteString("}")
	return []hostile{
		fill("deep arrays", "", "[", ""),
		fill("deep objects", `{"id":1,"customer":`, `{"a":`, ""),
		fill("closed deep arrays", `{"id":1,"line_items":`+strings.Repeat("[", 5000), " ", strings.Repeat("]", 5000)+"}"),
		fill("numbers", `{"id":1,"line_items":[1`, ",1", "]}"),
		fill("empty objects", `{"id":1,"line_items":[{}`, ",{}", "]}"),
		fill("digits", `{"id":`, "1", "}"),
		fill("a long text", `{"id":"`, "a", `"}`),
		fill("escapes", `{"id":1,"email":"`, `\u0041`, `"}`),
		fill("commas", `{"id":1,"updated_at":"2026-01-01T00:00:00Z","tags":"`, "a,", `"}`),
		fill("one key again and again", `{"id":1`, `,"id":1`, "}"),
		fill("broken UTF-8", `{"id":1,"email":"`, "\xff", `"}`),
		fill("pairs", "a=1", "&a=1", ""),
		fill("names", "a", "&b", ""),
		fill("broken escapes", "a=", "%zz", ""),
		fill("nothing", "", "\x00", ""),
		{"many keys", []byte(keys.String())},
	}
}

const (
	bytesPerByte = 150     // what decoding may allocate for each byte of the body,
	bytesAnyway  = 4 << 20 // and beside
	slowest      = 5 * time.Second
)

// hostileBodiesAreBounded goes from small to large and stops where a bound is
// broken, so that what is quadratic is found before it takes minutes.
func (b *bench) hostileBodiesAreBounded() {
	for _, size := range []int{16 << 10, 1 << 20} {
		picked := b.onePerTopic()
		for i, f := range picked {
			for j, h := range hostileBodies(size) {
				if size > 100<<10 && (i+j)%4 != 0 && len(picked) > 4 {
					continue // every shape and every topic still meet a large one
				}
				r := f.request
				r.Body = h.text
				b.bounded(fmt.Sprintf("%s with %d bytes of %s", f.name, len(h.text), h.name), r)
			}
			for _, h := range inflated(f.request, size/16) {
				r := f.request
				r.Body = h.text
				b.bounded(fmt.Sprintf("%s with %s", f.name, h.name), r)
			}
			if len(b.found) > 0 {
				return
			}
		}
	}
}

func (b *bench) bounded(what string, r connector.Request) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	b.observe(what, r, nil)
	b.source.Key(r)
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > bytesAnyway+bytesPerByte*uint64(len(r.Body)) {
		b.fail("%s: %d bytes were allocated", what, used)
	}
	if took > slowest {
		b.fail("%s: took %s", what, took)
	}
}

// inflated are the fixture's own body with one text or list of it grown large.
func inflated(r connector.Request, size int) []hostile {
	v, err := document.Parse(r.Body)
	if err != nil {
		return nil
	}
	var grown []hostile
	for name, value := range v.Fields() {
		start, end := value.Span()
		var large string
		switch value.Kind() {
		case document.String:
			large = `"` + strings.Repeat("a, ", size/3) + `"`
		case document.Array:
			one := `"x"`
			for item := range value.Items() {
				from, to := item.Span()
				one = string(r.Body[from:to])
				break
			}
			large = "[" + strings.Repeat(one+",", max(1, size/len(one))) + one + "]"
		default:
			continue
		}
		grown = append(grown, hostile{"a large " + name, slices.Concat(r.Body[:start], []byte(large), r.Body[end:])})
	}
	return grown
}
