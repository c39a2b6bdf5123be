package dynamodb

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

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
}

func TestPutReturnsWhatItReplaced(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	in := &sdk.PutItemInput{TableName: aws.String("Hub"), Item: with(key("a", "1"), "v", n("1")), ReturnValues: types.ReturnValueAllOld}
	out, err := w.client.PutItem(ctx, in)
	if err != nil || out.Attributes != nil {
		t.Fatalf("first put returned %v, %v", out.Attributes, err)
	}
	in.Item = with(key("a", "1"), "v", n("2"))
	if out, err = w.client.PutItem(ctx, in); err != nil {
		t.Fatal(err)
	}
	w.same("old item", out.Attributes, with(key("a", "1"), "v", n("1")))
}

func TestConditionFails(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.put("Hub", with(key("a", "1"), "v", n("1")))
	in := &sdk.PutItemInput{TableName: aws.String("Hub"), Item: key("a", "1"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	_, err := w.client.PutItem(ctx, in)
	w.wantError(err, "ConditionalCheckFailedException", "The conditional request failed")
	if failed, ok := err.(interface{ Unwrap() error }); !ok || failed == nil {
		t.Fatal("not an SDK error")
	}
	w.same("stored item", w.get("Hub", key("a", "1")), with(key("a", "1"), "v", n("1")))
}
