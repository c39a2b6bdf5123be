package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
)

const (
	token  = "pat-public-test-token"
	secret = connector.Secret("loophub-public-test-secret")
	hook   = "https://hooks.tra-sen.example/hooks/tra-sen/hubspot"
	upsert = "/crm/v3/objects/contacts/batch/upsert"
)

type world struct {
	*Simulator
	now time.Time
}

func newWorld(t *testing.T, c Config) *world {
	w := &world{now: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)}
	c.Token, c.App, c.Secret, c.Now = token, "1160452", secret, func() time.Time { return w.now }
	var err error
	if w.Simulator, err = New(c); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) post(t *testing.T, path, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.hubapi.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := w.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func inputs(n int, of func(int) string) string {
	var l []string
	for i := range n {
		l = append(l, of(i))
	}
	return `{"inputs":[` + strings.Join(l, ",") + `]}`
}

func lan(string) string {
	return `{"id":"lan@example.vn","idProperty":"email","properties":{"city":"Huế"}}`
}

func TestLimits(t *testing.T) {
	w := newWorld(t, Config{Requests: 3})
	one := func(i int) string {
		return fmt.Sprintf(`{"id":"c%d@example.vn","idProperty":"email","properties":{}}`, i)
	}
	if status, _, body := w.post(t, upsert, inputs(101, one)); status != 400 || !strings.Contains(body, "batch size") {
		t.Errorf("101 inputs: %d %s", status, body)
	}
	if status, _, body := w.post(t, upsert, inputs(2, lan2)); status != 400 || !strings.Contains(body, "Duplicate") {
		t.Errorf("one twice: %d %s", status, body)
	}
	if status, h, _ := w.post(t, upsert, inputs(100, one)); status != 200 || h.Get("X-HubSpot-RateLimit-Remaining") != "0" {
		t.Errorf("100 inputs: %d %v", status, h)
	}
	w.now = w.now.Add(4 * time.Second)
	if status, h, body := w.post(t, upsert, inputs(1, one)); status != 429 || h.Get("Retry-After") != "6" || !strings.Contains(body, "RATE_LIMITS") {
		t.Errorf("beyond the rate: %d %v %s", status, h, body)
	}
	w.now = w.now.Add(6 * time.Second)
	if status, _, _ := w.post(t, upsert, inputs(1, one)); status != 200 {
		t.Errorf("ten seconds later: %d", status)
	}
}

func lan2(int) string { return lan("") }

func TestFaults(t *testing.T) {
	var f Fault
	var waited time.Duration
	w := newWorld(t, Config{Fault: func(Call) Fault { return f }, Pause: func(d time.Duration) { waited += d }})
	f = Fault{Twice: true, Delay: time.Second}
	if status, _, body := w.post(t, upsert, inputs(1, lan2)); status != 200 || !strings.Contains(body, `"new":true`) || waited != time.Second {
		t.Errorf("%d %s after %s", status, body, waited)
	}
	if l := w.Writes(); len(l) != 2 || l[0].Same || !l[1].Same {
		t.Errorf("a request that arrives twice: %v", l)
	}
}

func TestWebhooksTellEachChange(t *testing.T) {
	w := newWorld(t, Config{Hook: hook})
	for range 2 { // the second changes nothing
		if status, _, body := w.post(t, upsert, inputs(1, lan2)); status != 200 {
			t.Fatal(status, body)
		}
	}
	w.Edit("lan@example.vn", map[string]string{"firstname": "Lan"})
	w.Delete("lan@example.vn")
	l, err := w.Webhooks()
	if err != nil || len(l) != 1 {
		t.Fatal(len(l), err)
	}
	var got []map[string]any
	if err := json.Unmarshal(l[0].Body, &got); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range got {
		told = append(told, fmt.Sprint(e["subscriptionType"], " ", e["propertyName"], "=", e["propertyValue"], " ", e["changeSource"], " ", e["sourceId"]))
	}
	want := []string{
		"contact.creation <nil>=<nil> INTEGRATION 1160452", "contact.propertyChange email=lan@example.vn INTEGRATION 1160452",
		"contact.propertyChange city=Huế INTEGRATION 1160452", "contact.propertyChange firstname=Lan CRM_UI userId:9586504", "contact.deletion <nil>=<nil> CRM_UI userId:9586504",
	}
	if strings.Join(told, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(told, "\n"))
	}
	src, err := hubspot.New().Source(connector.Settings{Values: map[string]string{"app_id": "1160452"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Verify(l[0], []connector.Secret{secret}); err != nil {
		t.Error(err)
	}
	facts, faults := src.Decode(l[0])
	if len(facts) != 3 || len(faults) != 0 { // to whom it belongs, the person's change, the deletion
		t.Errorf("%v %v", facts, faults)
	}
	if again, err := w.Webhooks(); err != nil || len(again) != 0 {
		t.Errorf("told again: %d, %v", len(again), err)
	}
}

func TestDeliver(t *testing.T) {
	status, posts := 503, 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		posts++
		w.WriteHeader(status)
	}))
	server.Start()
	defer server.Close()
	w := newWorld(t, Config{Hook: server.URL + "/hooks/w/c"})
	w.Edit("lan@example.vn", nil)
	if err := w.Deliver(t.Context(), server.Client()); err == nil {
		t.Error("503 was taken for an answer")
	}
	status = 200
	for range 2 {
		if err := w.Deliver(t.Context(), server.Client()); err != nil {
			t.Error(err)
		}
	}
	if posts != 2 {
		t.Errorf("%d posts", posts)
	}
}

