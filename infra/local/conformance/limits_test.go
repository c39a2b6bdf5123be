package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func key(pk, sk string) object { return object{"pk": s(pk), "sk": s(sk)} }

// with is a copy of an item with one attribute more.
func with(item object, name string, v any) object {
	c := maps.Clone(item)
	c[name] = v
	return c
}

// big is an item of more than 390 KB.
func big(pk, sk string) object { return with(key(pk, sk), "b", s(strings.Repeat("x", 390<<10))) }

func putEntry(item object) object {
	return object{"Put": object{"TableName": pairs.table, "Item": item}}
}

func transaction(entries ...any) object { return object{"TransactItems": entries} }

func TestTransactionsOf100Items(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var entries, reads []any
		for i := range 100 {
			entries = append(entries, putEntry(key("hundred", fmt.Sprint(i))))
			reads = append(reads, object{"Get": object{"TableName": pairs.table, "Key": key("hundred", fmt.Sprint(i))}})
		}
		w.must("TransactWriteItems", transaction(entries...))
		for i, r := range w.must("TransactGetItems", transaction(reads...))["Responses"].([]any) {
			w.same("item", r.(object)["Item"], any(key("hundred", fmt.Sprint(i))))
		}
	})
}

func TestTransactionsOf4MB(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var entries []any
		for i := range 11 {
			entries = append(entries, putEntry(big("4 MB", fmt.Sprint(i))))
		}
		r := request{operation: "TransactWriteItems", body: transaction(entries...)}
		w.expect("11 items of 390 KB", r, w.ask(r.operation, r.text()), answer{Code: "ValidationException",
			Message: "Transaction request cannot include items of an aggregate size of more than 4 MB", Body: object{}})
		w.must("TransactWriteItems", transaction(entries[:10]...))
	})
}

// A read that was cut off names what is left, and the rest brings it.
func TestBatchesOf16MB(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var keys []any
		for i := range 50 {
			sk := fmt.Sprintf("%02d", i)
			w.must("PutItem", object{"TableName": pairs.table, "Item": big("16 MB", sk)})
			keys = append(keys, key("16 MB", sk))
		}
		asked := any(object{pairs.table: object{"Keys": keys, "ProjectionExpression": "sk"}})
		var got []any
		rounds := 0
		for asked != nil && len(asked.(object)) > 0 {
			reply := w.must("BatchGetItem", object{"RequestItems": asked})
			got = append(got, reply["Responses"].(object)[pairs.table].([]any)...)
			asked = reply["UnprocessedKeys"]
			rounds++
		}
		sortList(got)
		var want []any
		for i := range 50 {
			want = append(want, object{"sk": s(fmt.Sprintf("%02d", i))})
		}
		w.same("items", got, want)
		w.same("rounds", rounds, 2)
	})
}

func TestPagesOf1MB(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 6 {
			w.must("PutItem", object{"TableName": pairs.table, "Item": with(key("1 MB", fmt.Sprint(i)), "b",
				s(strings.Repeat("x", 300<<10)))})
		}
		in := object{"TableName": pairs.table, "KeyConditionExpression": "pk = :p",
			"ExpressionAttributeValues": object{":p": s("1 MB")},
			"ProjectionExpression":      "sk"}
		var pages []string
		for {
			reply := w.must("Query", in)
			page := ""
			for _, i := range reply["Items"].([]any) {
				page += i.(object)["sk"].(object)["S"].(string)
			}
			pages = append(pages, page)
			if in["ExclusiveStartKey"] = reply["LastEvaluatedKey"]; reply["LastEvaluatedKey"] == nil {
				break
			}
		}
		w.same("pages", pages, []string{"0123", "45"}) // the fourth item crosses the megabyte
	})
}

// TestScan reads a table at once, in pages and in segments; what others have put is filtered away.
func TestScan(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var want []string
		for i := range 40 {
			w.must("PutItem", object{"TableName": plain.table, "Item": object{"id": s(fmt.Sprintf("scan %02d", i)),
				"mine": s("scan")}})
			want = append(want, fmt.Sprintf("scan %02d", i))
		}
		mine := object{"TableName": plain.table, "FilterExpression": "mine = :m",
			"ExpressionAttributeValues": object{":m": s("scan")}}
		w.same("at once", w.scan(mine), want)
		w.same("in pages", w.scan(with(mine, "Limit", 7)), want)
		var parts []string
		for segment := range 3 {
			part := w.scan(with(with(mine, "TotalSegments", 3), "Segment", segment))
			if len(part) == 0 || len(part) == len(want) {
				t.Errorf("segment %d has %d of %d items", segment, len(part), len(want))
			}
			parts = append(parts, part...)
		}
		slices.Sort(parts)
		w.same("in segments", parts, want)
	})
}

