package ingest

import (
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

func TestAddressed(t *testing.T) {
	host := map[string]string{"host": "hooks.tra-sen.example"}
	for _, c := range []struct {
		name string
		e    events.LambdaFunctionURLRequest
		want string
	}{
		{"plain", events.LambdaFunctionURLRequest{Headers: host, RawPath: "/hooks/a/b"}, "https://hooks.tra-sen.example/hooks/a/b"},
		{"escapes stay", events.LambdaFunctionURLRequest{Headers: host, RawPath: "/hooks/a/b/c%20d", RawQueryString: "x=%3D&y"}, "https://hooks.tra-sen.example/hooks/a/b/c%20d?x=%3D&y"},
		{"no host", events.LambdaFunctionURLRequest{RawPath: "/hooks/a/b"}, ""},
	} {
		if got := addressed(&c.e); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
