package hub

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// TestMessagesThatAttributionReads: those that the message stage has sent, or may
// have, as it writes them down.
func TestMessagesThatAttributionReads(t *testing.T) {
	w := newWorld(t)
	var sent []message.Message
	for n, as := range []func(message.Message, time.Time) (message.Message, error){
		func(m message.Message, at time.Time) (message.Message, error) { return m.Send("0100", at) },
		message.Message.Lose, nil,
		func(m message.Message, at time.Time) (message.Message, error) { return m.Fail(message.Refused, at) },
		message.Message.Release,
	} {
		r := exampleRequest(n)
		_, err := w.Request(t.Context(), r)
		w.must(err)
		m, err := w.Message(t.Context(), lan, r.ID)
		w.must(err)
		at := asked.Add(time.Duration(n)*time.Hour + time.Minute)
		m, err = m.Claim(message.Rendered{Locale: "vi"}, at)
		w.must(err)
		sends, err := w.Sends(t.Context(), []profile.ID{lan})
		w.must(err)
		w.must(w.CommitClaim(t.Context(), m, sends))
		m.Stored++
		if as != nil {
			m, err = as(m, at.Add(time.Second))
			w.must(err)
			w.must(w.CommitMessage(t.Context(), m))
		}
		sent = append(sent, m)
	}
	_, err := w.Request(t.Context(), exampleRequest(9)) // asked for, and no more
	w.must(err)
	var want []attribution.Sent
	for n := range 3 {
		want = append(want, attribution.Sent{ID: sent[n].ID, Fragment: lan, Journey: "come-back", Variant: "a", Template: "come-back", Connection: "email",
			At: asked.Add(time.Duration(n)*time.Hour + time.Minute).UnixMilli(), Voucher: "TRA-1", Unknown: n > 0})
	}
	got, err := w.SentMessages(t.Context(), lan, time.Time{})
	w.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = w.SentMessages(t.Context(), lan, asked.Add(time.Minute)); err != nil || cmp.Diff(want[1:], got) != "" {
		t.Error(got, err)
	}
	if got, err = w.SentMessages(t.Context(), hoa, time.Time{}); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	// What is told of it is found where connectors put it: by its channel, and by our links.
	for n, connection := range []string{"email", "links"} {
		f := events.NewEngagement(string(lan), sent[0].ID, []string{"opened_at", "clicked_at"}[n], int64(7+n))
		f.Workspace, f.Connection = "saigon", connection
		w.must(w.Put(t.Context(), f))
	}
	e, err := w.Engagement(t.Context(), want[0])
	if facts, lost := w.MessageFacts(t.Context(), sent[0]); err != nil || lost != nil || e.Opened != 7 || e.Clicked != 8 || len(facts) != 2 {
		t.Error(e, facts, err, lost)
	}
}

// TestEntriesThatAttributionReads: and the codes that were given, as the journey
// stage writes them down.
func TestEntriesThatAttributionReads(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Upload(t.Context(), "ten", []string{"AAA", "BBB"}); err != nil {
		t.Fatal(err)
	}
	s := exampleJourneyStep("AAA")
	s.Entry.Choices, s.Entry.Goal = []journey.Choice{{Split: "0", Variant: "a"}, {Split: "1", Variant: "c"}}, 9
	s.Vouchers[0].Variant = s.Entry.Variant()
	w.must(w.CommitStep(t.Context(), s))
	held := Step{Head: journey.Head{Fragment: lan, Journey: "welcome", Entry: "e2"}}
	held.Entry = journey.Entry{ID: "e2", Journey: "welcome", Fragment: lan, Status: journey.Holdout, Held: true, Began: 50}
	w.must(w.CommitStep(t.Context(), held))
	entries, err := w.JourneyEntries(t.Context(), lan)
	w.must(err)
	if diff := cmp.Diff([]attribution.Entry{{ID: "e1", Fragment: lan, Journey: "come-back", Variant: "a/c", At: 5, Goal: 9},
		{ID: "e2", Fragment: lan, Journey: "welcome", Holdout: true, At: 50}}, entries); diff != "" {
		t.Error(diff)
	}
	issues, err := w.Issues(t.Context(), []string{"AAA", "BBB", "SALE"})
	w.must(err)
	if diff := cmp.Diff([]attribution.Issue{{Code: "AAA", Fragment: lan, Journey: "come-back", Variant: "a/c", At: 5}}, issues); diff != "" {
		t.Error(diff)
	}
	// The message that the step asked for is one like any other.
	m, err := w.Message(t.Context(), lan, s.Messages[0].ID)
	w.must(err)
	want := message.Message{Status: message.Requested, Stored: 1, Request: message.Request{ID: "0000000000a-x", Fragment: lan, Connection: "email", Template: "gift",
		Purpose: "marketing", Journey: "come-back", Version: "v1", Entry: "e1", Step: "2", Voucher: message.Voucher{Pool: "ten", Code: "AAA"}, At: 5}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAttributionCantRead(t *testing.T) {
	w := newWorld(t)
	for _, k := range []key{w.message(lan, "000000003e8-0"), w.entry(lan, "back", "1"), w.code("TEN-1")} {
		k["d"] = text("{}")
		w.put(k)
	}
	_, messages := w.SentMessages(t.Context(), lan, time.Time{})
	_, entries := w.JourneyEntries(t.Context(), lan)
	_, codes := w.Issues(t.Context(), []string{"TEN-1"})
	for _, err := range []error{messages, entries, codes} {
		if err == nil || fault.ClassOf(err) != fault.Permanent {
			t.Error(err)
		}
	}
}
