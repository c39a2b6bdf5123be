package attribution

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	day = int64(24 * time.Hour / time.Millisecond)
	lan = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
)

var windows = Windows{Click: map[string]time.Duration{"email": 5 * 24 * time.Hour, "sms": time.Hour}, Voucher: 10 * 24 * time.Hour,
	Goals: map[string]time.Duration{"back": 14 * 24 * time.Hour}}

func sent(id, variant, template string, at int64, voucher string, clicks ...int64) Message {
	m := Message{Sent: Sent{ID: id, Fragment: lan, Journey: "back", Variant: variant, Template: template, Connection: "email", At: at, Voucher: voucher}}
	for _, c := range clicks {
		m.Engagement = m.Engagement.Join(Engagement{Clicked: c, Clicks: []int64{c}})
	}
	return m
}

func order(n int, at, net int64, codes ...string) Order {
	return Order{At: at, Record: fmt.Sprint("shop|order|", n), Net: net, Currency: "VND", Codes: codes}
}

func TestLastTouch(t *testing.T) {
	first, second := sent("1", "a", "ten", 10*day, "TEN-1", 11*day), sent("2", "a", "reminder", 12*day, "", 13*day, 20*day)
	text := sent("3", "a", "text", 12*day, "", 14*day)
	text.Connection = "sms"
	unsure := sent("4", "a", "unsure", 13*day, "")
	unsure.Unknown = true
	plain := sent("5", "", "receipt", 13*day, "", 14*day)
	plain.Journey = ""
	all := []Message{first, second, text, unsure, plain}
	issue := []Issue{{"CARD-7", lan, "back", "b", 10 * day}, {"TEN-1", lan, "back", "a", 10 * day}}
	for name, tt := range map[string]struct {
		order Order
		want  string // template
	}{
		"the last click":                    {order(1, 15*day, 5), "reminder"},
		"a click on a text, an hour long":   {order(1, 14*day+1, 5), "text"},
		"at the click's very moment":        {order(1, 11*day, 5), "ten"},
		"before the click":                  {order(1, 11*day-1, 5), "none"},
		"at the window's end":               {order(1, 25*day, 5), "reminder"},
		"after the window":                  {order(1, 25*day+1, 5), "none"},
		"a later click is none before it":   {order(1, 19*day, 5), "none"},
		"the code wins over a later click":  {order(1, 15*day, 5, "TEN-1", "X"), "ten"},
		"a code of nobody":                  {order(1, 15*day, 5, "X"), "reminder"},
		"a code is over, the click is not":  {order(1, 20*day+1, 5, "TEN-1"), "reminder"},
		"a code before it was sent":         {order(1, 10*day-1, 5, "TEN-1"), "none"},
		"a code that no message carried":    {order(1, 15*day, 5, "CARD-7"), ""},
		"such a code's window":              {order(1, 22*day, 5, "CARD-7"), "reminder"},
		"a message of no journey is nobody": {order(1, 14*day+2*int64(time.Hour/time.Millisecond), 5), "reminder"},
	} {
		c, out := Count(Profile{Messages: all, Issues: issue, Orders: []Order{tt.order}}, windows)
		got := "none"
		for k, n := range c {
			if k.Measure == "net:VND" {
				if got != "none" || n != 5 {
					t.Errorf("%s: credited twice, or another sum", name)
				}
				got = k.Template
			}
		}
		if got != tt.want || (out.Orders == 1) != (got != "none") {
			t.Errorf("%s: credited to %q, want %q", name, got, tt.want)
		}
	}
}

