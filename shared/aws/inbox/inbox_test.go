package inbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	connector "loophub/connectors"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/overflow"
	"loophub/shared/delivery"
	"loophub/shared/fault"
)

type world struct {
	*awstest.Cloud
	t     testing.TB
	db    *dynamodb.Client
	inbox *inbox.Inbox
}

func newWorld(t testing.TB) world {
	c := awstest.New(t)
	db := dynamodb.NewFromConfig(c.Config())
	return world{c, t, db, inbox.New(db, awstest.Inbox, overflow.New(c.Config(), awstest.Bucket))}
}

func (w world) delivery(object, id, body string) delivery.Delivery {
	return delivery.Delivery{
		Key: delivery.Key{Workspace: "saigon", Connection: "shop", Object: object, Delivery: id},
		Request: connector.Request{Method: "POST", Header: http.Header{"X-Topic": {"orders/create"}},
			Body: []byte(body), ReceivedAt: w.Now()},
		Trace: "1-67891233-abcdef012345678912345678",
	}
}

func (w world) put(d delivery.Delivery) (delivery.Key, delivery.Outcome) {
	w.t.Helper()
	k, o, err := w.inbox.Put(w.t.Context(), delivery.Seal(d))
	if err != nil {
		w.t.Fatal(err)
	}
	return k, o
}

func (w world) get(k delivery.Key) delivery.Delivery {
	w.t.Helper()
	d, err := w.inbox.Get(w.t.Context(), k, w.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w world) item(k delivery.Key) map[string]types.AttributeValue {
	w.t.Helper()
	out, err := w.db.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: aws.String(awstest.Inbox),
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: k.Workspace + "#" + k.Connection + "#" + k.Object},
			"sk": &types.AttributeValueMemberS{Value: k.Delivery}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Item
}

var same = cmpopts.EquateEmpty()

func TestPut(t *testing.T) {
	w := newWorld(t)
	first := w.delivery("order-1", "d1", `{"id":1}`)
	if k, o := w.put(first); o != delivery.Stored || k != first.Key {
		t.Fatal(k, o)
	}
	if k, o := w.put(first); o != delivery.Duplicate || k != first.Key {
		t.Fatal(k, o)
	}
	if n := w.Calls("dynamodb.GetItem"); n != 0 {
		t.Errorf("%d extra reads", n)
	}
	clash := w.delivery("order-1", "d1", `{"id":2}`)
	k, o := w.put(clash)
	if o != delivery.Clash || !strings.HasPrefix(k.Delivery, "d1~") {
		t.Fatal(k, o)
	}
	if again, o := w.put(clash); o != delivery.Duplicate || again != k {
		t.Fatal(again, o)
	}
	clash.Key = k
	for _, want := range []delivery.Delivery{first, clash} {
		if diff := cmp.Diff(want, w.get(want.Key), same); diff != "" {
			t.Error(diff)
		}
	}
	if f, ok := w.item(k)["f"].(*types.AttributeValueMemberS); !ok || f.Value != "clash" {
		t.Error("the clash is not flagged")
	}
	if w.item(first.Key)["f"] != nil {
		t.Error("the first is flagged")
	}
}

func TestExpiredIsAbsent(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order-1", "d1", "a")
	w.put(d)
	w.Advance(delivery.Retention)
	w.get(d.Key) // to the second
	w.Advance(time.Second)
	if _, err := w.inbox.Get(t.Context(), d.Key, w.Now()); !errors.Is(err, delivery.ErrAbsent) {
		t.Error(err)
	}
	if err := w.inbox.Replay(t.Context(), d.Key, w.Now()); !errors.Is(err, delivery.ErrAbsent) {
		t.Error(err)
	}
	if err := w.inbox.Park(t.Context(), d.Key, nil, false, w.Now()); !errors.Is(err, delivery.ErrAbsent) {
		t.Error(err)
	}
	again := w.delivery("order-1", "d1", "b")
	if k, o := w.put(again); o != delivery.Stored || k != d.Key {
		t.Error(k, o)
	}
	if got := w.get(d.Key); string(got.Request.Body) != "b" {
		t.Errorf("%s", got.Request.Body)
	}
}

