package year

import (
	"cmp"
	_ "embed"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/shared/attribution"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

var (
	seed  = flag.Uint64("seed", 1, "what chance begins with")
	whole = 2_000 // customers
	few   = 200   // with -short
	some  = 60    // where a mistake is planted
)

//go:embed testdata/workspace.yaml
var definition []byte

// mistake is what the driver does wrong on purpose, so that the checks can be seen
// to find it.
type mistake string

const (
	none         mistake = ""
	noCaps       mistake = "caps are ignored"
	noQuiet      mistake = "quiet hours are ignored"
	shopQuiet    mistake = "quiet hours are the shop's"
	noConsent    mistake = "consent is ignored"
	noStops      mistake = "bounces and complaints are ignored"
	shortWait    mistake = "waits are a minute short"
	noHoldout    mistake = "holdouts get what others get"
	fickle       mistake = "variants are drawn anew at each entry"
	noReEntry    mistake = "anybody comes in again"
	deaf         mistake = "events that are waited for are not heard"
	lostMoments  mistake = "moments of segments are lost"
	doubleGift   mistake = "a voucher is given twice"
	uncounted    mistake = "refunds are not counted"
	noDuplicates mistake = "the same template goes out again at once"
)

// year is the shop, and what runs it: what the stages do, with the same functions.
type year struct {
	clock
	tb        testing.TB
	mistake   mistake
	workspace workspace.Workspace
	rules     profile.Rules
	segments  []segment.Segment
	journeys  []journey.Journey // by name
	windows   attribution.Windows
	persons   []*person
	pool      pool
	counters  attribution.Counts
	held      []func() // messages, while all are stopped
	figures   figures
}

// figures are what a run was made of.
type figures struct {
	facts, turns, entries, steps, sends, samples, stale, dry int

	dropped, delayed map[message.Reason]int
}

func (f *figures) add(o figures) {
	for to, n := range map[*int]int{&f.facts: o.facts, &f.turns: o.turns, &f.entries: o.entries, &f.steps: o.steps, &f.sends: o.sends,
		&f.samples: o.samples, &f.stale: o.stale, &f.dry: o.dry} {
		*to += n
	}
	for to, from := range map[*map[message.Reason]int]map[message.Reason]int{&f.dropped: o.dropped, &f.delayed: o.delayed} {
		if *to == nil {
			*to = map[message.Reason]int{}
		}
		for reason, n := range from {
			(*to)[reason] += n
		}
	}
}

func (f figures) String() string {
	return fmt.Sprintf("%d facts, %d turns, %d entries, %d steps, %d sends, delayed %v, dropped %v, %d samples (%d before a due moment had come), %d times a dry pool",
		f.facts, f.turns, f.entries, f.steps, f.sends, f.delayed, f.dropped, f.samples, f.stale, f.dry)
}

func parse(tb testing.TB) workspace.Workspace {
	tb.Helper()
	known := []connector.Manifest{{Name: "ses", Channel: "email"}, {Name: "shop"}, {Name: "website"}}
	w, err := workspace.Parse(definition, known, segment.Checks, journey.Checks, message.Checks)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// live lets a number of customers, from the first one on, live for a year.
func live(tb testing.TB, first, persons int, seed uint64, m mistake) *year {
	tb.Helper()
	w := parse(tb)
	y := &year{tb: tb, mistake: m, workspace: w, clock: clock{now: begins}, counters: attribution.Counts{}, windows: attribution.WindowsOf(w),
		rules: profile.NewRules([]byte("a key of a workspace, 32 bytes.."), nil, nil), pool: pool{given: map[string]string{}},
		figures: figures{dropped: map[message.Reason]int{}, delayed: map[message.Reason]int{}}}
	var err error
	if y.segments, err = segment.CompileAll(w); err != nil {
		tb.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Journeys)) {
		d, _ := journey.Of(w, name)
		j, err := journey.Compile(d)
		if err != nil {
			tb.Fatal(err)
		}
		y.journeys = append(y.journeys, j)
	}
	for n := first; n < first+persons; n++ {
		y.persons = append(y.persons, y.born(n, rand.New(rand.NewPCG(seed, uint64(n)))))
	}
	y.at(stopped.until, func() {
		for _, again := range y.held {
			y.at(y.now+minute, again)
		}
		y.held = nil
	})
	y.run()
	for _, p := range y.persons {
		y.settle(p)
	}
	return y
}

// journey finds a journey by its name.
func (y *year) journey(name string) journey.Journey {
	n, _ := slices.BinarySearchFunc(y.journeys, name, func(j journey.Journey, name string) int { return cmp.Compare(j.Name, name) })
	return y.journeys[n]
}

// must stops the run at what should never happen.
func (y *year) must(err error) {
	y.tb.Helper()
	if err != nil {
		y.tb.Fatal(time.UnixMilli(y.now).UTC(), err)
	}
}

// TestMain trades memory, of which a year needs little, for time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// part is how many customers share a clock and a pool of vouchers: none meets another
// but there, and fewer keep the memory small.
const part = 200

func TestYear(t *testing.T) {
	persons := whole
	if testing.Short() {
		persons = few
	}
	var all figures
	var mutex sync.Mutex
	t.Run("customers", func(t *testing.T) {
		for first := 0; first < persons; first += part {
			t.Run(fmt.Sprint("from ", first), func(t *testing.T) {
				t.Parallel()
				y := live(t, first, min(part, persons-first), *seed, none)
				report(t, y.check())
				mutex.Lock()
				defer mutex.Unlock()
				all.add(y.figures)
			})
		}
	})
	t.Logf("seed %d: %d customers, %v", *seed, persons, all)
	lively(t, all, persons)
}

func report(t *testing.T, l []complaint) {
	t.Helper()
	for _, c := range l[:min(len(l), 20)] {
		t.Error(c)
	}
	if len(l) > 20 {
		t.Errorf("and %d more", len(l)-20)
	}
}

// lively wants a year in which all that the checks look at happened often.
func lively(t *testing.T, f figures, n int) {
	t.Helper()
	rare := n / 1_000 // may happen to nobody among a few hundred
	for what, short := range map[string]bool{
		"sends": f.sends < 5*n, "turns": f.turns < 10*n, "entries": f.entries < 5*n, "samples": f.samples < 10*n, "fresh samples": f.stale*20 > f.samples,
		"capped": f.dropped[message.Capped] < n/2, "quiet hours": f.delayed[message.QuietHours] < n, "withdrawn": f.dropped[message.Withdrawn] < n/10,
		"no consent": f.dropped[message.NoConsent] < n/10, "bounced": f.dropped[message.Bounced] < rare, "complained": f.dropped[message.Complained] < rare,
		"duplicates": f.dropped[message.Duplicate] < rare, "stale": f.dropped[message.Stale] < rare, "throttled": f.delayed[message.Throttled] < rare,
		"dry pools": f.dry < rare,
	} {
		if short {
			t.Errorf("too little happened: %s; %v", what, f)
		}
	}
}

func TestSameSeedSameYear(t *testing.T) {
	a, b, c := live(t, 0, 40, *seed, none), live(t, 0, 40, *seed, none), live(t, 0, 40, *seed+1, none)
	if a.transcript() != b.transcript() {
		t.Error("one seed gives two years")
	}
	if a.transcript() == c.transcript() {
		t.Error("two seeds give one year")
	}
}

// TestMistakesAreFound plants one mistake after another and wants the check that is
// there for it to find it.
func TestMistakesAreFound(t *testing.T) {
	for m, want := range map[mistake]string{
		noCaps: "caps", noQuiet: "quiet hours", shopQuiet: "quiet hours", noConsent: "consent", noStops: "suppression", shortWait: "waits",
		noHoldout: "holdout", fickle: "variants", noReEntry: "re-entry", deaf: "waits", lostMoments: "memberships", doubleGift: "vouchers",
		uncounted: "attribution", noDuplicates: "duplicates",
	} {
		t.Run(string(m), func(t *testing.T) {
			found := live(t, 0, some, *seed, m).check()
			if !slices.ContainsFunc(found, func(c complaint) bool { return c.check == want }) {
				t.Errorf("the check of %s found nothing; others found %d things", want, len(found))
			}
		})
	}
}