func TestCounts(t *testing.T) {
	m := sent("1", "a", "ten", 10*day, "TEN-1", 11*day)
	m.Engagement = m.Engagement.Join(Engagement{Delivered: 10 * day, Opened: 11 * day, Unsubscribed: 40 * day})
	lost := sent("2", "a", "ten", 9*day, "")
	lost.Engagement.Bounced = 9 * day
	gone := sent("3", "a", "ten", 8*day, "")
	gone.Unknown = true
	p := Profile{Messages: []Message{m, lost, gone, m},
		Entries: []Entry{{ID: "1", Fragment: lan, Journey: "back", Variant: "a", At: 8 * day, Goal: 12 * day}, {ID: "2", Fragment: lan, Journey: "back", Holdout: true, At: 30 * day},
			{ID: "1", Fragment: lan, Journey: "other", At: 12 * day}},
		Orders: []Order{order(1, 12*day, 90_000, "TEN-1"), order(2, 13*day, 10_000), order(3, 12*day-1, 0), order(1, 12*day, 90_000, "TEN-1"),
			{At: 31 * day, Record: "till|order|1", Net: 1250, Currency: "USD"}}}
	got, outcome := Count(p, windows)
	want := Counts{}
	for name, n := range map[string]int64{
		"back|a|ten|sent": 2, "back|a|ten|delivered": 1, "back|a|ten|opened": 1, "back|a|ten|clicked": 1, "back|a|ten|bounced": 1, "back|a|ten|unsubscribed": 1,
		"back|a|ten|converted": 1, "back|a|ten|orders:VND": 3, "back|a|ten|net:VND": 100_000,
		"back|a||entered": 1, "back|a||reached": 1, "back|a||ordered": 1, "back|a||entry-orders:VND": 3, "back|a||entry-net:VND": 100_000,
		"back|(holdout)||entered": 1, "back|(holdout)||ordered": 1, "back|(holdout)||entry-orders:USD": 1, "back|(holdout)||entry-net:USD": 1250,
		"other|||entered": 1, "other|||ordered": 1, "other|||entry-orders:VND": 1, "other|||entry-net:VND": 10_000,
	} {
		var k Key
		if err := k.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
		want[k] = n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Outcome{3, map[string]int64{"VND": 100_000}, &Campaign{"back", "a", "ten", "converted", 12*day - 1}}, outcome); diff != "" {
		t.Error(diff)
	}
	// a refund is another net
	p.Orders[0].Net, p.Orders[3].Net = 0, 0
	if got, _ := Count(p, windows); got[Key{"back", "a", "ten", "net:VND"}] != 10_000 || got[Key{"back", "a", "ten", Converted}] != 1 {
		t.Error("a refund is not subtracted", got)
	}
}

func TestCampaignTellsTheFurthest(t *testing.T) {
	for name, tt := range map[string]struct {
		e    Engagement
		want string
	}{
		"nothing":          {Engagement{}, "sent"},
		"opened":           {Engagement{Delivered: 3, Opened: 4}, "opened"},
		"bounced later":    {Engagement{Delivered: 3, Bounced: 4}, "bounced"},
		"clicked, left":    {Engagement{Delivered: 3, Opened: 4, Clicked: 5, Unsubscribed: 6}, "unsubscribed"},
		"called it spam":   {Engagement{Delivered: 3, Unsubscribed: 6, Complained: 7}, "complained"},
		"given up":         {Engagement{Failed: 7}, "failed"},
		"merely delivered": {Engagement{Delivered: 3, Failed: 2}, "delivered"},
	} {
		m := sent("1", "a", "ten", 2, "")
		m.Engagement = tt.e
		_, out := Count(Profile{Messages: []Message{sent("0", "a", "ten", 1, ""), m}}, windows)
		if out.Campaign == nil || out.Campaign.Result != tt.want {
			t.Errorf("%s: %+v", name, out.Campaign)
		}
	}
}