// The document is the vendor's: what it does not know is refused.
func TestAgainstTheVendorsDocument(t *testing.T) {
	specs := os.Getenv("LOOPHUB_SPECS")
	if specs == "" {
		t.Skip("LOOPHUB_SPECS is not set: nothing is held to the vendor's OpenAPI document")
	}
	for name, body := range map[string]string{
		"unknown attribute":         `{"inputs":[{"id":"a@example.vn","idProperty":"email","properties":{},"emial":"x"}]}`,
		"unknown attribute on top":  `{"inputs":[],"atomic":true}`,
		"a number for a property":   `{"inputs":[{"id":"a@example.vn","idProperty":"email","properties":{"city":5}}]}`,
		"no id":                     `{"inputs":[{"idProperty":"email","properties":{}}]}`,
		"an object for the inputs":  `{"inputs":{}}`,
		"a null for a property":     `{"inputs":[{"id":"a@example.vn","properties":{"city":null}}]}`,
		"no JSON":                   `inputs`,
		"an input without anything": `{"inputs":[{}]}`,
	} {
		w := newWorld(t, Config{Specs: specs})
		if status, _, _ := w.post(t, upsert, body); status != 400 || len(w.Problems()) != 1 {
			t.Errorf("%s: %d %v", name, status, w.Problems())
		}
	}
	w := newWorld(t, Config{Specs: specs})
	if status, _, body := w.post(t, upsert, inputs(1, lan2)); status != 200 || len(w.Problems()) != 0 {
		t.Errorf("what is right: %d %s %v", status, body, w.Problems())
	}
	// A reply that the document does not know is found, too.
	a := reply(200, map[string]any{"status": "COMPLETE", "results": []any{}, "startedAt": stamp(w.now), "completedAt": stamp(w.now), "extra": 1})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.hubapi.com"+upsert, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	in, err := w.contract.request(r, []byte(inputs(1, lan2)))
	if err != nil {
		t.Fatal(err)
	}
	if w.contract.reply(in, a) == nil {
		t.Error("a reply with an unknown attribute passes")
	}
	if _, err := New(Config{Specs: t.TempDir()}); err == nil {
		t.Error("a folder without the document is taken")
	}
}
