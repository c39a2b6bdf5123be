package year

import (
	"slices"
	"strings"
)

// pause is a wait of the definition, said once more; until in minutes after midnight,
// -1 = none.
type pause struct {
	span  int64
	until int
}

var pauses = map[string]pause{
	"welcome/pause": {3 * day, -1}, "welcome/morning": {0, 9 * 60}, "welcome/evening": {36 * hour, 18*60 + 30},
	"come-back/five": {5 * day, -1}, "come-back/twenty": {20 * day, -1}, "miss/next-day": {day, 2*60 + 30},
	"thanks/soon": {90 * minute, -1}, "thanks/week": {7 * day, -1},
	"weekly/start": {7 * day, -1}, "weekly/night": {0, 23 * 60}, "weekly/noon": {0, 12 * 60}, "first/hour": {hour, -1},
}

// listening is a wait for an event.
type listening struct {
	event   string
	timeout int64
}

var listenings = map[string]listening{"welcome/click": {"message.clicked", 2 * day}, "birthday/present": {"order.placed", 3 * day}, "looked/buys": {"order.placed", day}}

// goals are what ends an entry, and within which time.
var goals = map[string]int64{"welcome": 14 * day, "come-back": 30 * day}

// reckon is the moment from which what follows is reckoned: the due one, unless the
// world was more than ten minutes late.
func reckon(due, now int64) int64 {
	if due > now || now-due > 10*minute {
		return now
	}
	return due
}

// way is one entry's way, walked once more.
type way struct {
	*inquiry
	journey, key string
	began        entered
	asked        []string // messages
	steps        []stepped

	base            int64 // from which what comes next is reckoned
	at              int64 // of the step before
	waits           string
	since, due, set int64 // of what it waits for
}

func (q *inquiry) waits() {
	steps, asked := map[string][]stepped{}, map[string][]string{}
	for _, s := range q.p.diary.steps {
		steps[s.entry] = append(steps[s.entry], s)
	}
	for _, r := range q.p.diary.requests {
		asked[r.entry] = append(asked[r.entry], r.id)
	}
	for _, e := range q.p.diary.entries {
		k := key(e.journey, e.entry.ID)
		w := way{inquiry: q, journey: e.journey, key: k, began: e, steps: steps[k], asked: asked[k]}
		w.walk()
	}
}

func (w *way) walk() {
	w.base, w.at = reckon(w.began.cause.At, w.began.at), w.began.at
	if w.began.entry.Began != w.base {
		w.no("waits", w.at, "%s began at %v, want %v", w.key, timeAt(w.began.entry.Began), timeAt(w.base))
	}
	for _, s := range w.steps {
		w.one(s)
		w.at = s.at
	}
	if last := w.steps[len(w.steps)-1].what; w.waits != "" && arrival(w.key, w.armed()) < ends && last != "voucher ten is empty" {
		w.no("waits", w.at, "%s waits in %s since, and was due at %v", w.key, w.waits, timeAt(w.due))
	}
	w.goal()
}

// armed is the moment at which the world is asked to look: no sooner than a minute
// after it was asked.
func (w *way) armed() int64 { return max(w.due, w.set+minute) }

func (w *way) one(s stepped) {
	name := w.journey + "/" + s.step
	p, pauses := pauses[name]
	l, listens := listenings[name]
	switch {
	case s.what == "wait":
		if !pauses {
			w.no("waits", s.at, "%s is no wait", name)
		}
		w.together(s)
		w.hold(s, w.until(p, s.at))
	case s.what == "waited":
		w.came(s)
	case strings.HasPrefix(s.what, "wait_for "):
		w.together(s)
		w.hold(s, w.base+l.timeout)
	case listens && s.what == l.event:
		w.heard(s, l)
	case s.what == "timeout":
		w.came(s)
		w.silent(s, l)
	case s.what == "voucher ten is empty":
		w.together(s)
		w.waits, w.due, w.set = s.step, s.at, s.at
	case s.what == "voucher ten" && w.waits == s.step:
		w.waits, w.base = "", s.at
	case s.what == "goal", s.what == "watched":
		w.waits = ""
	default:
		if s.what == "left" || s.what == "finished" || s.what == "holdout" {
			defer func() { w.waits = "" }()
		}
		w.together(s)
		w.ruled(s)
	}
}

// until is when a wait that begins now is over, by the clock on the customer's wall.
func (w *way) until(p pause, now int64) int64 {
	from := w.base + p.span
	if p.until < 0 {
		return from
	}
	return w.zone(now).times[p.until].next(from, p.span == 0)
}

