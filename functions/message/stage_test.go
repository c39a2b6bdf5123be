package message_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Everything a request can become: what is stored, told, armed and logged. Each
// input comes twice.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*world, *message.Request)
		status  message.Status
		line    string
		mails   int
		retried bool
		again   string // line of the second time, where it is another
	}{
		"sent": {func(*world, *message.Request) {}, message.Sent, "sent", 1, false, "ignored"},
		"no consent": {func(w *world, _ *message.Request) {
			f := w.profiles[lan]
			f.State.Consent = nil
			w.profiles[lan] = f
		}, message.Dropped, "dropped no_consent", 0, false, "ignored no_consent"},
		"bounced": {func(w *world, _ *message.Request) {
			w.identities[mail] = profile.Identity{Stops: map[string]profile.Consent{"email:bounced": {Withdrawn: 5}}}
		}, message.Dropped, "dropped bounced", 0, false, "ignored bounced"},
		"nobody": {func(w *world, _ *message.Request) { clear(w.profiles) }, message.Dropped, "dropped no_profile", 0, false, "ignored no_profile"},
		"a template that can't be filled in": {func(w *world, _ *message.Request) {
			x := w.definition.Templates["a"]
			x.Contents = map[string]workspace.Content{"vi": {Subject: "x", Text: "{{ voucher.code }}"}}
			w.definition.Templates["a"] = x
		}, message.Dropped, "dropped unrenderable", 0, false, "ignored unrenderable"},
		"a template that is none": {func(w *world, _ *message.Request) {
			x := w.definition.Templates["a"]
			x.Contents = map[string]workspace.Content{"vi": {Subject: "x", Text: "{% for %}"}}
			w.definition.Templates["a"] = x
		}, message.Dropped, "dropped unrenderable", 0, false, "ignored unrenderable"},
		"quiet hours": {func(w *world, r *message.Request) {
			w.definition.Policies.Quiet = &workspace.Quiet{From: "09:00", To: "10:00"}
		},
			message.Waiting, "delayed quiet_hours", 0, false, ""},
		"all stopped":    {func(w *world, _ *message.Request) { w.controls.StopAll = true }, message.Requested, "held stopped", 0, false, ""},
		"journey paused": {func(w *world, _ *message.Request) { w.controls.Journey = true }, message.Requested, "held journey_paused", 0, false, ""},
		"refused":        {func(w *world, _ *message.Request) { w.refusal = fault.New(fault.Permanent, "no") }, message.Failed, "refused refused", 0, false, "ignored refused"},
		"throttled":      {func(w *world, _ *message.Request) { w.refusal = fault.New(fault.Throttled, "no") }, message.Waiting, "delayed throttled", 0, false, ""},
		"account paused": {func(w *world, _ *message.Request) { w.refusal = fault.New(fault.Unauthorised, "no") }, message.Requested, "retried allowed", 0, true, ""},
		"no answer came": {func(w *world, _ *message.Request) { w.refusal = fault.As(fault.Transient, message.ErrUncertain) },
			message.Unknown, "unknown lost", 1, false, "ignored lost"},
	} {
		w := newWorld()
		r := request(1, "a", hoa) // asked for under one member, and counted under the least
		c.change(w, &r)
		w.ask(r)
		for n := range 2 {
			done := handle(w.worker(n), requested(r))
			want := c.line
			if n == 1 && c.again != "" {
				want = c.again
			}
			if got := w.last(t); got != want || done == c.retried {
				t.Errorf("%s, time %d: %s, done %v", name, n+1, got, done)
			}
		}
		m := w.messages[r.ID]
		if !m.Is(c.status) || len(w.mails) != c.mails {
			t.Errorf("%s: %s, %d mails", name, m.Status, len(w.mails))
		}
		told := 0
		if m.Announced() {
			told = 1
		}
		if len(w.announced) != told {
			t.Errorf("%s: told %q", name, w.announced)
		}
		counted := len(w.sends[lan].List)
		if want := c.mails; c.status != message.Failed && counted != want || len(w.sends[hoa].List) != 0 {
			t.Errorf("%s: %d are counted", name, counted)
		}
	}
}

