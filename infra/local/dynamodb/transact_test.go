package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

func TestTransactionWritesAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", with(key("old", "1"), "n", n("1")))
	w.put("Hub", key("gone", "1"))
	w.put("Inbox", key("other", "table"))
	entries := []types.TransactWriteItem{
		putEntry(key("new", "1")), addEntry(key("old", "1"), "4"), deleteEntry(key("gone", "1")),
		checkEntry(key("nope", "1"), "attribute_not_exists(pk)"),
		{Update: &types.Update{TableName: aws.String("Inbox"), Key: key("other", "table"), UpdateExpression: aws.String("SET v = :v"),
			ExpressionAttributeValues: item{":v": s("x")}, ConditionExpression: aws.String("attribute_exists(pk)")}},
	}
	if err := w.transact("", entries...); err != nil {
		t.Fatal(err)
	}
	w.same("new", w.get("Hub", key("new", "1")), key("new", "1"))
	w.same("old", w.get("Hub", key("old", "1")), with(key("old", "1"), "n", n("5")))
	w.same("gone", w.get("Hub", key("gone", "1")), item(nil))
	w.same("other", w.get("Inbox", key("other", "table")), with(key("other", "table"), "v", s("x")))

	err := w.transact("", putEntry(key("second", "1")), checkEntry(key("old", "1"), "attribute_not_exists(pk)"), addEntry(key("old", "2"), "1"))
	w.wantError(err, "TransactionCanceledException",
		"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None]")
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) {
		t.Fatal("no reasons")
	}
	w.same("reasons", canceled.CancellationReasons, []types.CancellationReason{{Code: aws.String("None")},
		{Code: aws.String("ConditionalCheckFailed"), Message: aws.String("The conditional request failed"), Item: with(key("old", "1"), "n", n("5"))},
		{Code: aws.String("None")}})
	w.same("nothing written", w.service.Table("Hub").Len(), 2)
}

// What depends on the item cancels; what the request alone tells is refused.
func TestTransactionReasonsAndRefusals(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", with(key("a", "1"), "m", s("text")))
	for want, entry := range map[string]types.TransactWriteItem{
		"An operand in the update expression has an incorrect data type": {Update: &types.Update{TableName: hub, Key: key("a", "1"),
			UpdateExpression: aws.String("ADD m :one"), ExpressionAttributeValues: item{":one": n("1")}}},
		"One or more parameter values were invalid: Type mismatch for key sk expected: S actual: N": {Put: &types.Put{TableName: hub,
			Item: item{"pk": s("a"), "sk": n("1")}}},
		"Item size has exceeded the maximum allowed size": putEntry(with(key("a", "1"), "b", s(strings.Repeat("x", 400<<10)))),
	} {
		err := w.transact("", entry, putEntry(key("b", "1")))
		w.wantError(err, "TransactionCanceledException",
			"Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError, None]")
		var canceled *types.TransactionCanceledException
		if errors.As(err, &canceled) {
			w.same("message", *canceled.CancellationReasons[0].Message, want)
		}
	}
	hundredOne := make([]types.TransactWriteItem, 101)
	for i := range hundredOne {
		hundredOne[i] = putEntry(key(fmt.Sprint(i), "1"))
	}
	large := make([]types.TransactWriteItem, 11)
	for i := range large {
		large[i] = putEntry(with(key(fmt.Sprint(i), "1"), "b", s(strings.Repeat("x", 390<<10))))
	}
	both := putEntry(key("a", "1"))
	both.Delete = &types.Delete{TableName: hub, Key: key("b", "1")}
	for want, entries := range map[string][]types.TransactWriteItem{
		"Transaction request cannot include multiple operations on one item":                                                                     {putEntry(key("a", "1")), deleteEntry(key("a", "1"))},
		"Invalid Request: TransactWriteRequest should contain Delete or Put or Update request":                                                   {{}},
		"TransactItems can only contain one of Check, Put, Update or Delete":                                                                     {both},
		"One or more parameter values were invalid: Missing the key sk in the item":                                                              {putEntry(item{"pk": s("a")})},
		"The provided key element does not match the schema":                                                                                     {deleteEntry(item{"pk": s("a")})},
		"Invalid ConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\"":                                                               {checkEntry(key("a", "1"), "a =")},
		"Transaction request cannot include items of an aggregate size of more than 4 MB":                                                        large,
		"1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1": {},
		"1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100":  hundredOne,
	} {
		w.wantError(w.transact("", entries...), "ValidationException", want)
	}
	w.same("nothing written", w.service.Table("Hub").Len(), 1)
	if err := w.transact("", hundredOne[:100]...); err != nil {
		t.Errorf("100 items: %v", err)
	}
}

func TestTokensMakeTransactionsIdempotent(t *testing.T) {
	w := newWorld(t)
	counter := func() string { return text(w.get("Hub", key("c", "1"))["n"]) }
	add := func(token, by string) error {
		return w.transact(token, addEntry(key("c", "1"), by), putEntry(with(key("d", "1"), "a", s("1"), "b", s("2"))))
	}
	for range 3 { // the SDK writes the members of an item in any order
		if err := add("t", "1"); err != nil {
			t.Fatal(err)
		}
	}
	w.same("once", counter(), "1")
	w.wantError(add("t", "2"), "IdempotentParameterMismatchException",
		"The request uses the same client token as a previous, but non-identical request.")
	w.clock = w.clock.Add(10*time.Minute - time.Second)
	if err := add("t", "1"); err != nil {
		t.Fatal(err)
	}
	w.same("still known", counter(), "1")
	w.clock = w.clock.Add(time.Second)
	if err := add("t", "1"); err != nil {
		t.Fatal(err)
	}
	w.same("forgotten", counter(), "2")

	failing := func() error {
		return w.transact("u", checkEntry(key("c", "1"), "attribute_not_exists(pk)"), putEntry(key("e", "1")))
	}
	for range 2 { // a cancelled transaction has not happened
		if name, _ := code(failing()); name != "TransactionCanceledException" {
			t.Errorf("cancelled with %s", name)
		}
	}
	w.wantError(w.transact(strings.Repeat("t", 37), putEntry(key("e", "1"))), "ValidationException",
		"1 validation error detected: Value '"+strings.Repeat("t", 37)+"' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36")
}

func TestTransactGet(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.put("Hub", with(key("a", "1"), "n", n("1"), "m", s("x")))
	get := func(k item, projection *string) types.TransactGetItem {
		return types.TransactGetItem{Get: &types.Get{TableName: hub, Key: k, ProjectionExpression: projection}}
	}
	out, err := w.client.TransactGetItems(ctx, &sdk.TransactGetItemsInput{
		TransactItems: []types.TransactGetItem{get(key("a", "1"), aws.String("n")), get(key("b", "1"), nil)}})
	if err != nil {
		t.Fatal(err)
	}
	w.same("responses", out.Responses, []types.ItemResponse{{Item: item{"n": n("1")}}, {}})
	_, err = w.client.TransactGetItems(ctx, &sdk.TransactGetItemsInput{
		TransactItems: []types.TransactGetItem{get(key("a", "1"), nil), get(key("a", "1"), nil)}})
	w.wantError(err, "ValidationException", "Transaction request cannot include multiple operations on one item")
}
