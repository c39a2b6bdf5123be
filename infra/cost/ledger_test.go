package cost

import (
	"fmt"
	"testing"

	"loophub/infra/local/meter"
	"loophub/infra/local/price"
	"loophub/infra/local/template"
	"loophub/infra/stack/snapshot"
)

func TestLedger(t *testing.T) {
	l, err := price.Load()
	if err != nil { t.Fatal(err) }
	a, err := price.Assume()
	if err != nil { t.Fatal(err) }
	stack, err := template.Load(snapshot.Template(), "Loophub")
	if err != nil { t.Fatal(err) }
	for _, sparse := range []bool{false, true} {
		m := measure(t, sparse)
		fmt.Println("sparse", sparse, m.webhooks, m.mix, m.stored, m.bytes/m.webhooks)
		by := map[string]meter.Sheet{}
		for k, u := range m.used {
			if by[k.Who] == nil { by[k.Who] = meter.Sheet{} }
			by[k.Who][k] = u
		}
		var sum price.Bill
		n := float64(m.webhooks)
		row := func(name string, b price.Bill) {
			p := func(a price.Amount) string { return (a * price.Amount(1_000_000/m.webhooks)).Decimal(2) }
			fmt.Printf("%-12s %5.2f %6.1f %6.2f %6.2f %6.2f %6.2f %6.2f %6.0f | %6s %6s %6s %6s %6s %6s | %6s\n", name, float64(b.Runs)/n, float64(b.Microseconds)/1000/n, float64(b.Calls)/n, b.Reads/n, b.Writes/n, float64(b.Requests)/n, float64(b.Events)/n, float64(b.LogBytes)/n,
				p(b.Function), p(b.Table), p(b.Queue), p(b.Bus), p(b.Log), p(b.Other), p(b.Sum()))
		}
		for _, who := range []string{"ingest", "unify", "publish", "bus", "segment", "journey", "message", "attribution", "writeback", "sweep", "api", "links"} {
			mem := 0
			for _, f := range stack.Functions { if f.Stage == who { mem = f.MemorySize } }
			b, err := l.Bill(by[who], a, mem)
			if err != nil { t.Fatal(err) }
			row(who, b)
			sum = sum.Plus(b)
		}
		row("sum", sum)
		for _, k := range m.used.Keys() { u := m.used[k]; fmt.Printf("   %-12s %-14s %-20s calls %6.3f billed %6.3f reads %6.3f writes %6.3f bytes %7.1f\n", k.Who, k.Service, k.Operation, float64(u.Calls)/n, float64(u.Billed)/n, u.Reads/n, u.Writes/n, float64(u.Bytes)/n) }
	}
}
