package dynamodb

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var hub = aws.String("Hub")

// every is an item with all ten types.
func every() item {
	return with(key("every", "type"),
		"s", s("héé𝄞 \"\\\n\u2028"),
		"n", n("-12.5"),
		"b", &types.AttributeValueMemberB{Value: []byte{0, 1, 255}},
		"t", &types.AttributeValueMemberBOOL{Value: true},
		"f", &types.AttributeValueMemberBOOL{Value: false},
		"z", &types.AttributeValueMemberNULL{Value: true},
		"m", &types.AttributeValueMemberM{Value: item{"a": s(""), "e": &types.AttributeValueMemberM{Value: item{}}}},
		"l", &types.AttributeValueMemberL{Value: []types.AttributeValue{n("1"), s("x"), &types.AttributeValueMemberL{Value: []types.AttributeValue{}}}},
		"ss", &types.AttributeValueMemberSS{Value: []string{"", "a", "b"}},
		"ns", &types.AttributeValueMemberNS{Value: []string{"-1", "9", "10"}},
		"bs", &types.AttributeValueMemberBS{Value: [][]byte{{0}, {1}}},
	)
}

func TestEveryTypeComesBackAsItWent(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", every())
	w.same("item", w.get("Hub", key("every", "type")), every())
	if got := w.get("Hub", key("every", "other")); got != nil {
		t.Errorf("an item that nobody put: %v", got)
	}
}

func TestPutAndDeleteReturnWhatWasThere(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	old := with(key("a", "1"), "v", n("1"))
	for i, want := range []item{nil, old} {
		out, err := w.client.PutItem(ctx, &sdk.PutItemInput{TableName: hub, Item: old, ReturnValues: types.ReturnValueAllOld})
		if err != nil {
			t.Fatal(err)
		}
		w.same("put "+string(rune('1'+i)), out.Attributes, want)
	}
	for i, want := range []item{old, nil} {
		out, err := w.client.DeleteItem(ctx, &sdk.DeleteItemInput{TableName: hub, Key: key("a", "1"), ReturnValues: types.ReturnValueAllOld})
		if err != nil {
			t.Fatal(err)
		}
		w.same("delete "+string(rune('1'+i)), out.Attributes, want)
	}
}

func TestUpdateReturns(t *testing.T) {
	before := with(key("a", "1"), "n", n("1"), "m", &types.AttributeValueMemberM{Value: item{"x": s("old"), "y": s("same")}})
	after := with(key("a", "1"), "n", n("2"), "m", &types.AttributeValueMemberM{Value: item{"x": s("new"), "y": s("same")}}, "o", s("x"))
	x := func(v string) types.AttributeValue { return &types.AttributeValueMemberM{Value: item{"x": s(v)}} }
	for wanted, want := range map[types.ReturnValue]item{
		types.ReturnValueNone: nil, types.ReturnValueAllOld: before, types.ReturnValueAllNew: after,
		types.ReturnValueUpdatedOld: {"n": n("1"), "m": x("old")},
		types.ReturnValueUpdatedNew: {"n": n("2"), "m": x("new"), "o": s("x")},
	} {
		w := newWorld(t)
		w.put("Hub", before)
		out, err := w.client.UpdateItem(context.Background(), &sdk.UpdateItemInput{TableName: hub, Key: key("a", "1"),
			UpdateExpression: aws.String("SET m.x = :new, o = :x ADD n :one"), ReturnValues: wanted,
			ExpressionAttributeValues: item{":new": s("new"), ":x": s("x"), ":one": n("1")}})
		if err != nil {
			t.Fatal(err)
		}
		w.same(string(wanted), out.Attributes, want)
		w.same("stored", w.get("Hub", key("a", "1")), after)
	}
}

func TestUpdateMakesAnItem(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	_, err := w.client.UpdateItem(ctx, &sdk.UpdateItemInput{TableName: hub, Key: key("bare", "1")})
	if err != nil {
		t.Fatal(err)
	}
	w.same("bare", w.get("Hub", key("bare", "1")), key("bare", "1"))
	_, err = w.client.UpdateItem(ctx, &sdk.UpdateItemInput{TableName: hub, Key: key("counted", "1"),
		UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: item{":one": n("1")}})
	if err != nil {
		t.Fatal(err)
	}
	w.same("counted", w.get("Hub", key("counted", "1")), with(key("counted", "1"), "n", n("1")))
}

