package ingest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
)

// reply is a JSON object of one text. Both are ours: nothing needs escaping.
func reply(status int, name, text string) events.LambdaFunctionURLResponse {
	return events.LambdaFunctionURLResponse{
		StatusCode: status,
		Headers:    map[string]string{"Content-Type": "application/json"},
		Body:       `{"` + name + `":"` + text + `"}`,
	}
}

// render writes a connector's own answer.
func render(a connector.Response) events.LambdaFunctionURLResponse {
	r := events.LambdaFunctionURLResponse{StatusCode: a.Status, Headers: map[string]string{}}
	if r.StatusCode == 0 {
		r.StatusCode = http.StatusOK
	}
	for name, values := range a.Header {
		if name == "Set-Cookie" {
			r.Cookies = values
			continue
		}
		r.Headers[name] = strings.Join(values, ", ")
	}
	if r.Body = string(a.Body); !utf8.ValidString(r.Body) {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(a.Body), true
	}
	return r
}
