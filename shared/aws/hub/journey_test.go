package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/infra/local/awstest"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func exampleJourneyStep(code string) Step {
	e := journey.Entry{ID: "e1", Journey: "come-back", Definition: "v1", Fragment: lan, Person: lan, Cause: "entered lost", Status: journey.Active, Began: 5, Since: 5,
		At: "3", Waiting: true, Due: 9, Count: 2, Steps: []journey.Taken{{At: 5, Step: "1", What: "voucher ten"}}, Voucher: &journey.Voucher{Pool: "ten", Code: code}}
	s := Step{Head: journey.Head{Fragment: lan, Journey: "come-back", Entry: "e1", Definition: "v1", Person: lan, Status: journey.Active, Began: 5, Due: 9, Listens: []string{"message.clicked"}}}
	s.Entry, s.News = e, true
	s.Vouchers = []journey.Assignment{{Voucher: *e.Voucher, Cause: "e1.1.0", Fragment: lan, Entry: "e1", Journey: "come-back", At: 5}}
	s.Messages = []journey.Request{{ID: "0000000000a-x", Fragment: lan, Connection: "email", Template: "gift", Purpose: workspace.Marketing, Journey: "come-back",
		Version: "v1", Entry: "e1", Step: "2", Voucher: *e.Voucher, At: 5}}
	s.Tasks = []journey.Task{{ID: "0000000000b-y", Fragment: lan, Title: "Call", Journey: "come-back", Entry: "e1", Step: "2", At: 5}}
	return s
}

