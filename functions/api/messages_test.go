package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"loophub/events"

	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func (s *store) Message(_ context.Context, fragment profile.ID, id string) (message.Message, error) {
	for _, m := range s.messages {
		if m.Fragment == fragment && m.ID == id {
			return m, s.world.step("message")
		}
	}
	return message.Message{}, s.world.step("message")
}

func (s *store) Messages(_ context.Context, fragment profile.ID, before string, limit int) (l []message.Message, more bool, err error) {
	for _, m := range s.messages {
		if m.Fragment == fragment && (before == "" || m.ID < before) {
			l = append(l, m)
		}
	}
	slices.SortFunc(l, func(a, b message.Message) int { return strings.Compare(b.ID, a.ID) })
	return l[:min(len(l), limit)], len(l) > limit, s.world.step("messages")
}

func (s *store) MessageFacts(_ context.Context, m message.Message) ([]events.Fact, error) {
	return s.facts[m.Connection+"|message|"+string(m.Fragment)+"."+m.ID], s.world.step("told")
}

func (s *store) Sends(_ context.Context, ids []profile.ID) ([]message.Sends, error) {
	l := make([]message.Sends, len(ids))
	l[0].List = s.sends
	return l, s.world.step("sends")
}

func (s *store) Request(_ context.Context, r message.Request) (bool, error) {
	if err := s.world.step("request"); err != nil {
		return false, err
	}
	if slices.ContainsFunc(s.messages, func(m message.Message) bool { return m.ID == r.ID }) {
		return false, nil
	}
	s.messages = append(s.messages, message.Message{Request: r, Status: message.Requested, Stored: 1})
	return true, nil
}

// lansMail gives Lan messages under two of her fragments.
func lansMail(t *testing.T, n int) (w *world, id string) {
	w = newWorld()
	w.stores["saigon"].take(lan()...)
	id, members := w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	for i := range n {
		at := now.Add(-time.Duration(i) * time.Hour)
		w.stores["saigon"].messages = append(w.stores["saigon"].messages, message.Message{Stored: 1, Status: message.Dropped, Reason: message.NoConsent,
			Changed: at.UnixMilli(), Request: message.Request{ID: message.NewID(at, fmt.Sprint(i)), Fragment: profile.ID(members[i%2]), Connection: "email",
				Template: "t", Purpose: workspace.Marketing, Journey: "j", At: at.UnixMilli()}})
	}
	return w, id
}

