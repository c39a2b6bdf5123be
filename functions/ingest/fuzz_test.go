package ingest_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"loophub/shared/delivery"
)

// FuzzHandle sends anything: the answer is one of those that are promised, 503 has
// its reason, and what is acknowledged as a delivery lies in the Inbox as it came.
func FuzzHandle(f *testing.F) {
	f.Add("/hooks/saigon/shop/a", "POST", "a=b", "x-till-delivery", "d1", []byte(order), true, false)
	f.Add("/hooks/saigon/shop/%zz", "GET", "challenge=%zz", "x-till-panic", "1", []byte{0xff}, true, true)
	f.Add("/hooks/saigon/kiosk", "", ";&=", "x-till-object", "\n", []byte(nil), false, true)
	f.Add("/hooks/saigon/future", "POST", "", "x-amzn-trace-id", "Root=", []byte("\""), true, false)
	f.Fuzz(func(t *testing.T, path, method, query, header, value string, body []byte, signed, encoded bool) {
		w := newWorld(t)
		e := events.LambdaFunctionURLRequest{RawPath: path, RawQueryString: query, Body: string(body), IsBase64Encoded: encoded,
			Headers: map[string]string{header: value}}
		e.RequestContext.HTTP.Method = method
		if encoded && signed {
			e.Body = base64.StdEncoding.EncodeToString(body)
		}
		if signed {
			e.Headers["x-till-signature"] = base64.StdEncoding.EncodeToString(mac(secret, body))
		}
		for range 2 {
			r, err := w.stage.Handle(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			l := w.line(t)
			switch r.StatusCode {
			case 200, 202, 303, 400, 401, 404, 413:
			case http.StatusServiceUnavailable:
				if l["where"] == nil && !strings.HasPrefix(path, "/hooks/saigon/future") && !strings.HasPrefix(path, "/hooks/saigon/broken") {
					t.Fatalf("503 without a reason: %v", l)
				}
			default:
				t.Fatalf("status %d", r.StatusCode)
			}
			if !utf8.ValidString(r.Body) {
				t.Fatal("a reply that is no text")
			}
			id, acknowledged := l["delivery"].(string)
			if !acknowledged {
				continue
			}
			k, err := delivery.ParseKey("saigon", id)
			if err != nil {
				t.Fatal(err)
			}
			d, err := w.stored[k].Open()
			if err != nil || string(d.Request.Body) != string(body) || d.Request.Method != method {
				t.Fatalf("%v: %q is not %q", err, d.Request.Body, body)
			}
		}
	})
}
