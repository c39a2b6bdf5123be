package wiring_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/profile"
)

// long is somebody with that many orders, made once: what lies in the table is
// what the protocol would have left there.
var long = func() func(t testing.TB, orders int) *shop {
	var mu sync.Mutex
	made := map[int]*shop{}
	return func(t testing.TB, orders int) *shop {
		mu.Lock()
		defer mu.Unlock()
		s := made[orders]
		if s == nil {
			s = newShop(t, false)
			s.build(orders)
			made[orders] = s
		}
		s.t = t
		return s
	}
}()

// build writes a long history: older orders through the adapter, a hundred to a
// transaction; facts and index items as copies of the first order's under their
// own keys, since nobody opens those of other orders again.
func (s *shop) build(orders int) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.deliver(s.request(0, 0))
	id := s.unify.Rules.Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: "shop", Value: "7914382061618"})
	f, err := s.hub.Fragment(ctx, id)
	must(err)
	var moves []profile.Move
	flush := func() {
		must(s.hub.Commit(ctx, f, moves, nil))
		f.Version++
		moves = nil
	}
	template := s.facts(s.request(0, 0))[1]
	first := template.RecordKey()
	var copies []types.WriteRequest
	write := func() {
		_, err := s.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{awstest.Hub: copies}})
		must(err)
		copies = nil
	}
	put := func(item map[string]types.AttributeValue, sk string, record string) {
		item = maps.Clone(item)
		item["pk"] = &types.AttributeValueMemberS{Value: strings.Replace(item["pk"].(*types.AttributeValueMemberS).Value, first, record, 1)}
		item["sk"] = &types.AttributeValueMemberS{Value: sk}
		if copies = append(copies, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}}); len(copies) == 24 {
			write()
		}
	}
	fact, index := s.first("saigon#r#"+first), s.first("saigon#x#"+string(id))
	for n := 1; n < orders; n++ {
		f2 := template
		f2.Record = fmt.Sprint(5_901_273_000_000 + n)
		f2.Fields = maps.Clone(template.Fields)
		f2.Fields["ordered_at"] = events.Text(fmt.Sprint(opened.Add(time.Duration(n) * time.Minute).UnixMilli()))
		put(fact, "f#"+f2.ID(), f2.RecordKey())
		put(index, fmt.Sprintf("%013d#%s", f2.At, f2.RecordKey()), f2.RecordKey())
		_, o, _ := s.unify.Rules.Contribution([]events.Fact{f2})
		_, m := f.State.Settle(s.unify.Rules.Limits.Recent, o.Record, &o, profile.Older{})
		if moves = append(moves, m...); len(moves) == 99 {
			flush()
		}
	}
	if len(copies) > 0 {
		write()
	}
	flush()
}

// first is the first item of a partition.
func (s *shop) first(pk string) map[string]types.AttributeValue {
	s.t.Helper()
	out, err := s.db.Query(context.Background(), &dynamodb.QueryInput{TableName: aws.String(awstest.Hub), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: pk}}})
	if err != nil || len(out.Items) == 0 {
		s.t.Fatal(err, len(out.Items))
	}
	return out.Items[0]
}

// BenchmarkNewOrder: CPU, calls and units of a new order, from the put into the
// Inbox to the profile, for somebody with a short, a long and a very long history.
func BenchmarkNewOrder(b *testing.B) {
	for _, facts := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint(facts), func(b *testing.B) {
			s := long(b, facts)
			start := int(s.sent) + facts
			w, r := s.units()
			b.ResetTimer()
			for n := range b.N {
				s.deliver(s.request(start+n, 0))
			}
			b.StopTimer()
			writes, reads := s.units()
			b.ReportMetric((writes-w)/float64(b.N), "write-units/op")
			b.ReportMetric((reads-r)/float64(b.N), "read-units/op")
		})
	}
}
