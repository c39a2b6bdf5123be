package segment_test

import (
	"fmt"
	"testing"
	"time"

	"loophub/shared/profile"
	"loophub/shared/segment"
)

// thousand are segments as a busy workspace has them: each differs from the
// others, and windows of many lengths are among them.
func thousand(t testing.TB, z *time.Location) []segment.Segment {
	rules := []string{
		`orders.count > %d`, `orders.within("%dd").count >= 1`, `orders.count == 1 && orders.during("previous month").count == %d`,
		`"tag-%d" in tags`, `orders.count > 0 && orders.within("%dd").count == 0`, `orders.total("VND") > %d000`,
		`checkout.open && !checkout.within("%dmin")`, `consent("email:marketing") && orders.last.within("%dd")`,
		`traits.city == "city-%d" || traits.country == "VN"`, `orders.within("%dh").net("VND") > 500000 && !("vip" in tags)`,
	}
	var l []segment.Segment
	for n := range 1_000 {
		l = append(l, compile(t, fmt.Sprintf(rules[n%len(rules)], 1+n/len(rules)), z))
	}
	return l
}

// BenchmarkThousandSegments decides 1,000 segments over one profile: one
// operation is all of them, the shared moment included.
func BenchmarkThousandSegments(b *testing.B) {
	z := zone(b, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	var l []profile.Order
	for n := range 12 {
		l = append(l, order(fmt.Sprint(n), now.Add(-time.Duration(n*n)*aDay), 100_000))
	}
	v := viewOf(l...)
	v.Tags = []string{"member", "tag-3", "tag-5", "vip"}
	segments := thousand(b, z)
	b.ReportAllocs()
	for b.Loop() {
		m := segment.At(v, now)
		for _, s := range segments {
			if _, err := m.Decide(s); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkThousandTurns decides all memberships of one profile, from what is
// kept to what is to be kept.
func BenchmarkThousandTurns(b *testing.B) {
	z := zone(b, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	var l []profile.Order
	for n := range 12 {
		l = append(l, order(fmt.Sprint(n), now.Add(-time.Duration(n*n)*aDay), 100_000))
	}
	t := segment.Turning{Segments: thousand(b, z), View: viewOf(l...), Versions: map[profile.ID]int64{"c1": 1}, Now: now}
	first, err := t.Turn()
	if err != nil || !first.Older.IsZero() {
		b.Fatal(first.Older, err)
	}
	t.Before = []profile.Memberships{first.After}
	t.Before[0].Version = 1
	for name, change := range map[string]func(v *segment.View){
		"orders": func(v *segment.View) { v.Orders++; v.First = nil },
		"tags":   func(v *segment.View) { v.Tags = []string{"member"} },
	} {
		b.Run(name, func(b *testing.B) {
			t := t
			change(&t.View)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := t.Turn(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEvaluate(b *testing.B) {
	z := zone(b, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	v := viewOf(order("1", now.Add(-30*aDay), 100_000))
	s := compile(b, `orders.count == 1 && orders.during("previous month").count == 1`, z)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := segment.Evaluate(s, v, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compile(b, `orders.count == 1 && orders.during("previous month").count == 1`, time.UTC)
	}
}
