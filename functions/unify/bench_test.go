package unify

import (
	"context"
	"fmt"
	"testing"

	"loophub/events"
	"loophub/shared/profile"
)

// BenchmarkUnifyOrder: CPU of taking in one new order of a known customer, with
// a table in memory, which costs what it costs to encode its items.
func BenchmarkUnifyOrder(b *testing.B) {
	rules := profile.NewRules([]byte("a key for tests"), nil, nil)
	u := Unifier{Hub: direct(newTable()), Rules: rules, Pause: func(context.Context, int) error { return nil }}
	n := 0
	for b.Loop() {
		n++
		o := order(int64(n), "customer", "1", "email", "lan@example.vn", "first_name", "Lan", "financial_status", "paid", "channel", "web",
			"items", `[{"product":"8244017561906","variant":"44310298534194","sku":"AD-TT-M","title":"Áo dài lụa tơ tằm","quantity":1,"price":1250000}]`)
		o.Record = fmt.Sprint(n)
		o.Fields["ordered_at"] = events.Text(fmt.Sprint(n))
		for _, err := range u.Process(context.Background(), []events.Fact{customer("shop", "1", 1, "email", "lan@example.vn", "first_name", "Lan"), o}) {
			b.Fatal(err)
		}
	}
}