func TestFold(t *testing.T) {
	fact := func(at int64, fields ...string) events.Fact {
		f := events.Fact{Connection: "email", Kind: "message", Record: string(lan) + ".1", Version: at, At: at, Fields: events.Fields{}}
		for n := 0; n < len(fields); n += 2 {
			f.Fields[fields[n]] = events.Text(fields[n+1])
		}
		return f
	}
	facts := []events.Fact{fact(5, "delivered_at", "5"), fact(9, "opened_at", "9"), fact(7, "opened_at", "7"), fact(6, "bounced_at", "6", "bounce", "transient"),
		fact(8, "bounced_at", "8", "bounce", "permanent"), fact(9, "complained_at", "no number"), fact(2, "failed_at", "2"), fact(3, "sent_at", "3"), fact(40, "unsubscribed_at", "40")}
	want := Engagement{Sent: 3, Delivered: 5, Opened: 7, Clicked: 100, Bounced: 8, Unsubscribed: 40, Failed: 2}
	for n := range int64(20) {
		facts = append(facts, fact(100+n, "clicked_at", fmt.Sprint(100+n)))
		if n >= 20-MaxClicks {
			want.Clicks = append(want.Clicks, 100+n)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		l := slices.Concat(facts, facts[:r.IntN(len(facts))])
		r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		cut := r.IntN(len(l))
		if diff := cmp.Diff(want, Fold(l[:cut]).Join(Fold(l[cut:]))); diff != "" {
			t.Fatal(diff)
		}
	}
	if got := want.lastClick(102); got != 100 {
		t.Error("of an order before all the newest clicks, the first counts; not ", got)
	}
}

// history makes a profile of small numbers, where windows end and moments meet.
func history(r *rand.Rand) Profile {
	var p Profile
	id := func() profile.ID { return lan[:24] + profile.ID("abc"[r.IntN(3)]) }
	codes := []string{"A", "B", "C", "D"}
	moment := func() int64 { return (1 + r.Int64N(40)) * day / 2 }
	for n := range r.IntN(8) {
		m := sent(fmt.Sprint(n%6), string("ab"[r.IntN(2)]), string("xyz"[r.IntN(3)]), moment(), "")
		m.Fragment, m.Journey, m.Unknown = id(), []string{"back", "other", ""}[r.IntN(3)], r.IntN(4) == 0
		if r.IntN(2) == 0 {
			m.Voucher = codes[r.IntN(len(codes))]
		}
		for range r.IntN(4) {
			c := m.At + r.Int64N(8)*day/2
			m.Engagement = m.Engagement.Join(Engagement{Clicked: c, Clicks: []int64{c}, Delivered: m.At})
		}
		if r.IntN(3) == 0 {
			m.Engagement.Opened = m.At + 1
		}
		if !slices.ContainsFunc(p.Messages, func(o Message) bool { return o.name() == m.name() }) {
			p.Messages = append(p.Messages, m)
		}
	}
	for n := range r.IntN(6) {
		e := Entry{ID: fmt.Sprint(n), Fragment: id(), Journey: []string{"back", "other"}[r.IntN(2)], Variant: "a", At: moment(), Holdout: r.IntN(3) == 0}
		if r.IntN(3) == 0 {
			e.Goal = e.At + day
		}
		p.Entries = append(p.Entries, e)
	}
	for range r.IntN(3) {
		p.Issues = append(p.Issues, Issue{codes[r.IntN(len(codes))], id(), []string{"back", "other"}[r.IntN(2)], "b", moment()})
	}
	for n := range r.IntN(8) {
		o := order(n, moment(), r.Int64N(5)*1000)
		o.Currency = []string{"VND", "USD"}[r.IntN(2)]
		if r.IntN(2) == 0 {
			o.Codes = []string{codes[r.IntN(len(codes))]}
		}
		p.Orders = append(p.Orders, o)
	}
	return p
}

// recount counts as one would with pen and paper: for each order, every touch that
// could have it, sorted by what wins.
func recount(p Profile) Counts {
	c := Counts{}
	var counting []Message
	carried := ""
	for _, m := range p.Messages {
		e := m.Engagement
		if m.Journey != "" && (!m.Unknown || e.Delivered > 0 || e.Opened > 0) {
			counting = append(counting, m)
			carried += "," + m.Voucher + ","
		}
	}
	begun := beginnings(counting, p.Entries)
	won := map[string]bool{}
	for _, o := range p.Orders {
		if len(begun) == 0 || o.At < slices.Min(begun) {
			continue // nothing of ours was there yet
		}
		type claim struct {
			rank    string
			cell    [3]string
			message string
		}
		var claims []claim
		for _, m := range counting {
			at := fmt.Sprintf("%020d %s %s", m.At, m.Fragment, m.ID)
			cell := [3]string{m.Journey, m.Variant, m.Template}
			if len(o.Codes) > 0 && o.Codes[0] == m.Voucher && m.At <= o.At && o.At-m.At <= 10*day {
				claims = append(claims, claim{rank: "3 " + at, cell: cell, message: m.name()})
			}
			for _, click := range m.Engagement.Clicks {
				if click <= o.At && o.At-click <= 5*day {
					claims = append(claims, claim{rank: fmt.Sprintf("1 %020d %s", click, at), cell: cell, message: m.name()})
				}
			}
		}
		for _, i := range p.Issues {
			if len(o.Codes) > 0 && o.Codes[0] == i.Code && i.At <= o.At && o.At-i.At <= 10*day && !strings.Contains(carried, ","+i.Code+",") {
				claims = append(claims, claim{rank: fmt.Sprintf("2 %020d", i.At), cell: [3]string{i.Journey, i.Variant, ""}})
			}
		}
		if len(claims) > 0 {
			slices.SortStableFunc(claims, func(a, b claim) int { return strings.Compare(b.rank, a.rank) })
			best := claims[0]
			c.Add(Key{best.cell[0], best.cell[1], best.cell[2], Measure("orders:" + o.Currency)}, 1)
			c.Add(Key{best.cell[0], best.cell[1], best.cell[2], Measure("net:" + o.Currency)}, o.Net)
			won[best.message] = true
		}
	}
	for _, m := range counting {
		told := map[Measure]bool{"sent": true, "delivered": m.Engagement.Delivered > 0, "opened": m.Engagement.Opened > 0, "clicked": m.Engagement.Clicked > 0, "converted": won[m.name()]}
		for measure, is := range told {
			if is {
				c.Add(Key{m.Journey, m.Variant, m.Template, measure}, 1)
			}
		}
	}
	recountEntries(c, p)
	return c
}

func beginnings(messages []Message, entries []Entry) (l []int64) {
	for _, m := range messages {
		l = append(l, m.At)
	}
	for _, e := range entries {
		l = append(l, e.At)
	}
	return l
}

// recountEntries asks of each entry which orders are its own.
func recountEntries(c Counts, p Profile) {
	for _, e := range p.Entries {
		variant, window := e.Variant, map[string]int64{"back": 14 * day, "other": 10 * day}[e.Journey]
		if e.Holdout {
			variant = "(holdout)"
		}
		ordered := false
		for _, o := range p.Orders {
			taken := false // by a later entry
			for _, later := range p.Entries {
				taken = taken || later.Journey == e.Journey && later.At < o.At &&
					(later.At > e.At || later.At == e.At && string(later.Fragment)+later.ID > string(e.Fragment)+e.ID)
			}
			if !taken && e.At < o.At && o.At-e.At <= window {
				ordered = true
				c.Add(Key{e.Journey, variant, "", Measure("entry-orders:" + o.Currency)}, 1)
				c.Add(Key{e.Journey, variant, "", Measure("entry-net:" + o.Currency)}, o.Net)
			}
		}
		for measure, is := range map[Measure]bool{"entered": true, "reached": e.Goal > 0, "ordered": ordered} {
			if is {
				c.Add(Key{e.Journey, variant, "", measure}, 1)
			}
		}
	}
}

// TestCountIsARecount: against pen and paper, in any order, and with copies.
func TestCountIsARecount(t *testing.T) {
	credited, byIssue := 0, 0
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 3))
		p := history(r)
		slices.SortFunc(p.Issues, func(a, b Issue) int { return int(a.At - b.At) })
		p.Issues = slices.CompactFunc(p.Issues, func(a, b Issue) bool { return a.At == b.At }) // pen and paper know no order of two at once
		got, outcome := Count(p, windows)
		if diff := cmp.Diff(recount(p), got); diff != "" {
			t.Fatalf("history %d\n%+v\n%s", seed, p, diff)
		}
		orders := int64(0)
		for k, n := range got {
			if _, is := k.Measure.Currency(Orders); is {
				orders += n
				if k.Template == "" {
					byIssue++
				}
			}
		}
		if orders != outcome.Orders || orders > int64(len(p.Orders)) {
			t.Fatalf("history %d: %d orders are credited, and %d told", seed, orders, outcome.Orders)
		}
		credited += int(orders)
		q := Profile{slices.Concat(p.Messages, p.Messages), slices.Concat(p.Entries, p.Entries), slices.Clone(p.Issues), slices.Concat(p.Orders, p.Orders)}
		r.Shuffle(len(q.Messages), func(i, j int) { q.Messages[i], q.Messages[j] = q.Messages[j], q.Messages[i] })
		r.Shuffle(len(q.Entries), func(i, j int) { q.Entries[i], q.Entries[j] = q.Entries[j], q.Entries[i] })
		r.Shuffle(len(q.Issues), func(i, j int) { q.Issues[i], q.Issues[j] = q.Issues[j], q.Issues[i] })
		r.Shuffle(len(q.Orders), func(i, j int) { q.Orders[i], q.Orders[j] = q.Orders[j], q.Orders[i] })
		again, told := Count(q, windows)
		if diff := cmp.Diff(got, again) + cmp.Diff(outcome, told); diff != "" {
			t.Fatalf("history %d, shuffled: %s", seed, diff)
		}
	}
	if credited < 500 || byIssue < 20 {
		t.Errorf("%d orders are credited, %d by a code alone: the test shows little", credited, byIssue)
	}
}

