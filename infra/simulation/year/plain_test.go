package year

// plain are the segments of the definition, said once more by code that knows
// nothing of rules: whether the customer is in one at t.
var plain = map[string]func(l *ledger, t int64) bool{
	"newsletter": func(l *ledger, t int64) bool { return l.consents(t) },
	"first-time": func(l *ledger, t int64) bool { return len(l.counted(t)) == 1 },
	"lately":     func(l *ledger, t int64) bool { return l.within(t, 30*day) >= 1 },
	"lost":       func(l *ledger, t int64) bool { return len(l.counted(t)) > 0 && l.within(t, 60*day) == 0 },
	"regulars":   func(l *ledger, t int64) bool { return l.within(t, 90*day) >= 3 },
	"last-month": func(l *ledger, t int64) bool {
		counted := l.counted(t)
		return len(counted) == 1 && month(counted[0].at)+1 == month(t)
	},
	"looking": func(l *ledger, t int64) bool {
		return l.happened("product.viewed", t, 7*day) && l.within(t, 7*day) == 0
	},
	"clicked": func(l *ledger, t int64) bool { return l.happened("message.clicked", t, 21*day) },
	"spenders": func(l *ledger, t int64) bool {
		sum := int64(0)
		for _, s := range l.counted(t) {
			if t-s.at < 300*day {
				sum += s.net(t)
			}
		}
		return sum >= 5_000_000
	},
	"won-back": func(l *ledger, t int64) bool {
		on, at := false, int64(-1)
		for _, g := range l.tags {
			if g.tag == "won-back" && g.known <= t && g.at > at {
				on, at = g.on, g.at
			}
		}
		return on
	},
}

// within counts the sales of a span that ends at t.
func (l *ledger) within(t, span int64) int {
	n := 0
	for _, s := range l.counted(t) {
		if t-s.at < span {
			n++
		}
	}
	return n
}

// happened tells whether something happened within a span that ends at t.
func (l *ledger) happened(what string, t, span int64) bool {
	for _, e := range l.events {
		if e.what == what && e.known <= t && t-e.at < span {
			return true
		}
	}
	return false
}

// month numbers the months of Saigon, where the shop is: seven hours ahead of UTC.
func month(t int64) int {
	y, m, _ := timeAt(t + 7*hour).Date()
	return y*12 + int(m)
}

// sample notes what the customer is in, and whether that is what there was to know.
func (y *year) sample(p *person) {
	if len(p.members) == 0 {
		return
	}
	is := sampled{at: y.now, in: map[string]bool{}}
	for _, name := range p.segments() {
		is.in[name] = true
	}
	for _, s := range p.kept[p.least()].Segments {
		if s.Next != 0 && s.Next <= y.now && (is.overdue == 0 || s.Next < is.overdue) {
			is.overdue = s.Next
		}
	}
	y.figures.samples++
	if is.overdue > 0 {
		y.figures.stale++
	}
	p.diary.samples = append(p.diary.samples, is)
}
