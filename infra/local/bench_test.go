package local

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
	"loophub/infra/local/store"
)

// BenchmarkPutItem is one authorised call of a stage through the SDK and the in-process door; nothing polls the stream.
func BenchmarkPutItem(b *testing.B) { putItems(b, benchCloud(b, nil)) }

// BenchmarkPutItemKept is the same with a store, and against the same without one: the two take turns, so that whatever
// else the machine does meets both.
func BenchmarkPutItemKept(b *testing.B) {
	s, err := store.Open(b.TempDir(), func(line string) { b.Error(line) })
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const turn = 100
	put := [2]func(int){putter(b, benchCloud(b, nil)), putter(b, benchCloud(b, s))}
	var took [2]time.Duration
	n := 0
	for b.Loop() {
		for i := range put {
			i ^= n / turn % 2 // who comes second meets the other's garbage
			start := time.Now()
			for k := range turn {
				put[i](n + k)
			}
			took[i] += time.Since(start)
		}
		n += turn
	}
	b.ReportMetric(float64(took[1].Nanoseconds())/float64(n), "ns/kept-put")
	b.ReportMetric(float64(took[0].Nanoseconds())/float64(n), "ns/put")
	b.ReportMetric(float64(took[1])/float64(took[0]), "kept/not")
}

func putItems(b *testing.B, c *Cloud) {
	put := putter(b, c)
	for i := 0; b.Loop(); i++ {
		put(i)
	}
}

func putter(b *testing.B, c *Cloud) func(i int) {
	role, err := c.Role("ingest")
	if err != nil {
		b.Fatal(err)
	}
	db := dynamodb.NewFromConfig(c.Config(role))
	var table string
	for _, t := range c.Stack().Tables {
		if t.LogicalID == "InboxTable" {
			table = t.Name
		}
	}
	body := strings.Repeat("x", 1000)
	return func(i int) {
		_, err := db.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"pk": text("delivery"), "sk": text(fmt.Sprint(i)), "b": text(body)}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew is the start with the whole template.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		benchCloud(b, nil)
	}
}

func benchCloud(b *testing.B, s *store.Store) *Cloud {
	b.Helper()
	text, err := os.ReadFile("testdata/template.json")
	if err != nil {
		b.Fatal(err)
	}
	handlers := map[string]lambda.Factory{}
	for _, s := range []string{"ingest", "unify", "publish", "api", "sweep"} {
		handlers[s] = idle
	}
	c, err := New(text, Options{Handlers: handlers, Clock: clock.Stopped(noon), Store: s})
	if err != nil {
		b.Fatal(err)
	}
	return c
}
