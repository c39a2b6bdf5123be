package year

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"loophub/shared/message"
	"loophub/shared/workspace"
)

// attribution counts everything again, by plain loops over the diaries, and holds the
// counters against it.
func (y *year) attribution() []complaint {
	want := map[string]int64{}
	for _, p := range y.persons {
		p.recount(want)
	}
	maps.DeleteFunc(want, func(_ string, n int64) bool { return n == 0 })
	is := map[string]int64{}
	for k, n := range y.counters {
		is[strings.Join([]string{k.Journey, k.Variant, k.Template, string(k.Measure)}, "|")] = n
	}
	var l []complaint
	all := maps.Clone(is)
	maps.Copy(all, want)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if is[k] != want[k] {
			l = append(l, complaint{"attribution", "", ends, fmt.Sprintf("%s is %d, want %d", k, is[k], want[k])})
		}
	}
	return l
}

// letter is a mail that went out.
type letter struct {
	decided
	clicks []int64
	orders int
}

func (l letter) counter(measure string) string {
	return strings.Join([]string{l.request.Journey, l.request.Variant, l.request.Template, measure}, "|")
}

// letters are all of a customer's mails, with what came of them counted.
func (p *person) letters(want map[string]int64) []*letter {
	var l []*letter
	for _, d := range slices.Concat(p.diary.out(workspace.Marketing), p.diary.out(workspace.Transactional)) {
		one, seen := &letter{decided: d}, map[string]bool{}
		for _, r := range p.truth.reactions {
			if r.message != d.request.ID {
				continue
			}
			seen[r.field] = true
			if r.field == "clicked_at" {
				one.clicks = append(one.clicks, r.at)
			}
		}
		if d.reason == message.Lost && len(seen) == 0 {
			continue // nobody knows
		}
		want[one.counter("sent")]++
		for field, measure := range map[string]string{"delivered_at": "delivered", "clicked_at": "clicked", "permanent bounced_at": "bounced",
			"complained_at": "complained", "unsubscribed_at": "unsubscribed"} {
			if seen[field] {
				want[one.counter(measure)]++
			}
		}
		l = append(l, one)
	}
	slices.SortFunc(l, func(a, b *letter) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.request.ID, b.request.ID))
	})
	return l
}

func (p *person) recount(want map[string]int64) {
	letters := p.letters(want)
	for _, s := range p.truth.counted(ends) {
		net := s.net(ends)
		if by := byCode(letters, s); by != nil {
			by.credit(want, net)
		} else if !p.byGift(letters, s, net, want) {
			if by := byClick(letters, s); by != nil {
				by.credit(want, net)
			}
		}
	}
	p.recountEntries(want)
}

func (l *letter) credit(want map[string]int64, net int64) {
	if l.orders++; l.orders == 1 {
		want[l.counter("converted")]++
	}
	want[l.counter("orders:VND")]++
	want[l.counter("net:VND")] += net
}

// byCode is the newest letter of thirty days whose code an order used.
func byCode(letters []*letter, s *sale) (by *letter) {
	for _, l := range letters {
		if code := l.request.Voucher.Code; code != "" && slices.Contains(s.codes, code) && l.at <= s.at && s.at-l.at <= 30*day {
			by = l
		}
	}
	return by
}

// byClick is the letter that was clicked last in the five days before an order.
func byClick(letters []*letter, s *sale) (by *letter) {
	last := int64(0)
	for _, l := range letters {
		for _, c := range l.clicks {
			if c <= s.at && s.at-c <= 5*day && c >= last {
				by, last = l, c
			}
		}
	}
	return by
}

// byGift credits an order to the journey whose code it used, where no letter carried
// the code.
func (p *person) byGift(letters []*letter, s *sale, net int64, want map[string]int64) bool {
	for _, i := range p.issues {
		carried := slices.ContainsFunc(letters, func(l *letter) bool { return l.request.Voucher.Code == i.Code })
		if !carried && slices.Contains(s.codes, i.Code) && i.At <= s.at && s.at-i.At <= 30*day {
			k := i.Journey + "|" + i.Variant + "||"
			want[k+"orders:VND"]++
			want[k+"net:VND"] += net
			return true
		}
	}
	return false
}

// recountEntries counts entries, and the orders after each.
func (p *person) recountEntries(want map[string]int64) {
	variant, ordered, goal := map[string]string{}, map[string]bool{}, map[string]bool{}
	for _, s := range p.diary.steps {
		if name, ok := strings.CutPrefix(s.what, "variant "); ok {
			variant[s.entry] = name
		}
		goal[s.entry] = goal[s.entry] || s.what == "goal"
	}
	counter := func(e entered) string {
		if e.entry.Held {
			return e.journey + "|(holdout)||"
		}
		return e.journey + "|" + variant[key(e.journey, e.entry.ID)] + "||"
	}
	for _, e := range p.diary.entries {
		want[counter(e)+"entered"]++
		if goal[key(e.journey, e.entry.ID)] {
			want[counter(e)+"reached"]++
		}
	}
	for _, s := range p.truth.counted(ends) {
		last := map[string]entered{}
		for _, e := range p.diary.entries {
			if was, known := last[e.journey]; e.entry.Began < s.at && (!known || was.entry.Began <= e.entry.Began) {
				last[e.journey] = e
			}
		}
		for journey, e := range last {
			window := cmp.Or(goals[journey], 30*day)
			if s.at-e.entry.Began > window {
				continue
			}
			want[counter(e)+"entry-orders:VND"]++
			want[counter(e)+"entry-net:VND"] += s.net(ends)
			if k := key(journey, e.entry.ID); !ordered[k] {
				ordered[k] = true
				want[counter(e)+"ordered"]++
			}
		}
	}
}
