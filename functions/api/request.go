package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// bearer reads the token off the Authorization header.
func bearer(headers map[string]string) (token string, given bool) {
	for name, v := range headers {
		if strings.EqualFold(name, "Authorization") {
			scheme, rest, _ := strings.Cut(v, " ")
			token = strings.TrimSpace(rest)
			return token, strings.EqualFold(scheme, "Bearer") && token != ""
		}
	}
	return "", false
}

// query reads the parameters that a path takes; each at most once, none empty.
// What else is there may be misspelt, and is refused.
func (h *handling) query(names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(h.event.RawQueryString)
	if err != nil {
		return nil, badRequest("the query can't be read; percent-encode what stands in it")
	}
	out := map[string]string{}
	for name, v := range values {
		switch {
		case len(names) == 0:
			return nil, badRequest("this path takes no parameters")
		case !slices.Contains(names, name):
			return nil, badRequest("there is a parameter that this path does not take; it takes %s", strings.Join(names, ", "))
		case len(v) != 1:
			return nil, badRequest("give %s once", name)
		case v[0] == "":
			return nil, badRequest("%s is empty; give a value or leave it out", name)
		}
		out[name] = v[0]
	}
	return out, nil
}

// limit reads how many entries a page may have.
func limit(q map[string]string, otherwise int) (int, error) {
	text, given := q["limit"]
	if !given {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badRequest("limit is a number from 1 to %d", maxLimit)
	}
	return n, nil
}

// bodySize is the size of the body, known before it is decoded.
func bodySize(e *events.LambdaFunctionURLRequest) int {
	if !e.IsBase64Encoded {
		return len(e.Body)
	}
	return base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(e.Body, "=")))
}

// body reads the JSON object that a request carries, whatever it says its type is.
func (h *handling) body(v any) error {
	b := []byte(h.event.Body)
	if h.event.IsBase64Encoded {
		var err error
		if b, err = base64.StdEncoding.DecodeString(h.event.Body); err != nil {
			return badRequest("the body is not the base64 that it is said to be")
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("the body is not the JSON object that GET /v1/openapi.yaml describes for this path")
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("the body holds more than one JSON object")
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(b, &names); err != nil {
		return badRequest("the body is not a JSON object")
	}
	for name := range names { // the decoder would take them in any case, and a long s for an s
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return badRequest("the names in the body are written in lower case, as GET /v1/openapi.yaml has them")
		}
	}
	return nil
}

// trace takes Lambda's request id if it looks like one: locally it is a stranger's text.
func trace(id string) string {
	if len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == "" {
		return id
	}
	return ""
}

// plus puts back what a query turned into spaces: + is common in what people look
// for, and they forget to escape it.
func plus(kind, text string) string {
	if kind == "email" {
		return strings.ReplaceAll(strings.TrimSpace(text), " ", "+")
	}
	if rest := strings.TrimLeft(text, " "); len(rest) < len(text) && rest != "" && rest[0] >= '1' && rest[0] <= '9' {
		return "+" + rest // no country's code begins with 0
	}
	return text
}
