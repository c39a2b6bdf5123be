package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/dynamodb/attr"
)

// plain is an item of the model: strings and integers by name. The model knows nothing of expressions, trees or
// indexes: every change is a Go function beside the expression that says the same.
type plain map[string]any

func (p plain) key() string { return p["pk"].(string) + "/" + p["sk"].(string) }

func (p plain) sdk() item {
	i := item{}
	for name, v := range p {
		switch v := v.(type) {
		case int:
			i[name] = n(strconv.Itoa(v))
		case string:
			i[name] = s(v)
		}
	}
	return i
}

func plainOf(t testing.TB, i item) plain {
	p := plain{}
	for name, v := range i {
		switch v := v.(type) {
		case *types.AttributeValueMemberN:
			number, err := strconv.Atoi(v.Value)
			if err != nil {
				t.Fatal(err)
			}
			p[name] = number
		case *types.AttributeValueMemberS:
			p[name] = v.Value
		}
	}
	return p
}

// plainOfAttr reads an item of a stream record.
func plainOfAttr(t testing.TB, m attr.Map) plain {
	p := plain{}
	for name, v := range m {
		p[name] = v.Text
		if v.Kind == attr.N {
			number, ok := v.Num.Int64()
			if !ok {
				t.Fatalf("%s is no integer", v.Num)
			}
			p[name] = int(number)
		}
	}
	return p
}

// change is what a request does to one item, twice: as an entry of a transaction, and as a function on the model's item
// (nil = none), which returns the item afterwards, or false if the condition fails.
type change struct {
	key   string
	entry types.TransactWriteItem
	apply func(plain) (plain, bool)
}

func randomChange(r *rand.Rand) change {
	table := aws.String("Inbox")
	id := plain{"pk": "p" + strconv.Itoa(r.IntN(3)), "sk": strconv.Itoa(r.IntN(30))}
	value, version := r.IntN(4), r.IntN(3)
	c := change{key: id.key()}
	switch r.IntN(5) {
	case 0: // put if absent
		fresh := maps.Clone(id)
		fresh["v"], fresh["x"] = 0, int(1_800_000_000)+r.IntN(100_000)
		if value > 1 {
			fresh["pw"], fresh["pt"] = "w", value
		}
		c.entry.Put = &types.Put{TableName: table, Item: fresh.sdk(), ConditionExpression: aws.String("attribute_not_exists(pk)")}
		c.apply = func(old plain) (plain, bool) { return fresh, old == nil }
	case 1: // guarded by a version
		c.entry.Update = &types.Update{TableName: table, Key: id.sdk(), UpdateExpression: aws.String("SET n = :n, pw = :w, pt = :n ADD v :one"),
			ConditionExpression:       aws.String("v = :v OR attribute_not_exists(v)"),
			ExpressionAttributeValues: item{":n": n(strconv.Itoa(value)), ":w": s("w"), ":one": n("1"), ":v": n(strconv.Itoa(version))}}
		c.apply = func(old plain) (plain, bool) {
			if old == nil {
				old = id
			}
			v, has := old["v"].(int)
			after := maps.Clone(old)
			after["n"], after["pw"], after["pt"], after["v"] = value, "w", value, v+1
			return after, !has || v == version
		}
	case 2: // leave the index
		c.entry.Update = &types.Update{TableName: table, Key: id.sdk(), UpdateExpression: aws.String("SET n = if_not_exists(n, :zero) + :n REMOVE pw"),
			ExpressionAttributeValues: item{":n": n(strconv.Itoa(value)), ":zero": n("0")}}
		c.apply = func(old plain) (plain, bool) {
			if old == nil {
				old = id
			}
			after := maps.Clone(old)
			count, _ := old["n"].(int)
			after["n"] = count + value
			delete(after, "pw")
			return after, true
		}
	case 3:
		c.entry.Delete = &types.Delete{TableName: table, Key: id.sdk(), ConditionExpression: aws.String("NOT v BETWEEN :one AND :three"),
			ExpressionAttributeValues: item{":one": n("1"), ":three": n("3")}}
		c.apply = func(old plain) (plain, bool) {
			v, has := old["v"].(int)
			return nil, !has || v < 1 || v > 3
		}
	default:
		c.entry.ConditionCheck = &types.ConditionCheck{TableName: table, Key: id.sdk(), ConditionExpression: aws.String("attribute_exists(pk) AND n <> :n"),
			ExpressionAttributeValues: item{":n": n(strconv.Itoa(value))}}
		c.apply = func(old plain) (plain, bool) { return old, old != nil && old["n"] != value }
	}
	return c
}

// TestAgainstModel makes 3,000 random transactions, puts and expiries, and compares table, index and stream with a map.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w, r := newWorld(t), rand.New(rand.NewPCG(seed, 9))
			model := map[string]plain{}
			folded := map[string]plain{}
			var read uint64
			for step := range 750 {
				if r.IntN(20) == 0 {
					w.clock = w.clock.Add(time.Hour)
					expireModel(w, model)
				} else {
					transactModel(w, r, model)
				}
				read = w.fold(folded, read)
				if !reflect.DeepEqual(folded, model) {
					w.same(fmt.Sprint("stream after step ", step), folded, model)
				}
				if step%50 == 0 {
					w.compareReads(r, model)
				}
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
}

