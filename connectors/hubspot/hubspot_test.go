package hubspot

import (
	"net/http"
	"os"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
)

const (
	// testSecret signs the fixtures. It is public and signs nothing else.
	testSecret = connector.Secret("loophub-public-test-secret")
	testURL    = "https://hooks.tra-sen.example/hooks/tra-sen/hubspot"
)

var testSettings = connector.Settings{
	Values:  map[string]string{"app_id": "1160452", "url": testURL},
	Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{
		New:      New,
		Settings: testSettings,
		Secret:   testSecret,
		Sign:     func(r *connector.Request, s connector.Secret) { Sign(r, s, testURL) },
		Fixtures: "testdata",
		Update:   os.Getenv("UPDATE") != "",
	})
}

func made(t testing.TB, values map[string]string) connector.Source {
	t.Helper()
	s, err := New().Source(connector.Settings{Values: values, Country: "VN"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerify(t *testing.T) {
	const odd = "https://hooks.example/hooks/w/c/a%2Cb?x=1%3A2"
	request := func() connector.Request {
		return connector.Request{Method: http.MethodPost, URL: testURL, Header: http.Header{}, Body: []byte("[]"), ReceivedAt: conformance.Received}
	}
	for _, c := range []struct {
		name   string
		url    string // setting
		signed string // URL that HubSpot signs
		change func(*connector.Request)
		want   bool
	}{
		{"the request's own URL", "", testURL, func(*connector.Request) {}, true},
		{"the setting's URL counts", testURL, testURL, func(r *connector.Request) { r.URL = "https://internal.example/" }, true},
		{"another URL", "", "https://evil.example/", func(*connector.Request) {}, false},
		{"another method", "", testURL, func(r *connector.Request) { r.Method = http.MethodPut }, false},
		{"escapes as they stand", "", odd, func(r *connector.Request) { r.URL = odd }, true},
		{"escapes undone", "", "https://hooks.example/hooks/w/c/a,b?x=1:2", func(r *connector.Request) { r.URL = odd }, true},
		{"five minutes old", "", testURL, func(r *connector.Request) { r.ReceivedAt = r.ReceivedAt.Add(5 * time.Minute) }, true},
		{"older", "", testURL, func(r *connector.Request) { r.ReceivedAt = r.ReceivedAt.Add(5*time.Minute + time.Millisecond) }, false},
		{"from the future", "", testURL, func(r *connector.Request) { r.ReceivedAt = r.ReceivedAt.Add(-6 * time.Minute) }, false},
		{"another timestamp", "", testURL, func(r *connector.Request) { r.Header.Set(timestampHeader, "1795509000001") }, false},
		{"no timestamp", "", testURL, func(r *connector.Request) { r.Header.Del(timestampHeader) }, false},
		{"no number", "", testURL, func(r *connector.Request) { r.Header.Set(timestampHeader, "now") }, false},
	} {
		settings := map[string]string{"app_id": "1"}
		if c.url != "" {
			settings["url"] = c.url
		}
		r := request()
		Sign(&r, testSecret, c.signed)
		c.change(&r)
		if err := made(t, settings).Verify(r, []connector.Secret{testSecret}); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A retry counts its attempts within the body, and is the same delivery.
func TestRetriesAreOneDelivery(t *testing.T) {
	s := made(t, map[string]string{"app_id": "1"})
	event := func(attempt, value string) connector.Request {
		return connector.Request{Body: []byte(`[{"eventId":1,"objectId":7,"occurredAt":5,"attemptNumber":` + attempt + `,"propertyName":"city","propertyValue":"` + value + `"}]`)}
	}
	object, one := s.Key(event("0", "Huế"))
	_, again := s.Key(event("3", "Huế"))
	_, other := s.Key(event("0", "Hội An"))
	if object != "contact:7" || one != again || one == other {
		t.Errorf("%s: %s, %s, %s", object, one, again, other)
	}
}

func FuzzDecode(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if r, err := conformance.Load("testdata/" + e.Name()); err == nil {
			f.Add(r.Body)
		}
	}
	s := made(f, map[string]string{"app_id": "1160452"})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := connector.Request{Method: http.MethodPost, Body: body, ReceivedAt: conformance.Received}
		facts, faults := s.Decode(r)
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("a fact that does not fit the catalogue: %v", err)
			}
		}
		for _, one := range faults {
			if one.Reason == "" || one.Class == "" {
				t.Error("a fault without a reason or class")
			}
		}
		if object, delivery := s.Key(r); object == "" || delivery == "" || len(object) > 200 {
			t.Errorf("key %q, %q", object, delivery)
		}
	})
}
