package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
)

func TestAWebhookRunsThroughTheWholeTemplate(t *testing.T) {
	w := newWorld(t, nil)
	if resp := w.post("o1"); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("webhook answered with %d", resp.StatusCode)
	}
	w.rest()
	if !w.known("o1") || w.known("o2") {
		t.Error("the API does not show what was unified, or shows more")
	}
	lines := w.Lines("/loophub/events", 10)
	if len(lines) != 1 || !strings.Contains(lines[0].Text, `"detail":{"key":"o1"}`) {
		t.Errorf("the event log holds %v", lines)
	}
	if got := w.visible("OrderQueue"); got != 1 {
		t.Errorf("%d messages from the rule with a prefix, want 1", got)
	}
	if got := w.visible("DeadQueue"); got != 1 {
		t.Errorf("%d dead letters of the rule whose queue has no policy, want 1", got)
	}
	var tail []string // the stream may be faster than the function's own line
	for _, l := range w.tail {
		tail = append(tail, l.Source)
	}
	slices.Sort(tail)
	if !slices.Equal(tail, []string{"ingest", "loophub"}) {
		t.Errorf("the tail shows %v", tail)
	}
}

func TestAFailureWaitsInTheRetryQueueAndIsBuriedAfterFiveReceives(t *testing.T) {
	w := newWorld(t, nil)
	w.post("later 1")
	w.post("hopeless 1")
	w.rest()
	if !w.known("later%201") {
		t.Error("the retry queue did not deliver")
	}
	if _, hidden := w.depth("RetryQueue"); hidden != 1 {
		t.Errorf("%d messages hidden after a partial failure, want 1", hidden)
	}
	w.pass(time.Hour)
	if n := count(w.batches, "retry hopeless 1"); n != 5 {
		t.Errorf("a hopeless message was received %d times, want 5", n)
	}
	if got := w.visible("DeadQueue"); got < 1 {
		t.Error("it is not among the dead letters")
	}
}

func TestACrashIsIsolatedAndItsRecordGoesToTheBucket(t *testing.T) {
	w := newWorld(t, nil)
	inbox := dynamodb.NewFromConfig(w.Config(""))
	var items []types.TransactWriteItem
	for _, key := range []string{"a", "b", "crash", "c", "d"} { // in one commit, so in one batch
		items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: w.inbox(),
			Item: map[string]types.AttributeValue{"pk": text("delivery"), "sk": text(key), "q": &types.AttributeValueMemberN{Value: "1"}}}})
	}
	if _, err := inbox.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items}); err != nil {
		t.Fatal(err)
	}
	w.rest()
	for _, key := range []string{"a", "b", "c", "d"} {
		if !w.known(key) {
			t.Errorf("%s was lost beside a crash", key)
		}
	}
	// one try and ten retries alone, after the batches that were split
	alone := 0
	for _, b := range w.batches {
		if slices.Equal(b, []string{"crash"}) {
			alone++
		}
	}
	if alone != 11 {
		t.Errorf("the crashing record was tried %d times alone, want 11", alone)
	}
	keys := slices.Collect(maps.Keys(w.objects.Objects(w.Stack().Buckets[0].Name)))
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "aws/lambda/") {
		t.Fatalf("objects in the bucket: %v", keys)
	}
	out, err := s3.NewFromConfig(w.Config("")).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.Stack().Buckets[0].Name, Key: &keys[0]})
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		RequestContext     struct{ Condition string }
		DDBStreamBatchInfo struct{ BatchSize int }
		Payload            string
	}
	if err := json.NewDecoder(out.Body).Decode(&record); err != nil {
		t.Fatal(err)
	}
	if record.RequestContext.Condition != "RetryAttemptsExhausted" || record.DDBStreamBatchInfo.BatchSize != 1 ||
		!strings.Contains(record.Payload, `"S":"crash"`) {
		t.Errorf("failure record %+v", record)
	}
}

func TestTheScheduleRunsEachMinute(t *testing.T) {
	w := newWorld(t, nil)
	w.pass(3*time.Minute + time.Second)
	want := []time.Time{noon.Add(time.Minute), noon.Add(2 * time.Minute), noon.Add(3 * time.Minute)}
	if !slices.EqualFunc(w.swept, want, time.Time.Equal) {
		t.Errorf("swept at %v, want %v", w.swept, want)
	}
}

func TestALongPollDoesNotHoldUpTime(t *testing.T) {
	var got []string
	w := newWorld(t, func(h map[string]lambda.Factory) {
		h["sweep"] = func(e lambda.Environment) (awslambda.Handler, error) {
			queue, url := sqs.NewFromConfig(e.Config), e.Getenv("LOOPHUB_SPILL_QUEUE")
			return awslambda.NewHandler(func(ctx context.Context) error {
				out, err := queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 5})
				if err != nil {
					return err
				}
				got = append(got, fmt.Sprint(len(out.Messages), " after ", e.Now().Sub(noon)))
				return nil
			}), nil
		}
	})
	w.pass(time.Minute + 3*time.Second) // the sweep begins and waits
	if len(got) != 0 {
		t.Errorf("received %v", got)
	}
	queue := sqs.NewFromConfig(w.Config(""))
	if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: w.url("SpillQueue"), MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	w.rest()
	w.pass(time.Minute + 2*time.Second) // the next one waits in vain
	if want := []string{"1 after 1m3s", "0 after 2m5s"}; !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}

