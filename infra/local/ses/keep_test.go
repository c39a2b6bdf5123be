package ses_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/ses"
	"loophub/infra/local/work"
)

// keeper is an outbox whose publishing can be held up.
type keeper struct {
	*testing.T
	clock   *clock.Offset
	tracker work.Tracker
	gate    sync.Mutex // held: nothing is published
	got     []string
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{T: t, clock: clock.Stopped(noon)}
	k.tracker.Turn = func(string) { k.gate.Lock(); defer k.gate.Unlock() }
	return k
}

func (k *keeper) open() *ses.Service {
	s, err := ses.New(ses.Config{Region: "us-east-1", Account: "1", Clock: k.clock, Tracker: &k.tracker, Sets: []ses.Set{
		{Name: "hub", Destinations: []ses.Destination{{Types: []string{"send", "delivery", "open", "click", "bounce", "complaint"},
			Publish: func(e []byte) error { k.got = append(k.got, string(e)); return nil }}}}}})
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

func mail(s *ses.Service, t *testing.T, to string, n int) error {
	_, err := s.Serve(t.Context(), dispatch.Call{Operation: "SendEmail", Principal: "arn:role/message", Body: fmt.Appendf(nil,
		`{"FromEmailAddress":"a@tra-sen.example","ConfigurationSetName":"hub","Destination":{"ToAddresses":[%q],"CcAddresses":[]},
		"EmailTags":[{"Name":"n","Value":"%d"}],"Content":{"Simple":{"Subject":{"Data":"Trà","Charset":"UTF-8"},
		"Body":{"Html":{"Data":"<a href=\"https://x.example\">"}},"Headers":[{"Name":"X-A","Value":"b"}]}}}`, to, n)})
	return err
}

// TestEverythingSurvives: mails, and what of them is not published yet.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 120, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		k := newKeeper(t)
		live := k.open()
		k.gate.Lock()
		t.Cleanup(func() { k.gate.Unlock(); k.rest() })
		to := []string{"lan@example.vn", "bounce@simulator.amazonses.com", "ooto@simulator.amazonses.com", "complaint@simulator.amazonses.com"}
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return k.open() }, Now: k.clock.Now,
			Step: func(quiet bool) error {
				if r.IntN(10) == 0 && !quiet {
					k.gate.Unlock()
					k.rest()
					k.gate.Lock()
				}
				mails := live.Mails()
				if r.IntN(2) == 0 || len(mails) == 0 {
					return mail(live, t, to[r.IntN(len(to))], r.IntN(9))
				}
				m := mails[r.IntN(len(mails))]
				return []func() error{func() error { return live.Open(m.ID) }, func() error { return live.Click(m.ID, "https://x.example") },
					func() error { return live.Bounce(m.ID, true) }, func() error { return live.Complain(m.ID) }}[r.IntN(4)]()
			}}
	})
}

// TestWhatIsNotPublishedFollows: a restart publishes what it finds, in its order, and gives out no id twice.
func TestWhatIsNotPublishedFollows(t *testing.T) {
	k := newKeeper(t)
	log := &journaltest.Log{}
	live := k.open()
	live.Journal = log
	k.gate.Lock()
	if err := mail(live, t, "lan@example.vn", 1); err != nil {
		t.Fatal(err)
	}
	id := live.Mails()[0].ID
	if err := live.Open(id); err != nil {
		t.Fatal(err)
	}
	log.Fails = true
	if err := live.Open(id); !errors.Is(err, journaltest.ErrFull) {
		t.Errorf("an opening that is not kept: %v", err)
	}
	k.gate.Unlock()
	k.rest()
	k.got = nil
	again := k.open()
	journaltest.Load(t, again, log.Records)
	again.Resume()
	k.rest()
	var kinds []string
	for _, e := range k.got {
		_, rest, _ := strings.Cut(e, `"eventType":"`)
		kinds = append(kinds, rest[:strings.IndexByte(rest, '"')])
	}
	if strings.Join(kinds, " ") != "Send Delivery Open" {
		t.Errorf("published %v", kinds)
	}
	if err := mail(again, t, "lan@example.vn", 2); err != nil || len(again.Mails()) != 2 || again.Mails()[1].ID == id {
		t.Errorf("%v, mails %v", err, again.Mails())
	}
	k.rest()
}
