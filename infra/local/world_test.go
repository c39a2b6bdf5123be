package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// world is the template of testdata with a small pipeline of our own in its functions: a webhook becomes an Inbox item,
// its stream record a Hub item, the Hub's record an event.
type world struct {
	*Cloud
	t *testing.T

	mu      sync.Mutex
	swept   []time.Time
	batches [][]string // what unify was given, by batch
	tail    []Line
}

func newWorld(t *testing.T, change func(handlers map[string]lambda.Factory)) *world {
	t.Helper()
	return newWorldOn(t, clock.Stopped(noon), change)
}

func newWorldOn(t *testing.T, c *clock.Offset, change func(handlers map[string]lambda.Factory)) *world {
	t.Helper()
	return newWorldBy(t, fixture(t), func(o *Options) {
		o.Clock = c
		if change != nil {
			change(o.Handlers)
		}
	})
}

// newWorldBy makes a world of another template, or by other options.
func newWorldBy(t *testing.T, template []byte, change func(o *Options)) *world {
	t.Helper()
	w := &world{t: t}
	o := Options{Clock: clock.Stopped(noon), Handlers: map[string]lambda.Factory{
		"ingest": w.ingest, "unify": w.unify, "publish": w.publish, "api": w.api, "sweep": w.sweep,
	}, Tail: func(l Line) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tail = append(w.tail, l)
	}}
	change(&o)
	cloud, err := New(template, o)
	if err != nil {
		t.Fatal(err)
	}
	w.Cloud = cloud
	if err := cloud.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

func fixture(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/template.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) ingest(e lambda.Environment) (awslambda.Handler, error) {
	table, db := e.Getenv("LOOPHUB_INBOX_TABLE"), dynamodb.NewFromConfig(e.Config)
	return awslambda.NewHandler(func(ctx context.Context, r events.LambdaFunctionURLRequest) (any, error) {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"pk": text("delivery"), "sk": text(r.Body), "q": &types.AttributeValueMemberN{Value: "1"},
			"x": &types.AttributeValueMemberN{Value: fmt.Sprint(e.Now().Add(24 * time.Hour).Unix())},
		}})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(e.Log, "{\"stored\":%q}\n", r.Body)
		return events.LambdaFunctionURLResponse{StatusCode: http.StatusAccepted, Body: "stored"}, nil
	}), nil
}

func (w *world) unify(e lambda.Environment) (awslambda.Handler, error) {
	db, queue := dynamodb.NewFromConfig(e.Config), sqs.NewFromConfig(e.Config)
	table, retry := e.Getenv("LOOPHUB_HUB_TABLE"), e.Getenv("LOOPHUB_RETRY_QUEUE")
	put := func(ctx context.Context, key string) error {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"pk": text("fact"), "sk": text(key), "ev": text("order.placed.v1")}})
		return err
	}
	return awslambda.NewHandler(func(ctx context.Context, raw json.RawMessage) (any, error) {
		var stream events.DynamoDBEvent
		var messages events.SQSEvent
		if err := errors.Join(json.Unmarshal(raw, &stream), json.Unmarshal(raw, &messages)); err != nil {
			return nil, err
		}
		w.saw(stream, messages)
		var failed []map[string]string
		for i, r := range stream.Records {
			if r.EventSource == "aws:sqs" {
				m := messages.Records[i]
				if strings.HasPrefix(m.Body, "hopeless") {
					failed = append(failed, map[string]string{"itemIdentifier": m.MessageId})
				} else if err := put(ctx, m.Body); err != nil {
					return nil, err
				}
				continue
			}
			key := r.Change.NewImage["sk"].String()
			switch {
			case strings.HasPrefix(key, "crash"):
				panic("no use in " + key)
			case strings.HasPrefix(key, "hopeless"), strings.HasPrefix(key, "later"):
				if _, err := queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &retry, MessageBody: &key}); err != nil {
					return nil, err
				}
			default:
				if err := put(ctx, key); err != nil {
					return nil, err
				}
			}
		}
		return map[string]any{"batchItemFailures": failed}, nil
	}), nil
}

// saw notes the keys of a batch.
func (w *world) saw(stream events.DynamoDBEvent, messages events.SQSEvent) {
	var keys []string
	for i, r := range stream.Records {
		if r.EventSource == "aws:sqs" {
			keys = append(keys, "retry "+messages.Records[i].Body)
		} else {
			keys = append(keys, r.Change.NewImage["sk"].String())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = append(w.batches, keys)
}

func (w *world) publish(e lambda.Environment) (awslambda.Handler, error) {
	bus, client := e.Getenv("LOOPHUB_BUS"), eventbridge.NewFromConfig(e.Config)
	return awslambda.NewHandler(func(ctx context.Context, in events.DynamoDBEvent) (any, error) {
		for _, r := range in.Records {
			out, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
				EventBusName: &bus, Source: aws.String("loophub"), DetailType: aws.String(r.Change.NewImage["ev"].String()),
				Detail: aws.String(fmt.Sprintf(`{"key":%q}`, r.Change.NewImage["sk"].String()))}}})
			if err != nil {
				return nil, err
			}
			if out.FailedEntryCount != 0 {
				return nil, fmt.Errorf("event refused: %s", *out.Entries[0].ErrorCode)
			}
		}
		return map[string]any{}, nil
	}), nil
}

func (w *world) api(e lambda.Environment) (awslambda.Handler, error) {
	table, db := e.Getenv("LOOPHUB_HUB_TABLE"), dynamodb.NewFromConfig(e.Config)
	return awslambda.NewHandler(func(ctx context.Context, r events.LambdaFunctionURLRequest) (any, error) {
		out, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{
			"pk": text("fact"), "sk": text(r.QueryStringParameters["key"])}})
		if err != nil {
			return nil, err
		}
		return map[string]any{"statusCode": 200, "body": fmt.Sprint(len(out.Item) > 0)}, nil
	}), nil
}

func (w *world) sweep(e lambda.Environment) (awslambda.Handler, error) {
	return awslambda.NewHandler(func(context.Context, events.CloudWatchEvent) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.swept = append(w.swept, e.Now())
		return nil
	}), nil
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// post sends a webhook through the front door.
func (w *world) post(body string) *http.Response {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/hooks/demo/shop", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/plain")
	return w.do(r)
}

func (w *world) do(r *http.Request) *http.Response {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.FrontDoor().ServeHTTP(rec, r)
	return rec.Result()
}

func (w *world) known(key string) bool {
	w.t.Helper()
	resp := w.do(httptest.NewRequest(http.MethodGet, "/v1/facts?key="+key, nil))
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("asking for %s: %d %s %v", key, resp.StatusCode, b, err)
	}
	return string(b) == "true"
}

func (w *world) rest() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := w.Idle(ctx); err != nil {
		w.t.Fatalf("waiting for rest: %v", err)
	}
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	if err := w.Advance(ctx, d); err != nil {
		w.t.Fatalf("letting %v pass: %v", d, err)
	}
}

// depth counts the visible and the hidden messages of a queue.
func (w *world) depth(queue string) (visible, hidden int) {
	w.t.Helper()
	visible, hidden, _, err := w.Depth(queue)
	if err != nil {
		w.t.Fatal(err)
	}
	return visible, hidden
}

func (w *world) visible(queue string) int {
	w.t.Helper()
	n, _ := w.depth(queue)
	return n
}

// as is the SDK's configuration under the role of a stage.
func (w *world) as(stage string) aws.Config {
	w.t.Helper()
	role, err := w.Role(stage)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Config(role)
}