func TestTheMail(t *testing.T) {
	w := newWorld()
	r := request(1, "a", lan)
	r.Voucher.Code = "TRA-77"
	w.ask(r)
	if !handle(w.worker(0), requested(r)) || len(w.mails) != 1 {
		t.Fatal(w.lines(t))
	}
	m := w.mails[0]
	if m.Subject != "Chào Lan" || m.To != address || m.From != "Trà Sen <chao@tra-sen.example>" || m.Workspace != "saigon" ||
		m.Connection != "email" || m.Fragment != string(lan) || m.Message != r.ID || !strings.Contains(m.HTML, "TRA-77") || !strings.Contains(m.Text, "TRA-77") {
		t.Errorf("%+v", m)
	}
	if len(m.Headers) != 2 || !strings.HasPrefix(m.Headers[0].Value, "<https://links.example/u/") || m.Headers[1].Value != "List-Unsubscribe=One-Click" {
		t.Error(m.Headers)
	}
	stored := w.messages[r.ID]
	if l, ok := stored.Link(1); !ok || l != "https://tra-sen.example/tra" || stored.Provider != "ses-1" || stored.Content != "vi" {
		t.Errorf("%+v", stored)
	}
	if strings.Contains(fmt.Sprint(stored), address) {
		t.Error("the message keeps the address")
	}
}

// A message waits out the quiet hours: its moment is armed before its state says
// so, and it goes when the moment has come, however often and early it is told.
func TestQuietHoursAreWaitedOut(t *testing.T) {
	w := newWorld()
	w.definition.Policies.Quiet = &workspace.Quiet{From: "09:00", To: "10:00"}
	var calls []string
	w.gate = func(_ int, call string, do func()) { calls = append(calls, call); do() }
	r := w.ask(request(1, "a", lan))
	handle(w.worker(0), requested(r))
	until := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	if !w.armed[string(lan)+"|"+r.ID].Equal(until) || slices.Index(calls, "arm") > slices.Index(calls, "commit") {
		t.Error(w.armed, calls)
	}
	for range 2 { // early
		w.now = until.Add(-time.Second)
		clear(w.armed) // sweep has told it
		handle(w.worker(0), due(r))
		if len(w.mails) != 0 || len(w.armed) != 1 || w.armed[string(lan)+"|"+r.ID].Equal(until) { // which sweep is about to delete
			t.Error("sent early, or never", w.armed)
		}
	}
	for range 2 {
		w.now = until
		handle(w.worker(0), due(r))
		if len(w.mails) != 1 || !w.messages[r.ID].Is(message.Sent) {
			t.Error(w.lines(t))
		}
	}
}

// TestDefinitionsAreSeenLate: a journey may name a template that this worker sees a
// minute later.
func TestDefinitionsAreSeenLate(t *testing.T) {
	for _, seen := range []bool{true, false} {
		w := newWorld()
		r := w.ask(request(1, "a", lan))
		whole := w.definition
		w.definition.Templates = nil
		handle(w.worker(0), requested(r))
		if w.last(t) != "delayed no_template" || len(w.armed) != 1 {
			t.Fatal(w.lines(t))
		}
		want := "dropped no_template"
		if seen {
			w.definition, want = whole, "sent"
		}
		w.now = w.armed[string(lan)+"|"+r.ID]
		if handle(w.worker(0), due(r)); w.last(t) != want {
			t.Error(w.lines(t))
		}
	}
}

// TestWhileALinkIsMade: while fragments do not agree on who they are nobody knows
// what the person was sent; it is decided when they do.
func TestWhileALinkIsMade(t *testing.T) {
	w := newWorld()
	w.definition.Policies.Caps = []workspace.Cap{{AtMost: 1, Within: 24 * time.Hour}}
	f := w.profiles[hoa]
	f.Members = nil
	w.profiles[hoa] = f
	w.sends[hoa] = message.Sends{Fragment: hoa}.With(message.Send{Message: "x", Template: "b", Channel: "ses", Purpose: workspace.Marketing, At: start.Add(-time.Hour).UnixMilli()})
	r := w.ask(request(1, "a", lan))
	if handle(w.worker(0), requested(r)) || len(w.mails) != 0 {
		t.Error(w.lines(t))
	}
	f.Members = []profile.ID{lan, hoa}
	w.profiles[hoa] = f
	if handle(w.worker(0), requested(r)); w.last(t) != "dropped capped" {
		t.Error(w.lines(t))
	}
}

