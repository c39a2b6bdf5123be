package local

import (
	"fmt"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
)

// BenchmarkPutItem is one authorised call of a stage through the SDK and the in-process door; nothing polls the stream.
func BenchmarkPutItem(b *testing.B) {
	c := benchCloud(b)
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
	for i := 0; b.Loop(); i++ {
		_, err := db.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			"pk": text("delivery"), "sk": text(fmt.Sprint(i))}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew is the start with the whole template.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		benchCloud(b)
	}
}

func benchCloud(b *testing.B) *Cloud {
	b.Helper()
	text, err := os.ReadFile("testdata/template.json")
	if err != nil {
		b.Fatal(err)
	}
	handlers := map[string]lambda.Factory{}
	for _, s := range []string{"ingest", "unify", "publish", "api", "sweep"} {
		handlers[s] = idle
	}
	c, err := New(text, Options{Handlers: handlers, Clock: clock.Stopped(noon)})
	if err != nil {
		b.Fatal(err)
	}
	return c
}
