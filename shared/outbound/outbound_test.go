package outbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/telemetry"
)

const token = "pat-public-test-token"

type tokens map[string]string

func (c tokens) Credentials(context.Context, string, string) (map[string]string, error) {
	return c, nil
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// world is a sender before a system that answers as told.
type world struct {
	*Sender
	now    time.Time
	seen   []*http.Request
	answer func(*http.Request) (*http.Response, error)
	log    bytes.Buffer
	waited time.Duration
}

var manifest = connector.Manifest{Name: "crm", Outbound: &connector.Outbound{
	Base: "https://api.crm.example", Bearer: "access_token", Requests: 10, Per: 10 * time.Second, TimeOut: time.Second, Reply: 100}}

func newWorld() *world {
	w := &world{now: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)}
	w.answer = func(*http.Request) (*http.Response, error) { return reply(200, "fine"), nil }
	w.Sender = New(Config{
		Credentials: tokens{"access_token": token},
		Transport: trip(func(r *http.Request) (*http.Response, error) {
			w.seen = append(w.seen, r)
			return w.answer(r)
		}),
		Pause: func(_ context.Context, d time.Duration) error {
			w.waited += d
			w.now = w.now.Add(d)
			return nil
		},
		Log: telemetry.New(&w.log, "writeback"),
		Now: func() time.Time { return w.now },
	})
	return w
}

func reply(status int, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (w *world) do(t *testing.T, target string) (*http.Response, error) {
	t.Helper()
	d, err := w.For("tra-sen", "crm", manifest)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer of-the-connector")
	return d.Do(r)
}

func TestRequestsCarryTheToken(t *testing.T) {
	w := newWorld()
	response, err := w.do(t, "/contacts/42/lan@example.vn?email=lan@example.vn")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(response.Body); err != nil || string(b) != "fine" {
		t.Errorf("%q, %v", b, err)
	}
	r := w.seen[0]
	if r.URL.Host != "api.crm.example" || r.URL.Scheme != "https" || r.Header.Get("Authorization") != "Bearer "+token {
		t.Errorf("sent to %s with %q", r.URL, r.Header.Get("Authorization"))
	}
	for _, secret := range []string{token, "lan@", "42"} {
		if strings.Contains(w.log.String(), `/`+secret) || strings.Contains(w.log.String(), token) {
			t.Errorf("the log holds %s: %s", secret, &w.log)
		}
	}
	if !strings.Contains(w.log.String(), `"route":"POST /contacts/*/*"`) || !strings.Contains(w.log.String(), `"status":200`) {
		t.Errorf("the log says %s", &w.log)
	}
}

func TestOtherPlacesAreRefused(t *testing.T) {
	for _, target := range []string{"https://evil.example/x", "http://api.crm.example/x", "https://api.crm.example:444/x", "https://u@api.crm.example/x", "contacts"} {
		w := newWorld()
		if _, err := w.do(t, target); fault.ClassOf(err) != fault.Permanent || len(w.seen) > 0 {
			t.Errorf("%s: %v, sent %d", target, err, len(w.seen))
		}
	}
	w := newWorld()
	w.answer = func(*http.Request) (*http.Response, error) {
		return reply(302, "", "Location", "https://evil.example"), nil
	}
	if _, err := w.do(t, "/x"); fault.ClassOf(err) != fault.Permanent || len(w.seen) != 1 {
		t.Errorf("a redirect: %v after %d requests", err, len(w.seen))
	}
}

func TestErrorsAreClassed(t *testing.T) {
	start := newWorld().now
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		class  fault.Class
		until  time.Time
	}{
		{"no answer", func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "https://api.crm.example/lan@example.vn", Err: errors.New("reset")}
		}, fault.Transient, time.Time{}},
		{"too large", func(*http.Request) (*http.Response, error) { return reply(200, strings.Repeat("x", 101)), nil }, fault.Transient, time.Time{}},
		{"429 with seconds", func(*http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "7"), nil }, fault.Throttled, start.Add(7 * time.Second)},
		{"429 with a date", func(*http.Request) (*http.Response, error) {
			return reply(429, "", "Retry-After", "Tue, 24 Nov 2026 08:31:00 GMT"), nil
		}, fault.Throttled, start.Add(time.Minute)},
		{"429 with nonsense", func(*http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "soon"), nil }, fault.Throttled, time.Time{}},
		{"477 while an account moves", func(*http.Request) (*http.Response, error) { return reply(477, "", "Retry-After", "60"), nil }, fault.Throttled, start.Add(time.Minute)},
		{"503 with seconds", func(*http.Request) (*http.Response, error) { return reply(503, "", "Retry-After", "1"), nil }, fault.Throttled, start.Add(time.Second)},
		{"429 alone", func(*http.Request) (*http.Response, error) { return reply(429, ""), nil }, fault.Throttled, time.Time{}},
	} {
		w := newWorld()
		w.answer = c.answer
		_, err := w.do(t, "/x")
		if fault.ClassOf(err) != c.class || !fault.Until(err).Equal(c.until) {
			t.Errorf("%s: %v, class %s, until %s", c.name, err, fault.ClassOf(err), fault.Until(err))
		}
		if err != nil && strings.Contains(err.Error(), "lan@") {
			t.Errorf("%s: the error tells an address: %v", c.name, err)
		}
	}
	for _, all := range []tokens{nil, {"access_token": ""}, {"access_token": "a\nb"}} {
		w := newWorld()
		w.Config.Credentials = all
		if _, err := w.do(t, "/x"); fault.ClassOf(err) != fault.Unauthorised || len(w.seen) > 0 {
			t.Errorf("with credentials %v: %v", all, err)
		}
	}
	w := newWorld()
	w.answer = func(r *http.Request) (*http.Response, error) {
		if _, limited := r.Context().Deadline(); !limited {
			t.Error("a request has no time-out")
		}
		return reply(503, "later"), nil
	}
	if response, err := w.do(t, "/x"); err != nil || response.StatusCode != 503 {
		t.Errorf("503 is a reply for the connector to read: %v", err)
	}
}

