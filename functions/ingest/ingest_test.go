package ingest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/functions/ingest"
	"loophub/shared/delivery"
)

const order = `{"id":1,"email":"lan@MARKER.example","phone":"+84903117428"}`

var orderKey = delivery.Key{Workspace: "saigon", Connection: "shop", Object: "order-1", Delivery: "d1"}

func TestStores(t *testing.T) {
	w := newWorld(t)
	for _, outcome := range []string{"stored", "duplicate"} {
		r := w.send(t, event("/hooks/saigon/shop/a%2Fb", order))
		want := events.LambdaFunctionURLResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "application/json"},
			Body: `{"delivery":"` + orderKey.String() + `"}`}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Error(diff)
		}
		if l := w.line(t); l["msg"] != outcome || l["deliveries"] != 1.0 || l["delivery"] != orderKey.String() ||
			l["trace"] != "1-67891233-abcdef012345678912345678" || l["workspace"] != "saigon" || l["connection"] != "shop" {
			t.Error(l)
		}
	}
	if w.line(t)["duplicates"] != 1.0 || len(w.stored) != 1 {
		t.Error("the duplicate counts")
	}
	got, err := w.stored[orderKey].Open()
	if err != nil {
		t.Fatal(err)
	}
	want := delivery.Delivery{Key: orderKey, Trace: "1-67891233-abcdef012345678912345678", Request: connector.Request{
		Method: "POST", Rest: "a/b", Query: map[string][]string{}, Body: []byte(order),
		Header:     http.Header{"X-Till-Topic": {"orders/create"}, "X-Till-Object": {"order-1"}, "X-Till-Delivery": {"d1"}},
		ReceivedAt: time.Date(2026, 11, 20, 2, 14, 32, 123_000_000, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClash(t *testing.T) {
	w := newWorld(t)
	w.send(t, event("/hooks/saigon/shop", order))
	for range 2 {
		r := w.send(t, event("/hooks/saigon/shop", order+" "))
		k := orderKey
		k.Delivery += "~clash"
		if r.StatusCode != 200 || !strings.Contains(r.Body, k.String()) || w.line(t)["clashes"] != 1.0 {
			t.Error(r, w.line(t))
		}
	}
	if len(w.stored) != 2 {
		t.Error("not beside each other")
	}
}

// What is not stored: each request twice.
func TestNothingStored(t *testing.T) {
	tests := []struct {
		name   string
		path   string
		change func(*world, *events.LambdaFunctionURLRequest)
		status int
		msg    string
	}{
		{"no such path", "/", nil, 404, "unknown"},
		{"hooks alone", "/hooks/", nil, 404, "unknown"},
		{"workspace alone", "/hooks/saigon", nil, 404, "unknown"},
		{"no connection", "/hooks/saigon/", nil, 404, "unknown"},
		{"unknown workspace", "/hooks/hanoi/shop", nil, 404, "unknown"},
		{"impossible workspace", "/hooks/MARKER@x/shop", nil, 404, "unknown"},
		{"unknown connection", "/hooks/saigon/markt", nil, 404, "unknown"},
		{"internal connector", "/hooks/saigon/clerk", nil, 404, "unknown"},
		{"connector without source", "/hooks/saigon/outlet", nil, 404, "unknown"},
		{"connector of a later version", "/hooks/saigon/future", nil, 503, "failed"},
		{"settings that the connector refuses", "/hooks/saigon/broken", nil, 503, "failed"},
		{"wrong signature", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) {
			e.Headers["x-till-signature"] = "aGVhZGVyLU1BUktFUg=="
		}, 401, "refused"},
		{"no signature", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) { e.Headers = nil }, 401, "refused"},
		{"wrong signature, but the vendor stops at 4xx", "/hooks/saigon/kiosk", func(_ *world, e *events.LambdaFunctionURLRequest) { e.Body += " " }, 202, "refused"},
		{"too large", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) { e.Body = strings.Repeat("a", ingest.MaxBody+1) }, 413, "toolarge"},
		{"too large in base64", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(make([]byte, ingest.MaxBody+1)), true
		}, 413, "toolarge"},
		{"not base64", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) { e.IsBase64Encoded = true }, 400, "garbled"},
		{"definition unreadable", "/hooks/saigon/shop", func(w *world, _ *events.LambdaFunctionURLRequest) { w.loading = errors.New("MARKER") }, 503, "failed"},
		{"secrets unreadable", "/hooks/saigon/shop", func(w *world, _ *events.LambdaFunctionURLRequest) { w.keys = errors.New("MARKER") }, 503, "failed"},
		{"connector panics", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) { e.Headers["x-till-panic"] = "1" }, 503, "failed"},
		{"challenge", "/hooks/saigon/shop", func(_ *world, e *events.LambdaFunctionURLRequest) {
			e.RequestContext.HTTP.Method, e.RawQueryString = http.MethodGet, "challenge=a%20b"
		}, 200, "answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			e := event(tt.path, order)
			if tt.change != nil {
				tt.change(w, &e)
			}
			for range 2 {
				r := w.send(t, e)
				if r.StatusCode != tt.status || w.line(t)["msg"] != tt.msg {
					t.Errorf("want %d %s, got %d, %v", tt.status, tt.msg, r.StatusCode, w.line(t))
				}
				if w.puts != 0 || len(w.spilled) != 0 {
					t.Error("something is stored")
				}
				if (r.StatusCode == 503) != (r.Headers["Retry-After"] != "") {
					t.Error("503 and Retry-After belong together")
				}
				if tt.msg == "refused" && (w.line(t)["refused"] != 1.0 || w.line(t)["secrets"] != 2.0) {
					t.Error("not counted", w.line(t))
				}
			}
		})
	}
}

