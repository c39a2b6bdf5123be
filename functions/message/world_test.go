package message_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	stage "loophub/functions/message"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const (
	lan     = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	hoa     = profile.ID("gbbbbbbbbbbbbbbbbbbbbbbbb")
	address = "lan@marker.example"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	mail   = profile.Key(secret).Identifier(profile.Identifier{Kind: profile.Email, Value: address})
	start  = time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC) // 09:14 in Saigon
)

// world is a table, a channel and a clock. Every call passes gate, which may end
// the caller before or after it took effect.
type world struct {
	mu         sync.Mutex
	now        time.Time
	definition workspace.Workspace
	controls   message.Controls
	profiles   map[profile.ID]profile.Fragment
	identities map[string]profile.Identity
	messages   map[string]message.Message
	sends      map[profile.ID]message.Sends
	facts      []events.Fact
	armed      map[string]time.Time
	held       []string
	announced  []string
	mails      []message.Mail
	refusal    error // of the channel
	log        *bytes.Buffer
	gate       func(worker int, call string, do func())
}

func newWorld() *world {
	register := func(s string) profile.Register { return profile.Register{Version: 1, Value: events.Text(s)} }
	w := &world{now: start, armed: map[string]time.Time{}, messages: map[string]message.Message{}, sends: map[profile.ID]message.Sends{}, log: &bytes.Buffer{},
		identities: map[string]profile.Identity{}, gate: func(_ int, _ string, do func()) { do() },
		definition: workspace.Workspace{ID: "saigon", Name: "Trà Sen", Zone: "Asia/Ho_Chi_Minh",
			Connections: map[string]workspace.Connection{"email": {Name: "email", Connector: "ses",
				Settings: map[string]string{"from": "Trà Sen <chao@tra-sen.example>", "test_addresses": "toi@marker.example"}}},
			Templates: map[string]workspace.Template{}},
		profiles: map[profile.ID]profile.Fragment{
			lan: {ID: lan, Version: 1, Members: []profile.ID{lan, hoa}, State: profile.State{
				Traits:  map[string]profile.Register{"email": register(address), "first_name": register("Lan"), "locale": register("vi-VN")},
				Consent: map[string]profile.Consent{"email:marketing": {Granted: 5}}, Claims: map[string]profile.Claim{mail: {At: 5, Value: address}}}},
			hoa: {ID: hoa, Version: 1, Members: []profile.ID{lan, hoa}},
		}}
	for _, name := range []string{"a", "b"} {
		w.definition.Templates[name] = workspace.Template{Name: name, Connection: "email", Purpose: workspace.Marketing, Locale: "vi",
			Sample:   map[string]string{"traits.first_name": "Mai", "voucher.code": "TEST-1"},
			Contents: map[string]workspace.Content{"vi": {Subject: `Chào {{ traits.first_name | default: "bạn" }}`, HTML: `<p>{{ voucher.code | default: "-" }} <a href="https://tra-sen.example/tra">Xem</a></p>`}}}
	}
	return w
}

// death ends a worker from within a call.
type death struct{}

// at is the world as one worker sees it.
type at struct {
	*world
	worker int
}

func (a at) call(name string, do func()) {
	a.gate(a.worker, name, func() { a.mu.Lock(); defer a.mu.Unlock(); do() })
}

func (a at) Load(_ context.Context, _ string) (workspace.Workspace, error) { return a.definition, nil }
func (a at) IdentityKey(context.Context, string) ([]byte, error)           { return secret, nil }

type people struct{ at }

func (p people) Load(_ context.Context, id profile.ID) (members []profile.Fragment, _ map[string]profile.Identity, _ error) {
	var identities map[string]profile.Identity
	p.call("load", func() {
		for _, m := range p.profiles[id].Profile() {
			if f, known := p.profiles[m]; known {
				members = append(members, f)
			}
		}
		identities = maps.Clone(p.identities)
	})
	return members, identities, nil
}

func (p people) Identities(_ context.Context, ids []string) (map[string]profile.Identity, error) {
	m := map[string]profile.Identity{}
	p.call("identities", func() {
		for _, id := range ids {
			m[id] = p.identities[id]
		}
	})
	return m, nil
}

func (p people) Message(_ context.Context, _ profile.ID, id string) (m message.Message, _ error) {
	p.call("message", func() { m = p.messages[id] })
	return m, nil
}

func (p people) MessageFacts(_ context.Context, m message.Message) (l []events.Fact, _ error) {
	p.call("facts", func() {
		for _, f := range p.facts {
			if f.Record == string(m.Fragment)+"."+m.ID {
				l = append(l, f)
			}
		}
	})
	return l, nil
}