func TestMessagesOfAllMembersInPages(t *testing.T) {
	w, id := lansMail(t, 7)
	for _, limit := range []int{1, 2, 3, 7, 100} {
		var got []string
		for cursor := ""; ; {
			page := w.get(t, fmt.Sprintf("/v1/profiles/%s/messages?limit=%d%s", id, limit, cursor))
			for _, m := range page["messages"].([]any) {
				one, _ := m.(map[string]any)
				got = append(got, one["id"].(string))
				if one["status"] != "dropped" || one["reason"] != "no_consent" || one["words"] != message.NoConsent.Words() {
					t.Error(one)
				}
			}
			next, more := page["next_cursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + next
		}
		var want []string
		for i := range 7 {
			want = append(want, message.NewID(now.Add(-time.Duration(i)*time.Hour), fmt.Sprint(i)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
}

func TestWhyOfAMessage(t *testing.T) {
	w, id := lansMail(t, 2)
	s := w.stores["saigon"]
	m := &s.messages[1]
	m.Status, m.Reason, m.Provider, m.Content = message.Unknown, message.Lost, "", "vi"
	s.sends = []message.Send{{Message: m.ID, Template: "t", Channel: "ses", Purpose: workspace.Marketing, At: minute(3)},
		{Message: s.messages[0].ID, Template: "t", Channel: "ses", Purpose: workspace.Marketing, At: minute(5)}}
	why := func() map[string]any { return w.get(t, "/v1/profiles/"+id+"/why?message="+m.ID) }
	agree := func(got map[string]any) {
		t.Helper()
		list := w.get(t, "/v1/profiles/"+id+"/messages")["messages"].([]any)
		if diff := cmp.Diff(got["message"], list[1]); diff != "" {
			t.Error("the list says otherwise", diff)
		}
	}
	got := why()
	if one := got["message"].(map[string]any); one["status"] != "unknown" || one["reason"] != "lost" {
		t.Error(got)
	}
	agree(got)
	if l := got["history"].([]any); len(l) != 2 || l[0].(map[string]any)["message"] != s.messages[0].ID {
		t.Error(got["history"])
	}
	record := "email|message|" + string(m.Fragment) + "." + m.ID
	for _, at := range []int{60, 50} {
		f := fact("email", "message", string(m.Fragment)+"."+m.ID, at, "opened_at", fmt.Sprint(minute(at)))
		f.Workspace = "saigon"
		s.facts[record] = append(s.facts[record], f)
	}
	got = why()
	if one := got["message"].(map[string]any); one["status"] != "sent" {
		t.Error("what was opened was sent:", got)
	}
	agree(got)
	if told := got["engagement"].(map[string]any); told["opened_at"] != "2026-11-20T00:50:00.000Z" || len(got["facts"].([]any)) != 2 {
		t.Error(got)
	}
}

func TestTestSend(t *testing.T) {
	w := newWorld()
	w.templates = map[string]workspace.Template{"t": {Name: "t", Connection: "email", Purpose: workspace.Marketing}, "u": {Name: "u", Connection: "shop"}}
	for body, to := range map[string]string{`{"template":"t"}`: "me@marker.example", `{"template":"t","locale":"en","to":"you@marker.example"}`: "you@marker.example"} {
		r := w.send(t, ask(http.MethodPost, "/v1/messages/test", "saigon", body))
		if r.StatusCode != http.StatusAccepted {
			t.Fatal(r.StatusCode, r.Body)
		}
		answer := decode(t, r)
		l := w.stores["saigon"].messages
		m := l[len(l)-1]
		if m.Purpose != message.Test || m.To != to || m.ID != answer["message"] || string(m.Fragment) != answer["fragment"] {
			t.Errorf("%+v", m)
		}
		why := w.get(t, fmt.Sprintf("/v1/profiles/%s/why?message=%s", answer["fragment"], answer["message"]))
		if why["message"].(map[string]any)["status"] != "requested" {
			t.Error(why)
		}
	}
	if n := len(w.stores["saigon"].messages); n != 2 {
		t.Error("the second time asked for another", n)
	}
	for body, want := range map[string]int{
		`{"template":"t","to":"lan@marker.example"}`:                  http.StatusBadRequest, // a customer's
		`{"template":"t","to":"me"}`:                                  http.StatusBadRequest,
		`{"template":"u"}`:                                            http.StatusBadRequest, // its connection lists none
		`{"template":"nope"}`:                                         http.StatusNotFound,
		`{"template":"t","bcc":"x"}`:                                  http.StatusBadRequest,
		`{"template":"t","locale":"` + strings.Repeat("x", 36) + `"}`: http.StatusBadRequest,
	} {
		if r := w.send(t, ask(http.MethodPost, "/v1/messages/test", "saigon", body)); r.StatusCode != want {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.Body)
		}
	}
	if len(w.stores["hanoi"].messages) != 0 {
		t.Error("another workspace's")
	}
}

func TestMessagesThatThereAreNot(t *testing.T) {
	w, id := lansMail(t, 1)
	known := w.stores["saigon"].messages[0].ID
	for path, want := range map[string]int{
		"/messages?cursor=x": http.StatusBadRequest, "/messages?limit=0": http.StatusBadRequest, "/why?message=x": http.StatusBadRequest,
		"/why?message=" + known + "&segment=s": http.StatusBadRequest, "/why": http.StatusBadRequest,
		"/why?message=" + message.NewID(now, "none"): http.StatusNotFound,
	} {
		if r := w.send(t, ask(http.MethodGet, "/v1/profiles/"+id+path, "saigon", "")); r.StatusCode != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Body)
		}
	}
	if r := w.send(t, ask(http.MethodGet, "/v1/profiles/"+id+"/why?message="+known, "hanoi", "")); r.StatusCode != http.StatusNotFound {
		t.Error("another workspace reads it:", r.StatusCode)
	}
	for _, step := range []string{"message", "told", "sends", "messages", "request"} {
		w.fail = map[string]error{step: errTable}
		w.templates = map[string]workspace.Template{"t": {Name: "t", Connection: "email"}}
		e := ask(http.MethodGet, "/v1/profiles/"+id+"/why?message="+known, "saigon", "")
		switch step {
		case "messages":
			e = ask(http.MethodGet, "/v1/profiles/"+id+"/messages", "saigon", "")
		case "request":
			e = ask(http.MethodPost, "/v1/messages/test", "saigon", `{"template":"t"}`)
		}
		if r := w.send(t, e); r.StatusCode != http.StatusServiceUnavailable {
			t.Error(step, r.StatusCode)
		}
	}
}