func expireModel(w *world, model map[string]plain) {
	w.service.Expire(w.clock)
	for k, p := range model {
		if at, ok := p["x"].(int); ok && int64(at) < w.clock.Unix() {
			delete(model, k)
		}
	}
}

func transactModel(w *world, r *rand.Rand, model map[string]plain) {
	w.t.Helper()
	in := &sdk.TransactWriteItemsInput{}
	after := map[string]plain{}
	var reasons []string
	for range 1 + r.IntN(3) {
		c := randomChange(r)
		if _, twice := after[c.key]; twice {
			continue
		}
		next, ok := c.apply(model[c.key])
		after[c.key] = next
		reason := "None"
		if !ok {
			reason = "ConditionalCheckFailed"
		}
		reasons = append(reasons, reason)
		in.TransactItems = append(in.TransactItems, c.entry)
	}
	_, err := w.client.TransactWriteItems(context.Background(), in)
	if !slices.Contains(reasons, "ConditionalCheckFailed") {
		if err != nil {
			w.t.Fatalf("a transaction without failing conditions: %v", err)
		}
		for k, p := range after {
			model[k] = p
			if p == nil {
				delete(model, k)
			}
		}
		return
	}
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) || !strings.HasSuffix(canceled.ErrorMessage(), "["+strings.Join(reasons, ", ")+"]") {
		w.t.Fatalf("cancelled with %v, want %v", err, reasons)
	}
}

// fold applies the new records of the stream to a map, as a reader of the stream would.
func (w *world) fold(folded map[string]plain, read uint64) uint64 {
	w.t.Helper()
	for _, r := range w.service.Table("Inbox").Records(read, 1000) {
		k := plainOfAttr(w.t, r.Change.Keys).key()
		switch _, had := folded[k]; {
		case r.Sequence != read+1:
			w.t.Fatalf("record %d after %d", r.Sequence, read)
		case had == (r.EventName == "INSERT"):
			w.t.Fatalf("%s of %s, which was there: %v", r.EventName, k, had)
		}
		read = r.Sequence
		folded[k] = plainOfAttr(w.t, r.Change.NewImage)
		if r.EventName == "REMOVE" {
			delete(folded, k)
		}
	}
	return read
}

// compareReads reads the whole table, one partition and the index, in pages of random size.
func (w *world) compareReads(r *rand.Rand, model map[string]plain) {
	w.t.Helper()
	scanned := map[string]plain{}
	scan := &sdk.ScanInput{TableName: aws.String("Inbox"), Limit: aws.Int32(int32(1 + r.IntN(20)))}
	for {
		out, err := w.client.Scan(context.Background(), scan)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, i := range out.Items {
			p := plainOf(w.t, i)
			scanned[p.key()] = p
		}
		if scan.ExclusiveStartKey = out.LastEvaluatedKey; scan.ExclusiveStartKey == nil {
			break
		}
	}
	w.same("scan", scanned, model)

	var inPartition, listed []string
	for k, p := range model {
		if p["pk"] == "p1" && p["sk"].(string) >= "2" {
			inPartition = append(inPartition, k)
		}
		if pt, ok := p["pt"].(int); p["pw"] == "w" && ok && pt >= 2 {
			listed = append(listed, fmt.Sprint(pt, " ", k))
		}
	}
	slices.Sort(inPartition)
	slices.Sort(listed)
	items := w.query(&sdk.QueryInput{TableName: aws.String("Inbox"), KeyConditionExpression: aws.String("pk = :p AND sk >= :two"),
		ExpressionAttributeValues: item{":p": s("p1"), ":two": s("2")}, Limit: aws.Int32(int32(1 + r.IntN(9)))})
	var got []string
	for _, i := range items {
		got = append(got, plainOf(w.t, i).key())
	}
	w.same("partition", got, inPartition)
	items = w.query(&sdk.QueryInput{TableName: aws.String("Inbox"), IndexName: aws.String("parked"), ScanIndexForward: aws.Bool(r.IntN(2) == 0),
		KeyConditionExpression: aws.String("pw = :w AND pt >= :two"), ExpressionAttributeValues: item{":w": s("w"), ":two": n("2")},
		Limit: aws.Int32(int32(1 + r.IntN(9)))})
	got = nil
	for _, i := range items {
		got = append(got, text(i["pt"])+" "+plainOf(w.t, i).key())
	}
	slices.Sort(got)
	w.same("index", got, listed)
}

// query follows LastEvaluatedKey to the end.
func (w *world) query(in *sdk.QueryInput) (items []item) {
	w.t.Helper()
	for {
		out, err := w.client.Query(context.Background(), in)
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, out.Items...)
		if out.LastEvaluatedKey == nil {
			return items
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
