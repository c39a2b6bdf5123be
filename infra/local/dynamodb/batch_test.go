package dynamodb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func keysOf(pk string, count int) []item {
	var keys []item
	for i := range count {
		keys = append(keys, key(pk, fmt.Sprintf("%03d", i)))
	}
	return keys
}

func batchOf(w *world, request map[string]types.KeysAndAttributes) (*sdk.BatchGetItemOutput, error) {
	return w.client.BatchGetItem(context.Background(), &sdk.BatchGetItemInput{RequestItems: request})
}

func TestBatchGet(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", with(key("a", "000"), "n", n("1"), "m", s("x")))
	w.put("Inbox", key("a", "001"))
	out, err := batchOf(w, map[string]types.KeysAndAttributes{
		"Hub":   {Keys: keysOf("a", 3), ProjectionExpression: aws.String("n")},
		"Inbox": {Keys: keysOf("a", 3), ConsistentRead: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.same("responses", out.Responses, map[string][]item{"Hub": {{"n": n("1")}}, "Inbox": {key("a", "001")}})
	w.same("unprocessed", len(out.UnprocessedKeys), 0)

	for want, request := range map[string]map[string]types.KeysAndAttributes{
		"Too many items requested for the BatchGetItem call": {"Hub": {Keys: keysOf("a", 60)}, "Inbox": {Keys: keysOf("a", 41)}},
		"Provided list of item keys contains duplicates":     {"Hub": {Keys: append(keysOf("a", 2), keysOf("a", 1)...)}},
		"The provided key element does not match the schema": {"Hub": {Keys: []item{{"pk": s("a")}}}},
		"1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1": {},
		"1 validation error detected: Value '[]' at 'requestItems.Hub.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1": {
			"Hub": {Keys: []item{}}},
	} {
		_, err := batchOf(w, request)
		w.wantError(err, "ValidationException", want)
	}
	if _, err := batchOf(w, map[string]types.KeysAndAttributes{"Hub": {Keys: keysOf("a", 100)}}); err != nil {
		t.Errorf("100 keys: %v", err)
	}
}

func TestBatchGetLeavesKeysBeyond16MB(t *testing.T) {
	w := newWorld(t)
	keys := keysOf("big", 50)
	for _, k := range keys {
		w.put("Hub", with(item{"pk": k["pk"], "sk": k["sk"]}, "b", s(strings.Repeat("x", 390<<10))))
	}
	request := map[string]types.KeysAndAttributes{"Hub": {Keys: keys, ProjectionExpression: aws.String("sk")}}
	var got []string
	rounds := 0
	for len(request) > 0 {
		out, err := batchOf(w, request)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, column(out.Responses["Hub"], "sk")...)
		request = out.UnprocessedKeys
		rounds++
	}
	slices.Sort(got)
	w.same("items", got, column(keys, "sk"))
	w.same("rounds", rounds, 2)
}

func TestBatchWrite(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", key("gone", "1"))
	put := func(i item) types.WriteRequest { return types.WriteRequest{PutRequest: &types.PutRequest{Item: i}} }
	drop := func(k item) types.WriteRequest {
		return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}}
	}
	write := func(request map[string][]types.WriteRequest) error {
		_, err := w.client.BatchWriteItem(context.Background(), &sdk.BatchWriteItemInput{RequestItems: request})
		return err
	}
	if err := write(map[string][]types.WriteRequest{"Hub": {put(key("a", "1")), drop(key("gone", "1"))}, "Inbox": {put(key("a", "1"))}}); err != nil {
		t.Fatal(err)
	}
	w.same("put", w.get("Hub", key("a", "1")), key("a", "1"))
	w.same("deleted", w.get("Hub", key("gone", "1")), item(nil))
	w.same("elsewhere", w.get("Inbox", key("a", "1")), key("a", "1"))
	var many []types.WriteRequest
	for _, k := range keysOf("b", 26) {
		many = append(many, put(k))
	}
	for want, request := range map[string]map[string][]types.WriteRequest{
		"Too many items requested for the BatchWriteItem call":                                      {"Hub": many},
		"Provided list of item keys contains duplicates":                                            {"Hub": {put(key("c", "1")), drop(key("c", "1"))}},
		"One or more parameter values were invalid: Missing the key sk in the item":                 {"Hub": {put(key("c", "1")), put(item{"pk": s("c")})}},
		"One or more parameter values were invalid: Type mismatch for key sk expected: S actual: N": {"Hub": {put(key("c", "1")), put(item{"pk": s("c"), "sk": n("1")})}},
	} {
		w.wantError(write(request), "ValidationException", want)
	}
	w.same("nothing of what was refused", w.service.Table("Hub").Len(), 1)
}
