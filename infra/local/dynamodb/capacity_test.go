package dynamodb

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// sized is an item of so many bytes: pk and sk take 2+1 and 2+1, b takes 1 and its length.
func sized(sk string, bytes int, pairs ...any) item {
	return with(key("p", sk), append([]any{"b", s(strings.Repeat("x", bytes-7))}, pairs...)...)
}

// call is one request of the Hub table, made later.
type call func(w *world) error

func putCall(i item) call {
	return func(w *world) error {
		_, err := w.client.PutItem(context.Background(), &sdk.PutItemInput{TableName: hub, Item: i})
		return err
	}
}

func getCall(sk string, consistent bool) call {
	return func(w *world) error {
		_, err := w.client.GetItem(context.Background(), &sdk.GetItemInput{TableName: hub, Key: key("p", sk), ConsistentRead: &consistent})
		return err
	}
}

func queryCall(consistent bool, limit int32) call {
	return func(w *world) error {
		_, err := w.client.Query(context.Background(), &sdk.QueryInput{TableName: hub, KeyConditionExpression: aws.String("pk = :p"),
			Limit: &limit, ExpressionAttributeValues: item{":p": s("p")}, ConsistentRead: &consistent})
		return err
	}
}

func deleteCall(sk string, condition *string) call {
	return func(w *world) error {
		_, err := w.client.DeleteItem(context.Background(), &sdk.DeleteItemInput{TableName: hub, Key: key("p", sk), ConditionExpression: condition})
		if name, _ := code(err); condition != nil && name == "ConditionalCheckFailedException" {
			return nil
		}
		return err
	}
}

func transactCall(token string, entries ...types.TransactWriteItem) call {
	return func(w *world) error {
		err := w.transact(token, entries...)
		if name, _ := code(err); name == "TransactionCanceledException" {
			return nil
		}
		return err
	}
}

// TestUnits walks through calls whose units the developer guide determines, and reads the table's ledger after each.
func TestUnits(t *testing.T) {
	w := newWorld(t)
	repeat := transactCall("again", putEntry(sized("9", 1025)))
	for _, c := range []struct {
		what          string
		call          call
		reads, writes float64
	}{
		{"1 KB", putCall(sized("1", 1024)), 0, 1},
		{"1 KB and a byte", putCall(sized("2", 1025)), 0, 2},
		{"smaller than what was there", putCall(sized("2", 100)), 0, 2},
		{"as small as what was there", putCall(sized("2", 100)), 0, 1},
		{"4 KB, consistently", putCall(sized("3", 4097)), 0, 5},
		{"get over 4 KB, consistently", getCall("3", true), 2, 0},
		{"get over 4 KB, eventually", getCall("3", false), 1, 0},
		{"get nothing, consistently", getCall("nope", true), 1, 0},
		{"get nothing, eventually", getCall("nope", false), 0.5, 0},
		{"query 1024+100+4097 bytes, consistently", queryCall(true, 10), 2, 0},
		{"query 1024+100+4097 bytes, eventually", queryCall(false, 10), 1, 0},
		{"query 1124 bytes, eventually", queryCall(false, 2), 0.5, 0},
		{"delete 4097 bytes", deleteCall("3", nil), 0, 5},
		{"delete nothing", deleteCall("3", nil), 0, 1},
		{"a condition that fails on 1024 bytes", deleteCall("1", aws.String("attribute_exists(z)")), 0, 1},
		{"a transaction of 1, 2 and a check of 1 units, twice", transactCall("", putEntry(sized("4", 1024)), putEntry(sized("5", 1025)), checkEntry(key("p", "1"), "attribute_exists(pk)")), 0, 8},
		{"a cancelled transaction of items of 1 and 2 units, twice", transactCall("", deleteEntry(key("p", "4")), checkEntry(key("p", "5"), "attribute_exists(z)")), 0, 6},
		{"a transaction under a token", repeat, 0, 4},
		{"the same again", repeat, 2, 0},
	} {
		before := w.service.Table("Hub").Units()
		if err := c.call(w); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		after := w.service.Table("Hub").Units()
		if reads, writes := after.Reads-before.Reads, after.Writes-before.Writes; reads != c.reads || writes != c.writes {
			t.Errorf("%s: %v reads and %v writes, want %v and %v", c.what, reads, writes, c.reads, c.writes)
		}
	}
	by := w.service.Table("Hub").Units().ByOperation
	w.same("gets", by["GetItem"], Usage{Calls: 4, Reads: 4.5})
	w.same("deletes", by["DeleteItem"], Usage{Calls: 3, Writes: 7})
	w.same("the other table", w.service.Table("Inbox").Units().Calls, 0)
}