func TestExpiredItemsGo(t *testing.T) {
	w := newWorld(t, func(h map[string]lambda.Factory) { h["sweep"] = idle })
	w.post("o1")
	w.rest()
	inbox := w.tables.Table(*w.inbox())
	w.pass(24 * time.Hour)
	if inbox.Len() != 1 {
		t.Errorf("%d items at their last moment, want 1", inbox.Len())
	}
	w.pass(2 * time.Hour)
	if inbox.Len() != 0 {
		t.Error("the expired item is still there")
	}
}

func TestRolesMayDoWhatTheTemplateSaysAndNoMore(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewServer(w.Endpoint())
	defer server.Close()
	doors := map[string]aws.Config{"in process": w.as("ingest"), "loopback": w.as("ingest")}
	loop := doors["loopback"]
	loop.HTTPClient, loop.BaseEndpoint = server.Client(), &server.URL
	doors["loopback"] = loop
	for name, cfg := range doors {
		t.Run(name, func(t *testing.T) {
			_, err := dynamodb.NewFromConfig(cfg).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: w.inbox(),
				Key: map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}})
			want := "User: arn:aws:sts::000000000000:assumed-role/Loophub-IngestRole/Loophub-IngestFunction is not authorized " +
				"to perform: dynamodb:DeleteItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/Loophub-InboxTable " +
				"because no identity-based policy allows the dynamodb:DeleteItem action"
			refused(t, err, "AccessDeniedException", want)

			_, err = ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/other/secret")})
			refused(t, err, "AccessDeniedException", "")
			got, err := ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/loophub/setting")})
			if err != nil || *got.Parameter.Value != "made by Loophub" {
				t.Errorf("reading its own parameter: %v", err)
			}

			bucket := &w.Stack().Buckets[0].Name
			put := func(key string) error {
				_, err := s3.NewFromConfig(cfg).PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key,
					Body: strings.NewReader("body")})
				return err
			}
			if err := put("overflow/1"); err != nil {
				t.Errorf("storing an overflow: %v", err)
			}
			refused(t, put("elsewhere/1"), "AccessDenied", "")
			// Without s3:ListBucket a missing key can't be told from a forbidden one; ingest may not even read.
			_, err = s3.NewFromConfig(cfg).GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("overflow/1")})
			refused(t, err, "AccessDenied", "")

			queue := sqs.NewFromConfig(cfg)
			spill := w.url("SpillQueue")
			if _, err := queue.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: spill, MessageBody: aws.String("x")}); err != nil {
				t.Errorf("spilling: %v", err)
			}
			_, err = queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: spill})
			refused(t, err, "AccessDenied", "")
			_, err = sqs.NewFromConfig(cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("x")})
			refused(t, err, "UnknownOperationException", "the local cloud does not implement sqs:CreateQueue")
		})
	}
	t.Run("unknown key", func(t *testing.T) {
		cfg := doors["loopback"]
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "NOBODY", SecretAccessKey: "x"}, nil
		})
		_, err := dynamodb.NewFromConfig(cfg).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: w.inbox(),
			Key: map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}})
		refused(t, err, "UnrecognizedClientException", "")
	})
}

func TestTheFrontDoorSaysWhatIsNotThere(t *testing.T) {
	w := newWorld(t, nil)
	for path, want := range map[string]string{"/l/abc": "links", "/u/abc": "links", "/p/abc": "links", "/c/abc": "links", "/unsubscribe": "webhooks go to", "/": "webhooks go to", "/hooksy": "webhooks go to"} {
		resp := w.do(httptest.NewRequest(http.MethodGet, path, nil))
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 404 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	big := httptest.NewRequest(http.MethodPost, "/hooks/demo/shop", bytes.NewReader(make([]byte, 6<<20)))
	if resp := w.do(big); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("6 MB answered with %d", resp.StatusCode)
	}
}

func TestAFailingFunctionAnswers502(t *testing.T) {
	w := newWorld(t, func(h map[string]lambda.Factory) {
		h["ingest"] = func(lambda.Environment) (awslambda.Handler, error) { return nil, errors.New("no such variable") }
	})
	if resp := w.post("x"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("a function that can't start answers with %d", resp.StatusCode)
	}
	if len(w.tail) == 0 || !strings.Contains(w.tail[0].Text, "no such variable") {
		t.Errorf("the reason is not in its log: %v", w.tail)
	}
}

