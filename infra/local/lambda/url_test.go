package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const address = "https://abc.lambda-url.us-east-1.on.aws/"

func open(b *bench) http.Handler {
	return b.Handler(URL{Function: "f", Address: address, Allow: func() error { return nil }})
}

func TestURLRequest(t *testing.T) {
	var got events.LambdaFunctionURLRequest
	b := newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) {
		return []byte(`{"statusCode":200}`), json.Unmarshal(p, &got)
	}))
	r := httptest.NewRequest(http.MethodPost, "http://shop.test/hooks/a%20b/c?x=1&y=2&x=3", strings.NewReader(`{"a":1}`))
	r.RemoteAddr = "203.0.113.9:4711"
	r.Header = http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Signature": {"s1", "s2"}, "User-Agent": {"shop/1"},
		"Cookie": {"a=1; b=2"}, "X-Forwarded-For": {"198.51.100.1"}}
	open(b).ServeHTTP(httptest.NewRecorder(), r)
	if trace := got.Headers["x-amzn-trace-id"]; !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`).MatchString(trace) {
		t.Errorf("trace id %q", trace)
	}
	delete(got.Headers, "x-amzn-trace-id")
	want := events.LambdaFunctionURLRequest{
		Version: "2.0", RawPath: "/hooks/a%20b/c", RawQueryString: "x=1&y=2&x=3", Cookies: []string{"a=1", "b=2"},
		QueryStringParameters: map[string]string{"x": "1,3", "y": "2"}, Body: `{"a":1}`,
		Headers: map[string]string{"content-type": "application/json; charset=utf-8", "x-signature": "s1,s2", "user-agent": "shop/1",
			"host": "shop.test", "content-length": "7", "x-forwarded-for": "198.51.100.1,203.0.113.9", "x-forwarded-port": "443", "x-forwarded-proto": "https"},
		RequestContext: events.LambdaFunctionURLRequestContext{AccountID: "anonymous", APIID: "abc", DomainPrefix: "abc",
			DomainName: "abc.lambda-url.us-east-1.on.aws", Time: "02/Jan/2026:12:00:00 +0000", TimeEpoch: noon.UnixMilli(),
			HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{Method: "POST", Path: "/hooks/a b/c", Protocol: "HTTP/1.1",
				SourceIP: "203.0.113.9", UserAgent: "shop/1"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(events.LambdaFunctionURLRequestContext{}, "RequestID")); diff != "" {
		t.Error(diff)
	}
}

func TestURLBodyArrivesByteForByte(t *testing.T) {
	binary := string([]byte{0, 0xff, 0x80, '\r', '\n'})
	for name, test := range map[string]struct {
		media, encoding, body string
		base64                bool
	}{
		"json":             {"application/json", "", `{"ü":1}`, false},
		"text":             {"text/plain; charset=utf-8", "", "chào", false},
		"xml":              {"application/xml", "", "<a/>", false},
		"javascript":       {"application/javascript", "", "1", false},
		"form":             {"application/x-www-form-urlencoded", "", "a=1", true},
		"structured":       {"application/vnd.api+json", "", "{}", true},
		"none":             {"", "", "x", true},
		"binary":           {"application/octet-stream", "", binary, true},
		"compressed text":  {"text/plain", "gzip", "x", true},
		"text that is not": {"text/plain", "", binary, true},
		"empty":            {"application/octet-stream", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got events.LambdaFunctionURLRequest
			b := newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) { return nil, json.Unmarshal(p, &got) }))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.media)
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			open(b).ServeHTTP(httptest.NewRecorder(), r)
			body := got.Body
			if got.IsBase64Encoded {
				raw, err := base64.StdEncoding.DecodeString(body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(raw)
			}
			if body != test.body || got.IsBase64Encoded != test.base64 {
				t.Errorf("%q (Base64 %v), want %q (%v)", body, got.IsBase64Encoded, test.body, test.base64)
			}
		})
	}
}

func TestURLResponse(t *testing.T) {
	for name, test := range map[string]struct {
		reply  string
		err    error
		status int
		body   string
		header http.Header
	}{
		"whole": {reply: `{"statusCode":201,"headers":{"Location":"/x","X-N":7},"cookies":["a=1","b=2"],"body":"made"}`, status: 201, body: "made",
			header: http.Header{"Location": {"/x"}, "X-N": {"7"}, "Set-Cookie": {"a=1", "b=2"}, "Content-Type": {"application/json"}}},
		"base64":       {reply: `{"statusCode":200,"body":"AAE=","isBase64Encoded":true,"headers":{"content-type":"image/gif"}}`, status: 200, body: "\x00\x01", header: http.Header{"Content-Type": {"image/gif"}}},
		"bare object":  {reply: `{"ok":true}`, status: 200, body: `{"ok":true}`, header: http.Header{"Content-Type": {"application/json"}}},
		"bare text":    {reply: `"hello"`, status: 200, body: "hello"},
		"wrong base64": {reply: `{"statusCode":200,"body":"%","isBase64Encoded":true}`, status: 502, body: "{\"Message\":\"Internal Server Error\"}\n"},
		"wrong status": {reply: `{"statusCode":7}`, status: 502, body: "{\"Message\":\"Internal Server Error\"}\n"},
		"error":        {err: errors.New("no"), status: 502, body: "{\"Message\":\"Internal Server Error\"}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, always(func(context.Context, []byte) ([]byte, error) { return []byte(test.reply), test.err }))
			rec := httptest.NewRecorder()
			open(b).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			resp := rec.Result()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.status || string(body) != test.body {
				t.Errorf("%d %q %v", resp.StatusCode, body, err)
			}
			for k, want := range test.header {
				if diff := cmp.Diff(want, resp.Header[k]); diff != "" {
					t.Errorf("%s: %s", k, diff)
				}
			}
			if resp.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestURLRefuses(t *testing.T) {
	invoked := false
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) { invoked = true; return nil, nil }))
	status := func(h http.Handler, body int) int {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, body))))
		return rec.Code
	}
	if got := status(open(b), MaxPayload+1); got != http.StatusRequestEntityTooLarge {
		t.Errorf("more than 6 MB: %d", got)
	}
	if got := status(open(b), 5<<20); got != http.StatusRequestEntityTooLarge { // more than 6 MB in Base64
		t.Errorf("5 MB of binary: %d", got)
	}
	closed := b.Handler(URL{Function: "f", Address: address, Allow: func() error { return errors.New("no permission") }})
	if got := status(closed, 1); got != http.StatusForbidden {
		t.Errorf("without permission: %d", got)
	}
	if invoked {
		t.Error("the function ran")
	}
	if got := status(open(b), 4<<20); got != http.StatusOK || !invoked {
		t.Errorf("4 MB of binary: %d", got)
	}
}
