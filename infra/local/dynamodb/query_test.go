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

// text is a string or number attribute.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}

// column reads one attribute of every item.
func column(items []item, name string) []string {
	var values []string
	for _, i := range items {
		values = append(values, text(i[name]))
	}
	return values
}

func TestQueryByStrings(t *testing.T) {
	w := newWorld(t)
	for _, sk := range []string{"a", "a\x00", "a\x00b", "ab", "b", "ba", "c", "é"} {
		w.put("Hub", key("p", sk))
	}
	w.put("Hub", key("q", "ab"))
	w.put("Hub", key("p\x00", "ab"))
	all := "a|a\x00|a\x00b|ab|b|ba|c|é"
	for _, c := range []struct {
		on, x, y, want string
	}{
		{on: "", want: all},
		{on: " AND sk = :x", x: "ab", want: "ab"},
		{on: " AND sk = :x", x: "abc", want: ""},
		{on: " AND sk < :x", x: "b", want: "a|a\x00|a\x00b|ab"},
		{on: " AND sk <= :x", x: "b", want: "a|a\x00|a\x00b|ab|b"},
		{on: " AND sk > :x", x: "a\x00", want: "a\x00b|ab|b|ba|c|é"},
		{on: " AND sk >= :x", x: "a\x00", want: "a\x00|a\x00b|ab|b|ba|c|é"},
		{on: " AND :x < sk", x: "ba", want: "c|é"},
		{on: " AND sk BETWEEN :x AND :y", x: "a\x00b", y: "b", want: "a\x00b|ab|b"},
		{on: " AND begins_with(sk, :x)", x: "a", want: "a|a\x00|a\x00b|ab"},
		{on: " AND begins_with(sk, :x)", x: "a\x00", want: "a\x00|a\x00b"},
		{on: " AND begins_with(sk, :x)", x: "\u00e9", want: "é"},
	} {
		for _, forward := range []bool{true, false} {
			in := &sdk.QueryInput{TableName: hub, KeyConditionExpression: aws.String("pk = :p" + c.on), ScanIndexForward: &forward,
				ExpressionAttributeValues: item{":p": s("p")}, ConsistentRead: aws.Bool(true)}
			if c.x != "" {
				in.ExpressionAttributeValues[":x"] = s(c.x)
			}
			if c.y != "" {
				in.ExpressionAttributeValues[":y"] = s(c.y)
			}
			out, err := w.client.Query(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			got := column(out.Items, "sk")
			if !forward {
				slices.Reverse(got)
			}
			w.same(fmt.Sprintf("%s %q %q forward %v", c.on, c.x, c.y, forward), strings.Join(got, "|"), c.want)
		}
	}
}

func TestQueryByNumbers(t *testing.T) {
	w := newWorld(t)
	p := &types.AttributeValueMemberB{Value: []byte{0}}
	numbers := []string{"-1000000", "-10", "-9.5", "-0.001", "0", "0.0009", "1", "1.5", "9", "10", "100"}
	for i := range numbers {
		w.put("Numbered", item{"p": p, "n": n(numbers[(i*7)%len(numbers)])})
	}
	for on, want := range map[string][]string{
		"":                         numbers,
		" AND n >= :x":             numbers[2:],
		" AND n < :x":              numbers[:2],
		" AND n BETWEEN :x AND :y": numbers[2:8],
	} {
		in := &sdk.QueryInput{TableName: aws.String("Numbered"), KeyConditionExpression: aws.String("p = :p" + on),
			ExpressionAttributeValues: item{":p": p}}
		if strings.Contains(on, ":x") {
			in.ExpressionAttributeValues[":x"] = n("-9.50")
		}
		if strings.Contains(on, ":y") {
			in.ExpressionAttributeValues[":y"] = n("15e-1")
		}
		out, err := w.client.Query(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		w.same(on, column(out.Items, "n"), want)
	}
}

// pages follows LastEvaluatedKey to the end and returns the sizes of the pages.
func pages(w *world, in *sdk.QueryInput) (items []item, sizes []int) {
	w.t.Helper()
	for {
		out, err := w.client.Query(context.Background(), in)
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, out.Items...)
		sizes = append(sizes, int(out.ScannedCount))
		if out.LastEvaluatedKey == nil {
			return items, sizes
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func TestPagesByLimit(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.put("Hub", with(key("p", fmt.Sprint(i)), "odd", n(fmt.Sprint(i%2))))
	}
	for _, forward := range []bool{true, false} {
		in := &sdk.QueryInput{TableName: hub, KeyConditionExpression: aws.String("pk = :p AND sk > :zero"), Limit: aws.Int32(3),
			FilterExpression: aws.String("odd = :one"), ScanIndexForward: &forward,
			ExpressionAttributeValues: item{":p": s("p"), ":zero": s("0"), ":one": n("1")}}
		items, sizes := pages(w, in)
		got := column(items, "sk")
		if !forward {
			slices.Reverse(got)
		}
		w.same("items", got, []string{"1", "3", "5"})
		w.same("pages", sizes, []int{3, 3, 0}) // the limit counts what is read, not what the filter lets through
	}
}

func TestPagesBySize(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.put("Hub", with(key("p", fmt.Sprint(i)), "b", s(strings.Repeat("x", 300<<10))))
	}
	in := &sdk.QueryInput{TableName: hub, KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: item{":p": s("p")}}
	items, sizes := pages(w, in)
	w.same("items", column(items, "sk"), []string{"0", "1", "2", "3", "4", "5"})
	w.same("pages", sizes, []int{4, 2}) // the fourth item crosses 1 MB
}

func TestCountReturnsNoItems(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.put("Hub", key("p", fmt.Sprint(i)))
	}
	out, err := w.client.Query(context.Background(), &sdk.QueryInput{TableName: hub, KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: item{":p": s("p")}, Select: types.SelectCount})
	if err != nil || out.Items != nil || out.Count != 3 || out.ScannedCount != 3 {
		t.Errorf("count %d of %d, items %v, %v", out.Count, out.ScannedCount, out.Items, err)
	}
}

func TestSparseIndex(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	parked := func(start item, limit int32) *sdk.QueryOutput {
		t.Helper()
		out, err := w.client.Query(ctx, &sdk.QueryInput{TableName: aws.String("Inbox"), IndexName: aws.String("parked"), Limit: &limit,
			KeyConditionExpression: aws.String("pw = :w"), ExpressionAttributeValues: item{":w": s("w")}, ExclusiveStartKey: start})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	w.put("Inbox", with(key("a", "2"), "pw", s("w"), "pt", n("5"), "why", s("bad"), "body", s("long")))
	w.put("Inbox", with(key("a", "1"), "pw", s("w"), "pt", n("5")))
	w.put("Inbox", with(key("b", "1"), "pw", s("w"), "pt", n("-5")))
	w.put("Inbox", with(key("b", "2"), "pw", s("w")))               // not listed: no pt
	w.put("Inbox", with(key("b", "3"), "pw", s("v"), "pt", n("1"))) // another partition
	out := parked(nil, 10)
	var keys []string
	for _, i := range out.Items {
		keys = append(keys, text(i["pk"])+text(i["sk"]))
	}
	w.same("least pt first", keys[0], "b1")
	w.same("listed", slices.Sorted(slices.Values(keys)), []string{"a1", "a2", "b1"})
	for _, i := range out.Items {
		if text(i["sk"]) == "2" {
			w.same("projected", i, with(key("a", "2"), "pw", s("w"), "pt", n("5"), "why", s("bad")))
		}
	}
	first := parked(nil, 1)
	w.same("key of a page", first.LastEvaluatedKey, with(key("b", "1"), "pw", s("w"), "pt", n("-5")))
	second := parked(first.LastEvaluatedKey, 1)
	third := parked(second.LastEvaluatedKey, 1)
	last := parked(third.LastEvaluatedKey, 1)
	if second.Count+third.Count != 2 || last.Count != 0 || last.LastEvaluatedKey != nil {
		t.Errorf("pages of %d, %d, %d items", second.Count, third.Count, last.Count)
	}
	_, err := w.client.UpdateItem(ctx, &sdk.UpdateItemInput{TableName: aws.String("Inbox"), Key: key("a", "2"), UpdateExpression: aws.String("REMOVE pw")})
	if err != nil {
		t.Fatal(err)
	}
	if out := parked(nil, 10); out.Count != 2 {
		t.Errorf("%d parked after one was replayed", out.Count)
	}
}

func TestProjectionsOfIndexes(t *testing.T) {
	w := newWorld(t)
	whole := item{"p": &types.AttributeValueMemberB{Value: []byte{1}}, "n": n("1"), "g": s("g"),
		"h": &types.AttributeValueMemberB{Value: []byte{2}}, "more": s("x")}
	w.put("Numbered", whole)
	keys := item{"p": whole["p"], "n": whole["n"], "g": whole["g"], "h": whole["h"]}
	for index, want := range map[string]item{"all": whole, "keys": keys} {
		out, err := w.client.Query(context.Background(), &sdk.QueryInput{TableName: aws.String("Numbered"), IndexName: &index,
			KeyConditionExpression: aws.String("g = :g"), ExpressionAttributeValues: item{":g": s("g")}})
		if err != nil {
			t.Fatal(err)
		}
		w.same(index, out.Items, []item{want})
	}
}

func TestScan(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	want := map[string]bool{}
	for i := range 100 {
		w.put("Hub", with(key(fmt.Sprint("p", i), "1"), "v", n(fmt.Sprint(i))))
		want[fmt.Sprint("p", i)] = true
	}
	segments := int32(3)
	got := map[string]bool{}
	for segment := range segments {
		in := &sdk.ScanInput{TableName: hub, Limit: aws.Int32(7), Segment: &segment, TotalSegments: &segments}
		count := 0
		for {
			out, err := w.client.Scan(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range out.Items {
				got[text(i["pk"])] = true
			}
			if count += int(out.Count); out.LastEvaluatedKey == nil {
				break
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
		if count < 15 || count > 60 {
			t.Errorf("segment %d of 3 has %d of 100 items", segment, count)
		}
	}
	w.same("scanned", got, want)
	out, err := w.client.Scan(ctx, &sdk.ScanInput{TableName: hub, FilterExpression: aws.String("v < :ten AND begins_with(pk, :p)"),
		ExpressionAttributeValues: item{":ten": n("10"), ":p": s("p")}, ProjectionExpression: aws.String("v")})
	if err != nil || out.Count != 10 || out.ScannedCount != 100 {
		t.Errorf("filtered %d of %d, %v", out.Count, out.ScannedCount, err)
	}
	w.same("projected", len(out.Items[0]), 1)
}

func TestListingRefusals(t *testing.T) {
	w := newWorld(t)
	const x = `"ExpressionAttributeValues":{":x":{"S":"1"}}`
	const invalidPrefix = "One or more parameter values were invalid: "
	for _, c := range []struct{ operation, body, want string }{
		{"Query", ``, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
		{"Query", `"KeyConditionExpression":""`, "Invalid KeyConditionExpression: The expression can not be empty;"},
		{"Query", `"KeyConditionExpression":"sk = :x",` + x, "Query condition missed key schema element: pk"},
		{"Query", `"KeyConditionExpression":"pk = :x AND foo = :x",` + x, "Query condition missed key schema element: sk"},
		{"Query", `"KeyConditionExpression":"pk > :x",` + x, "Query key condition not supported"},
		{"Query", `"KeyConditionExpression":"begins_with(pk, :x)",` + x, "Query key condition not supported"},
		{"Query", `"KeyConditionExpression":"pk = :x AND pk = :x",` + x, "KeyConditionExpressions must only contain one condition per key"},
		{"Query", `"KeyConditionExpression":"pk = :x AND sk > :x AND n = :x",` + x, "Conditions can be of length 1 or 2 only"},
		{"Query", `"KeyConditionExpression":"pk = :x","ExpressionAttributeValues":{":x":{"N":"1"}}`, invalidPrefix + "Condition parameter type does not match schema type"},
		{"Query", `"KeyConditionExpression":"pk = :x","ExpressionAttributeValues":{":x":{"S":""}}`, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"Query", `"KeyConditionExpression":"pk = :x","FilterExpression":"zz = :x AND sk = :x",` + x, "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"},
		{"Query", `"KeyConditionExpression":"pk = :x","IndexName":"nope",` + x, "The table does not have the specified index: nope"},
		{"Query", `"KeyConditionExpression":"pw = :x","IndexName":"parked","ConsistentRead":true,` + x, "Consistent reads are not supported on global secondary indexes"},
		{"Query", `"KeyConditionExpression":"pw = :x","IndexName":"parked","Select":"ALL_ATTRIBUTES",` + x, invalidPrefix + "Select type ALL_ATTRIBUTES is not supported for global secondary index parked because its projection type is not ALL"},
		{"Query", `"KeyConditionExpression":"pw = :x","IndexName":"parked","ProjectionExpression":"zz",` + x, invalidPrefix + "Global secondary index parked does not project [zz]"},
		{"Query", `"KeyConditionExpression":"pw = :x","IndexName":"parked","FilterExpression":"zz = :x OR aa = :x",` + x, invalidPrefix + "Secondary index parked does not project one or more filter attributes: [aa, zz]"},
		{"Query", `"KeyConditionExpression":"pk = :x","Select":"ALL_PROJECTED_ATTRIBUTES",` + x, "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
		{"Query", `"KeyConditionExpression":"pk = :x","Select":"SPECIFIC_ATTRIBUTES",` + x, "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{"Query", `"KeyConditionExpression":"pk = :x","Select":"COUNT","ProjectionExpression":"a",` + x, "Cannot specify the ProjectionExpression when choosing to get only the Count"},
		{"Query", `"KeyConditionExpression":"pk = :x","Limit":0,` + x, "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"Query", `"KeyConditionExpression":"pk = :x","ExclusiveStartKey":{"pk":{"S":"1"}},` + x, "The provided starting key is invalid: The provided key element does not match the schema"},
		{"Query", `"KeyConditionExpression":"pk = :x","ExclusiveStartKey":{"pk":{"S":"2"},"sk":{"S":"2"}},` + x, "The provided starting key is outside query boundaries based on provided conditions"},
		{"Query", `"KeyConditionExpression":"pk = :x AND sk > :x","ExclusiveStartKey":{"pk":{"S":"1"},"sk":{"S":"0"}},` + x, "The provided starting key does not match the range key predicate"},
		{"Query", `"KeyConditionExpression":"pw = :x","IndexName":"parked","ExclusiveStartKey":{"pk":{"S":"1"},"sk":{"S":"0"}},` + x, "The provided starting key is invalid"},
		{"Query", `"KeyConditionExpression":"pk = :x","KeyConditions":{},` + x, `the local cloud does not implement the parameter "KeyConditions"`},
		{"Scan", `"TotalSegments":2`, "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
		{"Scan", `"Segment":2`, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
		{"Scan", `"TotalSegments":2,"Segment":2`, "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than TotalSegments: 2"},
		{"Scan", `"FilterExpression":"a = :y",` + x, "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :y"},
		{"Scan", x, "ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null"},
	} {
		body := `{"TableName":"Inbox"}`
		if c.body != "" {
			body = `{"TableName":"Inbox",` + c.body + `}`
		}
		_, err := w.raw(c.operation, body)
		if want := "ValidationException: " + c.want; err == nil || err.Error() != want {
			t.Errorf("%s %s\n got  %v\n want %s", c.operation, c.body, err, want)
		}
	}
}
