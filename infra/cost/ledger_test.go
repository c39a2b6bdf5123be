package cost

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"loophub/infra/local/price"
	"loophub/infra/local/template"
	"loophub/infra/stack/snapshot"
)

var to = flag.String("to", "", "a file that the tables are written into")

// Targets, in dollars: a million webhooks, and a month of standing still.
var targets = map[string]price.Amount{"busy": 6 * price.Dollar, "sparse": 9 * price.Dollar, "idle": 2 * price.Dollar}

// tolerance is by how much a figure may differ from the ledger, in percent.
const tolerance = 2

// ledger is what is committed: dollars by table and row.
type ledger map[string]map[string]string

const committed = "testdata/ledger.json"

// What the hub costs is what the ledger says, but for two in a hundred. More is refused; less too, so that the ledger is
// renewed and what was won is kept. UPDATE=1 rewrites it and fails, so that the difference is read.
func TestLedger(t *testing.T) {
	r := newRates(t)
	stack, err := template.Load(snapshot.Template(), "Loophub")
	if err != nil {
		t.Fatal(err)
	}
	got, text := ledger{}, &bytes.Buffer{}
	modes := []string{"busy", "sparse", "busy"}
	runs := make([]measured, len(modes))
	t.Run("modes", func(t *testing.T) {
		for n, mode := range modes {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				runs[n] = measure(t, mode == "sparse")
				runs[n].check(t)
			})
		}
	})
	same(t, runs[0], runs[2])
	for n, m := range runs[:2] {
		one := table{modes[n], m, r.rows(t, m.used, stack.Functions)}
		got[one.mode] = one.figures()
		one.write(text)
	}
	idle := standing(t, r)
	got["idle"] = map[string]string{}
	for _, l := range idle {
		got["idle"][l.name] = l.Decimal(4)
	}
	writeIdle(text, idle)
	writeAssumptions(text, r)
	if *to != "" {
		if err := os.WriteFile(*to, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, got)
}

func compare(t *testing.T, got ledger) {
	t.Helper()
	want := ledger{}
	text, err := os.ReadFile(committed)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if os.Getenv("UPDATE") != "" {
		text, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile(committed, append(text, '\n'), 0o644)
		}
		t.Fatalf("%s is rewritten (%v): read the difference, and run again without UPDATE", committed, err)
	}
	if err != nil {
		t.Fatalf("reading the ledger: %v", err)
	}
	for _, p := range differences(want, got) {
		t.Error(p)
	}
}

// differences are the figures that are others than the ledger's.
func differences(want, got ledger) (l []string) {
	for _, name := range slices.Sorted(maps.Keys(union(want, got))) {
		for _, row := range slices.Sorted(maps.Keys(union(want[name], got[name]))) {
			was, old := want[name][row]
			is, there := got[name][row]
			switch by := percent(was, is); {
			case !old || !there:
				l = append(l, fmt.Sprintf("%s, %s: the ledger says %q, it is %q", name, row, was, is))
			case by > tolerance:
				l = append(l, fmt.Sprintf("%s, %s: $%s is %.1f%% dearer than the ledger's $%s", name, row, is, by, was))
			case by < -tolerance:
				l = append(l, fmt.Sprintf("%s, %s: $%s is %.1f%% cheaper than the ledger's $%s: renew it with UPDATE=1", name, row, is, -by, was))
			}
		}
	}
	return l
}

func union[V any](a, b map[string]V) map[string]V {
	m := maps.Clone(a)
	if m == nil {
		m = map[string]V{}
	}
	maps.Copy(m, b)
	return m
}

// least is what is too little to be compared by hundredths: a figure has four digits after the point.
const least = 0.005

// percent is by how much a figure is above another.
func percent(was, is string) float64 {
	a, errA := strconv.ParseFloat(was, 64)
	b, errB := strconv.ParseFloat(is, 64)
	if errA != nil || errB != nil {
		return math.Inf(1)
	}
	return math.Round(1000*100*(b-a)/max(math.Abs(a), least)) / 1000
}

// A figure that rises by more than is tolerated is told, and so is one that falls, appears or is gone.
func TestDifferencesAreTold(t *testing.T) {
	want := ledger{"busy": {"ingest": "1.0000", "unify": "2.0000", "sum": "3.0000", "gone": "1.0000"}}
	got := ledger{"busy": {"ingest": "1.0200", "unify": "2.0402", "sum": "2.9300", "new": "0.0001"}}
	told := differences(want, got)
	if len(told) != 4 {
		t.Fatalf("%q", told)
	}
	for n, row := range []string{"gone", "new", "sum", "unify"} {
		if !bytes.Contains([]byte(told[n]), []byte("busy, "+row)) {
			t.Errorf("%q is not about %s", told[n], row)
		}
	}
	if l := differences(want, want); len(l) > 0 {
		t.Errorf("nothing differs, and is told: %q", l)
	}
}

// same holds two runs against each other: every count is the same in every run.
func same(t *testing.T, a, b measured) {
	t.Helper()
	for k, u := range b.used.Since(a.used) {
		t.Errorf("%v: %+v in one run, %+v more in another", k, a.used[k], u)
	}
	for k := range a.used {
		if _, there := b.used[k]; !there {
			t.Errorf("%v: %+v in one run, nothing in another", k, a.used[k])
		}
	}
	if !maps.Equal(a.stored, b.stored) || a.mix != b.mix || a.bytes != b.bytes {
		t.Errorf("%v %v %d in one run, %v %v %d in another", a.stored, a.mix, a.bytes, b.stored, b.mix, b.bytes)
	}
}
