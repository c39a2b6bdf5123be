package local

import (
	"context"
	"maps"
	"strings"
	"testing"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/infra/local/lambda"
	"loophub/infra/local/meter"
)

// A webhook's way is counted by stage, with what AWS does in the stage's name, and to the same figures each time.
func TestUseByStage(t *testing.T) {
	var sheets []meter.Sheet
	for range 2 {
		w := newWorld(t, nil)
		w.post("first")
		w.rest()
		before := w.Used()
		w.post("o1")
		w.rest()          // or a batch may hold both
		w.post("later 1") // into the retry queue, and out of it
		w.rest()
		sheets = append(sheets, w.Used().Since(before))
	}
	got := sheets[0]
	if !maps.Equal(got, sheets[1]) {
		t.Errorf("two worlds used\n%v\nand\n%v", got, sheets[1])
	}
	for k, want := range map[meter.Key]meter.Use{
		{Who: "ingest", Service: "dynamodb", Operation: "PutItem"}:             {Calls: 2, Billed: 2, Writes: 2},
		{Who: "unify", Service: "dynamodb", Operation: "PutItem"}:              {Calls: 2, Billed: 2, Writes: 2},
		{Who: "unify", Service: "sqs", Operation: "SendMessage"}:               {Calls: 1, Billed: 1},
		{Who: "unify", Service: meter.Polled, Operation: "ReceiveMessage"}:     {Calls: 1, Billed: 1},
		{Who: "unify", Service: meter.Polled, Operation: "DeleteMessageBatch"}: {Calls: 1, Billed: 1},
		{Who: "publish", Service: "events", Operation: "PutEvents"}:            {Calls: 2, Billed: 2},
		{Who: "ingest", Service: meter.Logged, Operation: "line"}: {Calls: 2, Billed: 2,
			Bytes: len(`{"stored":"o1"}`) + len(`{"stored":"later 1"}`) + 2*lineBytes},
	} {
		if got[k] != want {
			t.Errorf("%v: %+v, want %+v", k, got[k], want)
		}
	}
	for stage, runs := range map[string]int{"ingest": 2, "unify": 3, "publish": 2, "api": 0} {
		u := got[meter.Key{Who: stage, Service: meter.Invoked, Operation: "invocation"}]
		if u.Calls != runs || (u.Bytes == 0) != (runs == 0) {
			t.Errorf("%s ran %d times over %d bytes, want %d", stage, u.Calls, u.Bytes, runs)
		}
	}
	if got[meter.Key{Who: Bus, Service: meter.Logged, Operation: "line"}].Calls != 2 {
		t.Errorf("the bus wrote other than 2 events: %v", got)
	}
}

// What AWS bills by more than one request is told so: transactions twice, payloads by 64 KB, what fails its condition.
func TestUseOfCalls(t *testing.T) {
	w := newWorld(t, func(handlers map[string]lambda.Factory) {
		handlers["publish"] = func(lambda.Environment) (awslambda.Handler, error) {
			return awslambda.NewHandler(func(context.Context) error { return nil }), nil
		}
	})
	ctx, cfg := t.Context(), w.Config("")
	db, bus, queue := dynamodb.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	table, name := w.Stack().Tables[0].Name, w.Stack().Buses[0].Name
	item := map[string]types.AttributeValue{"pk": text("a"), "sk": text("b"), "d": text(strings.Repeat("x", 1500))}
	url := ""
	for _, q := range w.Stack().Queues {
		if w.reader(q.ARN) == "" {
			url = q.URL
		}
	}
	for _, c := range []struct {
		name string
		call func() error
		key  meter.Key
		want meter.Use
	}{
		{"put", func() error {
			_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: item})
			return err
		}, meter.Key{Service: "dynamodb", Operation: "PutItem"}, meter.Use{Calls: 1, Billed: 1, Writes: 2}},
		{"transaction", func() error {
			_, err := db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: &table, Item: item}}}})
			return err
		}, meter.Key{Service: "dynamodb", Operation: "TransactWriteItems"}, meter.Use{Calls: 1, Billed: 1, Writes: 4}},
		{"failed condition", func() error {
			_, err := db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")},
				ConditionExpression: aws.String("attribute_not_exists(pk)")})
			if err == nil {
				t.Error("the condition holds")
			}
			return nil
		}, meter.Key{Service: "dynamodb", Operation: "DeleteItem"}, meter.Use{Calls: 1, Billed: 1, Writes: 2}},
		{"eventual read", func() error {
			_, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}})
			return err
		}, meter.Key{Service: "dynamodb", Operation: "GetItem"}, meter.Use{Calls: 1, Billed: 1, Reads: 0.5}},
		{"events", func() error {
			_, err := bus.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
				{EventBusName: &name, Source: aws.String("other"), DetailType: aws.String("t"), Detail: aws.String(`{"d":"` + strings.Repeat("x", 70<<10) + `"}`)},
				{EventBusName: &name, Source: aws.String("other"), DetailType: aws.String("t"), Detail: aws.String(`{}`)}}})
			return err
		}, meter.Key{Service: "events", Operation: "PutEvents"}, meter.Use{Calls: 1, Billed: 3}},
		{"message", func() error {
			_, err := queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(strings.Repeat("x", 130<<10))})
			return err
		}, meter.Key{Service: "sqs", Operation: "SendMessage"}, meter.Use{Calls: 1, Billed: 3}},
	} {
		before := w.Used()
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		w.rest()
		if got := w.Used().Since(before)[c.key]; got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if n := w.Stored()[w.Stack().Tables[0].LogicalID]; n != 1500+len("pkaskbd")+100 {
		t.Errorf("the table stores %d bytes", n)
	}
}