// No span of the manifest's length sees more requests than it allows.
func TestRate(t *testing.T) {
	w := newWorld()
	var at []time.Time
	for range 40 {
		if _, err := w.do(t, "/x"); err != nil {
			t.Fatal(err)
		}
		at = append(at, w.now)
	}
	for i, from := range at {
		n := 0
		for _, other := range at[i:] {
			if other.Before(from.Add(10 * time.Second)) {
				n++
			}
		}
		if n > 10 {
			t.Fatalf("%d requests within ten seconds", n)
		}
	}
	if w.waited == 0 {
		t.Error("nothing ever waited")
	}
	w.answer = func(*http.Request) (*http.Response, error) { return reply(429, "", "Retry-After", "60"), nil }
	_, _ = w.do(t, "/x") // asks to wait: that error is another test's
	w.answer = func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }
	until, sent := w.now.Add(time.Minute), len(w.seen)
	for range 3 { // asking does not put it off
		if _, err := w.do(t, "/x"); fault.ClassOf(err) != fault.Throttled || !fault.Until(err).Equal(until) || len(w.seen) != sent {
			t.Errorf("after Retry-After: 60 the next request: %v, until %s", err, fault.Until(err))
		}
	}
	w.now = until
	if _, err := w.do(t, "/x"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestBases(t *testing.T) {
	s := newWorld().Sender
	for _, base := range []string{"", "http://api.crm.example", "https://api.crm.example/v3", "https://u:p@api.crm.example", "api.crm.example"} {
		m := manifest
		o := *m.Outbound
		o.Base = base
		m.Outbound = &o
		if _, err := s.For("w", "c", m); err == nil {
			t.Errorf("the base %q is taken", base)
		}
	}
	if _, err := s.For("w", "c", connector.Manifest{Name: "form"}); err == nil {
		t.Error("a system that is not written to has a doer")
	}
	s.Simulators = map[string]string{"crm": "http://127.0.0.1:4010"}
	if _, err := s.For("w", "c", manifest); err != nil {
		t.Errorf("a simulator is refused: %v", err)
	}
}

func TestReachable(t *testing.T) {
	for address, want := range map[string]bool{
		"104.16.0.1:443": true, "[2606:4700::1]:443": true,
		"127.0.0.1:80": false, "[::1]:80": false, "10.0.0.1:80": false, "192.168.1.1:80": false, "172.16.0.1:80": false, "169.254.169.254:80": false,
		"0.0.0.0:80": false, "0.1.2.3:80": false, "240.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false, "192.0.0.192:80": false,
		"[2002:a9fe:a9fe::1]:80": false, "[64:ff9b:1::a9fe:a9fe]:80": false, "[::a9fe:a9fe]:80": false, "[fec0::1]:80": false,
		"[fe80::1]:80": false, "[fd00:ec2::254]:80": false, "[::ffff:10.0.0.1]:80": false, "100.64.0.1:80": false,
		"[64:ff9b::a00:1]:80": false, "224.0.0.1:80": false, "nonsense": false,
	} {
		if got := reachable(address, false) == nil; got != want {
			t.Errorf("%s is reachable: %v", address, got)
		}
	}
	if reachable("127.0.0.1:80", true) != nil || reachable("10.0.0.1:80", true) == nil {
		t.Error("with simulators loopback alone is reachable beside the internet")
	}
}