// scan follows a Scan to its end and returns the ids, in order.
func (w *world) scan(in object) []string {
	w.Helper()
	in = maps.Clone(in)
	var ids []string
	for {
		reply := w.must("Scan", in)
		for _, i := range reply["Items"].([]any) {
			ids = append(ids, i.(object)["id"].(object)["S"].(string))
		}
		if in["ExclusiveStartKey"] = reply["LastEvaluatedKey"]; reply["LastEvaluatedKey"] == nil {
			slices.Sort(ids)
			return ids
		}
	}
}

// TestTokens: a transaction under a token happens once, whatever the order of its members; another one under the same token
// is refused; a cancelled one has not happened.
func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token := newGenerator(1).run + "token"
		add := func(by string) object {
			return with(transaction(object{"Update": object{"TableName": pairs.table, "Key": key("tokens", "c"),
				"UpdateExpression":          "ADD n :by",
				"ExpressionAttributeValues": object{":by": n(by)}}},
				putEntry(with(key("tokens", "d"), "b", s(strings.Repeat("x", 1500))))), "ClientRequestToken", token)
		}
		counter := func() any {
			return w.must("GetItem", object{"TableName": pairs.table, "Key": key("tokens", "c"),
				"ConsistentRead": true})["Item"].(object)["n"]
		}
		capacity := func(in object) any {
			return w.must("TransactWriteItems", with(in, "ReturnConsumedCapacity", "TOTAL"))["ConsumedCapacity"].([]any)[0]
		}
		if first := capacity(add("1")).(object); first["WriteCapacityUnits"] == nil || first["ReadCapacityUnits"] != nil {
			t.Errorf("the first time costs %v, want writes", first)
		}
		if again := capacity(add("1")).(object); again["ReadCapacityUnits"] == nil || again["WriteCapacityUnits"] != nil {
			t.Errorf("the second time costs %v, want reads", again)
		}
		w.same("counter", counter(), any(n("1")))
		r := request{operation: "TransactWriteItems", body: add("2")}
		w.expect("another under the token", r, w.ask(r.operation, r.text()),
			answer{Code: "IdempotentParameterMismatchException",
				Message: "The request uses the same client token as a previous, but non-identical request.", Body: object{}})
		failing := with(transaction(object{"ConditionCheck": object{"TableName": pairs.table, "Key": key("tokens", "c"),
			"ConditionExpression": "attribute_not_exists(pk)"}}), "ClientRequestToken", token+" 2")
		for range 2 {
			if a := w.ask("TransactWriteItems", (request{body: failing}).text()); a.Code != "TransactionCanceledException" {
				t.Errorf("cancelled with %v", a)
			}
		}
	})
}

// TestRefusedLoudly is about what AWS has and the local cloud does not: it says so, and by name.
func TestRefusedLoudly(t *testing.T) {
	if referee != nil {
		t.Skip("this is about the local cloud alone")
	}
	w := inProcess(t)
	for _, operation := range []string{"BatchExecuteStatement", "CreateTable", "DeleteTable", "DescribeTable",
		"DescribeTimeToLive",
		"ExecuteStatement", "ExecuteTransaction", "ListTables", "UpdateTable", "UpdateTimeToLive", "Nonsense"} {
		w.same(operation, w.ask(operation, []byte("{}")), answer{Code: "UnknownOperationException",
			Message: "the local cloud does not implement dynamodb:" + operation, Body: object{}})
	}
	for parameter, operation := range map[string]string{"Expected": "PutItem", "ConditionalOperator": "PutItem",
		"AttributeUpdates": "UpdateItem",
		"AttributesToGet":  "GetItem", "KeyConditions": "Query", "QueryFilter": "Query", "ScanFilter": "Scan"} {
		w.same(parameter, w.ask(operation, []byte(`{"TableName":"conformance-pairs","`+parameter+`":{}}`)), answer{
			Code: "ValidationException", Message: `the local cloud does not implement the parameter "` + parameter +
				`"`, Body: object{}})
	}
	for body, operation := range map[string]string{`garbage`: "PutItem",
		`{"TableName":"conformance-pairs","Item":{"pk":"x"}}`: "PutItem",
		`{"TableName":7}`: "GetItem", `{"TableName":"conformance-pairs","Item":{"pk":{"Q":"x"}}}`: "PutItem"} {
		if a := w.ask(operation, []byte(body)); a.Code != "SerializationException" {
			t.Errorf("%s %s: %v", operation, body, a)
		}
	}
}