func TestConditionFails(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	stored := with(key("a", "1"), "v", n("1"))
	w.put("Hub", stored)
	const allOld = types.ReturnValuesOnConditionCheckFailureAllOld
	no, values := aws.String("v = :two"), item{":two": n("2")}
	for name, call := range map[string]func(wanted types.ReturnValuesOnConditionCheckFailure) error{
		"put": func(r types.ReturnValuesOnConditionCheckFailure) error {
			_, err := w.client.PutItem(ctx, &sdk.PutItemInput{TableName: hub, Item: key("a", "1"), ConditionExpression: no,
				ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: r})
			return err
		},
		"update": func(r types.ReturnValuesOnConditionCheckFailure) error {
			_, err := w.client.UpdateItem(ctx, &sdk.UpdateItemInput{TableName: hub, Key: key("a", "1"), ConditionExpression: no,
				UpdateExpression: aws.String("SET v = :two"), ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: r})
			return err
		},
		"delete": func(r types.ReturnValuesOnConditionCheckFailure) error {
			_, err := w.client.DeleteItem(ctx, &sdk.DeleteItemInput{TableName: hub, Key: key("a", "1"), ConditionExpression: no,
				ExpressionAttributeValues: values, ReturnValuesOnConditionCheckFailure: r})
			return err
		},
	} {
		for wanted, want := range map[types.ReturnValuesOnConditionCheckFailure]item{"": nil, allOld: stored} {
			err := call(wanted)
			w.wantError(err, "ConditionalCheckFailedException", "The conditional request failed")
			var failed *types.ConditionalCheckFailedException
			if errors.As(err, &failed) {
				w.same(name+" "+string(wanted), failed.Item, want)
			}
		}
	}
	w.same("stored item", w.get("Hub", key("a", "1")), stored)
}

