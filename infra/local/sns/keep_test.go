package sns_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/sns"
	"loophub/infra/local/work"
)

// keeper is a topic with two subscriptions that fail as they are told, and whose delivery can be held up.
type keeper struct {
	*testing.T
	clock   *clock.Offset
	tracker work.Tracker
	gate    sync.Mutex // held: nothing is delivered
	refusal error
	got     []string
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{T: t, clock: clock.Stopped(noon)}
	k.tracker.Turn = func(string) { k.gate.Lock(); defer k.gate.Unlock() }
	return k
}

func (k *keeper) open() *sns.Service {
	return sns.New(sns.Config{Region: "us-east-1", Account: "1", Timers: k.clock, Tracker: &k.tracker,
		Topics: []sns.Topic{{Name: "mail", ARN: topic, Subscriptions: []sns.Subscription{
			{ARN: topic + ":1", Deliver: func(e []byte) error { k.got = append(k.got, "1 "+string(e)); return nil }},
			{ARN: topic + ":2", Deliver: func(e []byte) error { k.got = append(k.got, "2 "+string(e)); return k.refusal }},
		}}}})
}

func (k *keeper) rest() {
	k.Helper()
	if err := k.tracker.Idle(context.Background()); err != nil {
		k.Fatal(err)
	}
}

// TestEverythingSurvives: what was published and is not delivered, with its attempts.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 150, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		k := newKeeper(t)
		live := k.open()
		k.gate.Lock()
		t.Cleanup(func() { live.Stop(); k.gate.Unlock(); k.rest() })
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return k.open() }, Now: k.clock.Now,
			Step: func(quiet bool) error {
				if r.IntN(10) == 0 && !quiet {
					k.refusal = []error{nil, errors.New("busy")}[r.IntN(2)]
					k.gate.Unlock()
					k.rest()
					k.clock.AdvanceTo(k.clock.Now().Add(time.Duration(r.IntN(20)) * time.Second))
					k.rest()
					k.gate.Lock()
				}
				_, err := live.Publish(topic, "", fmt.Sprint("<é> ", r.IntN(9)), map[string]sns.Attribute{"a": {Type: "String", Value: "ü"}})
				return err
			}}
	})
}

// TestAttemptsGoOn: a delivery that has failed five times waits for its sixth attempt over a restart, and the other
// subscription is not told again.
func TestAttemptsGoOn(t *testing.T) {
	k := newKeeper(t)
	log := &journaltest.Log{}
	live := k.open()
	live.Journal = log
	k.refusal = errors.New("busy")
	if _, err := live.Publish(topic, "", "text", nil); err != nil {
		t.Fatal(err)
	}
	k.rest()
	k.clock.AdvanceTo(noon.Add(time.Second))
	k.rest()
	live.Stop()
	tries := len(k.got) - 1
	k.refusal, k.got = nil, nil
	again := k.open()
	journaltest.Load(t, again, log.Records)
	again.Resume()
	k.rest()
	if len(k.got) != 0 || tries != 5 {
		t.Errorf("%d attempts before, and %q at once", tries, k.got)
	}
	k.clock.AdvanceTo(noon.Add(2 * time.Second))
	k.rest()
	if len(k.got) != 1 || !strings.HasPrefix(k.got[0], "2 ") {
		t.Errorf("got %q", k.got)
	}
	if err := sns.New(sns.Config{Tracker: &k.tracker}).Load(log.Records[0]); err == nil || !strings.Contains(err.Error(), "the template has no subscription") {
		t.Errorf("another template: %v", err)
	}
}