// TestMissingSignatureIsNamed: an operator must not go looking for a wrong secret
// where nothing was signed.
func TestMissingSignatureIsNamed(t *testing.T) {
	w, e := newWorld(t), event("/hooks/saigon/shop", order)
	delete(e.Headers, "x-till-signature")
	w.send(t, e)
	if diff := cmp.Diff([]any{"X-Till-Signature"}, w.line(t)["missing_headers"]); diff != "" {
		t.Error(diff)
	}
}

func TestAnswers(t *testing.T) {
	w := newWorld(t)
	e := event("/hooks/saigon/shop", "")
	e.RequestContext.HTTP.Method, e.RawQueryString = http.MethodGet, "challenge=a%20b"
	if r := w.send(t, e); r.Body != "a b" {
		t.Error(r)
	}
	for range 2 {
		r := w.send(t, event("/hooks/saigon/shop/form/%C3%BC", order))
		want := events.LambdaFunctionURLResponse{StatusCode: 303, Headers: map[string]string{"Location": "https://shop.example/thanks"},
			Cookies: []string{"a=1", "b=2"}, Body: "/w==", IsBase64Encoded: true}
		if diff := cmp.Diff(want, r); diff != "" || len(w.stored) != 1 {
			t.Error(diff)
		}
	}
	w.spill, w.inbox, w.puts = errors.New("down"), []func(context.Context) error{throttled, throttled}, 0
	if r := w.send(t, event("/hooks/saigon/shop/form/%C3%BC", order)); r.StatusCode != 503 {
		t.Error("the connector's answer acknowledges what is not stored", r)
	}
}

func throttled(context.Context) error { return errors.New("throttled: MARKER") }

