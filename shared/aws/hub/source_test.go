package hub

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// lay stores an item as another stage does: packed JSON.
func (w *world) lay(k key, text string) {
	w.t.Helper()
	d, err := pack(json.RawMessage(text))
	w.must(err)
	k["d"], k["v"] = d, number(1)
	w.put(k)
}

func TestSources(t *testing.T) {
	w := newWorld(t)
	under := func(sort string) key { return w.key("g", string(lan), sort) }
	for n, status := range []string{"sent", "unknown", "requested", "dropped"} {
		id := fmt.Sprintf("%011x-%d", 1000+n, n)
		w.lay(under("m#"+id), fmt.Sprintf(`{"id":%q,"status":%q,"fragment":"x","connection":"email","template":"ten","journey":"back","variant":"a","voucher":{"code":"TEN-1"},"at":5,"claimed":%d,"later":1}`, id, status, 7*(1-n%2)))
	}
	w.lay(under("STATE"), `{}`)
	got, err := w.SentMessages(t.Context(), lan, time.Time{})
	w.must(err)
	first := attribution.Sent{ID: "000000003e8-0", Fragment: lan, Journey: "back", Variant: "a", Template: "ten", Connection: "email", At: 7, Voucher: "TEN-1"}
	second := first
	second.ID, second.At, second.Unknown = "000000003e9-1", 5, true
	if diff := cmp.Diff([]attribution.Sent{first, second}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = w.SentMessages(t.Context(), lan, time.UnixMilli(1001)); err != nil || len(got) != 1 || got[0].ID != second.ID {
		t.Error(got, err)
	}

	head := under("j#back")
	head["h"] = text("holdout")
	w.lay(head, `{"entry":"2"}`)
	w.lay(under("j#back#1"), `{"id":"1","journey":"back","began":5,"goal":9,"status":"goal","choices":[{"split":"0","variant":"a"},{"split":"1","variant":"c"}]}`)
	w.lay(under("j#back#2"), `{"id":"2","journey":"back","began":50,"held":true}`)
	entries, err := w.JourneyEntries(t.Context(), lan)
	w.must(err)
	if diff := cmp.Diff([]attribution.Entry{{ID: "1", Fragment: lan, Journey: "back", Variant: "a/c", At: 5, Goal: 9}, {ID: "2", Fragment: lan, Journey: "back", Holdout: true, At: 50}}, entries); diff != "" {
		t.Error(diff)
	}

	w.lay(w.key("v", "TEN-1", "STATE"), `{"pool":"ten","to":{"code":"TEN-1","fragment":"`+string(hoa)+`","journey":"back","variant":"a","at":6}}`)
	w.lay(w.key("v", "TEN-2", "STATE"), `{"pool":"ten"}`)
	issues, err := w.Issues(t.Context(), []string{"TEN-1", "TEN-2", "SALE"})
	w.must(err)
	if diff := cmp.Diff([]attribution.Issue{{Code: "TEN-1", Fragment: hoa, Journey: "back", Variant: "a", At: 6}}, issues); diff != "" {
		t.Error(diff)
	}

	for _, k := range []key{under("m#000000003e8-0"), under("j#back#1"), w.key("v", "TEN-1", "STATE")} {
		k["d"] = text("{}")
		w.put(k)
	}
	_, messages := w.SentMessages(t.Context(), lan, time.Time{})
	_, unreadable := w.JourneyEntries(t.Context(), lan)
	_, codes := w.Issues(t.Context(), []string{"TEN-1"})
	for _, err := range []error{messages, unreadable, codes} {
		if err == nil || fault.ClassOf(err) != fault.Permanent {
			t.Error(err)
		}
	}
	if l, err := w.SentMessages(t.Context(), profile.ID(hoa), time.Time{}); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
}

// TestSentWhenClaimed reads what the message stage itself stores: a mail that waited
// for the end of quiet hours was sent when it was claimed, not when it was asked for.
func TestSentWhenClaimed(t *testing.T) {
	w := newWorld(t)
	m := message.Message{Request: message.Request{ID: message.NewID(time.UnixMilli(2_000), "x"), Fragment: hoa, Journey: "back", At: 2_000}}
	claimed, err := m.Claim(message.Rendered{}, time.UnixMilli(9_000))
	w.must(err)
	sent, err := claimed.Send("p", time.UnixMilli(9_500))
	w.must(err)
	w.must(w.CommitMessage(t.Context(), sent))
	if got, err := w.SentMessages(t.Context(), hoa, time.Time{}); err != nil || len(got) != 1 || got[0].At != 9_000 {
		t.Error(got, err)
	}
}
