package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

var asked = time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC)

func exampleRequest(n int) message.Request {
	at := asked.Add(time.Duration(n) * time.Hour)
	return message.Request{ID: message.NewID(at, fmt.Sprint(n)), Fragment: lan, Connection: "email", Template: "come-back", Purpose: workspace.Marketing,
		Journey: "come-back", Version: "v1", Entry: "e", Variant: "a", Step: "3", Voucher: message.Voucher{Pool: "p", Code: "TRA-1"},
		Event: map[string]string{"product": "Trà sen"}, At: at.UnixMilli()}
}

// announced is what an item puts on the bus.
func (w *world) announced(m message.Message) string {
	w.t.Helper()
	item := w.item(w.message(m.Fragment, m.ID))
	an, ok := item["an"].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	var l []events.Announcement
	var data events.Message
	w.must(json.Unmarshal([]byte(an.Value), &l))
	w.must(json.Unmarshal(l[0].Data, &data))
	if ev, _ := item["ev"].(*types.AttributeValueMemberS); ev == nil || ev.Value != "+" || len(l) != 1 || data != (events.Message{Fragment: string(m.Fragment), Message: m.ID}) {
		w.t.Errorf("%v, %s", item["ev"], an.Value)
	}
	return l[0].Type
}

func TestMessageFromRequestToSent(t *testing.T) {
	w := newWorld(t)
	r := exampleRequest(0)
	if none, err := w.Message(t.Context(), lan, r.ID); err != nil || none.Stored != 0 {
		t.Fatal(none, err)
	}
	for n := range 2 {
		if fresh, err := w.Request(t.Context(), r); err != nil || fresh != (n == 0) {
			t.Fatal(fresh, err)
		}
	}
	m, err := w.Message(t.Context(), lan, r.ID)
	w.must(err)
	if diff := cmp.Diff(message.Message{Request: r, Status: message.Requested, Stored: 1}, m); diff != "" || w.announced(m) != events.MessageRequested {
		t.Fatal(diff, w.announced(m))
	}
	step := func(next message.Message, err error, tells string) {
		t.Helper()
		w.must(err)
		w.must(w.CommitMessage(t.Context(), next))
		if err := w.CommitMessage(t.Context(), next); !errors.Is(err, profile.ErrLost) {
			t.Error("the same version is written twice:", err)
		}
		next.Stored++
		got, err := w.Message(t.Context(), lan, r.ID)
		w.must(err)
		if diff := cmp.Diff(next, got); diff != "" {
			t.Error(diff)
		}
		if told := w.announced(got); told != tells {
			t.Errorf("%s tells %q", got.Status, told)
		}
		m = got
	}
	next, err := m.Wait(asked.Add(time.Hour), message.QuietHours, asked)
	step(next, err, "")
	next, err = m.Claim(message.Rendered{Locale: "vi", Links: []string{"https://tra-sen.example/"}}, asked)
	step(next, err, "")
	next, err = m.Lose(asked)
	step(next, err, events.MessageDecided)
	next, err = m.Send("0100", asked)
	step(next, err, events.MessageDecided)
	if x := integer(w.item(w.message(lan, r.ID))["x"]); x != asked.Add(messageKept).Unix() {
		t.Error("it is kept until", x)
	}
}

// What a journey writes within its own transaction is a message that was asked for.
func TestRequestOfAJourney(t *testing.T) {
	w := newWorld(t)
	r := exampleRequest(0)
	item := w.message(lan, r.ID)
	var err error
	item["d"], err = pack(r)
	w.must(err)
	item["v"] = number(1)
	w.put(item)
	m, err := w.Message(t.Context(), lan, r.ID)
	w.must(err)
	if diff := cmp.Diff(r, m.Request); diff != "" || !m.Is(message.Requested) || m.Stored != 1 {
		t.Error(diff, m)
	}
	dropped, err := m.Drop(message.NoConsent, asked)
	w.must(err)
	w.must(w.CommitMessage(t.Context(), dropped))
}

