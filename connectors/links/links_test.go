package links

import (
	"os"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{New: New, Fixtures: "testdata", Update: os.Getenv("UPDATE") != ""})
}

var at = conformance.Received.UnixMilli()

func request(t *testing.T, a Act) connector.Request {
	t.Helper()
	r, err := a.Request(time.UnixMilli(a.At + 123))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestActs: what the stage writes is what the connector reads.
func TestActs(t *testing.T) {
	for act, want := range map[string]string{
		"click": "clicked_at", "unsubscribe": "unsubscribed_at withdraw:email:marketing", "subscribe": "grant:email:marketing", "confirm": "grant:email:marketing",
	} {
		facts, faults := source{}.Decode(request(t, Act{Act: act, Fragment: "c1", Message: "m1", At: at}))
		if len(facts) != 1 || len(faults) != 0 || facts[0].Record != "c1.m1" || facts[0].At != at || facts[0].Validate() != nil {
			t.Fatalf("%s: %+v %v", act, facts, faults)
		}
		for name := range strings.FieldsSeq(want) {
			if _, ok := facts[0].Fields[name]; !ok {
				t.Errorf("%s lacks %s", act, name)
			}
		}
		if n := len(facts[0].Fields); n != 2+len(strings.Fields(want)) {
			t.Errorf("%s: %d fields: %v", act, n, facts[0].Fields)
		}
	}
}

// TestOncePerMessageLinkAndSecond: what differs in any of them is another delivery.
func TestOncePerMessageLinkAndSecond(t *testing.T) {
	key := func(a Act) string {
		object, delivery := source{}.Key(request(t, a))
		return object + "\n" + delivery
	}
	one := Act{Act: "click", Fragment: "c1", Message: "m1", Number: 1, Link: "https://a.example/", At: at}
	seen := map[string]bool{key(one): true}
	again := one
	if !seen[key(again)] {
		t.Error("the same act has another key")
	}
	for _, change := range []func(*Act){
		func(a *Act) { a.Number = 2 }, func(a *Act) { a.At += 1000 }, func(a *Act) { a.Message = "m2" }, func(a *Act) { a.Fragment = "c2" },
		func(a *Act) { a.Act = "unsubscribe" },
	} {
		other := one
		change(&other)
		if seen[key(other)] {
			t.Errorf("%+v has the key of another act", other)
		}
		seen[key(other)] = true
	}
}

func TestNobodyMayPost(t *testing.T) {
	if (source{}).Verify(request(t, Act{Act: "click", Fragment: "c1", Message: "m1", At: at}), []connector.Secret{"any"}) == nil {
		t.Error("an act from outside verifies")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"act":"click","fragment":"c1","message":"m1","number":1,"link":"https://a.example/?x=1","at":1795485606000}`))
	f.Add([]byte(`{"act":"unsubscribe","fragment":"c1","message":"m1","at":1795485606000}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := connector.Request{Body: body}
		facts, faults := source{}.Decode(r)
		if len(facts)+len(faults) != 1 {
			t.Errorf("%d facts and %d faults", len(facts), len(faults))
		}
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
		}
		if object, delivery := (source{}).Key(r); object == "" || delivery == "" || len(object) > 200 || len(delivery) > 200 || strings.ContainsAny(object+delivery, "#|~@\n") {
			t.Errorf("a bad key: %q, %q", object, delivery)
		}
	})
}
