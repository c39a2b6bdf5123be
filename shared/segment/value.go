package segment

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"loophub/shared/profile"
)

// The types of the language. A rule reads their fields and calls their methods;
// it makes none of them.
var (
	ordersType   = object("Orders")
	windowType   = object("Window")
	orderType    = object("Order")
	checkoutType = object("Checkout")
	traitsType   = object("Traits")
	consentsType = object("Consents")
	occurredType = object("Occurred")
	eventsType   = object("Events")
	eventType    = object("Event")
	someType     = object("EventWindow") // not Window: there are no older events to ask for
	campaignType = object("Campaign")
	outcomeType  = object("Outcome")
)

func object(name string) *types.Type { return types.NewObjectType(name, traits.IndexerType) }

// whole is what all our values have in common: nothing turns them into others.
type whole struct{}

var errNative = errors.New("a value of a profile is not turned into others")

func (whole) ConvertToNative(reflect.Type) (any, error) { return nil, errNative }
func (whole) ConvertToType(ref.Type) ref.Val            { return types.WrapErr(errNative) }

// orders are all that count.
type orders struct {
	whole
	m *Moment
}

func (o *orders) Type() ref.Type              { return ordersType }
func (o *orders) Value() any                  { return o }
func (o *orders) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(o) == other) }

func (o *orders) Get(field ref.Val) ref.Val {
	v := o.m.view
	switch nameOf(field) {
	case "count":
		if o.m.log != nil {
			o.m.saw("orders.count", strconv.FormatInt(v.Orders, 10), recordsOf(v.Recent))
		}
		return types.Int(v.Orders)
	case "first":
		return &order{m: o.m, path: "orders.first", o: v.First}
	case "last":
		if len(v.Recent) > 0 {
			return &order{m: o.m, path: "orders.last", o: &v.Recent[0]}
		}
		return &order{m: o.m, path: "orders.last"}
	}
	return noField(field)
}

func (o *orders) IsSet(field ref.Val) ref.Val {
	return types.Bool(nameOf(field) == "count" || o.m.view.Orders > 0)
}

func (o *orders) window(function, text string) ref.Val { return o.m.span(function, text) }

func (o *orders) sum(function, currency string) ref.Val {
	n := amount(function, o.m.view.Sums[currency])
	if o.m.log != nil {
		o.m.saw("orders."+function+`("`+currency+`")`, strconv.FormatInt(n, 10), recordsOf(o.m.view.Recent))
	}
	return types.Int(n)
}

// amount reads a sum in the word of the language.
func amount(function string, s profile.Sum) int64 {
	switch function {
	case "total":
		return s.Total
	case "refunded":
		return s.Refunded
	case "average":
		if s.Orders == 0 {
			return 0
		}
		return (s.Total - s.Refunded) / s.Orders
	}
	return s.Total - s.Refunded
}

// span are the orders inside a window.
type span struct {
	whole
	m              *Moment
	function, text string // that made it
	orders         []profile.Order
	next           int64 // when the next one enters or leaves; 0 = never
	missing        bool  // older orders may be inside as well
}

func (s *span) path() string { return "orders." + s.function + `("` + s.text + `")` }

func (s *span) Type() ref.Type              { return windowType }
func (s *span) Value() any                  { return s }
func (s *span) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(s) == other) }

func (s *span) Get(field ref.Val) ref.Val {
	if nameOf(field) != "count" {
		return noField(field)
	}
	if s.m.log != nil {
		s.m.saw(s.path()+".count", strconv.Itoa(len(s.orders)), recordsOf(s.orders))
	}
	return types.Int(len(s.orders))
}

func (s *span) sum(function, currency string) ref.Val {
	var sum profile.Sum
	for _, o := range s.orders {
		if o.Currency == currency {
			sum = profile.Sum{Orders: sum.Orders + 1, Total: sum.Total + o.Total, Refunded: sum.Refunded + o.Refunded}
		}
	}
	n := amount(function, sum)
	if s.m.log != nil {
		s.m.saw(s.path()+"."+function+`("`+currency+`")`, strconv.FormatInt(n, 10), recordsOf(s.orders))
	}
	return types.Int(n)
}

// shown is the most records that an explanation names.
const shown = 12

func recordsOf(l []profile.Order) []string {
	var records []string
	for _, o := range l[:min(len(l), shown)] {
		records = append(records, o.Record)
	}
	return records
}

// order is the first or the last one, or none.
type order struct {
	whole
	m    *Moment
	path string
	o    *profile.Order
}

func (o *order) Type() ref.Type { return orderType }
func (o *order) Value() any     { return o }

func (o *order) Equal(other ref.Val) ref.Val {
	p, ok := other.(*order)
	return types.Bool(ok && (o.o == nil && p.o == nil || o.o != nil && p.o != nil && o.o.Record == p.o.Record))
}