func TestNewRefuses(t *testing.T) {
	all := func() map[string]lambda.Factory {
		h := map[string]lambda.Factory{}
		for _, s := range []string{"ingest", "unify", "publish", "api", "sweep"} {
			h[s] = idle
		}
		return h
	}
	whole := string(fixture(t))
	for name, test := range map[string]struct {
		template string
		handlers func(map[string]lambda.Factory)
		want     string
	}{
		"a stage without handler":     {whole, func(h map[string]lambda.Factory) { delete(h, "unify") }, `nobody gave a handler for stage "unify"`},
		"a handler without stage":     {whole, func(h map[string]lambda.Factory) { h["links"] = idle }, "handlers without a function"},
		"an unknown type":             {strings.Replace(whole, "AWS::SQS::QueuePolicy", "AWS::SQS::Oracle", 1), nil, "AWS::SQS::Oracle): the local cloud does not know this resource type"},
		"an unknown property":         {strings.Replace(whole, `"BillingMode"`, `"BillingMood"`, 1), nil, `unknown field "BillingMood"`},
		"an unknown operator":         {strings.Replace(whole, `"ArnEquals"`, `"IpAddress"`, 1), nil, "condition operator IpAddress"},
		"a role that can't be worn":   {strings.ReplaceAll(whole, `"lambda.amazonaws.com"`, `"ec2.amazonaws.com"`), nil, "does not let lambda.amazonaws.com assume it"},
		"a stream nobody may read":    {strings.ReplaceAll(whole, `"dynamodb:GetRecords",`, ""), nil, "dynamodb:GetRecords"},
		"a bucket nobody may fill":    {strings.ReplaceAll(whole, "/aws/lambda/*", "/failed/*"), nil, "can't write to the failure destination"},
		"an attribute it can't give":  {strings.Replace(whole, `"StreamArn"`, `"StreamLabel"`, 1), nil, "StreamLabel"},
		"lines that would be lost":    {strings.ReplaceAll(whole, `"logs:PutLogEvents"`, `"logs:GetLogEvents"`), nil, "its lines would be lost"},
		"no log group":                {strings.Replace(whole, `"LogGroup": {`, `"SystemLogLevel": {`, 1), nil, "is not in the template"},
		"a matcher it can't evaluate": {strings.Replace(whole, `"prefix": "order."`, `"cidr": "10.0.0.0/8"`, 1), nil, `matcher "cidr"`},
	} {
		t.Run(name, func(t *testing.T) {
			handlers := all()
			if test.handlers != nil {
				test.handlers(handlers)
			}
			c, err := New([]byte(test.template), Options{Handlers: handlers, Clock: clock.Stopped(noon)})
			if err == nil {
				err = c.Start(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestACloudEndsWithItsContext(t *testing.T) {
	handlers := map[string]lambda.Factory{}
	for _, s := range []string{"ingest", "unify", "publish", "api"} {
		handlers[s] = idle
	}
	hanging, ended := make(chan struct{}), make(chan error, 1)
	handlers["sweep"] = func(lambda.Environment) (awslambda.Handler, error) {
		return awslambda.NewHandler(func(ctx context.Context) {
			close(hanging)
			<-ctx.Done()
			ended <- context.Cause(ctx)
		}), nil
	}
	c, err := New(fixture(t), Options{Handlers: handlers, Clock: clock.Stopped(noon)})
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	c.clock.AdvanceTo(noon.Add(time.Minute))
	<-hanging
	cancel(enough)
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("the running invocation ended with %v", err)
	}
	if err := c.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Invoke("api", []byte("{}")); !errors.Is(err, enough) {
		t.Errorf("a stopped cloud invokes: %v", err)
	}
}

func idle(lambda.Environment) (awslambda.Handler, error) {
	return awslambda.NewHandler(func(context.Context, json.RawMessage) error { return nil }), nil
}

func (w *world) inbox() *string {
	for _, t := range w.Stack().Tables {
		if t.LogicalID == "InboxTable" {
			return &t.Name
		}
	}
	w.t.Fatal("the template has no Inbox")
	return nil
}

func (w *world) url(logicalID string) *string {
	for _, q := range w.Stack().Queues {
		if q.LogicalID == logicalID {
			return &q.URL
		}
	}
	w.t.Fatalf("no queue %s", logicalID)
	return nil
}

// refused checks an API error's code, and its text unless it is "".
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code || message != "" && e.ErrorMessage() != message {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

func count(batches [][]string, key string) (n int) {
	for _, b := range batches {
		for _, k := range b {
			if k == key {
				n++
			}
		}
	}
	return n
}

// What a function is told of another's address leads to the front door, where there is one.
func TestAddressesLeadToTheFrontDoor(t *testing.T) {
	text := strings.ReplaceAll(string(fixture(t)), `"Variables": {`, `"Variables": {"LINKS": {"Fn::Sub": "${ApiUrl.FunctionUrl}l"},`)
	for front, want := range map[string]string{"": ".on.aws/l", "http://localhost:8080/": "http://localhost:8080/l"} {
		c, err := New([]byte(text), Options{Clock: clock.Stopped(noon), Front: front, Handlers: map[string]lambda.Factory{
			"ingest": idle, "unify": idle, "publish": idle, "api": idle, "sweep": idle}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.stack.Functions {
			d, err := c.describeFunction(f, idle)
			if err != nil {
				t.Fatal(err)
			}
			if told := d.Variables["LINKS"]; f.Environment != nil && (!strings.HasSuffix(told, want) || front != "" && told != want) {
				t.Errorf("%s, front %q: told %q, want %q", f.Stage, front, told, want)
			}
		}
	}
}
