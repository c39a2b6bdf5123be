package eventbridge_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/eventbridge"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/retry"
	"loophub/infra/local/work"
)

// keeper is a bus with three targets, whose delivery can be held up before each event, and cut short between targets.
type keeper struct {
	*testing.T
	clock   *clock.Offset
	tracker work.Tracker
	gate    sync.Mutex // held: nothing is delivered
	got     []string
	cut     func(target string) // called before each delivery
	busy    string              // a target that refuses
}

func (k *keeper) open() *eventbridge.Service {
	to := func(name string) eventbridge.Target {
		return eventbridge.Target{ARN: "arn:" + name, Retry: retry.Default(), Deliver: func(e []byte) error {
			if k.cut != nil {
				k.cut(name)
			}
			if k.busy == name {
				return errors.New("busy")
			}
			k.got = append(k.got, name+" "+string(e))
			return nil
		}}
	}
	s, err := eventbridge.New(eventbridge.Config{Region: "us-east-1", Account: "1", Timers: k.clock, Tracker: &k.tracker,
		Buses: []eventbridge.Bus{{Name: "hub", ARN: "arn:hub"}}, Rules: []eventbridge.Rule{
			{ARN: "arn:all", Bus: "hub", Pattern: []byte(`{"source":["loophub"]}`), Targets: []eventbridge.Target{to("a"), to("b")}},
			{ARN: "arn:some", Bus: "hub", Pattern: []byte(`{"detail-type":["t1"]}`), Targets: []eventbridge.Target{to("c")}},
		}})
	if err != nil {
		k.Fatal(err)
	}
	return s
}

func (k *keeper) rest() {
	k.Helper()
	if err := k.tracker.Idle(context.Background()); err != nil {
		k.Fatal(err)
	}
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{T: t, clock: clock.Stopped(noon)}
	k.tracker.Turn = func(string) { k.gate.Lock(); defer k.gate.Unlock() }
	return k
}

func putOne(s *eventbridge.Service, source string, n, kind int) error {
	_, err := s.Serve(context.Background(), dispatch.Call{Operation: "PutEvents", Body: fmt.Appendf(nil, `{"Entries":[`+
		`{"Source":%q,"DetailType":"t%d","Detail":"{\"n\":%d,\"s\":\"<é>\"}","EventBusName":"hub"},`+
		`{"Source":"loophub","DetailType":"","Detail":"{}","EventBusName":"hub"},`+
		`{"Source":"other","DetailType":"t0","Detail":"{}","EventBusName":"hub"}]}`, source, kind, n)})
	return err
}

// TestEverythingSurvives: events that were accepted and not yet delivered, at any moment.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 200, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		k := newKeeper(t)
		live := k.open()
		k.gate.Lock()
		t.Cleanup(func() { live.Stop(); k.gate.Unlock(); k.rest() })
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return k.open() }, Now: k.clock.Now,
			Step: func(quiet bool) error {
				if r.IntN(20) == 0 && !quiet {
					k.busy = []string{"", "b", "c"}[r.IntN(3)]
					k.gate.Unlock()
					k.rest()
					k.clock.AdvanceTo(k.clock.Now().Add(time.Duration(r.IntN(5)) * time.Second))
					k.rest()
					k.gate.Lock()
				}
				return putOne(live, "loophub", r.IntN(100), r.IntN(2))
			}}
	})
}

// TestATargetThatHasAnEventGetsItOnce cuts the delivery of an event short before each target: the targets before have it
// once, the one at hand and those behind get it after the restart.
func TestATargetThatHasAnEventGetsItOnce(t *testing.T) {
	for _, at := range []string{"a", "b", "c"} {
		k := newKeeper(t)
		log := &journaltest.Log{}
		live := k.open()
		live.Journal = log
		k.cut = func(target string) { log.Fails = log.Fails || target == at }
		if err := putOne(live, "loophub", 1, 1); err != nil {
			t.Fatal(err)
		}
		k.rest()
		k.cut, k.got = nil, nil
		again := k.open()
		journaltest.Load(t, again, log.Records)
		again.Resume()
		k.rest()
		var targets []string
		for _, g := range k.got {
			if strings.Contains(g, `"n":1`) {
				targets = append(targets, g[:1])
			}
		}
		if want := strings.Split("abc"[strings.Index("abc", at):], ""); !slices.Equal(targets, want) {
			t.Errorf("cut before %s: %v got it after the restart, want %v", at, targets, want)
		}
		log.Records = nil
		again.Journal, log.Fails = log, false
		err := putOne(again, "loophub", 2, 0)
		k.rest()
		if err != nil || len(log.Records) == 0 || !strings.Contains(string(log.Records[0]), `"Serial":3`) {
			t.Errorf("%v, the next number is not 3: %q", err, log.Records)
		}
	}
}

// TestRetriesGoOn: a target that has refused twice waits for its third attempt over a restart, and nobody else is told again.
func TestRetriesGoOn(t *testing.T) {
	k := newKeeper(t)
	log := &journaltest.Log{}
	live := k.open()
	live.Journal = log
	k.busy = "b"
	if err := putOne(live, "loophub", 1, 1); err != nil {
		t.Fatal(err)
	}
	k.rest()
	k.clock.AdvanceTo(noon.Add(time.Second))
	k.rest()
	live.Stop()
	k.busy, k.got = "", nil
	again := k.open()
	journaltest.Load(t, again, log.Records)
	again.Resume()
	k.rest()
	k.clock.AdvanceTo(noon.Add(2999 * time.Millisecond))
	k.rest()
	if len(k.got) != 0 {
		t.Errorf("told before its time: %q", k.got)
	}
	k.clock.AdvanceTo(noon.Add(3 * time.Second))
	k.rest()
	if len(k.got) != 1 || !strings.HasPrefix(k.got[0], "b ") {
		t.Errorf("got %q", k.got)
	}
}

// TestAnotherTemplateIsRefused: events of a bus that is gone are not dropped in silence.
func TestAnotherTemplateIsRefused(t *testing.T) {
	s := newKeeper(t).open()
	if err := s.Load([]byte(`{"Accepted":[{"Serial":1,"Bus":"gone","Event":{}}]}`)); err == nil || !strings.Contains(err.Error(), "the template has no bus gone") {
		t.Errorf("got %v", err)
	}
}
