package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/money"
	"loophub/shared/profile"
)

// The shapes of openapi.yaml. Times are RFC 3339 in UTC with milliseconds, null
// where there is none; money is integer minor units of a currency beside it.

type view struct {
	ID         profile.ID         `json:"id"`
	Traits     map[string]any     `json:"traits"`
	Identities []identity         `json:"identities"`
	Sources    []source           `json:"sources"`
	Orders     orders             `json:"orders"`
	Consent    map[string]consent `json:"consent"`
	Tags       []string           `json:"tags"`
	Checkout   *checkout          `json:"checkout"`
	Segments   []membership       `json:"segments"`
	Members    []profile.ID       `json:"members"`
}

type membership struct {
	Name  string `json:"name"`
	Since string `json:"since"`
}

type identity struct {
	Kind   profile.Kind `json:"kind"`
	Value  string       `json:"value"`
	Shared bool         `json:"shared"`
}

type source struct {
	Connection string `json:"connection"`
	Customer   string `json:"customer,omitempty"`
}

type orders struct {
	Count   int64     `json:"count"`
	Revenue []revenue `json:"revenue"`
	First   *order    `json:"first"`
	Last    *order    `json:"last"`
	Recent  []order   `json:"recent"`
}

type revenue struct {
	Currency string `json:"currency"`
	Orders   int64  `json:"orders"`
	Total    int64  `json:"total"`
	Refunded int64  `json:"refunded"`
	Net      int64  `json:"net"`
	NetText  string `json:"net_text,omitempty"`
}

type order struct {
	Connection string `json:"connection"`
	Order      string `json:"order"`
	OrderedAt  string `json:"ordered_at"`
	Total      int64  `json:"total"`
	Refunded   int64  `json:"refunded"`
	Currency   string `json:"currency"`
}

type consent struct {
	Given       bool    `json:"given"`
	GrantedAt   *string `json:"granted_at"`
	WithdrawnAt *string `json:"withdrawn_at"`
}

type checkout struct {
	Connection  string  `json:"connection"`
	Checkout    string  `json:"checkout"`
	StartedAt   *string `json:"started_at"`
	CompletedAt *string `json:"completed_at"`
	Total       int64   `json:"total"`
	Currency    string  `json:"currency,omitempty"`
}

func viewOf(v profile.View) view {
	out := view{
		ID: v.ID, Traits: map[string]any{}, Identities: []identity{}, Sources: []source{}, Orders: ordersOf(v),
		Consent: map[string]consent{}, Tags: v.Tags, Members: v.Members,
	}
	for name, r := range v.Traits {
		if !r.Value.IsNull() {
			out.Traits[name] = plain(events.Customer, name, r.Value)
		}
	}
	for _, i := range v.Identities {
		out.Identities = append(out.Identities, identity(i))
	}
	for _, s := range v.Sources {
		if one := source(s); !slices.Contains(out.Sources, one) {
			out.Sources = append(out.Sources, one)
		}
	}
	for subject, c := range v.Consent {
		out.Consent[subject] = consent{c.Given(), moment(c.Granted), moment(c.Withdrawn)}
	}
	if c := v.Checkout; c != nil {
		connection, id := place(c.Record)
		out.Checkout = &checkout{connection, id, moment(c.Started), moment(c.Completed), c.Total, c.Currency}
	}
	return out
}

func ordersOf(v profile.View) orders {
	o := orders{Count: v.Orders, Revenue: []revenue{}, Recent: []order{}}
	for _, currency := range slices.Sorted(maps.Keys(v.Sums)) {
		s := v.Sums[currency]
		net := s.Total - s.Refunded
		o.Revenue = append(o.Revenue, revenue{currency, s.Orders, s.Total, s.Refunded, net, decimal(net, currency)})
	}
	for _, r := range v.Recent {
		o.Recent = append(o.Recent, orderOf(r))
	}
	if v.First != nil {
		o.First = new(orderOf(*v.First))
	}
	if len(o.Recent) > 0 {
		o.Last = &o.Recent[0]
	}
	return o
}

func orderOf(o profile.Order) order {
	connection, id := place(o.Record)
	return order{connection, id, stamp(o.At), o.Total, o.Refunded, o.Currency}
}

// place reads connection and id off a record's key, connection|kind|id.
func place(record string) (connection, id string) {
	connection, rest, _ := strings.Cut(record, "|")
	_, id, _ = strings.Cut(rest, "|")
	return connection, id
}

// stamp writes a time.
func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// moment writes a time that may not be there.
func moment(ms int64) *string {
	if ms == 0 {
		return nil
	}
	return new(stamp(ms))
}

// decimal writes an amount for people, "" in a currency that is unknown.
func decimal(minor int64, currency string) string {
	places, ok := money.Exponent(currency)
	if !ok {
		return ""
	}
	digits := strconv.FormatInt(minor, 10)
	digits, negative := strings.CutPrefix(digits, "-")
	if places > 0 {
		digits = strings.Repeat("0", max(0, places+1-len(digits))) + digits
		digits = digits[:len(digits)-places] + "." + digits[len(digits)-places:]
	}
	if negative {
		return "-" + digits
	}
	return digits
}

// plain gives a field's value as JSON has it, by the field's type in the catalogue;
// the canonical text where the catalogue no longer knows it.
func plain(kind events.Kind, field string, v events.Value) any {
	if v.IsNull() {
		return nil
	}
	text := v.String()
	d, _ := events.FieldOf(kind, field)
	switch d.Type {
	case events.Time:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return stamp(n)
		}
	case events.Money:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case events.Boolean:
		if text == "true" || text == "false" {
			return text == "true"
		}
	case events.List, events.JSON:
		if json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
	}
	return text
}

// newestFirst orders records as a timeline shows them.
func newestFirst(a, b Indexed) int {
	return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Record, a.Record))
}
