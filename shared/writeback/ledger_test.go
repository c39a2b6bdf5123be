package writeback

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/shared/fault"
)

type fields = map[string]string

var t0 = time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)

func written(values fields) Ledger {
	l := Ledger{Record: "42"}
	for f, v := range values {
		l.note(f, v, t0.UnixMilli())
	}
	return l
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name         string
		wanted, last fields
		want         fields
	}{
		{"nothing known", fields{"a": "1", "b": ""}, nil, fields{"a": "1"}},
		{"the same", fields{"a": "1"}, fields{"a": "1"}, fields{}},
		{"another", fields{"a": "2", "b": "1"}, fields{"a": "1", "b": "1"}, fields{"a": "2"}},
		{"cleared", fields{"a": ""}, fields{"a": "1"}, fields{"a": ""}},
		{"cleared already", fields{"a": ""}, fields{"a": ""}, fields{}},
		{"wanted no more", fields{}, fields{"a": "1"}, fields{}},
		{"texts are compared as they are", fields{"a": "1.0"}, fields{"a": "1"}, fields{"a": "1.0"}},
	} {
		if diff := cmp.Diff(c.want, Diff(c.wanted, written(c.last))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestNext(t *testing.T) {
	wanted := fields{"a": "1"}
	lease := t0.Add(time.Minute)
	claimed := Ledger{}.Claim(wanted, t0, lease)
	throttled := Ledger{}.Fail(fault.Throttle(t0.Add(time.Hour), "x"), false, wanted, t0, 0)
	refused := claimed.Settle(connector.Receipt{Err: fault.New(fault.Permanent, "no such property a")}, wanted, t0, 0)
	for _, c := range []struct {
		name   string
		l      Ledger
		wanted fields
		now    time.Time
		want   Step
	}{
		{"a new record", Ledger{}, wanted, t0, Step{Do: Seek}},
		{"nothing wanted", Ledger{}, fields{"a": ""}, t0, Step{}},
		{"a known record", written(fields{"a": "0"}), wanted, t0, Step{Do: Write}},
		{"a field that we never wrote", written(fields{"b": "0"}), wanted, t0, Step{Do: Seek}},
		{"all is written", written(fields{"a": "1"}), wanted, t0, Step{}},
		{"somebody is at it", claimed, wanted, t0, Step{Wait, lease}},
		{"and wants something else", claimed, fields{"a": "2"}, t0, Step{Wait, lease}},
		{"who was at it is dead", claimed, wanted, lease, Step{Do: Seek}},
		{"and what was wanted then is no more", claimed, fields{}, lease, Step{Do: Seek}},
		{"throttled", throttled, wanted, t0.Add(59 * time.Minute), Step{Wait, t0.Add(time.Hour)}},
		{"no more throttled", throttled, wanted, t0.Add(time.Hour), Step{Do: Seek}},
		{"refused", refused, wanted, t0.Add(1000 * time.Hour), Step{}},
		{"refused, and another is wanted", refused, fields{"a": "2"}, t0, Step{Do: Seek}},
	} {
		if diff := cmp.Diff(c.want, Next(c.l, c.wanted, c.now)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if refused.Trouble.Reason != "no such property a" {
		t.Errorf("the reason is %q", refused.Trouble.Reason)
	}
}

// After a death only the destination knows: what is there was written.
func TestCompare(t *testing.T) {
	wanted := fields{"a": "1", "b": "2"}
	claimed := Ledger{}.Claim(wanted, t0, t0)
	now := t0.Add(time.Minute)
	for _, c := range []struct {
		name   string
		found  connector.Found
		wanted fields
		left   fields
		held   bool
	}{
		{"no record", connector.Found{}, wanted, wanted, true},
		{"half of it", connector.Found{Record: "7", Fields: fields{"a": "1", "b": ""}}, wanted, fields{"b": "2"}, true},
		{"all of it", connector.Found{Record: "7", Fields: fields{"a": "1", "b": "2"}}, wanted, fields{}, true},
		{"all of it, and another is wanted", connector.Found{Record: "7", Fields: fields{"a": "1", "b": "2"}}, fields{"a": "1", "b": "3"}, fields{"b": "3"}, false},
		{"all of it, and nothing is wanted", connector.Found{Record: "7", Fields: fields{"a": "1", "b": "2"}}, fields{"a": "", "b": ""}, fields{"a": "", "b": ""}, false},
		{"somebody wrote what is wanted now", connector.Found{Record: "7", Fields: fields{"a": "1", "b": "3"}}, fields{"a": "1", "b": "3"}, fields{}, true},
	} {
		l, left, held := claimed.Compare(c.found, c.wanted, now)
		if diff := cmp.Diff(c.left, left); diff != "" || held != c.held || l.Record != c.found.Record {
			t.Errorf("%s: record %q, held %v, left %s", c.name, l.Record, held, diff)
		}
		if (len(left) == 0) != (l.Pending == nil) {
			t.Errorf("%s: %v is left and %v pending", c.name, left, l.Pending)
		}
		if len(claimed.Pending) != 2 {
			t.Fatalf("%s: the ledger before was changed", c.name)
		}
	}
}

func TestSettle(t *testing.T) {
	wanted := fields{"a": "1"}
	claimed := Ledger{}.Claim(wanted, t0, t0.Add(time.Minute))
	l := claimed.Settle(connector.Receipt{Record: "7", New: true}, wanted, t0, 0)
	if l.Record != "7" || l.Fields["a"].Value != "1" || l.Pending != nil || l.Lease != 0 || l.Trouble != nil {
		t.Errorf("written: %+v", l)
	}
	for _, c := range []struct {
		name    string
		err     error
		pending bool
		next    time.Time
	}{
		{"transient", errors.New("no answer"), true, t0.Add(15 * time.Second)},
		{"throttled", fault.Throttle(t0.Add(5*time.Minute), "x"), false, t0.Add(5 * time.Minute)},
		{"throttled without a moment", fault.New(fault.Throttled, "x"), false, t0.Add(15 * time.Second)},
		{"unauthorised", fault.New(fault.Unauthorised, "x"), false, t0.Add(15 * time.Minute)},
		{"permanent", fault.New(fault.Permanent, "x"), false, time.Time{}},
	} {
		l := claimed.Settle(connector.Receipt{Err: c.err}, wanted, t0, 0)
		if (len(l.Pending) > 0) != c.pending || l.Fields["a"].At != 0 || l.Lease != 0 {
			t.Errorf("%s: %+v", c.name, l)
		}
		if c.next.IsZero() != (l.Trouble.Next == 0) || !c.next.IsZero() && l.Trouble.Next != c.next.UnixMilli() {
			t.Errorf("%s: next %d", c.name, l.Trouble.Next)
		}
	}
	gone := written(fields{"a": "0"}).Claim(wanted, t0, t0).Settle(connector.Receipt{Err: fault.As(fault.Permanent, connector.ErrGone)}, wanted, t0, 0)
	if gone.Record != "" || len(gone.Fields) != 0 || Next(gone, wanted, t0).Do != Nothing || Next(gone, fields{"a": "2"}, t0).Do != Seek {
		t.Errorf("gone: %+v", gone)
	}
}

func TestAgain(t *testing.T) {
	last := time.Duration(0)
	for tries := 1; tries <= 80; tries++ {
		least, most := Again(errors.New("x"), tries, t0, 0).Sub(t0), Again(errors.New("x"), tries, t0, 1).Sub(t0)
		if least < 15*time.Second || most > time.Hour || least != most/2 || most < last {
			t.Fatalf("after %d tries %s to %s", tries, least, most)
		}
		last = most
	}
	if last != time.Hour {
		t.Errorf("the longest wait is %s", last)
	}
	if got := Again(fault.Throttle(t0.Add(-time.Second), "x"), 1, t0, 0); !got.After(t0) {
		t.Error("a moment that is past is no wait")
	}
}

func TestOwn(t *testing.T) {
	ms := func(d time.Duration) int64 { return t0.Add(d).UnixMilli() }
	l := Ledger{Record: "7"}
	l.note("a", "1", ms(0))
	l.note("a", "2", ms(time.Hour))
	l.note("a", "", ms(2*time.Hour))
	l = l.Claim(fields{"a": "4", "n": "new"}, t0.Add(3*time.Hour), t0.Add(4*time.Hour))
	for _, c := range []struct {
		name, field, value string
		at                 int64
		want               bool
	}{
		{"pending", "a", "4", ms(3 * time.Hour), true},
		{"pending, never written before", "n", "new", ms(3 * time.Hour), true},
		{"last written, a clearing", "a", "", ms(2 * time.Hour), true},
		{"a late echo of one before", "a", "1", ms(time.Second), true},
		{"the clock of the destination differs", "a", "2", ms(time.Hour - time.Minute), true},
		{"a person sets an old value again", "a", "1", ms(90 * time.Minute), false},
		{"a person sets another", "a", "5", ms(3 * time.Hour), false},
		{"a field that is not ours", "b", "1", ms(0), false},
		{"and is cleared", "b", "", ms(0), false},
		{"a field that is pending only", "n", "", ms(0), false},
	} {
		if got := Own(l, c.field, c.value, c.at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// Attempts end in any way, the destination now and then takes effect without an
// answer: no field is written with the value that it has, and at rest the
// ledger says what the destination holds.
func TestLedgerFollowsTheDestination(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		there := connector.Found{Fields: fields{}}
		write := func(change fields) {
			there.Record = "7"
			for f, v := range change {
				if there.Fields[f] == v {
					t.Fatalf("seed %d: %s is written with the value %q that it has", seed, f, v)
				}
				there.Fields[f] = v
			}
		}
		var l Ledger
		wanted, now := fields{}, t0
		attempt := func(calm bool) {
			step := Next(l, wanted, now)
			if step.Do == Wait || step.Do == Nothing {
				return
			}
			l = l.Claim(wanted, now, now.Add(time.Minute))
			left := l.Pending
			if step.Do == Seek {
				if !calm && r.IntN(5) == 0 {
					l = l.Fail(errors.New("no answer"), true, wanted, now, r.Float64())
					return
				}
				found := connector.Found{Record: there.Record, Fields: fields{}}
				for f := range l.Pending {
					found.Fields[f] = there.Fields[f]
				}
				if l, left, _ = l.Compare(found, wanted, now); len(left) == 0 {
					return
				}
			}
			how := r.IntN(6)
			if calm {
				how = 0
			}
			switch how {
			case 0, 1:
				write(left)
				l = l.Settle(connector.Receipt{Record: "7"}, wanted, now, 0)
			case 2: // took effect, no answer
				write(left)
				l = l.Settle(connector.Receipt{Err: errors.New("time-out")}, wanted, now, 0)
			case 3: // took effect, and the worker died
				write(left)
			case 4:
				l = l.Settle(connector.Receipt{Err: fault.Throttle(now.Add(time.Minute), "x")}, wanted, now, 0)
			case 5: // died before it sent
			}
		}
		for range 30 {
			if r.IntN(2) == 0 {
				wanted = maps.Clone(wanted)
				wanted[fmt.Sprint("f", r.IntN(3))] = fmt.Sprint(r.IntN(3))
				if r.IntN(3) == 0 {
					wanted[fmt.Sprint("f", r.IntN(3))] = ""
				}
			}
			attempt(false)
			now = now.Add(time.Duration(r.IntN(90)) * time.Second)
		}
		for range 3 {
			now = now.Add(2 * time.Hour)
			attempt(true)
		}
		if step := Next(l, wanted, now); step.Do != Nothing || l.Pending != nil {
			t.Fatalf("seed %d: not at rest: %v %+v", seed, step, l)
		}
		for f, v := range wanted {
			if there.Fields[f] != v {
				t.Fatalf("seed %d: %s is %q there, wanted %q", seed, f, there.Fields[f], v)
			}
		}
		for f, w := range l.Fields {
			if w.At > 0 && there.Fields[f] != w.Value {
				t.Fatalf("seed %d: the ledger says %s is %q, there it is %q", seed, f, w.Value, there.Fields[f])
			}
		}
	}
}
