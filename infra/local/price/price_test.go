package price

import (
	"encoding/json"
	"strings"
	"testing"

	"loophub/infra/local/meter"
)

func load(t *testing.T) (List, Assumptions) {
	t.Helper()
	l, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Assume()
	if err != nil {
		t.Fatal(err)
	}
	return l, a
}

// The list is compared with what a bill would say, so that a unit that is misread shows.
func TestCost(t *testing.T) {
	l, _ := load(t)
	for _, c := range []struct {
		item  Item
		count float64
		want  string
	}{
		{TableWrite, 1_000_000, "0.62500000"},
		{TableWrite, 1, "0.00000063"}, // rounded here; the amount is exact
		{TableRead, 0.5, "0.00000006"},
		{TableRead, 2_000_000.5, "0.25000006"},
		{QueueRequest, 5_000_000, "2.00000000"},
		{FunctionTime, 1000 * 1024 * 1e6, "0.01333340"}, // a thousand seconds of a GB
		{LogWrite, 3e9, "1.50000000"},
		{TableStorage, 1e8, "0.02500000"},
		{Metric, 10, "3.00000000"},
		{ParameterRead, 1e9, "0.00000000"},
	} {
		if got := l.Cost(c.item, c.count).Decimal(8); got != c.want {
			t.Errorf("%v of %s cost $%s, want $%s", c.count, c.item, got, c.want)
		}
	}
	if l.Cost(TableWrite, 1) != 625_000 {
		t.Errorf("a write unit costs %d of a millionth of a millionth of a dollar", l.Cost(TableWrite, 1))
	}
	if l.Of(Alarm).Page == "" || l.Of("nothing") != (Price{}) || Dollar.String() != "$1.00" {
		t.Error("a line, or a dollar, is not as it should be")
	}
}

func TestListsAreRefused(t *testing.T) {
	var good map[string]any
	if err := json.Unmarshal(list, &good); err != nil {
		t.Fatal(err)
	}
	first := func(change map[string]any) func(map[string]any) {
		return func(m map[string]any) {
			for k, v := range change {
				m["items"].([]any)[0].(map[string]any)[k] = v
			}
		}
	}
	for reason, change := range map[string]func(map[string]any){
		"has no price":         func(m map[string]any) { m["items"] = m["items"].([]any)[1:] },
		"stands there twice":   func(m map[string]any) { m["items"] = append(m["items"].([]any), m["items"].([]any)[0]) },
		"is no unit":           first(map[string]any{"unit": "dozen"}),
		"are no dollars":       first(map[string]any{"dollars": "-1"}),
		"lacks the page":       first(map[string]any{"page": ""}),
		"or the day":           first(map[string]any{"read": "yesterday"}),
		"nothing of that name": first(map[string]any{"item": "table.wirte"}),
		"unknown field":        func(m map[string]any) { m["vat"] = "19%" },
		"names no region":      func(m map[string]any) { m["region"] = "" },
	} {
		var m map[string]any
		if err := json.Unmarshal(list, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if _, err := ReadAssumptions([]byte(`{"calls": []}`)); err == nil {
		t.Error("assumptions without a month are taken")
	}
}

// Time is CPU by the function's share, what it waits for, and half a millisecond for rounding.
func TestTime(t *testing.T) {
	a, err := ReadAssumptions([]byte(`{"cpu": {"run": {"microseconds": 100}, "call": {"microseconds": 10}, "kilobyte": {"microseconds": 2}},
		"whole": {"megabytes": 1000}, "pollers": {"count": 5, "seconds": 20}, "month": {"hours": 730},
		"calls": [{"service": "dynamodb", "operation": "GetItem", "microseconds": 3000}, {"service": "outside", "operation": "", "microseconds": 9000}]}`))
	if err != nil {
		t.Fatal(err)
	}
	used := meter.Sheet{
		{Service: meter.Invoked, Operation: "invocation"}:          {Calls: 2, Bytes: 5000},
		{Service: "dynamodb", Operation: "GetItem"}:                {Calls: 3},
		{Service: meter.Outside, Operation: "POST"}:                {Calls: 1},
		{Service: meter.Polled, Operation: "ReceiveMessage"}:       {Calls: 7},
		{Service: meter.Logged, Operation: "line"}:                 {Calls: 7, Bytes: 700},
		{Service: meter.Scheduled, Operation: "SweepSchedule run"}: {Calls: 1},
	}
	cpu := 2*100 + 5*2 + 4*10
	for memory, want := range map[int]int{500: 2*cpu + 3*3000 + 9000 + 2*500, 1000: cpu + 18_000 + 1000, 3000: cpu + 18_000 + 1000} {
		if got, err := a.Time(used, memory); err != nil || got != want {
			t.Errorf("with %d MB %d µs, want %d (%v)", memory, got, want, err)
		}
	}
	if _, err := a.Time(meter.Sheet{{Service: "dynamodb", Operation: "Scan"}: {Calls: 1}}, 500); err == nil {
		t.Error("a call that nobody has said anything of takes no time")
	}
}

func TestBill(t *testing.T) {
	l, a := load(t)
	b, err := l.Bill(meter.Sheet{
		{Service: "dynamodb", Operation: "PutItem"}:          {Calls: 1, Billed: 1, Writes: 2},
		{Service: "dynamodb", Operation: "GetItem"}:          {Calls: 1, Billed: 1, Reads: 0.5},
		{Service: "sqs", Operation: "SendMessage"}:           {Calls: 1, Billed: 3},
		{Service: meter.Polled, Operation: "ReceiveMessage"}: {Calls: 1, Billed: 1},
		{Service: "events", Operation: "PutEvents"}:          {Calls: 1, Billed: 10},
		{Service: meter.Logged, Operation: "line"}:           {Calls: 2, Bytes: 1000},
		{Service: "ses", Operation: "SendEmail"}:             {Calls: 1, Billed: 1},
	}, a, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Bill{Calls: 5, Reads: 0.5, Writes: 2, Requests: 4, Events: 10, LogBytes: 1000, Mails: 1,
		Table: 2*625_000 + 62_500, Queue: 4 * 400_000, Bus: 10 * 1_000_000, Log: 500_000, Apart: 100_000_000}
	if b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
	if b.Sum() != b.Table+b.Queue+b.Bus+b.Log {
		t.Error("what is apart is in the sum, or something is missing")
	}
	if twice := b.Plus(b); twice.Sum() != 2*b.Sum() || twice.Calls != 10 || twice.Apart != 2*b.Apart {
		t.Errorf("twice as much is %+v", twice)
	}
	if _, err := l.Bill(meter.Sheet{{Service: "kinesis", Operation: "PutRecord"}: {Calls: 1}}, a, 0); err == nil {
		t.Error("what has no price is free")
	}
}