func (p people) Sends(_ context.Context, ids []profile.ID) (l []message.Sends, _ error) {
	p.call("sends", func() {
		for _, id := range ids {
			s := p.sends[id]
			s.Fragment = id
			l = append(l, s)
		}
	})
	return l, nil
}

func (p people) CommitMessage(_ context.Context, m message.Message) (err error) {
	p.call("commit", func() { err = p.commit(m, nil) })
	return err
}

func (p people) CommitClaim(_ context.Context, m message.Message, sends []message.Sends) (err error) {
	p.call("claim", func() { err = p.commit(m, sends) })
	return err
}

func (w *world) commit(m message.Message, sends []message.Sends) error {
	if w.messages[m.ID].Stored != m.Stored {
		return profile.ErrLost
	}
	for _, s := range sends {
		if w.sends[s.Fragment].Version != s.Version {
			return profile.ErrLost
		}
	}
	m.Stored++
	w.messages[m.ID] = m
	if len(sends) > 0 {
		first := sends[0]
		first.Version++
		w.sends[first.Fragment] = first
	}
	if m.Announced() {
		w.announced = append(w.announced, m.ID+" "+string(m.Status))
	}
	return nil
}

func (p people) Stopped(context.Context, message.Request) (c message.Controls, _ error) {
	p.call("controls", func() { c = p.controls })
	return c, nil
}

func (p people) Hold(_ context.Context, c message.Control, what string) error {
	p.call("hold", func() { p.held = append(p.held, c.Kind+"/"+c.Name+" "+what) })
	return nil
}

func (p people) Arm(_ context.Context, what string, at time.Time) error {
	p.call("arm", func() { p.armed[what] = at })
	return nil
}

func (a at) Send(_ context.Context, m message.Mail) (id string, err error) {
	a.call("send", func() {
		if err = a.refusal; err == nil || errors.Is(err, message.ErrUncertain) {
			a.mails = append(a.mails, m)
			id = fmt.Sprint("ses-", len(a.mails))
		}
	})
	return id, err
}

// worker is a function instance.
func (w *world) worker(n int) *stage.Stage {
	a := at{w, n}
	return stage.New(stage.Config{Definitions: a, Hub: func(string) stage.Hub { return people{a} }, Mailer: a, Links: "https://links.example",
		Pause: func(context.Context, int) error { return nil }, Log: telemetry.New(w.log, "message"), Now: func() time.Time { return w.now }})
}

func request(n int, template string, fragment profile.ID) message.Request {
	return message.Request{ID: message.NewID(start, fmt.Sprint(n)), Fragment: fragment, Connection: "email", Template: template, Purpose: workspace.Marketing,
		Journey: "j", At: start.UnixMilli()}
}

// ask stores a request, as a journey does.
func (w *world) ask(r message.Request) message.Request {
	w.messages[r.ID] = message.Message{Request: r, Status: message.Requested, Stored: 1}
	return r
}

func body(kind string, data any) string {
	e, err := events.NewEnvelope("saigon", kind, start, data)
	if err != nil {
		panic(err)
	}
	s, err := events.ForQueue(e)
	if err != nil {
		panic(err)
	}
	return s
}

func requested(r message.Request) string {
	return body(events.MessageRequested, events.Message{Fragment: string(r.Fragment), Message: r.ID})
}

func due(r message.Request) string {
	return body(events.DueReached, events.Due{What: string(r.Fragment) + "|" + r.ID, At: start.UnixMilli()})
}

// handle gives a worker one message of the queue and tells whether it is done with.
func handle(s *stage.Stage, body string) bool {
	r, err := s.Handle(context.Background(), lambda.SQSEvent{Records: []lambda.SQSMessage{{MessageId: "1", Body: body}}})
	return err == nil && len(r.BatchItemFailures) == 0
}

// lines are the outcomes and reasons logged. None holds an address.
func (w *world) lines(t testing.TB) (l []string) {
	t.Helper()
	if strings.Contains(w.log.String(), "marker") || strings.Contains(w.log.String(), "Lan") {
		t.Fatal("the log names a person: ", w.log)
	}
	for line := range strings.Lines(w.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		s, _ := m["msg"].(string)
		if why, ok := m["reason"].(string); ok {
			s += " " + why
		}
		l = append(l, s)
	}
	return l
}

func (w *world) last(t testing.TB) string {
	l := w.lines(t)
	return l[len(l)-1]
}

// to are whom mails went to, with their messages.
func (w *world) sentIDs() (ids []string) {
	for _, m := range w.mails {
		ids = append(ids, m.Message)
	}
	slices.Sort(ids)
	return ids
}
