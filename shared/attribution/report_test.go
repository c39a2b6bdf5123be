package attribution

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func counts(t *testing.T, lines string) Counts {
	c := Counts{}
	for l := range strings.Lines(lines) {
		var name string
		var n int64
		if _, err := fmt.Sscan(l, &name, &n); err != nil {
			continue
		}
		var k Key
		if err := k.UnmarshalText([]byte("back|" + name)); err != nil {
			t.Fatal(err)
		}
		c[k] = n
	}
	return c
}

func TestReport(t *testing.T) {
	got := NewReport(counts(t, `
		a||entered 1000
		a||reached 90
		a||ordered 100
		a||entry-orders:VND 120
		a||entry-net:VND 12000000
		a||entry-net:USD -1250
		a|ten|sent 990
		a|ten|delivered 980
		a|ten|opened 500
		a|ten|clicked 200
		a|ten|bounced 10
		a|ten|complained 1
		a|ten|unsubscribed 5
		a|ten|converted 60
		a|ten|orders:VND 66
		a|ten|net:VND 6600000
		a|ten|later 7
		a||orders:VND 2
		a||net:VND 5000
		b||entered 10
		(holdout)||entered 1000
		(holdout)||ordered 50
		(holdout)||entry-orders:VND 50
		(holdout)||entry-net:VND 5000000
	`))
	arm := Arm{Entered: 1000, Reached: 90, Ordered: 100, Revenue: []Revenue{{"USD", 0, -1250}, {"VND", 120, 12_000_000}}}
	want := Report{Holdout: Arm{Entered: 1000, Ordered: 50, Revenue: []Revenue{{"VND", 50, 5_000_000}}}, Variants: []Variant{
		{"a", []Template{{Name: "", Revenue: []Revenue{{"VND", 2, 5000}}},
			{"ten", 990, 980, 500, 200, 10, 1, 5, 60, []Revenue{{"VND", 66, 6_600_000}}}}, arm,
			Comparison{true, 500, 270, 730, true, "Between 2.70 and 7.30 of 100 entries more ordered than without the journey (95 % interval); that is hardly chance."}},
		{"b", nil, Arm{Entered: 10}, Comparison{Lift: -500, Note: "Too few have entered or ordered to tell a difference from chance."}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rate, ok := arm.Rate(); rate != 1000 || !ok {
		t.Error(rate)
	}
	for net, each := range map[int64]int64{12_000_000: 12_000, -1250: -1, 499: 0, 500: 1, -499: 0, -500: -1} {
		if got, ok := arm.PerEntry(Revenue{Net: net}); got != each || !ok {
			t.Errorf("%d over 1000 entries is %d each", net, got)
		}
	}
	if _, ok := (Arm{}).Rate(); ok {
		t.Error("a rate of nobody")
	}
	if r := NewReport(nil); r.Variants != nil || r.Holdout.Entered != 0 {
		t.Error(r)
	}
}

// TestCompare holds the test to figures worked out by hand.
func TestCompare(t *testing.T) {
	arm := func(ordered, entered int64) Arm { return Arm{Entered: entered, Ordered: ordered} }
	for _, tt := range []struct {
		name       string
		a, holdout Arm
		want       Comparison
	}{
		{"fewer", arm(50, 1000), arm(100, 1000), Comparison{true, -500, -730, -270, true, "Between 2.70 and 7.30 of 100 entries fewer ordered than without the journey (95 % interval); that is hardly chance."}},
		{"much the same", arm(52, 1000), arm(50, 1000), Comparison{true, 20, -173, 213, false, "No difference can be told from chance: between -1.73 and 2.13 of 100 entries more ordered than without the journey (95 % interval)."}},
		{"nobody held out", arm(5, 100), Arm{}, Comparison{Note: "Nobody is held out, so there is nothing to compare with."}},
		{"nobody in", Arm{}, arm(5, 100), Comparison{Note: "Nobody has entered."}},
		{"nobody ordered", arm(0, 1000), arm(0, 1000), Comparison{Note: "Too few have entered or ordered to tell a difference from chance."}},
		{"all ordered", arm(1000, 1000), arm(1000, 1000), Comparison{Note: "Too few have entered or ordered to tell a difference from chance."}},
	} {
		if diff := cmp.Diff(tt.want, Compare(tt.a, tt.holdout)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
