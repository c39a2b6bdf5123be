package year

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/shared/journey"
)

func timeAt(t int64) time.Time { return time.UnixMilli(t).UTC() }

// complaint is something that is not as it has to be.
type complaint struct {
	check, customer string
	at              int64
	text            string
}

func (c complaint) String() string {
	return fmt.Sprintf("%s: customer %s, %s: %s", c.check, c.customer, timeAt(c.at).Format("2006-01-02T15:04:05.000"), c.text)
}

// inquiry looks at one customer.
type inquiry struct {
	y     *year
	p     *person
	found []complaint
}

func (q *inquiry) no(check string, at int64, format string, args ...any) {
	q.found = append(q.found, complaint{check, q.p.id, at, fmt.Sprintf(format, args...)})
}

// check looks at everything that was done in the year, with nothing of the core but
// its words.
func (y *year) check() []complaint {
	var l []complaint
	for _, p := range y.persons {
		q := &inquiry{y: y, p: p}
		for _, one := range []func(*inquiry){(*inquiry).caps, (*inquiry).quiet, (*inquiry).consent, (*inquiry).drops, (*inquiry).holdouts,
			(*inquiry).waits, (*inquiry).memberships, (*inquiry).variants, (*inquiry).entrances, (*inquiry).birthdays} {
			one(q)
		}
		l = append(l, q.found...)
	}
	l = append(l, y.vouchers()...)
	l = append(l, y.attribution()...)
	slices.SortStableFunc(l, func(a, b complaint) int { return strings.Compare(a.check, b.check) })
	return l
}

// memberships holds what customers were in against the plain segments: in samples,
// and at each turn.
func (q *inquiry) memberships() {
	truth := &q.p.truth
	for _, s := range q.p.diary.samples {
		if s.overdue > 0 {
			if !excused(s.overdue, s.at) {
				q.no("memberships", s.at, "nobody looked since %v", timeAt(s.overdue))
			}
			continue
		}
		for name, in := range plain {
			if is := in(truth, s.at); is != s.in[name] {
				q.no("memberships", s.at, "in %s: %v, want %v", name, s.in[name], is)
			}
		}
	}
	is := map[string]bool{}
	for _, t := range q.p.diary.turns {
		in := plain[t.segment]
		if is[t.segment] == t.in {
			q.no("memberships", t.at, "turned to be in %s: %v, twice", t.segment, t.in)
		}
		is[t.segment] = t.in
		if in(truth, t.at) != t.in {
			q.no("memberships", t.at, "turned to be in %s: %v, and is not", t.segment, t.in)
		}
		if t.cause != "time" {
			continue
		}
		// By time alone it turns in that very millisecond of which the standing before told.
		// In an outage it may have turned more than once.
		late := t.at-t.next > 2*minute
		if t.next == 0 || t.next > t.at || in(truth, t.next) != t.in && !late || in(truth, t.next-1) == t.in {
			q.no("memberships", t.at, "turned by time to be in %s: %v, which should have come at %v", t.segment, t.in, timeAt(t.next))
		}
	}
}

// variants wants everybody to go one way at a split, and to be held out always or never.
func (q *inquiry) variants() {
	went := map[string]string{}
	for _, s := range q.p.diary.steps {
		if !strings.HasPrefix(s.what, "variant ") {
			continue
		}
		name, _, _ := strings.Cut(s.entry, "|")
		split := name + "/" + s.step
		if was, known := went[split]; known && was != s.what {
			q.no("variants", s.at, "%s: %s, and %s before", split, s.what, was)
		}
		went[split] = s.what
	}
	held := map[string]bool{}
	for _, e := range q.p.diary.entries {
		if was, known := held[e.journey]; known && was != e.entry.Held {
			q.no("variants", e.at, "%s: held out %v, and %v before", e.journey, e.entry.Held, was)
		}
		held[e.journey] = e.entry.Held
	}
}

// holdouts wants nothing to happen to those who are held out.
func (q *inquiry) holdouts() {
	held := map[string]bool{}
	for _, e := range q.p.diary.entries {
		if e.entry.Held {
			held[key(e.journey, e.entry.ID)] = true
		}
	}
	for _, s := range q.p.diary.steps {
		if held[s.entry] && !slices.Contains([]string{"entered", "holdout", "watched", "goal"}, s.what) {
			q.no("holdout", s.at, "%s took %s", s.entry, s.what)
		}
	}
	for _, r := range q.p.diary.requests {
		if held[r.entry] {
			q.no("holdout", r.at, "%s asked for a message", r.entry)
		}
	}
	for _, g := range q.p.diary.gifts {
		if held[g.entry] {
			q.no("holdout", 0, "%s got a voucher", g.entry)
		}
	}
}

// span is how a journey of the definition lets people in again.
type span struct {
	always bool
	after  int64
}

