package ingest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

var payloads = []string{
	`{"version":"2.0","rawPath":"/hooks/a/b","rawQueryString":"x=1","cookies":["a"],"headers":{"a":"b","c":"\u00e9\ud83d\ude00\n\\\/\b\f\r\t\""},` +
		`"requestContext":{"requestId":"id","timeEpoch":1700000000000,"authorizer":null,"http":{"method":"POST","path":"/x","sourceIp":"1.2.3.4"}},` +
		`"body":"{\"name\":\"Trà Lan\"}","isBase64Encoded":false}`,
	`{}`, ` { "body" : "" , "isBase64Encoded" : true } `,
	`{"headers":{}}`, `{"other":[1,-0.5e+10,{"a":[]},true,false,null,"\u0000"]}`,
	// Left to the standard library:
	`{"Body":"a"}`, `{"body":"a","body":"b"}`, `{"body":null}`, `{"headers":null}`, `{"headers":{"a":"1","a":"2"}}`,
	`{"body":"\ud800"}`, `{"body":"\ud800\u0041"}`, "{\"body\":\"\xff\"}", `{"bod` + "\u212a" + `":"a"}`,
	// No JSON, or not this event:
	``, `{`, `{"body":"`, `{"body":"\`, `{"body":"\u12"}`, `{"body":"\x"}`, "{\"body\":\"\n\"}", `{"body":1}`, `{"a":01}`, `{"a":1.}`, `{"a":.1}`,
	`{"a":-}`, `{"a":1e}`, `{"a":tru}`, `{"a":[1,]}`, `{"a":{,}}`, `{"a":1,}`, `{}x`, `[]`, `{"a" 1}`, `{"isBase64Encoded":"true"}`,
}

// used are the fields that the stage reads.
func used(e events.LambdaFunctionURLRequest) []any {
	headers := e.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	return []any{e.RawPath, e.RawQueryString, headers, e.Body, e.IsBase64Encoded, e.RequestContext.RequestID, e.RequestContext.HTTP.Method}
}

// FuzzDecodeEvent holds decodeEvent to the standard library: what it accepts is
// JSON and reads the same. (A field that the stage does not use may have a type
// that the library refuses.)
func FuzzDecodeEvent(f *testing.F) {
	for _, p := range payloads {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, body, ok := decodeEvent(payload)
		got.Body = string(body)
		if !ok {
			return
		}
		var want events.LambdaFunctionURLRequest
		var kind *json.UnmarshalTypeError
		if err := json.Unmarshal(payload, &want); err != nil && !errors.As(err, &kind) {
			t.Fatalf("accepted %q, but: %v", payload, err)
		}
		if diff := cmp.Diff(used(want), used(got)); diff != "" {
			t.Fatalf("%q: %s", payload, diff)
		}
	})
}

// The usual event must not fall back: that is where the time goes.
func TestDecodeEventIsUsed(t *testing.T) {
	for i, p := range payloads {
		if _, _, ok := decodeEvent([]byte(p)); ok != (i < 5) {
			t.Errorf("%s: %v", p, ok)
		}
	}
	real, err := json.Marshal(events.LambdaFunctionURLRequest{Headers: map[string]string{"a": "b"}, Body: `{"a":"<é>` + "\u2028" + `"}`})
	if err != nil {
		t.Fatal(err)
	}
	if _, body, ok := decodeEvent(real); !ok || string(body) != `{"a":"<é>`+"\u2028"+`"}` {
		t.Errorf("%s: %v %q", real, ok, body)
	}
}

func TestPlain(t *testing.T) {
	for c := range 256 {
		stop := c < ' ' || c == '"' || c == '\\'
		for at := range 8 {
			for _, filler := range []byte{' ', 'a', '!', '#', '[', ']', 0x7f, 0x80, 0xa2, 0xdc, 0xff} {
				word, want := uint64(0), 8
				for i := range 8 {
					b := filler
					if i == at {
						b = byte(c)
					}
					word |= uint64(b) << (8 * i)
				}
				if stop {
					want = at
				}
				if got := plain(word); got != want {
					t.Fatalf("%#x at %d among %#x: %d", c, at, filler, got)
				}
			}
		}
	}
}
