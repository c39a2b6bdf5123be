package local

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
	"loophub/infra/local/template"
	"loophub/infra/stack/snapshot"
)

// The figures of the README: what stages can ask of the local cloud through the real SDK, in a second, by either door and
// with as many callers as there are processors. The cloud is that of the whole template; nothing polls it.

// BenchmarkPuts stores deliveries of 1 KB, under the role of ingest.
func BenchmarkPuts(b *testing.B) {
	doors(b, func(b *testing.B, c *Cloud, door func(role string) aws.Config) {
		db, table := dynamodb.NewFromConfig(door(roleOf(b, c, "ingest"))), tableOf(b, c, "Inbox")
		body := &dbtypes.AttributeValueMemberB{Value: []byte(strings.Repeat("x", 900))}
		perSecond(b, "puts", 1, func(i int) error {
			_, err := db.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table,
				ConditionExpression: aws.String("attribute_not_exists(pk)"),
				Item: map[string]dbtypes.AttributeValue{"pk": text("demo#shop#" + strconv.Itoa(i%1000)),
					"sk": text(strconv.Itoa(i)), "d": body,
					"q": number(1), "r": number(1_800_000_000_000 + i), "x": number(1_802_592_000), "c": text("shop")}})
			return err
		})
	})
}

// BenchmarkTransactions puts a fact, counts it in its fragment and checks a third item.
func BenchmarkTransactions(b *testing.B) {
	doors(b, func(b *testing.B, c *Cloud, door func(role string) aws.Config) {
		db, table := dynamodb.NewFromConfig(door("")), tableOf(b, c, "Hub")
		key := func(pk, sk string) map[string]dbtypes.AttributeValue {
			return map[string]dbtypes.AttributeValue{"pk": text(pk), "sk": text(sk)}
		}
		absent := aws.String("attribute_not_exists(pk)")
		perSecond(b, "transactions", 1, func(i int) error {
			id := strconv.Itoa(i)
			_, err := db.TransactWriteItems(b.Context(),
				&dynamodb.TransactWriteItemsInput{TransactItems: []dbtypes.TransactWriteItem{
					{Put: &dbtypes.Put{TableName: &table, Item: key("demo#fact", id), ConditionExpression: absent}},
					{Update: &dbtypes.Update{TableName: &table, Key: key("demo#fragment", strconv.Itoa(i%1000)),
						UpdateExpression:          aws.String("SET o = :o ADD v :one"),
						ExpressionAttributeValues: map[string]dbtypes.AttributeValue{":one": number(1), ":o": text(id)}}},
					{ConditionCheck: &dbtypes.ConditionCheck{TableName: &table, Key: key("demo#gone", id),
						ConditionExpression: absent}},
				}})
			return err
		})
	})
}

// BenchmarkMessages sends, receives and deletes messages of 200 bytes in batches of ten.
func BenchmarkMessages(b *testing.B) {
	doors(b, func(b *testing.B, c *Cloud, door func(role string) aws.Config) {
		client, url := sqs.NewFromConfig(door("")), queueOf(b, c, "Spill")
		body := strings.Repeat("x", 200)
		perSecond(b, "messages", 10, func(int) error {
			send := &sqs.SendMessageBatchInput{QueueUrl: &url}
			for n := range 10 {
				send.Entries = append(send.Entries,
					sqstypes.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), MessageBody: &body})
			}
			if _, err := client.SendMessageBatch(b.Context(), send); err != nil {
				return err
			}
			got, err := client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
			if err != nil {
				return err
			}
			del := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
			for n, m := range got.Messages {
				del.Entries = append(del.Entries,
					sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(n)), ReceiptHandle: m.ReceiptHandle})
			}
			if len(del.Entries) == 0 { // another caller took them
				return nil
			}
			_, err = client.DeleteMessageBatch(b.Context(), del)
			return err
		})
	})
}

// BenchmarkStart is the start with the whole template, pollers and schedules included.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		if err := figureCloud(b).Start(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/start")
}

// doors runs a benchmark by both doors, each time on a cloud of its own.
func doors(b *testing.B, run func(b *testing.B, c *Cloud, door func(role string) aws.Config)) {
	b.Run("in process", func(b *testing.B) {
		c := figureCloud(b)
		run(b, c, c.Config)
	})
	b.Run("loopback", func(b *testing.B) {
		c := figureCloud(b)
		server := httptest.NewServer(c.Endpoint())
		b.Cleanup(server.Close)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * runtime.GOMAXPROCS(0)}}
		b.Cleanup(client.CloseIdleConnections)
		run(b, c, func(role string) aws.Config {
			return aws.Config{Region: template.Region, Credentials: c.Credentials(role), HTTPClient: client,
				BaseEndpoint: &server.URL}
		})
	})
}

// perSecond makes calls in parallel, each one with a number of its own, and reports how many units a second took and how
// much of the processors each needed.
func perSecond(b *testing.B, unit string, each int, call func(i int) error) {
	b.Helper()
	var calls atomic.Int64
	b.ReportAllocs()
	before := processorTime(b)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := call(int(calls.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	units := float64(b.N * each)
	b.ReportMetric(units/b.Elapsed().Seconds(), unit+"/s")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/units, "cpu-µs/"+strings.TrimSuffix(unit, "s"))
}

// processorTime is what the process has used so far, in user and system mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func figureCloud(b *testing.B) *Cloud {
	b.Helper()
	synthesized := snapshot.Template()
	stack, err := template.Load(synthesized, "Loophub")
	if err != nil {
		b.Fatal(err)
	}
	handlers := map[string]lambda.Factory{}
	for _, f := range stack.Functions {
		handlers[f.Stage] = idle
	}
	c, err := New(synthesized, Options{Handlers: handlers, Clock: clock.Stopped(noon)})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func roleOf(b *testing.B, c *Cloud, stage string) string {
	b.Helper()
	role, err := c.Role(stage)
	if err != nil {
		b.Fatal(err)
	}
	return role
}

func tableOf(b *testing.B, c *Cloud, name string) string {
	b.Helper()
	for _, t := range c.Stack().Tables {
		if strings.HasPrefix(t.LogicalID, name) {
			return t.Name
		}
	}
	b.Fatalf("the template has no table %s", name)
	return ""
}

func queueOf(b *testing.B, c *Cloud, name string) string {
	b.Helper()
	for _, q := range c.Stack().Queues {
		if strings.HasPrefix(q.LogicalID, name) {
			return q.URL
		}
	}
	b.Fatalf("the template has no queue %s", name)
	return ""
}

func number(n int) dbtypes.AttributeValue {
	return &dbtypes.AttributeValueMemberN{Value: fmt.Sprint(n)}
}
