package dynamodb

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
)

// runPartial runs a test by each door, with a fault at hand that fails a part of the next batch.
func runPartial(t *testing.T, test func(w *world, fail func())) {
	t.Helper()
	var w *world
	dispatchtest.RunPartial(t, "dynamodb", func(t *testing.T) dispatch.Service {
		w = &world{clock: time.Unix(1_800_000_000, 0)}
		var err error
		if w.service, err = New(func() time.Time { return w.clock }, specs()); err != nil {
			t.Fatal(err)
		}
		return w.service
	}, func(t *testing.T, cfg aws.Config, fail func()) {
		w.t, w.client = t, sdk.NewFromConfig(cfg)
		test(w, fail)
	})
}

func TestPartOfABatchGetStaysUnprocessed(t *testing.T) {
	runPartial(t, func(w *world, fail func()) {
		for _, k := range keysOf("a", 3) {
			w.put("Hub", k)
			w.put("Inbox", k)
		}
		request := map[string]types.KeysAndAttributes{"Hub": {Keys: keysOf("a", 3), ConsistentRead: aws.Bool(true)}, "Inbox": {Keys: keysOf("a", 2)}}
		fail()
		out, err := batchOf(w, request)
		if err != nil {
			w.t.Fatal(err)
		}
		w.same("read", out.Responses, map[string][]item{"Hub": keysOf("a", 2), "Inbox": {}})
		w.same("left", out.UnprocessedKeys, map[string]types.KeysAndAttributes{
			"Hub": {Keys: keysOf("a", 3)[2:], ConsistentRead: aws.Bool(true)}, "Inbox": {Keys: keysOf("a", 2)}})
		if out, err = batchOf(w, out.UnprocessedKeys); err != nil {
			w.t.Fatal(err)
		}
		w.same("read afterwards", out.Responses, map[string][]item{"Hub": keysOf("a", 3)[2:], "Inbox": keysOf("a", 2)})
		w.same("left afterwards", len(out.UnprocessedKeys), 0)
		fail()
		_, err = batchOf(w, map[string]types.KeysAndAttributes{"Hub": {Keys: keysOf("a", 1)}})
		if c, _ := code(err); c != "ProvisionedThroughputExceededException" {
			w.t.Errorf("nothing of a batch was processed: %v", err)
		}
	})
}

func TestPartOfABatchWriteStaysUnprocessed(t *testing.T) {
	runPartial(t, func(w *world, fail func()) {
		w.put("Inbox", key("gone", "1"))
		put := func(i item) types.WriteRequest { return types.WriteRequest{PutRequest: &types.PutRequest{Item: i}} }
		drop := types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key("gone", "1")}}
		first, second := with(key("a", "1"), "n", n("1.5")), key("a", "2")
		write := func(request map[string][]types.WriteRequest) (map[string][]types.WriteRequest, error) {
			out, err := w.client.BatchWriteItem(w.t.Context(), &sdk.BatchWriteItemInput{RequestItems: request})
			if err != nil {
				return nil, err
			}
			return out.UnprocessedItems, nil
		}
		fail()
		left, err := write(map[string][]types.WriteRequest{"Hub": {put(first), put(second)}, "Inbox": {drop}})
		if err != nil {
			w.t.Fatal(err)
		}
		w.same("left", left, map[string][]types.WriteRequest{"Hub": {put(second)}, "Inbox": {drop}})
		w.same("written", w.get("Hub", key("a", "1")), first)
		w.same("not written", w.get("Hub", key("a", "2")), item(nil))
		w.same("not deleted", w.get("Inbox", key("gone", "1")), key("gone", "1"))
		if left, err = write(left); err != nil || len(left) > 0 {
			w.t.Fatal(left, err)
		}
		w.same("written afterwards", w.get("Hub", key("a", "2")), second)
		w.same("deleted afterwards", w.get("Inbox", key("gone", "1")), item(nil))
		fail()
		_, err = write(map[string][]types.WriteRequest{"Hub": {put(first)}})
		if c, _ := code(err); c != "ProvisionedThroughputExceededException" {
			w.t.Errorf("nothing of a batch was processed: %v", err)
		}
	})
}
