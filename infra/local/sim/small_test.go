package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/infra/local/lambda"
	"loophub/infra/local/sim"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// small is a pipeline of two functions: ingest counts a webhook in the Inbox by two calls, unify its stream records in the
// Hub.
type small struct {
	*sim.World
	started map[string]int // instances, by stage
	unified []string       // what unify was given, invocation by invocation
}

func runSmall(t *testing.T, c sim.Config, live func(s *small)) {
	t.Helper()
	template, err := os.ReadFile("../testdata/template.json")
	if err != nil {
		t.Fatal(err)
	}
	// A put done twice would not show.
	template = bytes.ReplaceAll(template, []byte(`"dynamodb:PutItem"`), []byte(`"dynamodb:UpdateItem"`))
	s := &small{started: map[string]int{}}
	idle := func(lambda.Environment) (awslambda.Handler, error) {
		return awslambda.NewHandler(func(context.Context) error { return nil }), nil
	}
	c.Template, c.Start = template, noon
	c.Options.Handlers = map[string]lambda.Factory{"ingest": s.ingest, "unify": s.unify, "publish": idle, "api": idle, "sweep": idle}
	sim.Run(t, c, func(w *sim.World) {
		s.World = w
		live(s)
	})
}

func (s *small) ingest(e lambda.Environment) (awslambda.Handler, error) {
	s.started["ingest"]++
	db, queue := dynamodb.NewFromConfig(e.Config), sqs.NewFromConfig(e.Config)
	return awslambda.NewHandler(func(ctx context.Context, r events.LambdaFunctionURLRequest) (any, error) {
		if err := count(ctx, db, e.Getenv("LOOPHUB_INBOX_TABLE"), r.Body); err != nil {
			return nil, err
		}
		_, err := queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: aws.String(e.Getenv("LOOPHUB_SPILL_QUEUE")), MessageBody: &r.Body})
		if err != nil {
			return nil, err
		}
		return events.LambdaFunctionURLResponse{StatusCode: http.StatusOK}, nil
	}), nil
}

func (s *small) unify(e lambda.Environment) (awslambda.Handler, error) {
	s.started["unify"]++
	db := dynamodb.NewFromConfig(e.Config)
	return awslambda.NewHandler(func(ctx context.Context, in events.DynamoDBEvent) (any, error) {
		var keys []string
		for _, r := range in.Records {
			if r.EventName == "INSERT" {
				keys = append(keys, r.Change.Keys["sk"].String())
			}
		}
		s.unified = append(s.unified, strings.Join(keys, " "))
		for _, key := range keys {
			if err := count(ctx, db, e.Getenv("LOOPHUB_HUB_TABLE"), key); err != nil {
				return nil, err
			}
		}
		return map[string]any{}, nil
	}), nil
}

// count adds one to an item: whatever is done twice shows.
func count(ctx context.Context, db *dynamodb.Client, table, key string) error {
	_, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &table,
		Key:              map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}, "sk": &types.AttributeValueMemberS{Value: key}},
		UpdateExpression: aws.String("SET q = :one ADD n :one"), ExpressionAttributeValues: map[string]types.AttributeValue{
			":one": &types.AttributeValueMemberN{Value: "1"}}})
	return err
}

// post sends a webhook and returns the status and how long it took.
func (s *small) post(body string) (status int, took time.Duration) {
	done := false
	s.Go("post "+body, func() {
		start := s.Now()
		r := httptest.NewRequest(http.MethodPost, "/hooks/demo/shop", strings.NewReader(body))
		r.Header.Set("Content-Type", "text/plain")
		status, took, done = s.Send(r).StatusCode, s.Now().Sub(start), true
	})
	for !done {
		s.Pass(time.Second)
	}
	s.Rest()
	return status, took
}

// counted is what a table says of a webhook.
func (s *small) counted(table, key string) string {
	for _, item := range s.Cloud.Table(table).Items() {
		if item["sk"].Text == key {
			return item["n"].Num.String()
		}
	}
	return "0"
}

// messages are those in the spill queue.
func (s *small) messages() int {
	visible, hidden, delayed, err := s.Cloud.Depth("SpillQueue")
	if err != nil {
		panic(err)
	}
	return visible + hidden + delayed
}

func (s *small) String() string {
	return fmt.Sprintf("%s in the Inbox, %d messages, %s in the Hub, instances %v, batches %q", s.counted("InboxTable", "o1"), s.messages(),
		s.counted("HubTable", "o1"), s.started, s.unified)
}