func TestWindowsOf(t *testing.T) {
	w := WindowsOf(workspace.Workspace{
		Connections: map[string]workspace.Connection{"email": {Connector: "ses"}, "letters": {Connector: "post"}},
		Policies:    workspace.Policies{Attribution: workspace.Attribution{Click: map[string]time.Duration{"ses": 2 * time.Hour}}},
		Journeys: map[string]workspace.Journey{"back": {Goal: &workspace.Goal{Event: "order.placed", Within: time.Hour}},
			"read": {Goal: &workspace.Goal{Event: "message.opened", Within: time.Hour}}, "open": {Goal: &workspace.Goal{Event: "order.placed"}}}})
	for name, tt := range map[string]struct {
		got  time.Duration
		want int64
	}{
		"a channel's":            {w.ClickFor("email"), day / 12},
		"of a channel unnamed":   {w.ClickFor("letters"), 5 * day},
		"of a connection gone":   {w.ClickFor("sms"), 5 * day},
		"a voucher's":            {w.VoucherFor(), 30 * day},
		"a goal's":               {w.EntryFor("back"), day / 24},
		"a goal that's no order": {w.EntryFor("read"), 30 * day},
		"a goal without end":     {w.EntryFor("open"), 30 * day},
		"a journey gone":         {w.EntryFor("gone"), 30 * day},
	} {
		if tt.got.Milliseconds() != tt.want {
			t.Errorf("%s: %d, want %d", name, tt.got, tt.want)
		}
	}
}
