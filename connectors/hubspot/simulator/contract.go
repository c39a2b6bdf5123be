package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is the vendor's OpenAPI document.
type contract struct{ router routers.Router }

// document is its name within the folder.
const document = "hubspot_v3.json"

// loaded are documents by folder: reading one takes longer than a test.
var loaded sync.Map

func load(folder string) (*contract, error) {
	if c, there := loaded.Load(folder); there {
		return c.(*contract), nil
	}
	c, err := read(folder)
	if err == nil {
		loaded.Store(folder, c)
	}
	return c, err
}

func read(folder string) (*contract, error) {
	text, err := os.ReadFile(filepath.Join(folder, document))
	if err != nil {
		return nil, fmt.Errorf("reading the vendor's document: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("reading the vendor's document: %w", err)
	}
	doc.Servers = nil // it is asked under any address
	if err := mend(doc); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("reading the vendor's document: %w", err)
	}
	return &contract{router}, nil
}

// mend gives batch/read the body that the vendor's SDK sends,
// BatchReadInputSimplePublicObjectId: the document, which was made from the SDK,
// has the type of another parameter in its place.
func mend(doc *openapi3.T) error {
	path := doc.Paths.Value("/crm/v3/objects/contacts/batch/read")
	if path == nil || path.Post == nil {
		return errors.New("the vendor's document has no batch/read")
	}
	names := openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema())
	id := openapi3.NewObjectSchema().WithProperty("id", openapi3.NewStringSchema()).WithoutAdditionalProperties()
	id.Required = []string{"id"}
	body := openapi3.NewObjectSchema().WithProperty("properties", names).WithProperty("propertiesWithHistory", names).
		WithProperty("idProperty", openapi3.NewStringSchema()).WithProperty("inputs", openapi3.NewArraySchema().WithItems(id)).WithoutAdditionalProperties()
	body.Required = []string{"properties", "propertiesWithHistory", "inputs"}
	path.Post.RequestBody.Value.Content = openapi3.NewContentWithJSONSchema(body)
	return nil
}

// request holds a request to the document.
func (c *contract) request(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	r = r.Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: r, Options: &openapi3filter.Options{
		IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	var err error
	if in.Route, in.PathParams, err = c.router.FindRoute(r); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		return in, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
	}
	return in, nil
}

// reply holds a reply to the document.
func (c *contract) reply(in *openapi3filter.RequestValidationInput, a answer) error {
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.status, Header: a.header, Options: in.Options}
	out.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return fmt.Errorf("the reply %d to %s: %w", a.status, in.Request.URL.Path, err)
	}
	return nil
}
