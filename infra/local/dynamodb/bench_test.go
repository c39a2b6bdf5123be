package dynamodb

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// BenchmarkPutItem stores deliveries of 1 KB through the SDK.
func BenchmarkPutItem(b *testing.B) {
	w := newWorld(b)
	body := s(strings.Repeat("x", 1000))
	for i := 0; b.Loop(); i++ {
		in := &sdk.PutItemInput{TableName: aws.String("Inbox"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			Item: with(key("workspace#shop#"+strconv.Itoa(i%1000), strconv.Itoa(i)), "b", body, "q", n("1"), "x", n("1800000000"))}
		if _, err := w.client.PutItem(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkTransactWriteItems commits transactions of three items through the SDK.
func BenchmarkTransactWriteItems(b *testing.B) {
	w := newWorld(b)
	table := aws.String("Hub")
	for i := 0; b.Loop(); i++ {
		id := strconv.Itoa(i)
		in := &sdk.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: with(key("fact", id), "v", n("1")), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
			{Update: &types.Update{TableName: table, Key: key("fragment", strconv.Itoa(i%1000)), UpdateExpression: aws.String("ADD v :one SET o = :o"),
				ExpressionAttributeValues: item{":one": n("1"), ":o": s(id)}}},
			{ConditionCheck: &types.ConditionCheck{TableName: table, Key: key("gone", id), ConditionExpression: aws.String("attribute_not_exists(pk)")}},
		}}
		if _, err := w.client.TransactWriteItems(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
}

// BenchmarkServe is a PutItem without the SDK: what the local cloud itself takes.
func BenchmarkServe(b *testing.B) {
	w := newWorld(b)
	body := strings.Repeat("x", 1000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.must("PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"p`+strconv.Itoa(i%1000)+`"},"sk":{"S":"`+strconv.Itoa(i)+
			`"},"b":{"S":"`+body+`"},"q":{"N":"1"},"x":{"N":"1800000000"}},"ConditionExpression":"attribute_not_exists(pk)"}`)
	}
}
