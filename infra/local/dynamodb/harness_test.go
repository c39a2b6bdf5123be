package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb/attr"
)

const (
	account  = "arn:aws:dynamodb:us-east-1:000000000000:table/"
	inboxARN = account + "Inbox"
	hubARN   = account + "Hub"
)

// specs are tables of the shape that the stack has, and two that try out the rest.
func specs() []TableSpec {
	pkSK := []Key{{"pk", "S"}, {"sk", "S"}}
	return []TableSpec{
		{Name: "Inbox", ARN: inboxARN, Keys: pkSK, TTLAttribute: "x", StreamView: "NEW_IMAGE", StreamARN: inboxARN + "/stream/1",
			Indexes: []IndexSpec{{Name: "parked", Keys: []Key{{"pw", "S"}, {"pt", "N"}}, Projection: "INCLUDE",
				Include: []string{"why", "r"}}}},
		{Name: "Hub", ARN: hubARN, Keys: pkSK, TTLAttribute: "x", StreamView: "NEW_AND_OLD_IMAGES", StreamARN: hubARN + "/stream/1"},
		{Name: "Plain", ARN: account + "Plain", Keys: []Key{{"id", "S"}}, StreamView: "KEYS_ONLY", StreamARN: account + "Plain/stream/1"},
		{Name: "Numbered", ARN: account + "Numbered", Keys: []Key{{"p", "B"}, {"n", "N"}},
			StreamView: "OLD_IMAGE", StreamARN: account + "Numbered/stream/1",
			Indexes: []IndexSpec{{Name: "all", Keys: []Key{{"g", "S"}}, Projection: "ALL"},
				{Name: "keys", Keys: []Key{{"g", "S"}, {"h", "B"}}, Projection: "KEYS_ONLY"}}},
	}
}

// world is a service, its clock and a client that reaches it without a network.
type world struct {
	t       testing.TB
	service *Service
	client  *sdk.Client
	clock   time.Time
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, clock: time.Unix(1_800_000_000, 0)}
	var err error
	if w.service, err = New(func() time.Time { return w.clock }, specs()); err != nil {
		t.Fatal(err)
	}
	w.client = sdk.New(sdk.Options{
		Region:      "us-east-1",
		Credentials: aws.AnonymousCredentials{},
		HTTPClient:  &http.Client{Transport: transport{w.service}},
		Retryer:     aws.NopRetryer{},
	})
	return w
}

// transport hands a request to the service as a door of the local cloud does.
type transport struct{ service *Service }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	call := dispatch.Call{Service: "dynamodb", Operation: operation, Body: body, Request: r}
	if _, err := t.service.Needs(call); err != nil {
		return refusal(r, err)
	}
	reply, err := t.service.Serve(r.Context(), call)
	if err != nil {
		return refusal(r, err)
	}
	return response(r, reply.Status, reply.Body), nil
}

func refusal(r *http.Request, err error) (*http.Response, error) {
	var e *dispatch.Error
	if !errors.As(err, &e) {
		return nil, err
	}
	members := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + e.Code, "message": e.Message}
	for k, v := range e.Extra {
		members[k] = v
	}
	body, err := json.Marshal(members)
	return response(r, e.Status, body), err
}

func response(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(body))}
}

// raw serves a request in JSON as it stands.
func (w *world) raw(operation, body string) (string, error) {
	r, err := w.service.Serve(context.Background(), dispatch.Call{Operation: operation, Body: []byte(body)})
	return string(r.Body), err
}

// must serves a request that has to succeed.
func (w *world) must(operation, body string) string {
	w.t.Helper()
	reply, err := w.raw(operation, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", operation, body, err)
	}
	return reply
}

// code splits an error of the SDK into its code and message.
func code(err error) (string, string) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", ""
	}
	return api.ErrorCode(), api.ErrorMessage()
}

type item = map[string]types.AttributeValue

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

func key(pk, sk string) item { return item{"pk": s(pk), "sk": s(sk)} }

// with adds attributes to an item, given as name, value, name, value…
func with(i item, pairs ...any) item {
	for k := 0; k < len(pairs); k += 2 {
		i[pairs[k].(string)] = pairs[k+1].(types.AttributeValue)
	}
	return i
}

func (w *world) put(table string, i item) {
	w.t.Helper()
	if _, err := w.client.PutItem(context.Background(), &sdk.PutItemInput{TableName: &table, Item: i}); err != nil {
		w.t.Fatalf("putting into %s: %v", table, err)
	}
}

func (w *world) get(table string, k item) item {
	w.t.Helper()
	out, err := w.client.GetItem(context.Background(), &sdk.GetItemInput{TableName: &table, Key: k, ConsistentRead: aws.Bool(true)})
	if err != nil {
		w.t.Fatalf("getting from %s: %v", table, err)
	}
	return out.Item
}

func (w *world) same(what string, got, want any) {
	w.t.Helper()
	everything := cmp.Exporter(func(reflect.Type) bool { return true })
	if d := cmp.Diff(want, got, everything, cmp.Comparer(attr.Value.Equal)); d != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// text is a string or number attribute.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

// keysOf are keys of one partition.
func keysOf(pk string, count int) []item {
	var keys []item
	for i := range count {
		keys = append(keys, key(pk, fmt.Sprintf("%03d", i)))
	}
	return keys
}

func batchOf(w *world, request map[string]types.KeysAndAttributes) (*sdk.BatchGetItemOutput, error) {
	return w.client.BatchGetItem(context.Background(), &sdk.BatchGetItemInput{RequestItems: request})
}
