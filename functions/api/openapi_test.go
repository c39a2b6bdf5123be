package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	lambda "github.com/aws/aws-lambda-go/events"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"loophub/functions/api"
)

var document = sync.OnceValue(func() *openapi3.T {
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		panic(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		panic(err)
	}
	return doc
})

var router = sync.OnceValue(func() routers.Router {
	r, err := gorillamux.NewRouter(document())
	if err != nil {
		panic(err)
	}
	return r
})

// conform holds a request and its answer to the document. What the document
// refuses is never answered with 2xx; every answer is as it says.
func conform(t testing.TB, e lambda.LambdaFunctionURLRequest, answer lambda.LambdaFunctionURLResponse) {
	t.Helper()
	r := &openapi3filter.RequestValidationInput{Options: &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	header := http.Header{}
	for name, v := range answer.Headers {
		header.Set(name, v)
	}
	request, err := http.NewRequest(e.RequestContext.HTTP.Method, "http://api.example/", strings.NewReader(e.Body))
	if err != nil {
		wantError(t, answer)
		return // no method of HTTP
	}
	request.URL.Path, request.URL.RawQuery = e.RawPath, e.RawQueryString
	if e.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	r.Request = request
	r.Route, r.PathParams, err = router().FindRoute(request)
	if err != nil {
		wantError(t, answer)
		return
	}
	if answer.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(context.Background(), r); err != nil {
			t.Errorf("%s %s: answered, but the document refuses it: %v", request.Method, request.URL, err)
		}
	}
	in := &openapi3filter.ResponseValidationInput{RequestValidationInput: r, Status: answer.StatusCode, Header: header, Options: r.Options}
	in.SetBodyBytes([]byte(answer.Body))
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		t.Errorf("%s %s: %v", request.Method, request.URL, err)
	}
}

// wantError holds the answer to a path that there is not to the shape of errors.
func wantError(t testing.TB, answer lambda.LambdaFunctionURLResponse) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(answer.Body), &v); err != nil {
		t.Fatal(err)
	}
	if err := document().Components.Schemas["Error"].Value.VisitJSON(v); err != nil || answer.StatusCode < 400 {
		t.Error(answer.StatusCode, err)
	}
}

func TestDocumentIsValid(t *testing.T) {
	if err := document().Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	var open []string
	for name, s := range document().Components.Schemas {
		closed := s.Value.AdditionalProperties.Has != nil && !*s.Value.AdditionalProperties.Has
		if s.Value.Type.Is("object") && !closed {
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		t.Error("these may hold anything: ", open)
	}
}

func TestDocumentIsServed(t *testing.T) {
	b, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := newWorld().send(t, ask(http.MethodGet, "/v1/openapi.yaml", "", ""))
	if r.StatusCode != http.StatusOK || r.Headers["Content-Type"] != "application/yaml" || !bytes.Equal(b, []byte(r.Body)) {
		t.Error(r.StatusCode, r.Headers)
	}
}

// Document and routes name the same paths and methods, and who needs a token.
func TestDocumentHasEveryRoute(t *testing.T) {
	var documented []string
	for path, item := range document().Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, method+" "+path)
			open := op.Security != nil && len(*op.Security) == 0
			r := newWorld().send(t, ask(method, strings.NewReplacer("{id}", "x", "{key}", "x", "{kind}", "journeys", "{name}", "x", "{pool}", "x").Replace(path), "", ""))
			if open != (r.StatusCode != http.StatusUnauthorized) {
				t.Error(method, path, r.StatusCode)
			}
		}
	}
	slices.Sort(documented)
	routes := api.Routes()
	slices.Sort(routes)
	if !slices.Equal(documented, routes) {
		t.Errorf("documented: %q\nserved: %q", documented, routes)
	}
}

// What the document does not name is refused by these tests: they would be worth
// nothing otherwise.
func TestConformIsStrict(t *testing.T) {
	w := newWorld()
	e := ask(http.MethodGet, "/v1/profiles?email=lan@example.com", "saigon", "")
	r := w.send(t, e)
	for _, body := range []string{`{"profiles":[],"more":1}`, `{"profiles":[{"id":"x"}]}`, `{}`} {
		r.Body = body
		if c := (catcher{TB: t}); !c.catches(func(t testing.TB) { conform(t, e, r) }) {
			t.Errorf("%s passes", body)
		}
	}
	r.StatusCode, r.Body = http.StatusUnauthorized, `{"error":{"code":"unauthorized","message":"x"}}`
	if c := (catcher{TB: t}); !c.catches(func(t testing.TB) { conform(t, e, r) }) {
		t.Error("401 passes without its header")
	}
}

// catcher notes errors in place of failing the test.
type catcher struct {
	testing.TB
	caught *bool
}

func (c catcher) Errorf(string, ...any) { *c.caught = true }
func (c catcher) catches(f func(testing.TB)) bool {
	c.caught = new(bool)
	f(c)
	return *c.caught
}