var again = map[string]span{"welcome": {after: 60 * day}, "come-back": {after: 90 * day}, "miss": {always: true}, "thanks": {always: true},
	"birthday": {after: 300 * day}, "looked": {after: 2 * day}, "weekly": {always: true}, "first": {}}

// entrances replays who may come in: whoever was inside, or is back too soon, may
// not; everybody else for whom there was a cause may.
func (q *inquiry) entrances() {
	ended := map[string]int64{} // by journey|entry
	for _, s := range q.p.diary.steps {
		if slices.Contains([]string{"finished", "goal", "left", "watched"}, s.what) {
			ended[s.entry] = s.at
		}
	}
	entered := map[string]int{} // by journey|cause: which entry
	for n, e := range q.p.diary.entries {
		k := named(e.journey, e.cause)
		if _, twice := entered[k]; twice {
			q.no("re-entry", e.at, "one cause let in twice: %s", k)
		}
		entered[k] = n
	}
	last := map[string]*former{}
	for _, c := range q.p.diary.causes {
		may := true
		if was := last[c.journey]; was != nil {
			end, over := ended[was.key]
			rule := again[c.journey]
			may = over && end <= c.at && (rule.always || rule.after > 0 && c.at >= was.began+rule.after)
		}
		if c.journey == "miss" && !q.p.truth.consents(c.at) {
			may = false
		}
		if may != c.in {
			q.no("re-entry", c.at, "%s let in: %v, want %v (%s)", c.journey, c.in, may, c.why)
		}
		if n, ok := entered[named(c.journey, c.cause)]; c.in && ok {
			e := q.p.diary.entries[n].entry
			last[c.journey] = &former{key(c.journey, e.ID), e.Began}
		}
	}
}

// named tells causes apart: the same segment may be entered more than once.
func named(name string, c journey.Cause) string {
	k := fmt.Sprint(name, "|", c.Way, "|", c.Name, "|", c.Record, "|", c.Message)
	if c.Way == journey.ByEntered || c.Way == journey.ByLeft {
		k += fmt.Sprint("|", c.At)
	}
	return k
}

// former is the last entry into a journey.
type former struct {
	key   string
	began int64
}

// birthdays wants a look at everybody three days before his birthday, at half past
// two by his own clock; at those who moved in that year on some morning.
func (q *inquiry) birthdays() {
	truth, known, zone := &q.p.truth, q.p.diary.arrived, ""
	if truth.birthday == "" {
		return
	}
	settled := len(truth.zone) == 0 || len(truth.zone) == 1 && truth.zone[0].at == known
	if settled && len(truth.zone) == 1 {
		zone = truth.zone[0].text
	}
	born, err := time.Parse(time.DateOnly, truth.birthday)
	if err != nil {
		q.no("birthdays", known, "%v", err)
		return
	}
	for _, year := range []int{2026, 2027} {
		date := time.Date(year, born.Month(), born.Day(), 0, 0, 0, 0, time.UTC)
		if born.Month() == time.February && born.Day() == 29 {
			date = time.Date(year, time.February, 28, 0, 0, 0, 0, time.UTC)
		}
		date = date.AddDate(0, 0, -3)
		if date.UnixMilli() > ends {
			continue
		}
		w := wallIn(q.y.tb, zone)
		due := w.times[2*60+30].next(date.UnixMilli()-14*hour, false)
		for w.date[w.at(due)] < int16(date.Sub(firstDate)/(24*time.Hour)) {
			due = w.times[2*60+30].next(due, true)
		}
		if due < known+minute || due > ends-2*day || slices.ContainsFunc(outages, func(o outage) bool { return o.holds(due) && o.until-due > 23*hour }) {
			continue // after more than a day, nobody is let in any more
		}
		n := 0
		for _, c := range q.p.diary.causes {
			if c.journey == "birthday" && (c.cause.At == due || !settled && max(c.cause.At-due, due-c.cause.At) <= day) {
				n++
			}
		}
		if n == 0 {
			q.no("birthdays", due, "nobody looked: born %s, in %q", truth.birthday, zone)
		}
	}
}

// vouchers wants one code per cause, and one cause per code.
func (y *year) vouchers() []complaint {
	var l []complaint
	codes, causes := map[string]string{}, map[string]string{}
	for _, p := range y.persons {
		for _, g := range p.diary.gifts {
			if was, twice := codes[g.code]; twice {
				l = append(l, complaint{"vouchers", p.id, 0, fmt.Sprintf("code %s went to %s and %s", g.code, was, g.cause)})
			}
			if was, twice := causes[g.cause]; twice {
				l = append(l, complaint{"vouchers", p.id, 0, fmt.Sprintf("%s got %s and %s", g.cause, was, g.code)})
			}
			codes[g.code], causes[g.cause] = g.cause, g.code
		}
	}
	return l
}
