package ingest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	hub "loophub/events"
	"loophub/functions/ingest"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/telemetry/telemetrytest"
	"loophub/shared/workspace"
)

const secret = "secret-MARKER"

// till signs like most shops do: base64 of an HMAC-SHA256 over the raw body. It
// answers GET itself, and form posts with a 303.
type till struct{}

func (till) Verify(r connector.Request, secrets []connector.Secret) error {
	if r.Header.Get("X-Till-Panic") != "" {
		panic("body-MARKER: " + string(r.Body))
	}
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Till-Signature"))
	if err != nil {
		return fmt.Errorf("reading signature: %w", err)
	}
	for _, s := range secrets {
		if hmac.Equal(given, mac(string(s), r.Body)) {
			return nil
		}
	}
	return fmt.Errorf("the signature %s does not match", given)
}

func mac(secret string, body []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return m.Sum(nil)
}

func (till) Key(r connector.Request) (object, id string) {
	return r.Header.Get("X-Till-Object"), r.Header.Get("X-Till-Delivery")
}

func (till) Decode(connector.Request) ([]hub.Fact, []connector.Fault) { return nil, nil }

func (till) Answer(r connector.Request) (connector.Response, bool, bool) {
	switch {
	case r.Method == http.MethodGet:
		return connector.Response{Body: []byte(r.Query.Get("challenge"))}, true, true
	case r.Rest == "form/ü":
		return connector.Response{Status: http.StatusSeeOther, Header: http.Header{
			"Location": {"https://shop.example/thanks"}, "Set-Cookie": {"a=1", "b=2"}}, Body: []byte{0xff}}, false, true
	}
	return connector.Response{}, false, false
}

// postal makes the source of the connector whose deliveries the account brings.
func postal(s connector.Settings) (connector.Source, error) {
	if s.Values["broken"] != "" {
		return nil, errors.New("setting broken: body-MARKER")
	}
	return post{}, nil
}

type post struct{ till }

func (post) Verify(connector.Request, []connector.Secret) error { return nil }

func (post) Key(r connector.Request) (object, id string) {
	return "mail", r.Header.Get(connector.PlatformID)
}

// connectors: the till, one that must not answer 4xx, one inside, one without source, and one whose deliveries the account brings.
func connectors() []connector.Connector {
	source := func(s connector.Settings) (connector.Source, error) {
		if s.Values["broken"] != "" {
			return nil, errors.New("setting broken: body-MARKER")
		}
		return till{}, nil
	}
	headers := []string{"X-Till-Topic", "x-till-object", "X-Till-Delivery"}
	return []connector.Connector{
		{Manifest: connector.Manifest{Name: "till", Headers: headers, Proof: []string{"X-Till-Signature"}}, Source: source},
		{Manifest: connector.Manifest{Name: "shy", Headers: headers, Refusal: http.StatusAccepted}, Source: source},
		{Manifest: connector.Manifest{Name: "clerk", Internal: true}, Source: source},
		{Manifest: connector.Manifest{Name: "outlet"}},
		{Manifest: connector.Manifest{Name: "post", Platform: true, Headers: []string{connector.PlatformID}}, Source: postal,
			Address: func(r connector.Request) (string, string, bool) {
				if string(r.Body) == "panic-MARKER" {
					panic("body-MARKER: " + string(r.Body))
				}
				w, c, ok := strings.Cut(strings.TrimPrefix(string(r.Body), "for "), "/")
				c, _, _ = strings.Cut(c, " ")
				return w, c, ok
			}},
	}
}

// world is the stage with ports that can fail.
type world struct {
	stage   *ingest.Stage
	log     *bytes.Buffer
	loading error // of Load
	keys    error // of Secrets
	inbox   []func(context.Context) error
	spill   error
	stored  map[delivery.Key]delivery.Sealed
	spilled []delivery.Sealed
	puts    int
}

func newWorld(testing.TB) *world {
	w := &world{log: &bytes.Buffer{}, stored: map[delivery.Key]delivery.Sealed{}}
	w.stage = ingest.New(ingest.Config{
		Connectors: connectors(), Definitions: w, Inbox: w, Spill: w,
		Log: telemetry.New(w.log, "ingest"),
		Now: func() time.Time { return time.Date(2026, 11, 20, 2, 14, 32, 123_456_789, time.UTC) },
	})
	return w
}

func (w *world) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if w.loading != nil {
		return workspace.Workspace{}, w.loading
	}
	if id != "saigon" {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	c := map[string]workspace.Connection{"broken": {Name: "broken", Connector: "till", Settings: map[string]string{"broken": "1"}},
		"torn": {Name: "torn", Connector: "post", Settings: map[string]string{"broken": "1"}}}
	for name, of := range map[string]string{"shop": "till", "mail": "post", "kiosk": "shy", "clerk": "clerk", "outlet": "outlet", "future": "later"} {
		c[name] = workspace.Connection{Name: name, Connector: of}
	}
	return workspace.Workspace{ID: id, Country: "VN", Currency: "VND", Zone: "UTC", Connections: c}, nil
}

func (w *world) Secrets(context.Context, string, string) ([]connector.Secret, error) {
	return []connector.Secret{"older", secret}, w.keys
}

// Put takes effect before a failure that is prepared says anything.
func (w *world) Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	w.puts++
	if w.puts <= len(w.inbox) {
		if f := w.inbox[w.puts-1]; f != nil {
			return s.Key, "", f(ctx)
		}
	}
	old, there := w.stored[s.Key]
	switch {
	case !there:
		w.stored[s.Key] = s
		return s.Key, delivery.Stored, nil
	case old.Hash == s.Hash:
		return s.Key, delivery.Duplicate, nil
	}
	s.Key.Delivery += "~clash"
	w.stored[s.Key] = s
	return s.Key, delivery.Clash, nil
}

func (w *world) Send(_ context.Context, s delivery.Sealed) error {
	if w.spill != nil {
		return w.spill
	}
	w.spilled = append(w.spilled, s)
	return nil
}

// event is a signed request as Lambda hands it over.
func event(path, body string) events.LambdaFunctionURLRequest {
	e := events.LambdaFunctionURLRequest{RawPath: path, Body: body, Headers: map[string]string{
		"x-till-signature": base64.StdEncoding.EncodeToString(mac(secret, []byte(body))),
		"x-till-topic":     "orders/create",
		"x-till-object":    "order-1",
		"x-till-delivery":  "d1",
		"authorization":    "Bearer header-MARKER",
		"x-forwarded-for":  "203.0.113.9",
		"x-amzn-trace-id":  "Self=1-0-0;Root=1-67891233-abcdef012345678912345678",
	}}
	e.RequestContext.HTTP.Method = http.MethodPost
	e.RequestContext.RequestID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
	return e
}

// send invokes the stage as Lambda does.
func (w *world) send(t testing.TB, e events.LambdaFunctionURLRequest) events.LambdaFunctionURLResponse {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.stage.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var r events.LambdaFunctionURLResponse
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// line is the last line of the log.
func (w *world) line(t testing.TB) map[string]any {
	t.Helper()
	return telemetrytest.Last(t, w.log.String())
}