// hang ends with the attempt's time.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStoringFails(t *testing.T) {
	for name, tt := range map[string]struct {
		inbox   []func(context.Context) error
		spill   error
		status  int
		msg     string
		puts    int
		spilled int
		took    time.Duration
	}{
		"first attempt throttled":   {[]func(context.Context) error{throttled}, nil, 200, "stored", 2, 0, 0},
		"first attempt hangs":       {[]func(context.Context) error{hang}, nil, 200, "stored", 2, 0, 400 * time.Millisecond},
		"both fail, spill takes it": {[]func(context.Context) error{throttled, hang}, nil, 200, "spilled", 2, 1, 400 * time.Millisecond},
		"both hang, spill takes it": {[]func(context.Context) error{hang, hang}, nil, 200, "spilled", 2, 1, 800 * time.Millisecond},
		"all fail":                  {[]func(context.Context) error{throttled, throttled}, errors.New("down: MARKER"), 503, "failed", 2, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.spill = tt.spill
				for range 2 {
					w.inbox, w.puts, w.spilled = tt.inbox, 0, nil
					start := time.Now()
					r := w.send(t, event("/hooks/saigon/shop", order))
					if took := time.Since(start); took != tt.took {
						t.Errorf("took %v", took)
					}
					msg := w.line(t)["msg"]
					if msg == "duplicate" && tt.msg == "stored" {
						msg = "stored" // the second time
					}
					if r.StatusCode != tt.status || msg != tt.msg || w.puts != tt.puts || len(w.spilled) != tt.spilled {
						t.Errorf("%d, %v, %d puts, %d spilled", r.StatusCode, w.line(t), w.puts, len(w.spilled))
					}
					if acknowledged := r.StatusCode == 200; acknowledged != (len(w.stored)+len(w.spilled) > 0) {
						t.Error("acknowledged and stored are not the same")
					}
					if tt.spilled == 1 && (w.spilled[0].Key != orderKey || w.line(t)["spilled"] != 1.0 || w.line(t)["level"] != "ERROR") {
						t.Error(w.spilled[0].Key, w.line(t))
					}
					if tt.status == 503 && (r.Headers["Retry-After"] == "" || w.line(t)["failures"] != 1.0) {
						t.Error(r, w.line(t))
					}
				}
			})
		})
	}
}

// The first put took effect and its reply was lost: the second finds it.
func TestTimeOutAfterEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.inbox = []func(context.Context) error{func(ctx context.Context) error {
			s := delivery.Seal(delivery.Delivery{Key: orderKey, Request: connector.Request{Body: []byte(order)}})
			w.stored[orderKey] = s
			return hang(ctx)
		}}
		r := w.send(t, event("/hooks/saigon/shop", order))
		if r.StatusCode != 200 || w.line(t)["msg"] != "duplicate" || len(w.stored) != 1 || len(w.spilled) != 0 {
			t.Error(r, w.line(t))
		}
	})
}

// A body for the overflow bucket may take longer than an item.
func TestLargeBodyHasMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		body := make([]byte, 500<<10)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		e := event("/hooks/saigon/shop", string(body))
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		w.inbox = []func(context.Context) error{hang}
		start := time.Now()
		if r := w.send(t, e); r.StatusCode != 200 || time.Since(start) != 3*time.Second {
			t.Error(r, time.Since(start))
		}
	})
}

func TestKeysAreStorable(t *testing.T) {
	for name, tt := range map[string]struct{ object, id string }{
		"nothing": {"", ""}, "too long": {strings.Repeat("a", 201), strings.Repeat("b", 201)},
		"control characters": {"a\nb", "c\x00d"}, "not UTF-8": {"a\xff", "b\xfe"},
	} {
		w := newWorld(t)
		e := event("/hooks/saigon/shop", order)
		e.Headers["x-till-object"], e.Headers["x-till-delivery"] = tt.object, tt.id
		var first string
		for range 2 {
			r, err := w.stage.Handle(t.Context(), e)
			if err != nil || r.StatusCode != 200 {
				t.Fatal(name, r, err)
			}
			var reply struct{ Delivery string }
			if err := json.Unmarshal([]byte(r.Body), &reply); err != nil {
				t.Fatal(err)
			}
			k, err := delivery.ParseKey("saigon", reply.Delivery)
			if _, there := w.stored[k]; err != nil || !there || len(k.Object) > 200 || len(k.Delivery) > 200 {
				t.Error(name, k, err)
			}
			if first != "" && first != reply.Delivery {
				t.Error(name, "a retry has another key")
			}
			first = reply.Delivery
		}
	}
}

