package operator

import (
	"os"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
	"loophub/events"
)

var vietnam = connector.Settings{Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh"}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{New: New, Settings: vietnam, Fixtures: "testdata", Update: os.Getenv("UPDATE") != ""})
}

// What the API writes is what the connector reads.
func TestRequest(t *testing.T) {
	at := conformance.Received.UnixMilli()
	r, err := Decisions{Decisions: []Decision{{Op: "split", A: "b", B: "a"}}, By: "api", At: at}.Request()
	if err != nil {
		t.Fatal(err)
	}
	facts, faults := source{}.Decode(r)
	if len(facts) != 1 || len(faults) != 0 || facts[0].Record != "a+b" || facts[0].Version != at || facts[0].Fields["by"].String() != "api" {
		t.Errorf("%+v %v", facts, faults)
	}
	if err := (source{}).Verify(r, []connector.Secret{"any"}); err == nil {
		t.Error("a request from outside verifies")
	}
}

const someone = "caaaaaaaaaaaaaaaaaaaaaaaa"

// TestTagsOfOneCause: said again later, a tag of the same cause is the same
// delivery and the same record; another cause, tag or fragment is another.
func TestTagsOfOneCause(t *testing.T) {
	seen := map[string]bool{}
	for _, one := range []Tag{{someone, "vip", "", "a"}, {someone, "vip", "", "b"}, {someone, "", "vip", "a"}, {someone, "new", "", "a"}, {"g" + someone[1:], "vip", "", "a"}} {
		var key, record string
		for round := range 2 {
			r, err := Tags{Tags: []Tag{one}, By: "journey"}.Request(conformance.Received.Add(time.Duration(round) * time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			facts, faults := source{}.Decode(r)
			if len(facts) != 1 || len(faults) != 0 || facts[0].Version != r.ReceivedAt.UnixMilli() || facts[0].Fields["by"].String() != "journey" {
				t.Fatal(facts, faults)
			}
			object, id := source{}.Key(r)
			if round == 1 && (object+id != key || facts[0].Record != record) {
				t.Errorf("%+v: said again it is another", one)
			}
			key, record = object+id, facts[0].Record
		}
		if seen[key] {
			t.Errorf("%+v has the key of another", one)
		}
		seen[key] = true
	}
}

// TestEventsOfOneID: an event with an id is the same delivery whatever else it
// says; one without is told from others by all that it says.
func TestEventsOfOneID(t *testing.T) {
	key := func(e Event, after time.Duration) string {
		r, err := e.Request(conformance.Received.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		object, id := source{}.Key(r)
		return object + " " + id
	}
	booked := Event{Name: "tasting.booked", ID: "b-17", Email: "lan@example.vn"}
	again, bare, dated := booked, booked, booked
	again.Phone = "0903117428"
	bare.ID, dated.ID, dated.At = "", "", 5
	if key(booked, 0) != key(again, time.Hour) || key(bare, 0) != key(bare, time.Hour) || key(bare, 0) == key(booked, 0) || key(bare, 0) == key(dated, 0) {
		t.Error(key(booked, 0), key(again, 0), key(bare, 0), key(dated, 0))
	}
	r, err := again.Request(conformance.Received)
	if err != nil {
		t.Fatal(err)
	}
	if facts, faults := (source{country: "VN"}).Decode(r); len(facts) != 1 || len(faults) != 0 || facts[0].Record != "b-17" || facts[0].Fields["phone"].String() != "+84903117428" {
		t.Error(facts, faults)
	}
}

func TestTooManyDecisions(t *testing.T) {
	one := `{"op":"tie","fragment_a":"a","fragment_b":"b"},`
	body := `{"at":1795509000000,"decisions":[` + strings.TrimSuffix(strings.Repeat(one, maxEntries+1), ",") + `]}`
	facts, faults := source{}.Decode(connector.Request{Body: []byte(body)})
	if len(facts) != maxEntries || len(faults) != 1 {
		t.Errorf("%d facts, %v", len(facts), faults)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"decisions":[{"op":"split","fragment_a":"a","fragment_b":"b"}],"by":"api","at":1}`))
	f.Add([]byte(`{"events":[{"name":"a","id":"b","at":1,"email":"lan@example.vn","properties":{"x":"y"},"value":5}]}`))
	f.Add([]byte(`{"tags":[{"fragment":"` + someone + `","add":"vip","cause":"a"}],"by":"journey"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		facts, _ := source{"VN", "VND"}.Decode(connector.Request{Body: body, ReceivedAt: conformance.Received})
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
			if _, named := fact.Fields["fragment"]; named && !fragmentID(fact.Fields["fragment"].String()) {
				t.Error("something is named that is no fragment")
			}
			if fact.Fields["op"] != events.Null && fact.Fields["fragment_a"].String() >= fact.Fields["fragment_b"].String() {
				t.Error("the pair is not in order")
			}
		}
	})
}