func TestHeldMessagesGoOn(t *testing.T) {
	w := newWorld()
	w.controls.Journey = true
	r := w.ask(request(1, "a", lan))
	handle(w.worker(0), requested(r))
	if want := []string{"journey/j " + string(lan) + "|" + r.ID}; !slices.Equal(w.held, want) {
		t.Error(w.held)
	}
	w.controls.Journey = false
	late := newWorld()
	late.ask(r)
	late.now = start.Add(73 * time.Hour)
	handle(late.worker(0), due(r))
	if late.last(t) != "dropped stale" {
		t.Error(late.lines(t))
	}
	handle(w.worker(0), due(r))
	if w.last(t) != "sent" {
		t.Error(w.lines(t))
	}
}

func TestTestSends(t *testing.T) {
	w := newWorld()
	clear(w.profiles)
	r := request(1, "a", "gqqqqqqqqqqqqqqqqqqqqqqqq")
	r.Purpose, r.To, r.Locale = message.Test, "toi@marker.example", "en"
	w.ask(r)
	for range 2 {
		handle(w.worker(0), requested(r))
	}
	if len(w.mails) != 1 || w.mails[0].Subject != "[TEST] Chào Mai" || w.mails[0].To != "toi@marker.example" || !strings.Contains(w.mails[0].HTML, "TEST-1") {
		t.Errorf("%+v", w.mails)
	}
	if len(w.sends) != 0 {
		t.Error("a test is counted")
	}
	r = request(2, "a", r.Fragment)
	r.Purpose, r.To = message.Test, address
	w.ask(r)
	handle(w.worker(0), requested(r))
	if len(w.mails) != 1 || w.last(t) != "dropped address_denied" {
		t.Error(w.lines(t))
	}
	w.refusal = fault.New(fault.Throttled, "no")
	r = request(3, "a", r.Fragment)
	r.Purpose, r.To = message.Test, "toi@marker.example"
	w.ask(r)
	if !handle(w.worker(0), requested(r)) || !w.messages[r.ID].Is(message.Waiting) || w.messages[r.ID].Reason != message.Throttled {
		t.Error(w.lines(t))
	}
}

// What the channel tells settles a message of which nobody knew.
func TestUnknownIsReconciled(t *testing.T) {
	for field, want := range map[string]message.Status{"opened_at": message.Sent, "failed_at": message.Failed} {
		w := newWorld()
		w.refusal = fault.As(fault.Transient, message.ErrUncertain)
		r := w.ask(request(1, "a", lan))
		handle(w.worker(0), requested(r))
		w.facts = []events.Fact{{Record: string(lan) + "." + r.ID, Fields: events.Fields{field: events.Text("1795140900000")}}}
		for range 2 {
			handle(w.worker(0), requested(r))
		}
		if !w.messages[r.ID].Is(want) || len(w.mails) != 1 || len(w.announced) != 2 {
			t.Error(field, w.messages[r.ID].Status, w.announced)
		}
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	w := newWorld()
	for body, done := range map[string]bool{
		"": false, "{}": false, "null": false, `{"detail":{"type":"message.requested.v1","workspace":"saigon","data":{}}}`: false,
		body(events.MessageRequested, events.Message{Fragment: "lan", Message: "1"}):          false,
		body(events.DueReached, events.Due{What: "nothing"}):                                  false,
		body(events.DueReached, events.Due{What: string(lan) + "|"}):                          false,
		body(events.MessageRequested, "x"):                                                    false,
		body(events.MessageDecided, events.Message{Fragment: string(lan), Message: "1"}):      true, // none of ours
		body(events.MessageRequested, events.Message{Fragment: string(lan), Message: "gone"}): true,
	} {
		if got := handle(w.worker(0), body); got != done {
			t.Errorf("%.80s: %v", body, got)
		}
	}
}
