package hub

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/writeback"
)

func exampleLedger() writeback.Ledger {
	return writeback.Ledger{Fragment: lan, Record: "101", Began: 7, Lease: 9, Pending: map[string]string{"city": "Huế"},
		Fields: map[string]writeback.Written{"firstname": {Value: "Lan", At: 5, Before: []writeback.Past{{Value: "Anh", From: 3, To: 5}}},
			"email": {Value: "lan@example.vn", At: 5}},
		Trouble: &writeback.Trouble{Class: fault.Throttled, Reason: "asked to wait", At: 5, Tries: 2, Next: 8, Wanted: "x"}}
}

func TestLedgers(t *testing.T) {
	w := newWorld(t)
	members := []profile.ID{hoa, lan}
	if l, err := w.Ledgers(t.Context(), members, "hub"); err != nil || len(l) != 0 {
		t.Fatal(l, err)
	}
	w.must(w.CommitLedger(t.Context(), "hub", exampleLedger()))
	if err := w.CommitLedger(t.Context(), "hub", exampleLedger()); !errors.Is(err, profile.ErrLost) {
		t.Errorf("a second writer of the same version: %v", err)
	}
	w.must(w.CommitLedger(t.Context(), "hub-2", writeback.Ledger{Fragment: lan})) // one destination's name begins another's
	l, err := w.Ledgers(t.Context(), members, "hub")
	want := exampleLedger()
	want.Version = 1
	if diff := cmp.Diff([]writeback.Ledger{want}, l); err != nil || diff != "" {
		t.Error(err, diff)
	}
	w.must(w.CommitLedger(t.Context(), "hub", l[0]))
	if item := w.item(w.ledger(lan, "hub")); integer(item["v"]) != 2 || item["ev"] != nil {
		t.Errorf("version %d; a ledger announces nothing", integer(item["v"]))
	}
}

func TestPointers(t *testing.T) {
	w := newWorld(t)
	for range 2 { // pointing twice is harmless
		w.must(w.Point(t.Context(), "crm", "101", "hub", lan, []profile.ID{lan}))
	}
	if err := w.Point(t.Context(), "crm", "101", "hub", hoa, []profile.ID{hoa}); !errors.Is(err, profile.ErrLost) {
		t.Errorf("a record of another profile: %v", err)
	}
	w.must(w.Point(t.Context(), "crm", "101", "hub", hoa, []profile.ID{hoa, lan})) // they are one now
	for record, want := range map[string]profile.ID{"101": hoa, "10": "", "1011": ""} {
		if got, _, err := w.owner(t.Context(), "crm", record); err != nil || got != want {
			t.Errorf("record %s is of %q (%v)", record, got, err)
		}
	}
	if got, _, err := w.owner(t.Context(), "crm-2", "101"); err != nil || got != "" {
		t.Errorf("another connection's record is of %q (%v)", got, err)
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t)
	w.must(w.CommitLedger(t.Context(), "hub", exampleLedger()))
	w.must(w.Point(t.Context(), "crm", "101", "hub", lan, []profile.ID{lan}))
	for range 2 {
		w.must(w.Forget(t.Context(), "hub", "crm", lan))
	}
	if left := w.print(); left != "" {
		t.Errorf("left: %s", left)
	}
	w.must(w.CommitLedger(t.Context(), "hub", exampleLedger()))
	w.must(w.Point(t.Context(), "crm", "101", "hub", hoa, []profile.ID{hoa}))
	w.must(w.Forget(t.Context(), "hub", "crm", lan))
	if got, _, err := w.owner(t.Context(), "crm", "101"); err != nil || got != hoa {
		t.Errorf("another profile's record was forgotten: %q (%v)", got, err)
	}
}