func (o *order) Get(field ref.Val) ref.Val {
	var is profile.Order
	if o.o != nil {
		is = *o.o
	}
	var v ref.Val
	switch nameOf(field) {
	case "total":
		v = types.Int(is.Total)
	case "refunded":
		v = types.Int(is.Refunded)
	case "net":
		v = types.Int(is.Net())
	case "currency":
		v = types.String(is.Currency)
	default:
		return noField(field)
	}
	o.m.sawField(o.path, field, v, o.records())
	return v
}

func (o *order) IsSet(ref.Val) ref.Val { return types.Bool(o.o != nil) }

func (o *order) records() []string {
	if o.o == nil {
		return nil
	}
	return []string{o.o.Record}
}

func (o *order) window(function, text string) ref.Val {
	in := o.o != nil && o.m.inside(function, text, o.o.At)
	if o.m.log != nil {
		o.m.saw(o.path+"."+function+`("`+text+`")`, strconv.FormatBool(in), o.records())
	}
	return types.Bool(in)
}

// checkout is the newest one, or none.
type checkout struct {
	whole
	m *Moment
}

func (c *checkout) Type() ref.Type              { return checkoutType }
func (c *checkout) Value() any                  { return c }
func (c *checkout) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(c) == other) }

func (c *checkout) Get(field ref.Val) ref.Val {
	var is profile.LastCheckout
	if c.m.view.Checkout != nil {
		is = *c.m.view.Checkout
	}
	var v ref.Val
	switch nameOf(field) {
	case "open":
		v = types.Bool(is.Started > 0 && is.Completed == 0)
	case "completed":
		v = types.Bool(is.Completed > 0)
	case "total":
		v = types.Int(is.Total)
	case "currency":
		v = types.String(is.Currency)
	default:
		return noField(field)
	}
	c.m.sawField("checkout", field, v, c.records())
	return v
}

func (c *checkout) IsSet(ref.Val) ref.Val { return types.Bool(c.m.view.Checkout != nil) }

func (c *checkout) records() []string {
	if c.m.view.Checkout == nil {
		return nil
	}
	return []string{c.m.view.Checkout.Record}
}

func (c *checkout) window(function, text string) ref.Val {
	in := c.m.view.Checkout != nil && c.m.inside(function, text, c.m.view.Checkout.Started)
	if c.m.log != nil {
		c.m.saw("checkout."+function+`("`+text+`")`, strconv.FormatBool(in), c.records())
	}
	return types.Bool(in)
}

// person are the traits: texts, empty where unknown.
type person struct {
	whole
	m *Moment
}

func (p *person) Type() ref.Type              { return traitsType }
func (p *person) Value() any                  { return p }
func (p *person) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(p) == other) }

func (p *person) Get(field ref.Val) ref.Val {
	v := types.String(p.m.view.Trait(nameOf(field)))
	p.m.sawField("traits", field, v, nil)
	return v
}

func (p *person) IsSet(field ref.Val) ref.Val {
	name := nameOf(field)
	r, known := p.m.view.Traits[name]
	known = known && !r.Value.IsNull()
	if p.m.log != nil {
		p.m.saw("has(traits."+name+")", strconv.FormatBool(known), nil)
	}
	return types.Bool(known)
}

// consents are by channel:purpose.
type consents struct {
	whole
	m *Moment
}

func (c *consents) Type() ref.Type              { return consentsType }
func (c *consents) Value() any                  { return c }
func (c *consents) Equal(other ref.Val) ref.Val { return types.Bool(ref.Val(c) == other) }

func (c *consents) given(subject string) ref.Val {
	given := c.m.view.Consent[subject].Given()
	if c.m.log != nil {
		c.m.saw(`consent("`+subject+`")`, strconv.FormatBool(given), nil)
	}
	return types.Bool(given)
}

// list is a sorted list of texts, in which membership is found quickly.
type list struct {
	traits.Lister
	texts []string
}

func texts(l []string) ref.Val { return &list{types.NewStringList(types.DefaultTypeAdapter, l), l} }

func (l *list) Contains(v ref.Val) ref.Val {
	s, ok := v.(types.String)
	if !ok {
		return types.False
	}
	_, found := slices.BinarySearch(l.texts, string(s))
	return types.Bool(found)
}

func (l *list) show() string {
	quoted := make([]string, len(l.texts))
	for n, s := range l.texts {
		quoted[n] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// nameOf is the name of a field: the checker has seen to it that it is a text.
func nameOf(field ref.Val) string {
	name, _ := field.(types.String)
	return string(name)
}

func noField(field ref.Val) ref.Val { return types.NewErr("no field %s", nameOf(field)) }

// sawField notes a field of a value.
func (m *Moment) sawField(path string, field, v ref.Val, records []string) {
	if m.log == nil {
		return
	}
	m.saw(path+"."+nameOf(field), show(v), records)
}

func show(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return strconv.Quote(string(v))
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Bool:
		return strconv.FormatBool(bool(v))
	}
	return ""
}
