package simulation

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"loophub/connectors/hubspot/simulator"
	"loophub/infra/local"
	"loophub/infra/local/ses"
	"loophub/infra/local/sim"
	"loophub/infra/simulation/shop"
	"loophub/infra/stack/snapshot"
	"loophub/shared/profile"
)

// kind is what a world is about: each has its own, so that none is larger than it need be.
type kind struct {
	name    string
	without []string // parts of the shop's definition
	people  int
	actions int  // that customers and shop do
	hours   int  // that the shops are open, before the world calms down
	deadCRM bool // HubSpot answers nothing the whole time
	second  bool // another workspace lives beside the first
}

var (
	profiles = kind{name: "profiles", without: []string{"journeys", "templates", "vouchers", "destinations", "policies"},
		people: 6, actions: 18, hours: 14}
	messages = kind{name: "messages", without: []string{"destinations"}, people: 5, actions: 8, hours: 14}
	crm      = kind{name: "the CRM", without: []string{"journeys", "templates", "vouchers"}, people: 5, actions: 9, hours: 14}
	whole    = kind{name: "everything", people: 5, actions: 5, hours: 14}
	dead     = kind{name: "the CRM is dead", people: 5, actions: 5, hours: 5, deadCRM: true}
	two      = kind{name: "two shops", without: profiles.without, people: 5, actions: 13, hours: 14, second: true}
)

// kinds come in turns.
var kinds = []kind{profiles, messages, crm, two, messages, whole, profiles, messages, dead, profiles}

// world is one life of everything.
type world struct {
	*sim.World
	t       *testing.T
	seed    uint64
	digest  string // of a world that is recorded
	r       *rand.Rand
	kind    kind
	outside *shop.Outside
	trouble *trouble
	towns   []*town

	mu        sync.Mutex
	lines     []local.Line
	names     int
	running   int             // scripts
	planned   int             // deliveries, copies too
	echoes    map[string]bool // shops whose CRM is about to send its webhooks
	read      map[string]bool // mails that somebody has looked at
	past      []picture
	farewells []ses.Mail // whose readers were told that there will be no more
}

// town is a shop, and what was sent to it.
type town struct {
	*shop.Shop
	rules  profile.Rules
	sent   []*sending
	asked  []string // what the API took: decisions
	people []*person
}

// sending is a delivery and what became of it at the door.
type sending struct {
	shop.Delivery
	began, acked time.Time
	times        int // that it was sent
}

// picture is what lay in the tables of the shops at a moment.
type picture struct {
	at    time.Time
	rests []shop.Rest // by town
}

// begins is when worlds begin, in the morning of Saigon.
var begins = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)

// live lets the world of a seed live, and gives what was not as promised. Change, if not nil, changes how it is watched.
func live(t *testing.T, seed uint64, change func(*sim.Config)) (w *world, problems []problem) {
	r := rand.New(rand.NewPCG(seed, 0x5eed))
	w = &world{t: t, seed: seed, r: r, kind: kinds[seed%uint64(len(kinds))], echoes: map[string]bool{}, read: map[string]bool{}}
	w.outside = &shop.Outside{Now: func() time.Time { return w.Now() }, Changed: w.echo}
	if w.kind.deadCRM {
		status := []int{0, 500, 503}[r.IntN(3)]
		w.outside.Fault = func(string, simulator.Call) simulator.Fault {
			return simulator.Fault{Status: status, Hang: status == 0}
		}
	}
	if r.IntN(2) == 0 {
		w.outside.App = "4712" // the ledger alone can recognise our own changes
	}
	w.trouble = newTrouble(seed)
	start := begins.Add(time.Duration(r.IntN(24*60)) * time.Minute)
	config := sim.Config{Seed: seed, Start: start, Template: snapshot.Template(),
		Outside: w.outside.Hosts(), Plan: w.trouble.plan, Wake: w.wake, Unplaced: true, Steps: 40_000, Patience: 5 * time.Minute,
		Options: local.Options{Handlers: w.outside.Handlers(), Front: shop.Address + "/", Tail: w.note, Shards: 1 + r.IntN(3)}}
	if change != nil {
		change(&config)
	}
	sim.Run(t, config, func(sw *sim.World) {
		w.World = sw
		problems = w.whole()
		if config.Record {
			w.digest = sw.Digest()
		}
	})
	return w, problems
}

