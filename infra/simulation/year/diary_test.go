package year

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/workspace"
)

// ledger is what really happened, in plain lists, with when it became known here.
type ledger struct {
	zone, email         []value
	birthday            string
	grants, withdrawals []said
	bounced, complained map[string]int64 // address → when that became known
	sales               []*sale
	events              []happened
	tags                []tagged
	reactions           []reaction
}

type (
	value struct {
		at, known int64
		text      string
	}
	said struct{ at, known int64 }
	sale struct {
		record                      string
		at, known, cancelled, total int64
		refunds                     []refund
		codes                       []string
	}
	refund   struct{ amount, known int64 }
	happened struct {
		what, record string
		at, known    int64
		message      string
	}
	tagged struct {
		tag       string
		on        bool
		at, known int64
	}
	reaction struct {
		message, field string
		at             int64
	}
)

func (l *ledger) withdraws(t, now int64) { l.withdrawals = append(l.withdrawals, said{t, now}) }

// latest is what was said last, of what is known at a moment.
func latest(l []value, t int64) string {
	best := value{at: -1}
	for _, v := range l {
		if v.known <= t && v.at >= best.at {
			best = v
		}
	}
	return best.text
}

// consents tells whether the customer agrees to marketing, by what is known at t.
func (l *ledger) consents(t int64) bool {
	granted, withdrawn := int64(0), int64(0)
	for _, g := range l.grants {
		if g.known <= t {
			granted = max(granted, g.at)
		}
	}
	for _, w := range l.withdrawals {
		if w.known <= t {
			withdrawn = max(withdrawn, w.at)
		}
	}
	return granted > withdrawn
}

// counted are the sales that count at t.
func (l *ledger) counted(t int64) []*sale {
	var out []*sale
	for _, s := range l.sales {
		if s.known <= t && (s.cancelled == 0 || s.cancelled > t) {
			out = append(out, s)
		}
	}
	return out
}

// net is what a sale is worth at t.
func (s *sale) net(t int64) int64 {
	n := s.total
	for _, r := range s.refunds {
		if r.known <= t {
			n -= r.amount
		}
	}
	return n
}

// diary is all that the driver did for a customer.
type diary struct {
	arrived  int64
	turns    []turned
	causes   []caused
	entries  []entered
	steps    []stepped
	requests []requested
	decided  []decided
	gifts    []gift
	samples  []sampled
}

type (
	turned struct {
		at      int64
		segment string
		in      bool
		cause   events.Cause
		next    int64 // when it was to turn, as the standing before said
	}
	caused struct {
		at      int64
		journey string
		cause   journey.Cause
		in      bool
		why     string
	}
	entered struct {
		at      int64
		journey string
		cause   journey.Cause
		entry   journey.Entry // as it began
	}
	stepped struct {
		at         int64
		entry      string // journey|id
		step, what string
	}
	requested struct {
		at    int64
		entry string // journey|id
		id    string
	}
	decided struct {
		at      int64
		request message.Request
		verb    message.Verb
		reason  message.Reason
		until   int64
		address string // of what went out
	}
	gift    struct{ cause, code, entry string }
	sampled struct {
		at      int64
		in      map[string]bool
		overdue int64 // a moment that is past and was not brought yet; 0 = there is none
	}
)

// out are the marketing mails that went out.
func (d *diary) out(purpose workspace.Purpose) []decided {
	var l []decided
	for _, m := range d.decided {
		if m.address != "" && m.request.Purpose == purpose {
			l = append(l, m)
		}
	}
	return l
}

// transcript is a digest of all diaries and counters.
func (y *year) transcript() string {
	h := sha256.New()
	for _, p := range y.persons {
		fmt.Fprintln(h, p.n, p.diary.turns, p.diary.steps, p.diary.gifts, p.diary.requests)
		for _, d := range p.diary.decided {
			fmt.Fprintln(h, d.at, d.request.ID, d.verb, d.reason, d.until, d.address)
		}
	}
	for _, k := range y.counters.Keys() {
		fmt.Fprintln(h, k, y.counters[k])
	}
	return strings.TrimSpace(hex.EncodeToString(h.Sum(nil)))
}
