package wiring_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	connector "loophub/connectors"
	"loophub/connectors/shopify"
	"loophub/events"
	"loophub/functions/unify"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

// shop plays the orders of one known customer of a Shopify shop: put into the
// Inbox, decoded, and taken in, all on the local DynamoDB, which counts.
type shop struct {
	t      testing.TB
	cloud  *awstest.Cloud
	db     *dynamodb.Client
	inbox  *inbox.Inbox
	hub    hub.Workspace
	unify  unify.Unifier
	source connector.Source
	body   string
	sent   int
}

// newShop's orders are those of a fixture, 7.5 KB with two articles and three
// addresses; short ones are what a subscription to a few fields brings.
func newShop(t testing.TB, short bool) *shop {
	t.Helper()
	cloud := awstest.New(t)
	db := dynamodb.NewFromConfig(cloud.Config())
	s := &shop{t: t, cloud: cloud, db: db, inbox: inbox.New(db, awstest.Inbox, nil), hub: hub.New(db, awstest.Hub).In("saigon")}
	s.unify = unify.Unifier{Hub: s.hub, Rules: profile.NewRules([]byte("a key for tests"), nil, nil), Pause: func(context.Context, int) error { return nil }}
	var err error
	if s.source, err = shopify.New().Source(connector.Settings{Values: map[string]string{"shop": "lua-hoi-an.myshopify.com"}, Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("../../../connectors/shopify/testdata/orders_create/body.json")
	if err != nil {
		t.Fatal(err)
	}
	if short {
		b = shortened(t, b)
	}
	s.body = string(b)
	return s
}

// shortened keeps what a subscription asks for that names the fields it wants.
func shortened(t testing.TB, body []byte) []byte {
	t.Helper()
	var order map[string]json.RawMessage
	if err := json.Unmarshal(body, &order); err != nil {
		t.Fatal(err)
	}
	asked := []string{"id", "created_at", "updated_at", "processed_at", "cancelled_at", "currency", "total_price", "customer", "email", "phone", "name",
		"note_attributes", "financial_status", "fulfillment_status", "test", "source_name", "user_id"}
	maps.DeleteFunc(order, func(name string, _ json.RawMessage) bool { return !slices.Contains(asked, name) })
	b, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var opened = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// request is the delivery of order n, placed n minutes after the shop opened, in
// its amendment-th form.
func (s *shop) request(n, amendment int) connector.Request {
	placed := opened.Add(time.Duration(n) * time.Minute)
	body := strings.NewReplacer(
		"5901273846578", fmt.Sprint(5_901_273_000_000+n),
		`"processed_at":"2026-11-21T15:20:29+07:00"`, `"processed_at":"`+placed.Format(time.RFC3339)+`"`,
		`"created_at":"2026-11-21T15:20:30+07:00"`, `"created_at":"`+placed.Format(time.RFC3339)+`"`,
		`"updated_at":"2026-11-21T15:20:31+07:00","user_id"`, `"updated_at":"`+placed.Add(time.Duration(amendment)*time.Second).Format(time.RFC3339)+`","user_id"`,
		`"total_price":"1640000"`, fmt.Sprintf(`"total_price":"%d"`, 1_640_000+amendment),
		`"name":"#1042"`, fmt.Sprintf(`"name":"#%d"`, 1_000+n),
	).Replace(s.body)
	s.sent++
	return connector.Request{Method: "POST", Body: []byte(body), ReceivedAt: s.cloud.Now(), Header: http.Header{
		"X-Shopify-Topic": {"orders/updated"}, "X-Shopify-Webhook-Id": {fmt.Sprintf("29130cf1-f0dd-d7b5-611a-%012d", s.sent)}}}
}

// deliver takes a request all the way.
func (s *shop) deliver(r connector.Request) {
	s.t.Helper()
	ctx := context.Background()
	k := delivery.Key{Workspace: "saigon", Connection: "shop"}
	k.Object, k.Delivery = s.source.Key(r)
	if _, outcome, err := s.inbox.Put(ctx, delivery.Seal(delivery.Delivery{Key: k, Request: r, Trace: "1-67891233-abcdef012345678912345678"})); err != nil || outcome != delivery.Stored {
		s.t.Fatal(outcome, err)
	}
	for n, err := range s.unify.Process(ctx, s.facts(r)) {
		s.t.Fatal(n, err)
	}
}

func (s *shop) facts(r connector.Request) []events.Fact {
	s.t.Helper()
	facts, faults := s.source.Decode(r)
	if len(faults) > 0 || len(facts) != 2 {
		s.t.Fatal(len(facts), faults)
	}
	for n := range facts {
		facts[n].Workspace, facts[n].Connection, facts[n].Rank, facts[n].Received = "saigon", "shop", 1, r.ReceivedAt.UnixMilli()
		if err := facts[n].Validate(); err != nil {
			s.t.Fatal(err)
		}
	}
	return facts
}

// units is what was consumed so far, of both tables.
func (s *shop) units() (writes, reads float64) {
	for _, name := range []string{awstest.Inbox, awstest.Hub} {
		u := s.cloud.Table(name).Units()
		writes, reads = writes+u.Writes, reads+u.Reads
	}
	return writes, reads
}

// cost is what one more delivery consumes.
func (s *shop) cost(n, amendment int) (writes, reads float64) {
	s.t.Helper()
	w, r := s.units()
	s.deliver(s.request(n, amendment))
	writes, reads = s.units()
	return writes - w, reads - r
}

// grow gives the customer n orders.
func (s *shop) grow(n int) {
	s.t.Helper()
	for i := range n {
		s.deliver(s.request(i, 0))
	}
}

// TestWriteUnits: where each item fits a kilobyte, a new order of a known
// customer costs 4 write units in all, an amendment 3, and from the thirteenth
// order on 7. What it costs and reads stays what it is, however long the history.
func TestWriteUnits(t *testing.T) {
	s := newShop(t, true)
	s.grow(1)
	for n := 1; n < 12; n++ {
		if got, _ := s.cost(n, 0); got != 4 {
			t.Errorf("order %d of a known customer costs %v write units, want 4", n+1, got)
		}
		if got, _ := s.cost(n, 1); got != 3 {
			t.Errorf("an amendment of order %d costs %v write units, want 3", n+1, got)
		}
	}
	var before [3]float64
	at := 12
	for _, orders := range []int{24, 1_000} {
		for ; at < orders; at++ {
			s.deliver(s.request(at, 0))
		}
		var reads [3]float64
		for n, f := range []struct {
			what             string
			order, amendment int
			want             float64
		}{{"a new order", at, 0, 7}, {"an amendment of a recent order", at, 1, 3}, {"an amendment of an old order", old(at), 2, 6}} {
			writes, r := s.cost(f.order, f.amendment)
			if writes != f.want {
				t.Errorf("%s of somebody with %d orders costs %v write units, want %v", f.what, at, writes, f.want)
			}
			reads[n] = r
		}
		at++
		if before != [3]float64{} && reads != before {
			t.Errorf("reads grow with the history: %v, then %v", before, reads)
		}
		before = reads
		t.Logf("%d orders: read units of a new order %v, of an amendment %v, of an old one %v", at, reads[0], reads[1], reads[2])
	}
	for kind, n := range s.sizes() {
		if n > 1<<10 {
			t.Errorf("an item of kind %q takes %d bytes, more than one write unit pays for", kind, n)
		}
	}
}

// old is an order that is among the older ones of somebody with that many.
func old(orders int) int { return orders - 20 }

// TestWriteUnitsOfWholeOrders: of a whole order the delivery is what is large; all
// that is kept for good fits.
func TestWriteUnitsOfWholeOrders(t *testing.T) {
	s := newShop(t, false)
	s.grow(15)
	hub := func(n, amendment int) float64 {
		before := s.cloud.Table(awstest.Hub).Units().Writes
		s.deliver(s.request(n, amendment))
		return s.cloud.Table(awstest.Hub).Units().Writes - before
	}
	for what, units := range map[string][2]float64{"a new order": {hub(15, 0), 6}, "an amendment": {hub(15, 1), 2}} {
		if units[0] != units[1] {
			t.Errorf("%s costs %v write units of the Hub, want %v", what, units[0], units[1])
		}
	}
	for kind, n := range s.sizes() {
		if kind != awstest.Inbox && n > 1<<10 {
			t.Errorf("an item of kind %q takes %d bytes, more than one write unit pays for", kind, n)
		}
		if kind == awstest.Inbox && n > 2<<10 {
			t.Errorf("a delivery of %d bytes takes %d in the Inbox", len(s.body), n)
		}
	}
}

// sizes are the largest items of each kind.
func (s *shop) sizes() map[string]int {
	s.t.Helper()
	largest := map[string]int{}
	for _, table := range []string{awstest.Inbox, awstest.Hub} {
		pages := dynamodb.NewScanPaginator(s.db, &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			for _, item := range page.Items {
				kind := table
				if table == awstest.Hub {
					pk, sk := item["pk"].(*types.AttributeValueMemberS).Value, item["sk"].(*types.AttributeValueMemberS).Value
					kind = strings.SplitN(pk, "#", 3)[1] + " " + sk[:2]
					if strings.Contains(pk, "|") {
						kind = strings.Split(pk, "|")[1] + " fact"
					} else if sk[0] != 'o' && sk[0] != 'S' {
						kind = "index"
					}
				}
				largest[kind] = max(largest[kind], size(item))
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(largest)) {
		s.t.Logf("largest item %-14s %4d bytes", kind, largest[kind])
	}
	return largest
}

// size of an item as the table counts it: names and values; a number takes a
// byte for two digits and one more.
func size(item map[string]types.AttributeValue) int {
	n := 0
	for name, v := range item {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += (len(v.Value)+1)/2 + 1
		}
	}
	return n
}