// TestRefusals goes through the raw protocol, since the SDK itself refuses to send half of these.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("k", 2049)
	deep := strings.Repeat(`{"L":[`, 32) + strings.Repeat("]}", 32)
	const k = `"TableName":"Inbox","Key":{"pk":{"S":"a"},"sk":{"S":"1"}}`
	const p = `"TableName":"Inbox","Item":{"pk":{"S":"a"},"sk":{"S":"1"}`
	const invalidPrefix = "One or more parameter values were invalid: "
	const emptyPrefix = "One or more parameter values are not valid. "
	for _, c := range []struct{ operation, body, want string }{
		{"PutItem", `{"TableName":"Inbox"}`, "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null"},
		{"PutItem", `{"Item":{}}`, "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null"},
		{"PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"a"}}}`, invalidPrefix + "Missing the key sk in the item"},
		{"PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}`, invalidPrefix + "Type mismatch for key sk expected: S actual: N"},
		{"PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":""},"sk":{"S":"1"}}}`, emptyPrefix + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"PutItem", `{"TableName":"Numbered","Item":{"p":{"B":""},"n":{"N":"1"}}}`, emptyPrefix + "The AttributeValue for a key attribute cannot contain an empty binary value. Key: p"},
		{"PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"` + long + `"},"sk":{"S":"1"}}}`, invalidPrefix + "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{"PutItem", `{"TableName":"Inbox","Item":{"pk":{"S":"a"},"sk":{"S":"` + long[:1025] + `"}}}`, invalidPrefix + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"},
		{"PutItem", `{` + p + `,"pw":{"N":"1"}}}`, invalidPrefix + "Type mismatch for Index Key pw Expected: S Actual: N IndexName: parked"},
		{"PutItem", `{` + p + `,"pw":{"S":""}}}`, emptyPrefix + "A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: parked, IndexKey: pw"},
		{"PutItem", `{` + p + `,"d":` + deep + `}}`, "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"},
		{"PutItem", `{` + p + `,"b":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{` + p + `,"n":{"N":"x"}}}`, "The parameter cannot be converted to a numeric value: x"},
		{"PutItem", `{` + p + `},"ReturnValues":"ALL_NEW"}`, "ReturnValues can only be ALL_OLD or NONE"},
		{"PutItem", `{` + p + `},"ReturnValues":"SOME"}`, "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
		{"PutItem", `{` + p + `},"ExpressionAttributeNames":{"#a":"a"}}`, "ExpressionAttributeNames can only be specified when using expressions"},
		{"PutItem", `{` + p + `},"ExpressionAttributeValues":{":a":{"S":"a"}}}`, "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		{"PutItem", `{` + p + `},"ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"N":"x"}}}`, "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :a"},
		{"PutItem", `{` + p + `},"ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"a"},":b":{"S":"a"}}}`, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}"},
		{"PutItem", `{` + p + `},"Expected":{}}`, `the local cloud does not implement the parameter "Expected"`},
		{"GetItem", `{"TableName":"Inbox"}`, "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null"},
		{"GetItem", `{"TableName":"Inbox","Key":{"pk":{"S":"a"}}}`, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"Inbox","Key":{"pk":{"S":"a"},"sk":{"N":"1"}}}`, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"Inbox","Key":{"pk":{"S":"a"},"sk":{"S":"1"},"z":{"S":"1"}}}`, "The provided key element does not match the schema"},
		{"GetItem", `{` + k + `,"ProjectionExpression":"a, a"}`, "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"},
		{"GetItem", `{` + k + `,"AttributesToGet":["a"]}`, `the local cloud does not implement the parameter "AttributesToGet"`},
		{"UpdateItem", `{` + k + `,"UpdateExpression":"SET pk = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}`, invalidPrefix + "Cannot update attribute pk. This attribute is part of the key"},
		{"UpdateItem", `{` + k + `,"UpdateExpression":"SET pw = :a","ExpressionAttributeValues":{":a":{"S":""}}}`, emptyPrefix + "The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value."},
		{"UpdateItem", `{` + k + `,"UpdateExpression":"SET b = :b, c = :b","ExpressionAttributeValues":{":b":{"S":"` + strings.Repeat("x", 205<<10) + `"}}}`, "Item size to update has exceeded the maximum allowed size"},
		{"UpdateItem", `{` + k + `,"ExpressionAttributeValues":{":a":{"S":"a"}}}`, "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"},
		{"UpdateItem", `{` + k + `,"UpdateExpression":"SET a = b"}`, "The provided expression refers to an attribute that does not exist in the item"},
		{"DeleteItem", `{` + k + `,"ReturnConsumedCapacity":"ALL"}`, "1 validation error detected: Value 'ALL' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
		{"BatchWriteItem", `{"RequestItems":{"Hub":[{}]}}`, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
	} {
		_, err := w.raw(c.operation, c.body)
		if want := "ValidationException: " + c.want; err == nil || err.Error() != want {
			t.Errorf("%s %.200s\n got  %v\n want %s", c.operation, c.body, err, want)
		}
	}
	for name := range w.service.tables {
		if w.service.Table(name).Len() != 0 {
			t.Errorf("a refused request left an item in %s", name)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	_, err := w.client.GetItem(ctx, &sdk.GetItemInput{TableName: aws.String("Nope"), Key: key("a", "1")})
	w.wantError(err, "ResourceNotFoundException", "Requested resource not found")
	_, err = w.client.ListTables(ctx, &sdk.ListTablesInput{})
	w.wantError(err, "UnknownOperationException", "the local cloud does not implement dynamodb:ListTables")
	_, err = w.client.ExecuteStatement(ctx, &sdk.ExecuteStatementInput{Statement: aws.String("SELECT 1")})
	w.wantError(err, "UnknownOperationException", "the local cloud does not implement dynamodb:ExecuteStatement")
	if _, err := w.raw("PutItem", `{"TableName":"Inbox","Item":{"pk":"x"}}`); err == nil || !strings.HasPrefix(err.Error(), "SerializationException: ") {
		t.Errorf("a value that is no object: %v", err)
	}
	if _, err := w.raw("PutItem", `garbage`); err == nil || !strings.HasPrefix(err.Error(), "SerializationException: ") {
		t.Errorf("no JSON: %v", err)
	}
}

func TestTablesGoByTheirARNToo(t *testing.T) {
	w := newWorld(t)
	w.put(hubARN, key("a", "1"))
	w.same("item", w.get("Hub", key("a", "1")), key("a", "1"))
}

func TestSpecsThatAreRefused(t *testing.T) {
	good := specs()[0]
	for want, change := range map[string]func(*TableSpec){
		"table Inbox: 0 key attributes, want 1 or 2":          func(s *TableSpec) { s.Keys = nil },
		`table Inbox: key pk has type "SS", want S, N or B`:   func(s *TableSpec) { s.Keys = []Key{{"pk", "SS"}} },
		"table Inbox: name or ARN is missing":                 func(s *TableSpec) { s.ARN = "" },
		`table Inbox: unknown stream view "ALL"`:              func(s *TableSpec) { s.StreamView = "ALL" },
		`table Inbox: index i: unknown projection "SOME"`:     func(s *TableSpec) { s.Indexes = []IndexSpec{{Name: "i", Keys: s.Keys, Projection: "SOME"}} },
		"table Inbox: index i: 0 key attributes, want 1 or 2": func(s *TableSpec) { s.Indexes = []IndexSpec{{Name: "i"}} },
	} {
		spec := good
		change(&spec)
		if _, err := New(nil, []TableSpec{spec}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(nil, []TableSpec{good, good}); err == nil || err.Error() != "table Inbox: described twice" {
		t.Errorf("a table described twice: %v", err)
	}
}
