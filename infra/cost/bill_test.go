package cost

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"loophub/infra/local"
	"loophub/infra/local/meter"
	"loophub/infra/local/price"
	"loophub/infra/local/template"
)

// rates are what use is priced with.
type rates struct {
	price.List
	assumed price.Assumptions
}

func newRates(t *testing.T) rates {
	t.Helper()
	l, err := price.Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := price.Assume()
	if err != nil {
		t.Fatal(err)
	}
	return rates{l, a}
}

// row is what one stage costs.
type row struct {
	stage string
	price.Bill
}

// million is what a count of webhooks is told for.
const million = 1_000_000

// stageOrder is the order of rows: as webhooks go.
var stageOrder = []string{"ingest", "unify", "publish", local.Bus, "segment", "journey", "message", "attribution", "writeback", "sweep", "links", "api"}

// rows prices what each stage used; the last row is their sum.
func (r rates) rows(t *testing.T, used meter.Sheet, functions []template.Function) []row {
	t.Helper()
	by := map[string]meter.Sheet{}
	for k, u := range used {
		if by[k.Who] == nil {
			by[k.Who] = meter.Sheet{}
		}
		by[k.Who][k] = u
	}
	sum := row{stage: "sum"}
	var l []row
	for _, stage := range stageOrder {
		memory := 0
		if i := slices.IndexFunc(functions, func(f template.Function) bool { return f.Stage == stage }); i >= 0 {
			memory = functions[i].MemorySize
		}
		b, err := r.Bill(by[stage], r.assumed, memory)
		if err != nil {
			t.Fatal(err)
		}
		delete(by, stage)
		if b == (price.Bill{}) {
			continue
		}
		l, sum.Bill = append(l, row{stage, b}), sum.Plus(b)
	}
	for who := range by {
		t.Errorf("%q used something, and has no row", who)
	}
	return append(l, sum)
}

// line is one line of the price of standing still.
type line struct {
	name, about string
	price.Amount
}

// small is what a small deployment stores: its own words, beside what tables of a few customers hold.
const small = 1e9 / 10

// standing prices a month in which nothing happens: what runs by the clock, counted over an hour; what pollers ask in vain;
// what the template has of alarms; and storage.
func standing(t *testing.T, r rates) (l []line) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		w.passes(10 * time.Minute) // the first sweeps find cursors to make
		before := w.used()
		w.hour()
		used := w.used().Since(before)
		for k := range used {
			if k.Who == "" {
				delete(used, k) // the test's own
			}
		}
		all := r.rows(t, used, w.Stack().Functions)
		hours := price.Amount(r.assumed.Month.Hours)
		for _, one := range all[:len(all)-1] {
			l = append(l, line{one.stage, "runs each minute with nothing to do: schedule, runs, reads and the spill queue", one.Sum() * hours})
		}
		queues := 0
		for _, m := range w.Stack().Mappings {
			if m.BatchSize > 0 && isQueue(m.EventSourceArn) {
				queues++
			}
		}
		polls := queues * r.assumed.Pollers.Count * r.assumed.Month.Hours * 3600 / r.assumed.Pollers.Seconds
		l = append(l, line{"pollers", r.assumed.Pollers.Why, r.Cost(price.QueueRequest, float64(polls))})
		alarms := w.alarms()
		l = append(l, line{"alarms", "as many as the template has", r.Cost(price.Alarm, float64(alarms))})
		metrics := 0 // stages write them with what they did, and here they do nothing
		for k, u := range used {
			if k.Service == meter.Logged {
				metrics += u.Calls
			}
		}
		if metrics > 0 {
			t.Errorf("%d lines are written while nothing happens: their metrics cost, too", metrics)
		}
		l = append(l, line{"storage", "0.1 GB in the tables, with point-in-time recovery", r.Cost(price.TableStorage, small) + r.Cost(price.TableBackup, small)})
		var sum price.Amount
		for _, one := range l {
			sum += one.Amount
		}
		l = append(l, line{"sum", "", sum})
	})
	return l
}