func TestTrace(t *testing.T) {
	for header, want := range map[string]string{
		"Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1": "1-67891233-abcdef012345678912345678",
		"":                           "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
		"Root=lan@MARKER.example":    "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
		"Root=1-6789123g-abcdef0123": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
	} {
		w := newWorld(t)
		e := event("/hooks/saigon/shop", order)
		e.Headers["x-amzn-trace-id"] = header
		w.send(t, e)
		if got := w.line(t)["trace"]; got != want || w.stored[orderKey].Trace != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestInvokeRefusesWhatIsNoEvent(t *testing.T) {
	w := newWorld(t)
	for _, payload := range []string{"", "null,", `"lan@MARKER.example"`, `{"body":{"email":"lan@MARKER.example"}}`} {
		if _, err := w.stage.Invoke(t.Context(), []byte(payload)); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Error(payload, err)
		}
	}
}

// Whatever happens, no line holds a body, a header, an address or a secret.
func TestLogsHoldNothingPersonal(t *testing.T) {
	w := newWorld(t)
	var all bytes.Buffer
	for _, path := range []string{"/hooks/saigon/shop", "/hooks/saigon/kiosk", "/hooks/saigon/broken", "/hooks/saigon/future",
		"/hooks/saigon/clerk", "/hooks/saigon/shop/form/%C3%BC", "/hooks/MARKER/shop", "/hooks/marker/+84903117428", "/MARKER",
		"/hooks/saigon/shop/lan@MARKER.example"} {
		for _, change := range []func(*events.LambdaFunctionURLRequest){
			func(*events.LambdaFunctionURLRequest) {},
			func(e *events.LambdaFunctionURLRequest) { e.Body = "+84903117428 MARKER" },
			func(e *events.LambdaFunctionURLRequest) { e.IsBase64Encoded = true },
			func(e *events.LambdaFunctionURLRequest) { e.RawQueryString = "email=lan@MARKER.example&%zz" },
			func(e *events.LambdaFunctionURLRequest) { e.Headers["x-till-panic"] = "1" },
			func(e *events.LambdaFunctionURLRequest) { e.Headers["x-amzn-trace-id"] = "Root=MARKER" },
			func(e *events.LambdaFunctionURLRequest) { e.RequestContext.RequestID = "MARKER" },
			func(e *events.LambdaFunctionURLRequest) { e.RequestContext.HTTP.Method = "MARKER" },
			func(e *events.LambdaFunctionURLRequest) { e.Headers["x-marker-84903117428"] = "MARKER" },
		} {
			for _, ports := range []func(){
				func() { w.loading, w.keys, w.inbox, w.spill = nil, nil, nil, nil },
				func() { w.keys = errors.New("MARKER " + secret) },
				func() { w.keys, w.inbox = nil, []func(context.Context) error{throttled, throttled} },
				func() { w.spill = errors.New("MARKER") },
			} {
				ports()
				w.puts = 0
				e := event(path, order)
				change(&e)
				w.send(t, e)
				all.Write(w.log.Bytes())
				w.log.Reset()
			}
		}
	}
	if strings.Count(all.String(), "\n") != 10*9*4 {
		t.Error("not one line for each request")
	}
	for _, word := range []string{"marker", "@", "84903117428", "lan", secret, "Bearer", "203.0.113.9"} {
		if i := strings.Index(strings.ToLower(all.String()), strings.ToLower(word)); i >= 0 {
			t.Errorf("%q is in the log: %s", word, all.String()[max(0, i-200):i+50])
		}
	}
}
