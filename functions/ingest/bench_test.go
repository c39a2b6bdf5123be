package ingest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/functions/ingest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/overflow"
	"loophub/shared/aws/spill"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

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

// benchStage is the stage as wiring makes it, with the till for a connector.
func benchStage(b *testing.B) lambda.Handler {
	text, err := json.Marshal(`{"workspace":"saigon","name":"a","country":"VN","currency":"VND","timezone":"UTC","connections":{"shop":{"name":"shop","connector":"till","settings":{}}}}`)
	if err != nil {
		b.Fatal(err)
	}
	config := aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", ""),
		HTTPClient: wire{`{"Item":{"fv":{"N":"1"},"v":{"N":"1"},"y":{"S":""},"d":{"S":` + string(text) + `}}}`}}
	now := time.Now()
	clock := func() time.Time { return now }
	large := overflow.New(config, "overflow")
	return ingest.New(ingest.Config{
		Connectors:  connectors(),
		Definitions: definition.NewReader(dynamodb.NewFromConfig(config), ssm.NewFromConfig(config), "Hub", "/loophub", clock),
		Inbox: inbox.New(dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }),
			"Inbox", large),
		Spill: spill.New(sqs.NewFromConfig(config), "https://sqs.us-east-1.amazonaws.com/0/spill", large),
		Log:   telemetry.New(io.Discard, "ingest"),
		Now:   clock,
	})
}

// orderEvent is a signed order of 6 KB as Lambda hands it over.
func orderEvent(b *testing.B) []byte {
	body, err := os.ReadFile("../../shared/delivery/testdata/order.json")
	if err != nil {
		b.Fatal(err)
	}
	e := event("/hooks/saigon/shop", string(body))
	for name, v := range map[string]string{"content-type": "application/json", "user-agent": "Till/1.0", "accept": "*/*",
		"accept-encoding": "gzip", "content-length": "6246", "x-forwarded-port": "443", "x-forwarded-proto": "https",
		"host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws", "x-till-shop": "tra-lan.example"} {
		e.Headers[name] = v
	}
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
//	go test -c -o /tmp/ingest.test ./functions/ingest && cd functions/ingest
//	perf stat -e instructions:u /tmp/ingest.test -test.run=- -test.bench='Ingest$' -test.benchtime=1000x
//	perf stat -e instructions:u /tmp/ingest.test -test.run=- -test.bench='Ingest$' -test.benchtime=11000x
//
// or by valgrind --tool=callgrind, which hides the processor's SHA instructions: then
// the hashes alone count for 400,000, and are to be taken off (sha256block*.s).
func BenchmarkIngest(b *testing.B) {
	bench(b, ingest.New(ingest.Config{Connectors: connectors(), Definitions: known{shop}, Inbox: open{}, Spill: newWorld(b),
		Log: telemetry.New(io.Discard, "ingest"), Now: time.Now}))
}

var shop = workspace.Workspace{ID: "saigon", Country: "VN", Currency: "VND", Zone: "UTC",
	Connections: map[string]workspace.Connection{"shop": {Name: "shop", Connector: "till"}}}

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

// BenchmarkIngestSDK adds the adapters and the AWS SDK before a transport that
// answers at once: about as much again, in more than 300 allocations.
func BenchmarkIngestSDK(b *testing.B) { bench(b, benchStage(b)) }
