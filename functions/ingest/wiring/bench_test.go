package wiring_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/shopify"
	"loophub/functions/ingest"
	"loophub/functions/ingest/wiring"
	"loophub/shared/aws/deps"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const secret = "a public secret for tests"

// wire answers as the tables do, at once and without a network.
type wire struct{ definition string }

func (w wire) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	body := "{}"
	switch r.Header.Get("X-Amz-Target") {
	case "DynamoDB_20120810.GetItem":
		body = w.definition
	case "AmazonSSM.GetParameter":
		body = `{"Parameter":{"Value":"[\"` + secret + `\"]"}}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// orderEvent is an order of 6 KB as Shopify signs it and Lambda hands it over.
func orderEvent(b *testing.B) []byte {
	body, err := os.ReadFile("../../../shared/delivery/testdata/order.json")
	if err != nil {
		b.Fatal(err)
	}
	name, signature := shopify.Sign(secret, body)
	e := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: "/hooks/saigon/shop", Body: string(body), Headers: map[string]string{
		strings.ToLower(name): signature, "x-shopify-topic": "orders/create", "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
		"x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5", "x-shopify-api-version": "2026-07", "x-shopify-shop-domain": "tra-lan.myshopify.com",
		"x-shopify-triggered-at": "2026-11-20T02:14:31.123456789Z", "content-type": "application/json", "user-agent": "Shopify-Captain-Hook",
		"accept": "*/*", "accept-encoding": "gzip", "content-length": strconv.Itoa(len(body)), "x-forwarded-port": "443", "x-forwarded-proto": "https",
		"host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws", "x-amzn-trace-id": "Root=1-65a1b2c3-0123456789abcdef01234567"}}
	e.RequestContext.HTTP.Method, e.RequestContext.RequestID = http.MethodPost, "5f0b8a4e-2b53-4e6e-9a36-8e4f1c4e7a11"
	payload, err := json.Marshal(e)
	if err != nil {
		b.Fatal(err)
	}
	return payload
}

func bench(b *testing.B, stage lambda.Handler) {
	payload := orderEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		out, err := stage.Invoke(b.Context(), payload)
		if err != nil || !strings.Contains(string(out), `"statusCode":200`) {
			b.Fatal(string(out), err)
		}
	}
}

// BenchmarkIngest is all that ingest does for a signed order of 6 KB, from the bytes
// of the event to those of the reply; the tables behind its ports are left out. The
// figures to hold are 100 µs and 400,000 instructions. To count instructions, run it
// at two numbers of iterations and divide the difference, by perf where the machine
// has counters:
//
// (GOGC as the function has it: the collector is a tenth of the count.)
//
//	export GOGC=400
//	go test -c -o /tmp/ingest.test ./functions/ingest/wiring && cd functions/ingest/wiring
//	perf stat -e instructions:u /tmp/ingest.test -test.run=- -test.bench='Ingest$' -test.benchtime=1000x
//	perf stat -e instructions:u /tmp/ingest.test -test.run=- -test.bench='Ingest$' -test.benchtime=11000x
//
// or by valgrind --tool=callgrind, which hides the processor's SHA instructions: then
// the hashes alone count for 400,000, and are to be taken off (sha256block*.s).
func BenchmarkIngest(b *testing.B) {
	bench(b, ingest.New(ingest.Config{Connectors: all.Connectors(), Definitions: known{shop}, Inbox: open{},
		Log: telemetry.New(io.Discard, "ingest"), Now: time.Now}))
}

var shop = workspace.Workspace{ID: "saigon", Country: "VN", Currency: "VND", Zone: "UTC",
	Connections: map[string]workspace.Connection{"shop": {Name: "shop", Connector: "shopify", Settings: map[string]string{"shop": "tra-lan.myshopify.com"}}}}

// known knows one workspace, as the reader does from its memory.
type known struct{ workspace workspace.Workspace }

func (k known) Load(context.Context, string) (workspace.Workspace, error) { return k.workspace, nil }

func (known) Secrets(context.Context, string, string) ([]connector.Secret, error) {
	return []connector.Secret{secret}, nil
}

// open is an Inbox that takes everything.
type open struct{}

func (open) Put(_ context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	return s.Key, delivery.Stored, nil
}

// BenchmarkIngestSDK is the stage as it is wired: it adds the adapters and the
// AWS SDK, before a transport that answers at once.
func BenchmarkIngestSDK(b *testing.B) {
	definition, err := json.Marshal(shop)
	if err != nil {
		b.Fatal(err)
	}
	quoted, err := json.Marshal(string(definition))
	if err != nil {
		b.Fatal(err)
	}
	stage, err := wiring.New(deps.Deps{Log: io.Discard, Now: time.Now, Getenv: func(name string) string { return "x" + name },
		Config: aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", ""),
			HTTPClient: wire{`{"Item":{"fv":{"N":"1"},"v":{"N":"1"},"y":{"S":""},"d":{"S":` + string(quoted) + `}}}`}}})
	if err != nil {
		b.Fatal(err)
	}
	bench(b, stage)
}