func TestOverflow(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order-1", "d1", noise(delivery.Inline))
	for _, want := range []delivery.Outcome{delivery.Stored, delivery.Duplicate} {
		if _, o := w.put(d); o != want {
			t.Error(o)
		}
	}
	if n := len(w.Objects()); n != 1 || w.item(d.Key)["d"] != nil {
		t.Errorf("%d objects", n)
	}
	if diff := cmp.Diff(d, w.get(d.Key), same); diff != "" {
		t.Error("the delivery is not the one that was stored")
	}
	for key := range w.Objects() {
		if _, err := s3.NewFromConfig(w.Config()).DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(awstest.Bucket), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := w.inbox.Get(t.Context(), d.Key, w.Now()); fault.ClassOf(err) != fault.Permanent || got.Key != d.Key {
		t.Error(got.Key, err)
	}
	w.Fault = failing("s3.PutObject", &awstest.Fault{Status: 503, Code: "SlowDown"})
	d.Key.Delivery = "d2"
	if _, _, err := w.inbox.Put(t.Context(), delivery.Seal(d)); err == nil {
		t.Error("stored without its body")
	}
	if w.item(d.Key) != nil {
		t.Error("an item without its body")
	}
}

// noise is a body that does not compress, larger than n once packed.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n+n/4)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func failing(call string, f *awstest.Fault) func(string) *awstest.Fault {
	return func(name string) *awstest.Fault {
		if name == call {
			return f
		}
		return nil
	}
}