func TestStepIsWrittenWhole(t *testing.T) {
	w := newWorld(t)
	if n, err := w.Upload(t.Context(), "ten", []string{"AAA"}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	w.must(w.CommitStep(t.Context(), exampleJourneyStep("AAA")))
	e, err := w.Entry(t.Context(), lan, "come-back", "e1")
	w.must(err)
	want := exampleJourneyStep("AAA").Entry
	want.Revision = 1
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	heads, err := w.Heads(t.Context(), []profile.ID{hoa, lan})
	w.must(err)
	head := exampleJourneyStep("AAA").Head
	head.Revision = 1
	if diff := cmp.Diff([]journey.Head{head}, heads); diff != "" {
		t.Error(diff)
	}
	tasks, err := w.Tasks(t.Context(), []profile.ID{lan, hoa}, 5)
	w.must(err)
	if diff := cmp.Diff(exampleJourneyStep("").Tasks, tasks); diff != "" {
		t.Error(diff)
	}
	issued, ok, err := w.IssuedCode(t.Context(), "AAA")
	if err != nil || !ok || issued.Pool != "ten" || issued.To.Fragment != lan || issued.To.Entry != "e1" || issued.To.At != 5 {
		t.Error(issued, ok, err)
	}
	if code, err := w.FindCode(t.Context(), "ten", "e1.1.0"); code != "AAA" || err != nil {
		t.Error("the same cause, the same code: ", code, err)
	}
	item := w.print()
	for _, part := range []string{`m#0000000000a-x`, `ev="+"`, `\"type\":\"message.requested.v1\",\"data\":{\"fragment\":\"` + string(lan), `\"type\":\"task.created.v1\"`, `\"type\":\"entry.changed.v1\"`} {
		if !strings.Contains(item, part) {
			t.Errorf("the table lacks %s\n%s", part, item)
		}
	}
	// and once more, as another worker that read before: nothing of it is written
	before := w.print()
	again := exampleJourneyStep("AAA")
	if err := w.CommitStep(t.Context(), again); !errors.Is(err, profile.ErrLost) || w.print() != before {
		t.Error(err)
	}
	// a step that nothing else guards fails on the code that is gone
	again.Entry.Revision, again.Head.Revision, again.Messages, again.Tasks = 1, 1, nil, nil
	again.Vouchers[0].Cause = "e1.1.7"
	if err := w.CommitStep(t.Context(), again); !errors.Is(err, profile.ErrLost) || w.print() != before {
		t.Error(err)
	}
}

// TestOthersMustStand: an entry begins only where no member of the profile has begun
// one since.
func TestOthersMustStand(t *testing.T) {
	w := newWorld(t)
	s := exampleJourneyStep("")
	s.Vouchers, s.Others = nil, []journey.Head{{Fragment: hoa, Journey: "come-back"}}
	w.must(w.CommitHead(t.Context(), journey.Head{Fragment: hoa, Journey: "come-back", Date: 7}))
	if err := w.CommitStep(t.Context(), s); !errors.Is(err, profile.ErrLost) {
		t.Fatal(err)
	}
	heads, err := w.Heads(t.Context(), []profile.ID{hoa})
	w.must(err)
	s.Others = heads
	w.must(w.CommitStep(t.Context(), s))
	if err := w.CommitHead(t.Context(), journey.Head{Fragment: hoa, Journey: "come-back"}); !errors.Is(err, profile.ErrLost) {
		t.Error(err)
	}
}

func TestEntriesOfAllMembers(t *testing.T) {
	w := newWorld(t)
	for n, id := range []profile.ID{lan, hoa, lan} {
		s := exampleJourneyStep("")
		s.Vouchers, s.Messages, s.Tasks = nil, nil, nil
		s.Entry.ID, s.Entry.Fragment, s.Entry.Began = fmt.Sprint("e", n), id, int64(n)
		s.Head.Fragment, s.Head.Revision = id, int64(n/2)
		w.must(w.CommitStep(t.Context(), s))
	}
	l, err := w.Entries(t.Context(), []profile.ID{lan, hoa}, "come-back")
	if err != nil || len(l) != 3 || l[0].ID != "e2" || l[1].ID != "e1" {
		t.Error(l, err)
	}
	if l, err = w.Entries(t.Context(), []profile.ID{lan}, "come"); err != nil || len(l) != 0 {
		t.Error("another journey's: ", l, err)
	}
	if e, err := w.Entry(t.Context(), lan, "come-back", "e9"); err != nil || e.Revision != 0 {
		t.Error(e, err)
	}
}

func TestKeptJourney(t *testing.T) {
	w := newWorld(t)
	d := journey.Definition{Journey: workspace.Journey{Name: "come-back", Steps: []workspace.Step{{Send: "gift"}}}, Zone: "Asia/Ho_Chi_Minh",
		Templates: map[string]journey.Template{"gift": {Connection: "email", Purpose: workspace.Marketing}}}
	for range 2 {
		w.must(w.KeepJourney(t.Context(), "v1", d))
	}
	got, err := w.KeptJourney(t.Context(), "come-back", "v1")
	if diff := cmp.Diff(d, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := w.KeptJourney(t.Context(), "come-back", "v2"); fault.ClassOf(err) != fault.Permanent {
		t.Error(err)
	}
}

func TestAsk(t *testing.T) {
	w := newWorld(t)
	a := journey.Wish{Journey: "come-back", ID: "A-1", Fragment: lan, Properties: map[string]string{"table": "7"}, At: 5}
	for n := range 2 {
		if fresh, err := w.Ask(t.Context(), a); err != nil || fresh != (n == 0) {
			t.Error(fresh, err)
		}
	}
	got, err := w.AskedFor(t.Context(), lan, "come-back", "A-1")
	if diff := cmp.Diff(a, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := w.AskedFor(t.Context(), lan, "come-back", "A-2"); fault.ClassOf(err) != fault.Permanent {
		t.Error(err)
	}
}

func codes(n int) (l []string) {
	for i := range n {
		l = append(l, fmt.Sprintf("TEN-%05d", i))
	}
	return l
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		pool  string
		codes []string
		added int
	}{{"ten", codes(120), 120}, {"ten", codes(130), 10}, {"five", codes(131), 1}, {"five", []string{"A", "B", "A"}, 2}, {"five", nil, 0}} {
		if n, err := w.Upload(t.Context(), c.pool, c.codes); n != c.added || err != nil {
			t.Errorf("%s, %d: %d, %v", c.pool, len(c.codes), n, err)
		}
	}
	for pool, want := range map[string]int{"ten": 130, "five": 3, "none": 0} {
		if free, used, err := w.CountCodes(t.Context(), pool); free != want || used != 0 || err != nil {
			t.Error(pool, free, used, err)
		}
	}
	if _, ok, err := w.IssuedCode(t.Context(), "UNKNOWN"); ok || err != nil {
		t.Error(ok, err)
	}
	if i, ok, err := w.IssuedCode(t.Context(), "TEN-00007"); !ok || i.To.At != 0 || i.Pool != "ten" || err != nil {
		t.Error(i, ok, err)
	}
}

// TestTakers: many at once take as many codes, each its own; then the pool is empty.
func TestTakers(t *testing.T) {
	w := newWorld(t)
	const takers = 60
	if _, err := w.Upload(t.Context(), "ten", codes(takers)); err != nil {
		t.Fatal(err)
	}
	// The look at keys is for one goroutine: here the table alone is asked.
	part := New(w.raw, awstest.Hub).In("saigon")
	got, races := make([]string, takers), 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range takers {
		all.Go(func() {
			for {
				cause := fmt.Sprint("cause-", n)
				code, err := part.FindCode(t.Context(), "ten", cause)
				if err != nil || code == "" {
					t.Errorf("%d: %q, %v", n, code, err)
					return
				}
				s := Step{Head: journey.Head{Fragment: profile.ID(fmt.Sprintf("c%024d", n)), Journey: "x"}}
				s.Entry = journey.Entry{ID: "e", Journey: "x", Fragment: s.Head.Fragment}
				s.Vouchers = []journey.Assignment{{Voucher: journey.Voucher{Pool: "ten", Code: code}, Cause: cause, Fragment: s.Head.Fragment, At: 1}}
				err = part.CommitStep(t.Context(), s)
				mu.Lock()
				if errors.Is(err, profile.ErrLost) {
					races++
					mu.Unlock()
					continue
				}
				got[n] = code
				mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	all.Wait()
	slices.Sort(got)
	if len(slices.Compact(got)) != takers {
		t.Error("a code was given twice: ", got)
	}
	if free, used, err := w.CountCodes(t.Context(), "ten"); free != 0 || used != takers || err != nil {
		t.Error(free, used, err)
	}
	if code, err := w.FindCode(t.Context(), "ten", "late"); code != "" || err != nil {
		t.Error(code, err)
	}
	t.Log(races, "races")
}
