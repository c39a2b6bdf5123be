package shopify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
	"loophub/shared/money"
)

const (
	maxLine = 255 // bytes of a text that is shown, not compared
	maxTag  = 180 // a tag is part of a field's name
)

// draft is a fact while it is read. Its methods put a field for a value of the
// body: absent puts nothing, null and "" put Null.
type draft struct {
	r        *reading
	fact     events.Fact
	withheld bool // something that counts is impossible: the fact is parked
}

func (r *reading) draft(k events.Kind, record string) *draft {
	return &draft{r: r, fact: events.Fact{Kind: k, Record: record, Fields: events.Fields{}}}
}

// add gives the fact, unless it is withheld.
func (d *draft) add() {
	if !d.withheld {
		d.r.facts = append(d.r.facts, d.fact)
	}
}

func (d *draft) put(field, text string) { d.fact.Fields[field] = events.Text(text) }
func (d *draft) clear(field string)     { d.fact.Fields[field] = events.Null }

// refuse reports an impossible value; with vital the whole fact is withheld.
func (d *draft) refuse(name, what string, vital bool) {
	if vital {
		d.withheld = true
		d.r.fault(connector.InvalidValue, "%s is %s; nothing is taken over about this %s until it is corrected and replayed", name, what, d.fact.Kind)
		return
	}
	d.r.fault(connector.InvalidValue, "%s is %s; it is left out", name, what)
}

// scalar gives the text of a value that is there, and puts Null for one that
// says none.
func (d *draft) scalar(field, name string, v document.Value) (string, bool) {
	switch {
	case !v.Exists():
		return "", false
	case empty(v):
		d.clear(field)
		return "", false
	case v.Text() == "":
		d.refuse(name, "no text", false)
		return "", false
	}
	return v.Text(), true
}

func (d *draft) line(field, name string, v document.Value) {
	if s, ok := d.scalar(field, name, v); ok {
		if s = contact.Line(s, maxLine); s == "" {
			d.clear(field)
			return
		}
		d.put(field, s)
	}
}

func (d *draft) id(field, name string, v document.Value) {
	if s, ok := d.scalar(field, name, v); ok {
		if s, ok = identifier(s); !ok {
			d.refuse(name, "no id", false)
			return
		}
		d.put(field, s)
	}
}

func (d *draft) boolean(field, name string, v document.Value) {
	switch v.Kind() {
	case document.Absent, document.Null:
	case document.Bool:
		d.put(field, strconv.FormatBool(v.True()))
	default:
		d.refuse(name, "neither true nor false", false)
	}
}

func (d *draft) time(field, name string, v document.Value, vital bool) {
	if !v.Exists() {
		return
	}
	if empty(v) {
		d.clear(field)
		return
	}
	ms, ok := stamp(v.Text())
	if !ok {
		d.refuse(name, "no date between 1970 and 2100", vital)
		return
	}
	d.put(field, strconv.FormatInt(ms, 10))
}

// dated sets version and time of the statement: the first of the fields that
// is given, else when Shopify made the delivery.
func (d *draft) dated(names ...string) {
	d.fact.Version, d.fact.At = d.r.triggered, d.r.triggered
	for _, name := range names {
		v := d.r.body.Field(name)
		if !given(v) {
			continue
		}
		ms, ok := stamp(v.Text())
		if !ok {
			d.refuse(name, "no date between 1970 and 2100", true)
			return
		}
		d.fact.Version, d.fact.At = ms, ms
		return
	}
}

// largest is the largest amount that the catalogue takes, in minor units.
const largest = 10_000_000_000_000

func amount(v document.Value, currency string) (int64, bool) {
	n, err := money.Minor(v.Text(), currency)
	return n, err == nil && n <= largest && n >= -largest
}

func (d *draft) email(v document.Value) {
	s, ok := d.scalar("email", "email", v)
	if !ok {
		return
	}
	if address, ok := contact.Email(s); ok {
		d.put("email", address)
		return
	}
	d.clear("email")
	d.line("email_invalid", "email", v)
}

func (d *draft) phone(v document.Value, country string) {
	s, ok := d.scalar("phone", "phone", v)
	if !ok {
		return
	}
	if n, ok := contact.Phone(s, country); ok {
		d.put("phone", n)
		return
	}
	d.clear("phone")
	d.line("phone_invalid", "phone", v)
}

func (d *draft) name(field, name string, v document.Value) {
	if s, ok := d.scalar(field, name, v); ok {
		if s = contact.Name(s); s == "" {
			d.clear(field)
			return
		}
		d.put(field, s)
	}
}

// list puts a sorted list without copies or empty entries.
func (d *draft) list(field, name string, entries []string) {
	entries = slices.DeleteFunc(entries, func(s string) bool { return s == "" })
	slices.Sort(entries)
	text := encode(slices.Compact(entries))
	if entries == nil {
		text = "[]"
	}
	if len(text) > 16<<10 {
		d.refuse(name, "longer than 16 KB", false)
		return
	}
	d.put(field, text)
}

// encode is compact JSON without HTML escapes.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "" // texts and integers always encode
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