func TestClaimsCountUnderEveryMember(t *testing.T) {
	w := newWorld(t)
	members := []profile.ID{lan, hoa}
	claim := func(n int, sends []message.Sends) error {
		t.Helper()
		r := exampleRequest(n)
		_, err := w.Request(t.Context(), r)
		w.must(err)
		m, err := w.Message(t.Context(), lan, r.ID)
		w.must(err)
		m, err = m.Claim(message.Rendered{}, asked)
		w.must(err)
		sends[0] = sends[0].With(message.Send{Message: r.ID, At: asked.UnixMilli()})
		return w.CommitClaim(t.Context(), m, sends)
	}
	read := func(ids ...profile.ID) []message.Sends {
		t.Helper()
		l, err := w.Sends(t.Context(), ids)
		w.must(err)
		return l
	}
	first, second := read(members...), read(members...)
	w.must(claim(0, first))
	before := w.print()
	r := exampleRequest(1)
	if err := claim(1, second); !errors.Is(err, profile.ErrLost) {
		t.Error("two claims of one version:", err)
	}
	if m, err := w.Message(t.Context(), lan, r.ID); err != nil || !m.Is(message.Requested) {
		t.Error("half a claim was written", m, err, len(before))
	}
	// somebody who does not know yet that both are one person claims under the other
	whole, part := read(members...), read(hoa)
	w.must(claim(2, part))
	if err := claim(3, whole); !errors.Is(err, profile.ErrLost) {
		t.Error("a claim under another member goes unseen:", err)
	}
	w.must(claim(3, read(members...)))
	got := read(hoa, lan)
	if got[0].Fragment != hoa || len(got[0].List) != 1 || got[1].Fragment != lan || len(got[1].List) != 2 {
		t.Error(got)
	}
}

func TestMessagesPage(t *testing.T) {
	w := newWorld(t)
	for n := range 5 {
		_, err := w.Request(t.Context(), exampleRequest(n))
		w.must(err)
	}
	w.must(w.Commit(t.Context(), exampleFragment(), nil, nil)) // lies beside
	for _, limit := range []int{1, 2, 5, 9} {
		var got []string
		for before, more := "", true; more; {
			var l []message.Message
			var err error
			l, more, err = w.Workspace.Messages(t.Context(), lan, before, limit)
			w.must(err)
			for _, m := range l {
				got, before = append(got, m.ID), m.ID
			}
		}
		if len(got) != 5 || got[0] != exampleRequest(4).ID || got[4] != exampleRequest(0).ID {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
}

// Whatever the call, the error says what may be done about it.
func TestErrorsOfMessagesAreClassed(t *testing.T) {
	m := message.Message{Request: exampleRequest(0)}
	for name, call := range map[string]func(w Workspace) error{
		"Request":       func(w Workspace) error { _, err := w.Request(t.Context(), m.Request); return err },
		"Message":       func(w Workspace) error { _, err := w.Message(t.Context(), lan, m.ID); return err },
		"Messages":      func(w Workspace) error { _, _, err := w.Messages(t.Context(), lan, "", 5); return err },
		"MessageFacts":  func(w Workspace) error { _, err := w.MessageFacts(t.Context(), m); return err },
		"Sends":         func(w Workspace) error { _, err := w.Sends(t.Context(), []profile.ID{lan}); return err },
		"CommitMessage": func(w Workspace) error { return w.CommitMessage(t.Context(), m) },
		"CommitClaim": func(w Workspace) error {
			return w.CommitClaim(t.Context(), m, []message.Sends{{Fragment: lan}, {Fragment: hoa}})
		},
		"Arm":  func(w Workspace) error { return w.Arm(t.Context(), "message", "x", asked) },
		"Load": func(w Workspace) error { _, _, err := w.Load(t.Context(), lan); return err },
	} {
		w := newWorld(t)
		for code, class := range map[string]fault.Class{"ThrottlingException": fault.Throttled, "ValidationException": fault.Permanent,
			"AccessDeniedException": fault.Unauthorised, "InternalServerError": fault.Transient} {
			w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 400, Code: code} }
			if err := call(w.Workspace); err == nil || errors.Is(err, profile.ErrLost) || fault.ClassOf(err) != class {
				t.Errorf("%s, %s: %v", name, code, err)
			}
		}
	}
}
