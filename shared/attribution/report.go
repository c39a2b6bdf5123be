package attribution

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Report is what a journey brought, read off its counters alone.
type Report struct {
	Variants []Variant // by name; those who are held out are not among them
	Holdout  Arm
}

// Variant is one way of a journey.
type Variant struct {
	Name      string // "" = without a split, or before it
	Templates []Template
	Arm       Arm
	Against   Comparison // with those who are held out
}

// Template is what one template did in a variant. One without a name stands for
// codes of the journey that no message carried: it has revenue alone.
type Template struct {
	Name                                                                           string
	Sent, Delivered, Opened, Clicked, Bounced, Complained, Unsubscribed, Converted int64
	Revenue                                                                        []Revenue
}

// Revenue is what orders in one currency are worth, minor units.
type Revenue struct {
	Currency string
	Orders   int64
	Net      int64
}

// Arm is a group of entries that can be compared with another.
type Arm struct {
	Entered, Reached, Ordered int64
	Revenue                   []Revenue // of all orders after an entry, whatever they are credited to
}

// Rate is how many of the entries ordered, per 10,000.
func (a Arm) Rate() (perTenThousand int64, ok bool) { return per(a.Ordered, a.Entered, 10_000) }

// PerEntry is revenue per entry in minor units.
func (a Arm) PerEntry(r Revenue) (minor int64, ok bool) { return per(r.Net, a.Entered, 1) }

// per gives n/of, times scale, rounded half away from zero.
func per(n, of, scale int64) (int64, bool) {
	if of <= 0 {
		return 0, false
	}
	n *= scale
	if n < 0 {
		return (n - of/2) / of, true
	}
	return (n + of/2) / of, true
}

// NewReport reads a journey's counters.
func NewReport(c Counts) Report {
	var r Report
	variants := map[string]map[string]*Template{}
	arms := map[string]*Arm{}
	for _, k := range c.Keys() {
		if variants[k.Variant] == nil {
			variants[k.Variant], arms[k.Variant] = map[string]*Template{}, &Arm{}
		}
		if arms[k.Variant].count(k, c[k]) {
			continue
		}
		if variants[k.Variant][k.Template] == nil {
			variants[k.Variant][k.Template] = &Template{Name: k.Template}
		}
		variants[k.Variant][k.Template].count(k.Measure, c[k])
	}
	if a := arms[Holdout]; a != nil {
		r.Holdout = *a
	}
	for _, name := range slices.Sorted(maps.Keys(variants)) {
		if name == Holdout {
			continue
		}
		v := Variant{Name: name, Arm: *arms[name], Against: Compare(*arms[name], r.Holdout)}
		for _, t := range slices.Sorted(maps.Keys(variants[name])) {
			v.Templates = append(v.Templates, *variants[name][t])
		}
		r.Variants = append(r.Variants, v)
	}
	return r
}

// count takes a counter of entries.
func (a *Arm) count(k Key, n int64) bool {
	switch k.Measure {
	case Entered:
		a.Entered += n
		return true
	case Reached:
		a.Reached += n
		return true
	case Ordered:
		a.Ordered += n
		return true
	}
	return earn(&a.Revenue, k.Measure, n, EntryOrders, EntryNet)
}

// count takes a counter of messages; one that this version does not know is left out.
func (t *Template) count(m Measure, n int64) {
	counters := map[Measure]*int64{MessagesSent: &t.Sent, Delivered: &t.Delivered, Opened: &t.Opened, Clicked: &t.Clicked, Bounced: &t.Bounced,
		Complained: &t.Complained, Unsubscribed: &t.Unsubscribed, Converted: &t.Converted}
	if c := counters[m]; c != nil {
		*c += n
		return
	}
	earn(&t.Revenue, m, n, Orders, Net)
}

func earn(l *[]Revenue, m Measure, n int64, orders, net string) bool {
	count, counted := m.Currency(orders)
	worth, earned := m.Currency(net)
	if !counted && !earned {
		return false
	}
	at, found := slices.BinarySearchFunc(*l, count+worth, func(r Revenue, currency string) int { return cmp.Compare(r.Currency, currency) })
	if !found {
		*l = slices.Insert(*l, at, Revenue{Currency: count + worth})
	}
	if counted {
		(*l)[at].Orders += n
	} else {
		(*l)[at].Net += n
	}
	return true
}

// Comparison is how much more of one group ordered than of another: a z test of
// two proportions. Figures are per 10,000.
type Comparison struct {
	Known       bool  // false: too few to tell anything
	Lift        int64 // difference of the rates
	Low, High   int64 // its 95 % interval
	Significant bool  // the difference is hardly chance, at 5 %
	Note        string
}

// fewest is how many who ordered, and who did not, the test needs to hold well.
const fewest = 5

// Compare tells whether a group does better than those who are held out.
func Compare(a, holdout Arm) Comparison {
	if holdout.Entered == 0 {
		return Comparison{Note: "Nobody is held out, so there is nothing to compare with."}
	}
	if a.Entered == 0 {
		return Comparison{Note: "Nobody has entered."}
	}
	p, q, n, m := float64(a.Ordered)/float64(a.Entered), float64(holdout.Ordered)/float64(holdout.Entered), float64(a.Entered), float64(holdout.Entered)
	c := Comparison{Lift: points(p - q)}
	pooled := float64(a.Ordered+holdout.Ordered) / (n + m)
	if least := min(n, m) * min(pooled, 1-pooled); least < fewest {
		c.Note = "Too few have entered or ordered to tell a difference from chance."
		return c
	}
	z := (p - q) / math.Sqrt(pooled*(1-pooled)*(1/n+1/m))
	spread := 1.96 * math.Sqrt(p*(1-p)/n+q*(1-q)/m)
	c.Known, c.Low, c.High, c.Significant = true, points(p-q-spread), points(p-q+spread), math.Abs(z) >= 1.96
	if !c.Significant {
		c.Note = fmt.Sprintf("No difference can be told from chance: between %s and %s of 100 entries more ordered than without the journey (95 %% interval).", hundredths(c.Low), hundredths(c.High))
		return c
	}
	word, low, high := "more", c.Low, c.High
	if c.Lift < 0 {
		word, low, high = "fewer", -c.High, -c.Low
	}
	c.Note = fmt.Sprintf("Between %s and %s of 100 entries %s ordered than without the journey (95 %% interval); that is hardly chance.", hundredths(low), hundredths(high), word)
	return c
}

func points(share float64) int64 { return int64(math.Round(share * 10_000)) }

// hundredths writes a figure per 10,000 as one per 100.
func hundredths(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}
