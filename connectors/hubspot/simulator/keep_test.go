package simulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
)

// switched is a journal that may be put in place later.
type switched struct{ journal.Journal }

func (s *switched) Append(record []byte) error {
	if s.Journal == nil {
		return nil
	}
	return s.Journal.Append(record)
}

// TestTheAccountSurvives: contacts, properties, what was written and what is still to be told, at any moment.
func TestTheAccountSurvives(t *testing.T) {
	journaltest.Run(t, 150, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		now := time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)
		open := func() *Simulator {
			s, err := New(Config{Token: token, App: "1160452", Secret: secret, Hook: hook, Requests: 1 << 20, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		live, into := open(), &switched{}
		live.Journal = into
		email := func() string { return fmt.Sprintf("%c@example.vn", 'a'+r.IntN(5)) }
		post := func(path, body string) error {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.hubapi.com"+path, strings.NewReader(body))
			request.Header.Set("Authorization", "Bearer "+token)
			a := live.faulty(request, []byte(body), Fault{Twice: r.IntN(5) == 0})
			switch {
			case strings.Contains(string(a.body), journaltest.ErrFull.Error()):
				return journaltest.ErrFull
			case a.status >= 400:
				return fmt.Errorf("%d %s", a.status, a.body)
			}
			return nil
		}
		return journaltest.Subject{Live: live, Journal: &into.Journal, Reopen: func() journal.Part { return open() },
			Now: func() time.Time { now = now.Add(time.Second); return now }, // a simulator's change shows before its answer
			Step: func(quiet bool) error {
				switch n := r.IntN(10); {
				case n == 0 && !quiet:
					live.Edit(email(), map[string]string{"city": fmt.Sprint("Huế <", r.IntN(9), ">")})
					return nil
				case n == 1 && !quiet:
					live.Delete(email())
					return nil
				case n == 2 && !quiet:
					if _, err := live.Webhooks(); err != nil {
						return err
					}
					return live.Heard()
				case n == 3:
					return post("/crm/v3/properties/contacts/groups", fmt.Sprintf(`{"name":"g%d","label":"l"}`, r.IntN(99)))
				case n == 4:
					return post("/crm/v3/properties/contacts", fmt.Sprintf(`{"name":"p%d","label":"l","type":"string","fieldType":"text","groupName":"contactinformation"}`, r.IntN(99)))
				}
				return post(upsert, fmt.Sprintf(`{"inputs":[{"id":%q,"idProperty":"email","properties":{"firstname":"n%d"}}]}`, email(), r.IntN(9)))
			}}
	})
}

// TestWhatNobodyHeardIsToldAgain: webhooks that were handed out and not delivered come again after a restart.
func TestWhatNobodyHeardIsToldAgain(t *testing.T) {
	w, log := newWorld(t, Config{Hook: hook}), &journaltest.Log{}
	w.Journal = log
	hooks := func(s *Simulator) (body string) {
		t.Helper()
		l, err := s.Webhooks()
		if err != nil || len(l) > 1 {
			t.Fatal(len(l), err)
		}
		for _, h := range l {
			body = string(h.Body)
		}
		return body
	}
	again := func() *Simulator {
		t.Helper()
		o := newWorld(t, Config{Hook: hook})
		journaltest.Load(t, o.Simulator, log.Records)
		return o.Simulator
	}
	w.Edit("lan@example.vn", nil)
	first := hooks(w.Simulator)
	w.Edit("lan@example.vn", map[string]string{"city": "Huế"})
	if got := hooks(again()); !strings.HasPrefix(got, strings.TrimSuffix(first, "]")) || got == first {
		t.Errorf("told again: %s, first: %s", got, first)
	}
	if err := w.Heard(); err != nil {
		t.Fatal(err)
	}
	second := hooks(w.Simulator)
	if got := hooks(again()); got != second || second == "" {
		t.Errorf("told again: %s, want %s", got, second)
	}
	if err := w.Heard(); err != nil || hooks(again()) != "" {
		t.Errorf("what was heard is told again (%v)", err)
	}
	if n := again().Edit("new@example.vn", nil); n != "102" {
		t.Errorf("the next contact is %s", n)
	}
}