// TestParkedForATime: what anybody can send is listed while it lasts.
func TestParkedForATime(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("form-1", "d1", "a")
	w.put(d)
	for range 2 {
		if err := w.inbox.Park(t.Context(), d.Key, []delivery.Fault{{Class: connector.Undecodable, Reason: "no form"}}, true, w.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{1, 0} {
		list, _, err := w.inbox.ListParked(t.Context(), w.listing("shop", ""))
		if err != nil || len(list) != want || w.item(d.Key)["q"] != nil {
			t.Error(list, err)
		}
		w.Advance(delivery.Retention + time.Hour)
	}
}

func TestParkAndReplay(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order-1", "d1", "a")
	w.put(d)
	faults := []delivery.Fault{{Class: connector.UnknownTopic, Reason: "topic x is not read"}}
	parkedAt := w.Now()
	for range 2 {
		if err := w.inbox.Park(t.Context(), d.Key, faults, false, w.Now()); err != nil {
			t.Fatal(err)
		}
		w.Advance(2 * delivery.Retention)
	}
	i := w.item(d.Key)
	if i["q"] != nil || i["x"] != nil || i["d"] == nil {
		t.Error("a parked delivery is not to be processed, does not expire and keeps its body")
	}
	list, cursor, err := w.inbox.ListParked(t.Context(), w.listing("shop", ""))
	if err != nil || cursor != "" {
		t.Fatal(cursor, err)
	}
	want := []delivery.Summary{{Key: d.Key, Status: delivery.Parked, ReceivedAt: d.Request.ReceivedAt, ParkedAt: parkedAt, Faults: faults}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if err := w.inbox.Replay(t.Context(), d.Key, w.Now()); err != nil {
			t.Fatal(err)
		}
	}
	i = w.item(d.Key)
	if i["q"] == nil || i["x"] == nil || i["why"] != nil || i["pw"] != nil || i["pt"] != nil {
		t.Errorf("not restored: %v", i)
	}
	if list, _, _ = w.inbox.ListParked(t.Context(), w.listing("shop", "")); len(list) != 0 {
		t.Error("still listed")
	}
	d.Lane = delivery.Replay
	if diff := cmp.Diff(d, w.get(d.Key), same); diff != "" {
		t.Error(diff)
	}
	d.Key.Delivery = "other"
	if err := w.inbox.Replay(t.Context(), d.Key, w.Now()); !errors.Is(err, delivery.ErrAbsent) {
		t.Error(err)
	}
	if err := w.inbox.Park(t.Context(), d.Key, nil, false, w.Now()); !errors.Is(err, delivery.ErrAbsent) || w.item(d.Key) != nil {
		t.Error("parking made an item of nothing")
	}
}

// TestUnpark: what waited while its connection was paused goes on as it came, and so
// may begin journeys; what waited for more than a day is no news, nor is a backfill.
func TestUnpark(t *testing.T) {
	for _, tt := range []struct {
		came, want delivery.Lane
		paused     time.Duration
	}{
		{delivery.Live, delivery.Live, 24 * time.Hour},
		{delivery.Live, delivery.Replay, 24*time.Hour + time.Millisecond},
		{delivery.Backfill, delivery.Backfill, time.Hour},
	} {
		w := newWorld(t)
		d := w.delivery("order-1", "d1", "a")
		d.Request.ReceivedAt, d.Lane = w.Now(), tt.came
		w.put(d)
		if err := w.inbox.Park(t.Context(), d.Key, []delivery.Fault{{Class: connector.Paused, Reason: "the connection is paused"}}, false, w.Now()); err != nil {
			t.Fatal(err)
		}
		w.Advance(tt.paused)
		for _, class := range []connector.FaultClass{connector.UnknownTopic, connector.Paused, connector.Paused} {
			n, err := w.inbox.Unpark(t.Context(), d.Key.Workspace, d.Key.Connection, class, w.Now())
			if err != nil || n > 1 || n == 1 && class != connector.Paused {
				t.Error(n, err)
			}
		}
		if i := w.item(d.Key); i["q"] == nil || i["x"] == nil || i["why"] != nil || i["pw"] != nil || i["pt"] != nil {
			t.Errorf("not put back: %v", i)
		}
		if got := w.get(d.Key).Lane; got != tt.want {
			t.Errorf("after %s it is %q, want %q", tt.paused, got, tt.want)
		}
	}
}

func TestParkBoundsReasons(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order-1", "d1", "a")
	w.put(d)
	many := make([]delivery.Fault, 10_000)
	for i := range many {
		many[i] = delivery.Fault{Class: connector.InvalidValue, Reason: strings.Repeat("lý do ", 1000)}
	}
	if err := w.inbox.Park(t.Context(), d.Key, many, false, w.Now()); err != nil {
		t.Fatal(err)
	}
	list, _, err := w.inbox.ListParked(t.Context(), w.listing("shop", ""))
	if err != nil || len(list) != 1 || len(list[0].Faults) != 50 || len(list[0].Faults[0].Reason) > 410 {
		t.Error(err, len(list))
	}
}

func (w world) listing(connection, cursor string) delivery.Listing {
	return delivery.Listing{Workspace: "saigon", Connection: connection, Cursor: cursor, Limit: 3, Now: w.Now(), Key: []byte("key of saigon")}
}

func TestListsPage(t *testing.T) {
	w := newWorld(t)
	want := map[bool]map[delivery.Key]bool{false: {}, true: {}}
	for n := range 20 {
		d := w.delivery(fmt.Sprint("order-", n), "d", "a")
		w.put(d)
		if n%2 == 0 {
			if err := w.inbox.Park(t.Context(), d.Key, nil, false, w.Now()); err != nil {
				t.Fatal(err)
			}
		}
		want[n%2 == 0][d.Key] = true
		d.Key.Connection = "till"
		w.put(d)
		d.Key.Workspace = "saigon2"
		w.put(d)
		w.Advance(time.Millisecond)
	}
	lists := map[bool]func(context.Context, delivery.Listing) ([]delivery.Summary, string, error){
		true: w.inbox.ListParked, false: w.inbox.ListReceived}
	for parked, list := range lists {
		got, cursor, last := map[delivery.Key]bool{}, "", time.Time{}
		for range 20 {
			page, next, err := list(t.Context(), w.listing("shop", cursor))
			if err != nil || len(page) > 3 {
				t.Fatal(len(page), err)
			}
			for _, s := range page {
				if got[s.Key] {
					t.Error("twice", s.Key)
				}
				got[s.Key] = true
				if parked && !last.IsZero() && s.ParkedAt.After(last) {
					t.Error("not newest first")
				}
				last = s.ParkedAt
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want[parked], got); diff != "" || cursor != "" {
			t.Error(parked, diff)
		}
	}
	all, _, err := w.inbox.ListReceived(t.Context(), delivery.Listing{Workspace: "saigon", Limit: 100, Now: w.Now(), Key: []byte("k")})
	if err != nil || len(all) != 30 {
		t.Error(len(all), err)
	}
}

// A cursor serves the list, workspace and connection that it was given for.
func TestCursorIsSealed(t *testing.T) {
	w := newWorld(t)
	for n := range 9 {
		w.put(w.delivery(fmt.Sprint("secret-object-", n), "d", "a"))
	}
	_, cursor, err := w.inbox.ListReceived(t.Context(), w.listing("shop", ""))
	if err != nil || cursor == "" {
		t.Fatal(cursor, err)
	}
	// One place in two lists: with one nonce for both, two cursors would give the sealing key's secret away.
	if _, all, err := w.inbox.ListReceived(t.Context(), w.listing("", "")); err != nil || all[:16] == cursor[:16] {
		t.Error("two purposes share a nonce", err)
	}
	if k, err := delivery.ParseKey("saigon", cursor); err == nil {
		t.Error("the cursor can be read:", k)
	}
	for _, other := range []func(*delivery.Listing){
		func(l *delivery.Listing) { l.Workspace = "saigon2" },
		func(l *delivery.Listing) { l.Connection = "till" },
		func(l *delivery.Listing) { l.Key = []byte("key of another") },
		func(l *delivery.Listing) { l.Cursor = l.Cursor[1:] },
		func(l *delivery.Listing) { l.Cursor = "x" },
	} {
		l := w.listing("shop", cursor)
		other(&l)
		if _, _, err := w.inbox.ListReceived(t.Context(), l); !errors.Is(err, delivery.ErrCursor) {
			t.Error(err)
		}
	}
	if _, _, err := w.inbox.ListParked(t.Context(), w.listing("shop", cursor)); !errors.Is(err, delivery.ErrCursor) {
		t.Error(err)
	}
}

func TestFromStreamImage(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order#1", "d1", `{"id":1}`)
	w.put(d)
	image := map[string]events.DynamoDBAttributeValue{}
	for name, v := range w.item(d.Key) {
		image[name] = streamValue(t, v)
	}
	got, err := w.inbox.FromStreamImage(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got, same); diff != "" {
		t.Error(diff)
	}
	for name, broken := range map[string]events.DynamoDBAttributeValue{
		"d": events.NewBinaryAttribute([]byte{1, 2, 3}), "h": events.NewStringAttribute("x"), "r": events.NewNumberAttribute("1e3")} {
		whole := image[name]
		image[name] = broken
		if got, err := w.inbox.FromStreamImage(t.Context(), image); fault.ClassOf(err) != fault.Permanent || got.Key != d.Key {
			t.Error(name, got.Key, err)
		}
		image[name] = whole
	}
	if _, err := w.inbox.FromStreamImage(t.Context(), nil); fault.ClassOf(err) != fault.Permanent {
		t.Error(err)
	}
}

// streamValue goes by the JSON of a stream's event, as on Lambda.
func streamValue(t *testing.T, v types.AttributeValue) events.DynamoDBAttributeValue {
	m := map[string]any{}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		m["S"] = v.Value
	case *types.AttributeValueMemberN:
		m["N"] = v.Value
	case *types.AttributeValueMemberB:
		m["B"] = v.Value
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out events.DynamoDBAttributeValue
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// An order of 6 KB takes 1.5 KB at most: two write units.
func TestItemSize(t *testing.T) {
	w := newWorld(t)
	order, err := os.ReadFile("../../delivery/testdata/order.json")
	if err != nil {
		t.Fatal(err)
	}
	d := w.delivery("order-6120934571845", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", string(order))
	w.put(d)
	size := 0
	for name, v := range w.item(d.Key) {
		size += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += len(v.Value)/2 + 2
		}
	}
	if size > 1536 {
		t.Errorf("an order of %d bytes takes %d", len(order), size)
	}
}

func TestErrorsAreWrapped(t *testing.T) {
	w := newWorld(t)
	d := w.delivery("order-1", "d1", "a")
	w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalServerError"} }
	_, _, put := w.inbox.Put(t.Context(), delivery.Seal(d))
	_, get := w.inbox.Get(t.Context(), d.Key, w.Now())
	_, _, parked := w.inbox.ListParked(t.Context(), w.listing("shop", ""))
	_, _, received := w.inbox.ListReceived(t.Context(), w.listing("shop", ""))
	for want, err := range map[string]error{
		"storing delivery": put, "reading delivery": get, "listing parked": parked, "listing received": received,
		"parking delivery":   w.inbox.Park(t.Context(), d.Key, nil, false, w.Now()),
		"replaying delivery": w.inbox.Replay(t.Context(), d.Key, w.Now()),
	} {
		var api interface{ ErrorCode() string }
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(err, &api) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestLanes: the lane of a delivery comes out of the table and off its stream as it
// went in; what is live costs no attribute. Replayed, it is in the lane of replays.
func TestLanes(t *testing.T) {
	for _, lane := range []delivery.Lane{delivery.Live, delivery.Backfill} {
		w := newWorld(t)
		d := w.delivery("order-1", "d1", "a")
		d.Lane = lane
		w.put(d)
		for round := range 3 {
			i := w.item(d.Key)
			if (i["l"] == nil) != (lane == delivery.Live) {
				t.Errorf("%q: %v", lane, i["l"])
			}
			image := map[string]events.DynamoDBAttributeValue{}
			for name, v := range i {
				switch v := v.(type) {
				case *types.AttributeValueMemberS:
					image[name] = events.NewStringAttribute(v.Value)
				case *types.AttributeValueMemberN:
					image[name] = events.NewNumberAttribute(v.Value)
				case *types.AttributeValueMemberB:
					image[name] = events.NewBinaryAttribute(v.Value)
				}
			}
			streamed, err := w.inbox.FromStreamImage(t.Context(), image)
			if err != nil || streamed.Lane != lane || w.get(d.Key).Lane != lane {
				t.Errorf("round %d: %q off the stream, %q out of the table, want %q: %v", round, streamed.Lane, w.get(d.Key).Lane, lane, err)
			}
			if err := w.inbox.Replay(t.Context(), d.Key, w.Now()); err != nil {
				t.Fatal(err)
			}
			lane = delivery.Replay
			w.put(d) // the source's own retry does not make it live again
		}
	}
}
