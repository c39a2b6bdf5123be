package year

import (
	"maps"
	"slices"

	"loophub/shared/message"
	"loophub/shared/workspace"
)

// limit is a cap of the definition, said once more.
type limit struct {
	purpose workspace.Purpose
	most    int
	within  int64
}

var limits = []limit{{workspace.Marketing, 2, 7 * day}, {workspace.Marketing, 1, day}, {workspace.Marketing, 7, 30 * day}, {workspace.Transactional, 10, 30 * day}}

const duplicates = 6 * day

// full tells whether a cap had no room at t, by all mails that were counted before.
func full(before []decided, l limit, t int64) bool {
	n := 0
	for _, m := range before {
		if m.counted() && m.request.Purpose == l.purpose && t-m.at < l.within {
			n++
		}
	}
	return n >= l.most
}

// counted tells whether a decision claimed the message for good: it went out, the
// channel refused it, or nobody knows.
func (d decided) counted() bool {
	return d.address != "" || d.reason == message.Refused || d.reason == message.Lost
}

// caps counts every window that ends with a mail.
func (q *inquiry) caps() {
	for _, l := range limits {
		out := q.p.diary.out(l.purpose)
		for n, m := range out {
			if n >= l.most && m.at-out[n-l.most].at < l.within {
				q.no("caps", m.at, "more than %d %s mails in %v h", l.most, l.purpose, l.within/hour)
			}
			for _, before := range out[:n] {
				if l.purpose == workspace.Marketing && before.request.Template == m.request.Template && m.at-before.at < duplicates {
					q.no("duplicates", m.at, "%s again", m.request.Template)
				}
			}
			if n > 0 && m.request.ID == out[n-1].request.ID {
				q.no("caps", m.at, "the same mail twice")
			}
		}
	}
}

// zone is where the customer lives at t, by what is known.
func (q *inquiry) zone(t int64) *wall { return wallIn(q.y.tb, latest(q.p.truth.zone, t)) }

// quiet looks at customers' clocks: no marketing mail leaves in quiet hours, none
// that waits could have left a minute before, and none waits longer than the world
// makes it.
func (q *inquiry) quiet() {
	waiting := map[string]int64{} // until when
	for _, m := range q.p.diary.decided {
		q.punctual(waiting, m)
		marketing := m.request.Purpose == workspace.Marketing
		if m.address != "" && marketing && q.zone(m.at).quiet(m.at) {
			q.no("quiet hours", m.at, "a mail left in zone %q", latest(q.p.truth.zone, m.at))
		}
		if m.address != "" && stopped.holds(m.at) {
			q.no("controls", m.at, "a mail left while all were stopped")
		}
		if m.reason != message.QuietHours {
			continue
		}
		w := q.zone(m.at)
		if !marketing || w.quiet(m.until) {
			q.no("quiet hours", m.at, "a message waits until %v, which is quiet or needs no quiet", timeAt(m.until))
		}
		for t := m.at; t < m.until; t += minute {
			if !w.quiet(t) {
				q.no("quiet hours", m.at, "a message waits until %v, and could leave at %v", timeAt(m.until), timeAt(t))
				break
			}
		}
		if !w.quiet(m.until - 1) {
			q.no("quiet hours", m.at, "a message waits longer than until the end of quiet hours, %v", timeAt(m.until))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(waiting)) {
		if arrival(id, waiting[id]) < ends {
			q.no("quiet hours", waiting[id], "a message was never looked at again")
		}
	}
}

// punctual wants a message that waits to be looked at as soon as the world lets it.
func (q *inquiry) punctual(waiting map[string]int64, m decided) {
	id := m.request.ID
	if until, was := waiting[id]; was && m.at > arrival(id, until) {
		q.no("quiet hours", m.at, "a message was to be looked at again at %v", timeAt(until))
	}
	if delete(waiting, id); m.verb == message.DoWait {
		waiting[id] = m.until
	}
}

// consent looks at each mail: whoever got it agreed, and his address was none that
// bounced or complained, by what was known at that moment.
func (q *inquiry) consent() {
	truth := &q.p.truth
	for _, m := range q.p.diary.decided {
		if m.address == "" {
			continue
		}
		if m.request.Purpose == workspace.Marketing && !truth.consents(m.at) {
			q.no("consent", m.at, "a marketing mail, and no consent")
		}
		for what, of := range map[string]map[string]int64{"bounced": truth.bounced, "complained": truth.complained} {
			if t, known := of[m.address]; known && t <= m.at {
				q.no("suppression", m.at, "a mail to an address that %s", what)
			}
		}
		if want := latest(truth.email, m.at); m.address != want {
			q.no("addresses", m.at, "a mail to an old address")
		}
	}
}

// drops looks at what did not go out: each reason must have been one.
func (q *inquiry) drops() {
	truth := &q.p.truth
	for n, m := range q.p.diary.decided {
		before := q.p.diary.decided[:n]
		address := latest(truth.email, m.at)
		right := true
		switch m.reason {
		case message.Withdrawn, message.NoConsent:
			right = m.request.Purpose == workspace.Marketing && !truth.consents(m.at)
		case message.Bounced:
			right = truth.bounced[address] > 0 && truth.bounced[address] <= m.at
		case message.Complained:
			right = truth.complained[address] > 0 && truth.complained[address] <= m.at
		case message.Capped:
			right = false
			for _, l := range limits {
				right = right || l.purpose == m.request.Purpose && full(before, l, m.at)
			}
		case message.Duplicate:
			right = false
			for _, o := range before {
				right = right || o.counted() && o.request.Template == m.request.Template && m.at-o.at < duplicates
			}
		case message.Stale:
			right = m.at-m.request.At > 72*hour || m.verb == message.DoDrop && m.at-m.request.At > 48*hour
		case message.Stopped:
			right = stopped.holds(m.at)
		case message.NoAddress:
			right = address == ""
		case message.Allowed, message.QuietHours, message.Throttled, message.Refused, message.Lost:
		default:
			right = false
		}
		if !right {
			q.no("drops", m.at, "%s is no reason to drop %s", m.reason, m.request.Template)
		}
	}
}
