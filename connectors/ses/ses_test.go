package ses

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
	"loophub/events"
)

var testSettings = connector.Settings{
	Values:  map[string]string{"from": "Trà Sen <chao@tra-sen.example>", "reply_to": "hoi@tra-sen.example", "test_addresses": "a@tra-sen.example, b@tra-sen.example"},
	Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{New: New, Settings: testSettings, Fixtures: "testdata", Update: os.Getenv("UPDATE") != ""})
}

func TestSettings(t *testing.T) {
	for from, want := range map[string]bool{
		"Trà Sen <chao@tra-sen.example>": true, "chao@tra-sen.example": false, "Trà Sen": false, "<chao@tra-sen.example>": false,
		"A\nBcc: x@y.example <chao@tra-sen.example>": false, "A <a@b.example>, B <c@d.example>": false, "A <a@localhost>": false,
	} {
		s := connector.Settings{Values: map[string]string{"from": from}}
		if _, err := New().Source(s); (err == nil) != want {
			t.Errorf("from: %q: %v", from, err)
		}
	}
}

func fixture(t testing.TB, name string) connector.Request {
	t.Helper()
	r, err := conformance.Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func decode(t testing.TB, r connector.Request) events.Fact {
	t.Helper()
	facts, _ := source{}.Decode(r)
	if len(facts) != 1 {
		t.Fatalf("%d facts", len(facts))
	}
	return facts[0]
}

func TestAddress(t *testing.T) {
	r := fixture(t, "open")
	if w, c, ok := New().Address(r); w != "saigon" || c != "email" || !ok {
		t.Errorf("%q %q %v", w, c, ok)
	}
	for _, body := range []string{"", "[]", "Successfully validated SNS topic for Amazon SES event publishing.", `{"mail":{"tags":{}}}`,
		`{"mail":{"tags":{"loophub-workspace":["saigon"]}}}`, `{"mail":{"tags":{"loophub-workspace":["sai#gon"],"loophub-connection":["email"]}}}`,
		`{"mail":{"tags":{"loophub-workspace":[],"loophub-connection":["email"]}}}`} {
		if w, c, ok := New().Address(connector.Request{Body: []byte(body)}); ok {
			t.Errorf("%s is addressed to %q %q", body, w, c)
		}
	}
}

// TestWhatStopsMails: permanent bounces and complaints do, with the address that
// they lie on; what is transient, or not spam, does not.
func TestWhatStopsMails(t *testing.T) {
	for name, want := range map[string]string{
		"bounce": "withdraw:email:bounced", "bounce-full": "", "bounce-answer": "", "bounce-undetermined": "", "bounce-nobody": "",
		"complaint": "withdraw:email:complained withdraw:email:marketing", "complaint-several": "withdraw:email:marketing",
		"subscription": "withdraw:email:marketing", "subscription-topics": "grant:email:events", "open": "",
	} {
		f := decode(t, fixture(t, name))
		var got []string
		for _, field := range []string{"grant:email:events", "grant:email:marketing", "grant:email:recipes", "withdraw:email:bounced",
			"withdraw:email:complained", "withdraw:email:marketing"} {
			if _, ok := f.Fields[field]; ok {
				got = append(got, field)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	if _, faults := (source{}).Decode(fixture(t, "bounce-answer")); len(faults) != 0 {
		t.Errorf("an automatic answer is parked: %v", faults)
	}
	if facts, faults := (source{}).Decode(fixture(t, "complaint-not_spam")); len(facts)+len(faults) != 0 {
		t.Errorf("not-spam gives %v %v", facts, faults)
	}
}

// TestOneRecordPerMessage: all events of a message are facts of one record, each
// with an id of its own, whatever the order.
func TestOneRecordPerMessage(t *testing.T) {
	ids := map[string]string{}
	record := decode(t, fixture(t, "send")).Record
	for _, name := range []string{"send", "delivery", "open", "click", "bounce", "complaint"} {
		f := decode(t, fixture(t, name))
		if f.Record != record || f.Version != f.At || ids[f.ID()] != "" {
			t.Errorf("%s: %+v, like %q", name, f, ids[f.ID()])
		}
		ids[f.ID()] = name
	}
}

func TestNobodyMayPost(t *testing.T) {
	if (source{}).Verify(fixture(t, "open"), []connector.Secret{"any"}) == nil {
		t.Error("an event from outside verifies")
	}
}

func FuzzDecode(f *testing.F) {
	dirs, err := filepath.Glob("testdata/*/body.json")
	if err != nil || len(dirs) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range dirs {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "id")
	}
	f.Fuzz(func(t *testing.T, body []byte, id string) {
		r := connector.Request{Body: body, Header: http.Header{connector.PlatformID: {id}}, ReceivedAt: conformance.Received}
		facts, faults := source{}.Decode(r)
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
			if fact.Kind != events.Engagement || strings.Contains(fact.Record, "@") {
				t.Errorf("%s %q", fact.Kind, fact.Record)
			}
			_, stopped := fact.Fields["withdraw:email:bounced"]
			if _, named := fact.Fields["email"]; stopped && !named {
				t.Error("a bounce stops nobody in particular")
			}
		}
		if !json.Valid(body) && len(faults) == 0 {
			t.Error("silence")
		}
		object, delivery := source{}.Key(r)
		if object == "" || len(object) > 200 || !word(delivery) || strings.ContainsAny(object, "#|~@\n") {
			t.Errorf("a bad key: %q, %q", object, delivery)
		}
		if w, c, ok := address(r); ok != (w != "" && c != "") || ok && (!word(w) || !word(c)) {
			t.Errorf("addressed to %q %q", w, c)
		}
	})
}