// together wants a step to be taken along with the one before.
func (w *way) together(s stepped) {
	if s.at != w.at || w.waits != "" {
		w.no("waits", s.at, "%s took %s %s, and the step before at %v", w.key, s.step, s.what, timeAt(w.at))
	}
}

func (w *way) hold(s stepped, due int64) {
	w.waits, w.since, w.due, w.set = s.step, w.base, due, s.at
}

// came wants a wait to end when it is due, and later only by the world's doing.
func (w *way) came(s stepped) {
	if w.waits != s.step || s.at < w.due || s.at > max(arrival(w.key, w.armed()), w.set) {
		w.no("waits", s.at, "%s: %s in %s, due at %v, by the world at %v", w.key, s.what, s.step, timeAt(w.due), timeAt(arrival(w.key, w.armed())))
	}
	w.base, w.waits = reckon(w.due, s.at), ""
}

// concerns tells whether an event may be what the entry waits for: it was told while
// it was news, and a message's is one of the entry's own.
func (w *way) concerns(e happened, event string, from, until int64) bool {
	own := e.message == "" || len(w.asked) == 0 || slices.Contains(w.asked, e.message)
	return e.what == event && from <= e.at && e.at < until && own && e.known-e.at <= day
}

// heard wants the event to have been told at this very moment.
func (w *way) heard(s stepped, l listening) {
	for _, e := range w.p.truth.events {
		if (e.known == s.at || e.known+minute == s.at) && w.concerns(e, l.event, w.since, w.due) {
			w.base, w.waits = reckon(e.at, s.at), ""
			return
		}
	}
	w.no("waits", s.at, "%s heard of %s, which did not happen between %v and %v", w.key, l.event, timeAt(w.since), timeAt(w.due))
	w.base, w.waits = s.at, ""
}

// silent wants that nothing came before the time-out.
func (w *way) silent(s stepped, l listening) {
	told := map[string]bool{}
	for _, e := range w.p.truth.events {
		first := !told[e.what+e.record]
		told[e.what+e.record] = true
		if first && w.set < e.known && e.known < s.at && w.concerns(e, l.event, w.since, w.due) {
			w.no("waits", s.at, "%s timed out, and %s came at %v", w.key, l.event, timeAt(e.at))
		}
	}
}

// goal wants an entry to be over as soon as its goal was reached, and not else.
func (w *way) goal() {
	within, has := goals[w.journey]
	if !has {
		return
	}
	last, reached := w.steps[len(w.steps)-1], false
	over := slices.Contains([]string{"goal", "finished", "left", "watched"}, last.what)
	for _, e := range w.p.truth.events {
		if !w.concerns(e, "order.placed", w.began.entry.Began, w.began.entry.Began+within+1) {
			continue
		}
		if last.what == "goal" && (e.known == last.at || e.known+minute == last.at) {
			reached = true
		} else if w.began.at < e.known && (!over || e.known < last.at) {
			w.no("goals", e.known, "%s goes on after its goal", w.key)
		}
	}
	if last.what == "goal" && !reached {
		w.no("goals", last.at, "%s reached a goal that nobody saw", w.key)
	}
}

// ruled holds branches and the rule of exit against the plain truth.
func (w *way) ruled(s stepped) {
	truth := &w.p.truth
	switch w.journey + "/" + s.step + " " + s.what {
	case "welcome/bought then", "welcome/bought else":
		if want := len(truth.counted(s.at)) > 1; want != (s.what == "then") {
			w.no("branches", s.at, "%s went %s", w.key, s.what)
		}
	case "thanks/regular then", "thanks/regular else":
		if is, sure := w.in("regulars", s.at); sure && is != (s.what == "then") {
			w.no("branches", s.at, "%s went %s", w.key, s.what)
		}
	case "weekly/letter send weekly":
		if is, sure := w.in("regulars", s.at); sure && !is {
			w.no("branches", s.at, "%s goes on, though the rule of exit holds", w.key)
		}
	}
}

// in tells what a customer was in, as the turns before say; not sure where one came
// at that very moment.
func (w *way) in(segment string, t int64) (is, sure bool) {
	sure = true
	for _, turn := range w.p.diary.turns {
		if turn.segment == segment && turn.at <= t {
			is, sure = turn.in, turn.at < t
		}
	}
	return is, sure
}
