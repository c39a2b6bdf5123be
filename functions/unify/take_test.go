package unify

import (
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

// stateOf names the fragment of a customer of saigon's shop.
func (w *stageWorld) stateOf(record string) profile.ID {
	key, _ := w.IdentityKey(w.t.Context(), "saigon")
	return profile.NewRules(key, nil, nil).Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: "shop", Value: record})
}

// TestParks: what can't be read is set aside with its reason, and what can
// counts all the same. From either source, twice.
func TestParks(t *testing.T) {
	for name, tt := range map[string]struct {
		workspace, connection, body string
		garbled                     bool
		class                       connector.FaultClass
		reason                      string
		counts                      bool // the good part of it
	}{
		"settings refused":       {"saigon", "broken", "customer 1", false, connector.Unconnected, "correct them and replay", false},
		"faults of the decoder":  {"saigon", "shop", "faults 1", false, connector.UnknownTopic, "a part of it is not read", true},
		"decoder breaks down":    {"saigon", "shop", "panic 1", false, connector.Undecodable, "stage_test.go:", false},
		"dated too far ahead":    {"saigon", "shop", "future 1", false, connector.InvalidValue, "more than 24 h", true},
		"a field that is none":   {"saigon", "shop", "invalid 1", false, connector.InvalidValue, `"shoe_size"`, true},
		"stored, but unreadable": {"saigon", "shop", "customer 1", true, connector.Undecodable, "ask the source to send it again", false},
	} {
		for _, source := range []string{"stream", "queue"} {
			w := newStage(t)
			k := w.deliver(tt.workspace, tt.connection, tt.body)
			w.garbled[k] = tt.garbled
			for range 2 {
				var failed []string
				if source == "stream" {
					failed = w.fromStream(k)
				} else {
					failed = w.fromQueue(1, message(k))
				}
				f := w.parked[k]
				if len(failed) > 0 || len(w.queue) > 0 || len(f) != 1 || f[0].Class != tt.class || !strings.Contains(f[0].Reason, tt.reason) {
					t.Errorf("%s, %s: %v, failed %v, queue %v", name, source, f, failed, w.queue)
				}
				r := w.records(tt.workspace)
				if r["1"] != tt.counts || r["1-bad"] {
					t.Errorf("%s, %s: facts of %v", name, source, r)
				}
				if l := w.lines(1)[0]; l["msg"] != "parked" || l["parked"] != 1.0 || (l["facts"] == 1.0) != tt.counts {
					t.Errorf("%s, %s: %v", name, source, l)
				}
			}
		}
	}
}

// TestParkedForATime: what nothing signs, anybody can send: it is not kept for ever.
func TestParkedForATime(t *testing.T) {
	for _, signs := range []string{"", "a secret"} {
		w := newStage(t)
		c := w.stage.connectors["till"]
		c.Manifest.Secrets = signs
		w.stage.connectors["till"] = c
		if failed := w.fromStream(w.deliver("saigon", "shop", "faults 1")); len(failed) > 0 || len(w.parked) != 1 || w.expires != (signs == "") {
			t.Errorf("signed by %q: expires %v", signs, w.expires)
		}
	}
}

// TestUnknownConnectionsWait: ingest may know a connection before unify does, so
// a delivery over one that is unknown is tried again before it is parked.
func TestUnknownConnectionsWait(t *testing.T) {
	for name, tt := range map[string]struct{ workspace, connection, reason string }{
		"unknown workspace":            {"nowhere", "shop", "put it back and replay"},
		"unknown connection":           {"saigon", "market", "connection market"},
		"connector of a later version": {"saigon", "future", "not in this version"},
		"connector that reads nothing": {"saigon", "outlet", "outlet"},
	} {
		w := newStage(t)
		k := w.deliver(tt.workspace, tt.connection, "customer 1")
		for n := range 2 {
			if failed := w.fromStream(k); len(failed) > 0 || len(w.queue) != n+1 || len(w.parked) > 0 {
				t.Errorf("%s: failed %v, queue %v, parked %v", name, failed, w.queue, w.parked)
			}
		}
		if failed := w.fromQueue(receives-1, message(k)); len(failed) != 1 || len(w.parked) > 0 {
			t.Errorf("%s: before the last receive it is not left in the queue: %v", name, failed)
		}
		for range 2 {
			failed, f := w.fromQueue(receives, message(k)), w.parked[k]
			if len(failed) > 0 || len(f) != 1 || f[0].Class != connector.Unconnected || !strings.Contains(f[0].Reason, tt.reason) {
				t.Errorf("%s: at the last receive: failed %v, parked %v", name, failed, f)
			}
		}
		if r := w.records(tt.workspace); len(r) > 0 {
			t.Errorf("%s: facts of %v", name, r)
		}
	}
}

// TestParkingWaitsForTheRest: while the table is down nothing is parked, or the
// good part of the delivery would be forgotten.
func TestParkingWaitsForTheRest(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "faults 1")
	w.table = func(string) error { return errDown }
	if failed := w.fromStream(k); len(failed) > 0 || len(w.parked) > 0 || len(w.queue) != 1 {
		t.Error(failed, w.parked, w.queue)
	}
	w.table = nil
	if failed := w.fromQueue(2, w.queue...); len(failed) > 0 || len(w.parked[k]) != 1 || !w.records("saigon")["1"] {
		t.Error(failed, w.parked)
	}
	w.parked, w.queue = map[delivery.Key][]delivery.Fault{}, nil
	w.parking = errDown
	if failed := w.fromStream(k); len(failed) > 0 || len(w.queue) != 1 {
		t.Error("a delivery that could not be parked is forgotten", failed, w.queue)
	}
}

// TestParkingWhatHasExpired: there is nothing left to park.
func TestParkingWhatHasExpired(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "faults 1")
	d := w.stored[k]
	w.stage.Deliveries = vanishing{w, d}
	if failed := w.fromStream(k); len(failed) > 0 || len(w.queue) > 0 {
		t.Error(failed, w.queue)
	}
}