func TestEcho(t *testing.T) {
	w := newWorld(t)
	w.must(w.CommitLedger(t.Context(), "hub", exampleLedger()))
	w.must(w.Point(t.Context(), "crm", "101", "hub", lan, []profile.ID{lan}))
	broken := errors.New("no definition")
	e := NewEcho(w.Hub, func(_ context.Context, workspace, connection string) (*connector.Outbound, error) {
		switch connection {
		case "crm":
			return &connector.Outbound{Key: "email", Traits: map[string]string{"email": "email", "firstname": "first_name", "city": "city"}}, nil
		case "broken":
			return nil, broken
		}
		return nil, nil
	})
	fact := func(record string, f events.Fields) events.Fact {
		return events.Fact{Kind: events.Customer, Record: record, Version: 9, At: 9, Fields: f}
	}
	text := events.Text
	for _, c := range []struct {
		name       string
		connection string
		in         events.Fact
		want       events.Fields
		version    int64
		ok         bool
	}{
		{"last written", "crm", fact("101", events.Fields{"first_name": text("Lan")}), events.Fields{}, 9, false},
		{"written before", "crm", fact("101", events.Fields{"first_name": text("Anh")}), events.Fields{}, 9, false},
		{"pending", "crm", fact("101", events.Fields{"city": text("Huế")}), events.Fields{}, 9, false},
		{"a person's", "crm", fact("101", events.Fields{"first_name": text("Mai")}), events.Fields{"first_name": text("Mai")}, 9, true},
		{"nothing is said", "crm", fact("101", events.Fields{}), events.Fields{}, 9, true},
		{"both", "crm", fact("101", events.Fields{"first_name": text("Lan"), "city": text("Hội An")}), events.Fields{"city": text("Hội An")}, 9, true},
		{"cleared by a person", "crm", fact("101", events.Fields{"first_name": events.Null}), events.Fields{"first_name": events.Null}, 9, true},
		{"a field that is not written", "crm", fact("101", events.Fields{"company": text("Lan")}), events.Fields{"company": text("Lan")}, 9, true},
		{"the key says whose it is, and nothing new", "crm", fact("101", events.Fields{"email": text("lan@example.vn")}), events.Fields{"email": text("lan@example.vn")}, 0, true},
		{"another key", "crm", fact("101", events.Fields{"email": text("anh@example.vn")}), events.Fields{"email": text("anh@example.vn")}, 9, true},
		{"another record", "crm", fact("102", events.Fields{"first_name": text("Lan")}), events.Fields{"first_name": text("Lan")}, 9, true},
		{"nothing is written there", "shop", fact("101", events.Fields{"first_name": text("Lan")}), events.Fields{"first_name": text("Lan")}, 9, true},
	} {
		before := len(c.in.Fields)
		got, ok, err := e.Own(t.Context(), "saigon", c.connection, c.in)
		if diff := cmp.Diff(c.want, got.Fields, exactly); err != nil || diff != "" || ok != c.ok || got.Version != c.version {
			t.Errorf("%s: ok %v, version %d, %v %s", c.name, ok, got.Version, err, diff)
		}
		if len(c.in.Fields) != before {
			t.Errorf("%s: the fact that was given is changed", c.name)
		}
	}
	if _, ok, err := e.Own(t.Context(), "saigon", "broken", fact("101", nil)); ok || !errors.Is(err, broken) {
		t.Errorf("without a definition: %v, %v", ok, err)
	}
	order := fact("101", events.Fields{"first_name": text("Lan")})
	order.Kind = events.Order
	if _, ok, err := e.Own(t.Context(), "saigon", "crm", order); !ok || err != nil {
		t.Errorf("an order: %v, %v", ok, err)
	}
}

// TestLedgerErrorsAreClassed: whatever the call, the error says what may be done.
func TestLedgerErrorsAreClassed(t *testing.T) {
	w := newWorld(t)
	for name, call := range map[string]func() error{
		"Ledgers": func() error { _, err := w.Ledgers(t.Context(), []profile.ID{lan}, "hub"); return err },
		"Commit":  func() error { return w.CommitLedger(t.Context(), "hub", exampleLedger()) },
		"owner":   func() error { _, _, err := w.owner(t.Context(), "crm", "101"); return err },
		"Point":   func() error { return w.Point(t.Context(), "crm", "101", "hub", lan, []profile.ID{lan}) },
		"Forget":  func() error { return w.Forget(t.Context(), "hub", "crm", lan) },
	} {
		w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 400, Code: "ThrottlingException"} }
		if err := call(); fault.ClassOf(err) != fault.Throttled {
			t.Errorf("%s: %v", name, err)
		}
	}
}