// whole is all that happens.
func (w *world) whole() []problem {
	ids := []string{"saigon"}
	if w.kind.second {
		ids = append(ids, "hoian")
	}
	for _, id := range ids {
		s, err := shop.Open(w.Context(), w.Cloud, w.outside, id, w.kind.without...)
		if err != nil {
			w.t.Fatal(err)
		}
		rules, err := s.Rules(w.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		w.towns = append(w.towns, &town{Shop: s, rules: rules})
	}
	w.imagine()
	for _, until := range w.moments() {
		w.Pass(until.Sub(w.Now()))
		w.look()
		w.readers()
	}
	w.Calm()
	w.settle()
	return w.check()
}

// settle lets pass what vendors, queues and sweeps need to bring everything home, and has an operator replay what was
// parked for want of luck alone.
func (w *world) settle() {
	for range 40 {
		w.Pass(30 * time.Minute)
		if w.home() && !w.replay() {
			break
		}
	}
	w.Rest()
}

// home tells whether nobody is about to do anything more, and every queue is empty.
func (w *world) home() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running > 0 {
		return false
	}
	for _, q := range queues {
		if visible, hidden, delayed, err := w.Cloud.Depth(q); err != nil || visible+hidden+delayed > 0 {
			return false
		}
	}
	return true
}

// queues of the template, by logical id, but for that of dead letters.
var queues = []string{"SpillQueue", "RetryQueue", "SegmentQueue", "JourneyQueue", "MessageQueue", "AttributionQueue",
	"WritebackQueue"}

// wake is when the minute's sweep has something to do.
func (w *world) wake() (time.Time, bool) {
	if visible, hidden, _, err := w.Cloud.Depth("SpillQueue"); err == nil && visible+hidden > 0 {
		return w.Now(), true
	}
	return shop.Next(w.Cloud.Table("HubTable"), w.Now())
}

// note keeps the events of the bus.
func (w *world) note(l local.Line) {
	if !l.Event {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, l)
}

// script starts a script with a name of its own.
func (w *world) script(what string, f func()) {
	w.mu.Lock()
	w.names++
	w.running++
	name := fmt.Sprintf("%04d %s", w.names, what)
	w.mu.Unlock()
	w.Go(name, func() {
		f()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
	})
}

// patience of vendors: how long they wait before they send again.
var patience = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// deliver has a delivery sent some time from now, until it is acknowledged, and once more after each of the gaps.
func (w *world) deliver(t *town, d shop.Delivery, after time.Duration, gaps ...time.Duration) {
	s := &sending{Delivery: d}
	w.mu.Lock()
	t.sent = append(t.sent, s)
	w.mu.Unlock()
	w.script("sends "+d.What, func() {
		w.Sleep(after)
		s.began = w.Now()
		w.insist(s)
		for _, gap := range gaps {
			w.Sleep(gap)
			w.insist(s)
		}
	})
}

// insist sends until it is acknowledged.
func (w *world) insist(s *sending) {
	for n := 0; ; n++ {
		answer := w.Send(s.Request())
		w.mu.Lock()
		s.times++
		good := shop.Acknowledged(answer)
		if good && s.acked.IsZero() {
			s.acked = w.Now()
		}
		w.mu.Unlock()
		if good {
			return
		}
		w.Sleep(patience[min(n, len(patience)-1)])
	}
}

// ask makes a request to the API until it is answered with less than 500.
func (w *world) ask(make func() *http.Request) *http.Response {
	for n := 0; ; n++ {
		answer := w.Send(make())
		if answer.StatusCode < http.StatusInternalServerError {
			return answer
		}
		w.Sleep(patience[min(n, len(patience)-1)])
	}
}

// echo has the CRM send its webhooks a little later.
func (w *world) echo(id string) {
	w.mu.Lock()
	soon := w.echoes[id]
	w.echoes[id] = true
	w.mu.Unlock()
	if soon {
		return
	}
	for _, t := range w.towns {
		if t.ID() != id {
			continue
		}
		w.script("the CRM of "+id, func() {
			w.Sleep(3 * time.Second)
			w.mu.Lock()
			w.echoes[id] = false
			l, err := t.Echoes()
			w.mu.Unlock()
			if err != nil {
				w.t.Error(err)
			}
			for _, d := range l {
				w.deliver(t, d, 0)
			}
		})
	}
}

// look keeps what lies in the tables now.
func (w *world) look() {
	s := picture{at: w.Now()}
	for _, t := range w.towns {
		r, err := t.Read()
		if err != nil {
			w.t.Fatal(err)
		}
		s.rests = append(s.rests, r)
	}
	w.past = append(w.past, s)
}
