package cost

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"loophub/infra/local/price"
)

// The mix that is priced, by webhook, and how far it may be missed, in percent.
var stated = struct{ segments, messages, records float64 }{0.3, 0.2, 0.2}

const missed = 1

// check holds what was measured to the mix that is stated.
func (m measured) check(t *testing.T) {
	t.Helper()
	n := float64(m.webhooks)
	for _, one := range []struct {
		what      string
		got, want float64
	}{
		{"segment changes", float64(m.mix.segments) / n, stated.segments},
		{"messages", float64(m.mix.messages) / n, stated.messages},
		{"CRM writes", float64(m.mix.records) / n, stated.records},
	} {
		if off := 100 * (one.got - one.want) / one.want; off > missed || off < -missed {
			t.Errorf("%.3f %s by webhook, stated are %.1f", one.got, one.what, one.want)
		}
	}
	if kb := float64(m.bytes) / n / 1000; kb < 5.9 || kb > 6.4 {
		t.Errorf("orders have %.2f KB, stated are 6", kb)
	}
}

// table is what one mode costs.
type table struct {
	mode string
	measured
	rows []row
}

// per is what a million webhooks cost, of what so many did.
func (t table) per(a price.Amount) price.Amount { return a * million / price.Amount(t.webhooks) }

func (t table) figures() map[string]string {
	m := map[string]string{}
	for _, r := range t.rows {
		m[r.stage] = t.per(r.Sum()).Decimal(4)
	}
	return m
}

func (t table) write(w io.Writer) {
	n := float64(t.webhooks)
	sum := t.rows[len(t.rows)-1]
	fmt.Fprintf(w, "%s: batches of %d. By webhook (%.1f KB): %.3f segment changes, %.3f messages, %.3f CRM writes; counted over %d.\n\n",
		t.mode, map[bool]int{true: ten, false: 1}[t.mode == "busy"], float64(t.bytes)/n/1000,
		float64(t.mix.segments)/n, float64(t.mix.messages)/n, float64(t.mix.records)/n, t.webhooks)
	fmt.Fprintf(w, "%-12s%41s%12s%10s\n", "", "by webhook", "", "dollars by million webhooks")
	fmt.Fprintf(w, "%-12s%6s%8s%7s%7s%7s%7s%7s%8s  %8s%7s%7s%7s%7s%7s%8s\n", "stage", "runs", "ms", "calls", "reads", "writes", "queue",
		"events", "log B", "function", "table", "queue", "bus", "logs", "other", "sum")
	for _, r := range t.rows {
		d := func(a price.Amount) string { return t.per(a).Decimal(2) }
		fmt.Fprintf(w, "%-12s%6.2f%8.1f%7.2f%7.2f%7.2f%7.2f%7.2f%8.0f  %8s%7s%7s%7s%7s%7s%8s\n", r.stage, float64(r.Runs)/n,
			float64(r.Microseconds)/1000/n, float64(r.Calls)/n, r.Reads/n, r.Writes/n, float64(r.Requests)/n, float64(r.Events)/n,
			float64(r.LogBytes)/n, d(r.Function), d(r.Table), d(r.Queue), d(r.Bus), d(r.Log), d(r.Other), d(r.Sum()))
	}
	fmt.Fprintf(w, "\n%s of %s that is the target. Beside it: %s for sending the mails, the same with any hub.\n", t.per(sum.Sum()),
		targets[t.mode], t.per(sum.Apart))
	fmt.Fprintf(w, "It leaves behind, by webhook, %s.\n\n", kept(t.stored, t.webhooks))
}

// kept says what tables grew by.
func kept(stored map[string]int, webhooks int) (text string) {
	for n, name := range slices.Sorted(maps.Keys(stored)) {
		if n > 0 {
			text += " and "
		}
		text += fmt.Sprintf("%d B in %s", stored[name]/webhooks, name)
	}
	return text
}

func writeIdle(w io.Writer, l []line) {
	fmt.Fprintf(w, "idle: a month in which nothing happens, with one workspace.\n\n")
	for _, one := range l {
		fmt.Fprintf(w, "%-12s%8s  %s\n", one.name, one.Decimal(2), one.about)
	}
	fmt.Fprintf(w, "\n%s of %s that is the target.\n\n", l[len(l)-1].Amount, targets["idle"])
}

func writeAssumptions(w io.Writer, r rates) {
	fmt.Fprintf(w, "Assumed:\n")
	for _, s := range []string{
		fmt.Sprintf("Prices of %s. %s", r.Region, r.About),
		r.assumed.About,
		fmt.Sprintf("A run takes %d µs of a whole CPU, each call %d, each KB of an event %d; a function has its memory's share of a CPU (whole at %d MB), and pays half a millisecond for rounding.",
			r.assumed.CPU.Run.Microseconds, r.assumed.CPU.Call.Microseconds, r.assumed.CPU.Kilobyte.Microseconds, r.assumed.Whole.Megabytes),
		"Definitions, secrets and instances are warm. A batch holds what ten webhooks brought, or one item: see the README.",
		"Three in ten orders are somebody's first; a fifth of the customers who order again had a message within thirty days.",
		"What hangs on time alone, for a month after the webhooks, is counted with them; sweeps themselves are in the idle bill.",
		"What SES tells of a mail, and the CRM of a change, are webhooks of their own, and not in the mix.",
		"A rule that puts an event into a queue is billed as a request of the queue; a poller deletes a batch in one request.",
		fmt.Sprintf("Idle: %s (%s).", r.assumed.Pollers.Why, r.assumed.Pollers.Page),
	} {
		fmt.Fprintf(w, "- %s\n", s)
	}
	fmt.Fprintf(w, "- A call waits:")
	for _, c := range r.assumed.Calls {
		fmt.Fprintf(w, " %s %d ms;", c.Service+" "+c.Operation, c.Microseconds/1000)
	}
	fmt.Fprintf(w, "\n\nPrices:\n")
	for _, p := range r.Prices {
		mark := ""
		if p.Reported {
			mark = " (as others report it)"
		}
		fmt.Fprintf(w, "%10s a %-29s %-15s %s, read %s%s\n", "$"+p.Dollars, p.Unit, p.Item, p.Page, p.Read, mark)
	}
}
