package dynamodb

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func putEntry(i item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: hub, Item: i}}
}

func deleteEntry(k item) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: hub, Key: k}}
}

func addEntry(k item, by string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{TableName: hub, Key: k, UpdateExpression: aws.String("ADD n :by"),
		ExpressionAttributeValues: item{":by": n(by)}}}
}

func checkEntry(k item, condition string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: hub, Key: k, ConditionExpression: &condition,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}}
}

func (w *world) transact(token string, entries ...types.TransactWriteItem) error {
	in := &sdk.TransactWriteItemsInput{TransactItems: entries}
	if token != "" {
		in.ClientRequestToken = &token
	}
	_, err := w.client.TransactWriteItems(context.Background(), in)
	return err
}

// TestTokensAreForgotten after ten minutes.
func TestTokensAreForgotten(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "1"}, {10*time.Minute - time.Second, "1"}, {time.Second, "2"}, {0, "2"}} {
		w.clock = w.clock.Add(step.after)
		if err := w.transact("t", addEntry(key("c", "1"), "1")); err != nil {
			t.Fatal(err)
		}
		w.same("counter", text(w.get("Hub", key("c", "1"))["n"]), step.want)
	}
}
