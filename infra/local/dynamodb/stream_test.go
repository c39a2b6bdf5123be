package dynamodb

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

func (w *world) update(table string, k item, expression string, values item) {
	w.t.Helper()
	_, err := w.client.UpdateItem(context.Background(), &sdk.UpdateItemInput{TableName: &table, Key: k, UpdateExpression: &expression,
		ExpressionAttributeValues: values})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(table string, k item) {
	w.t.Helper()
	if _, err := w.client.DeleteItem(context.Background(), &sdk.DeleteItemInput{TableName: &table, Key: k}); err != nil {
		w.t.Fatal(err)
	}
}

// TestRecordsAreWhatLambdaSends compares the JSON of records of all four views.
func TestRecordsAreWhatLambdaSends(t *testing.T) {
	w := newWorld(t)
	record := func(table, name, id, keys, images, sequence string, size int, view string) string {
		return fmt.Sprintf(`{"eventID":"%s","eventName":"%s","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1",`+
			`"dynamodb":{"ApproximateCreationDateTime":1800000000,"Keys":%s,%s"SequenceNumber":"%s","SizeBytes":%d,"StreamViewType":"%s"},`+
			`"eventSourceARN":"arn:aws:dynamodb:us-east-1:000000000000:table/%s/stream/1"}`, id, name, keys, images, sequence, size, view, table)
	}
	const key1, v1, v2 = `{"pk":{"S":"a"},"sk":{"S":"1"}}`, `{"pk":{"S":"a"},"sk":{"S":"1"},"v":{"N":"1"}}`, `{"pk":{"S":"a"},"sk":{"S":"1"},"v":{"N":"2"}}`
	for _, table := range []string{"Hub", "Inbox"} {
		w.put(table, with(key("a", "1"), "v", n("1")))
		w.update(table, key("a", "1"), "SET v = :v", item{":v": n("2")})
		w.delete(table, key("a", "1"))
	}
	sequence := func(i int) string { return fmt.Sprintf("1%020d", i) }
	hub, inbox := w.service.Table("Hub").Records(0, 10), w.service.Table("Inbox").Records(0, 10)
	if len(hub) != 3 || len(inbox) != 3 {
		t.Fatalf("%d and %d records, want 3 each", len(hub), len(inbox))
	}
	for i, want := range []string{
		record("Hub", "INSERT", hub[0].EventID, key1, `"NewImage":`+v1+`,`, sequence(1), 15, "NEW_AND_OLD_IMAGES"),
		record("Hub", "MODIFY", hub[1].EventID, key1, `"NewImage":`+v2+`,"OldImage":`+v1+`,`, sequence(2), 24, "NEW_AND_OLD_IMAGES"),
		record("Hub", "REMOVE", hub[2].EventID, key1, `"OldImage":`+v2+`,`, sequence(3), 15, "NEW_AND_OLD_IMAGES"),
	} {
		got, err := json.Marshal(hub[i])
		if err != nil {
			t.Fatal(err)
		}
		w.same("record "+sequence(i+1), string(got), want)
	}
	got, err := json.Marshal(inbox[2])
	if err != nil {
		t.Fatal(err)
	}
	w.same("a removal under NEW_IMAGE", string(got), record("Inbox", "REMOVE", inbox[2].EventID, key1, "", sequence(3), 6, "NEW_IMAGE"))
	if hub[0].EventID == hub[1].EventID || hub[0].EventID == inbox[0].EventID || len(hub[0].EventID) != 32 {
		t.Errorf("event ids %s, %s, %s", hub[0].EventID, hub[1].EventID, inbox[0].EventID)
	}
	w.put("Plain", item{"id": s("x"), "v": n("1")})
	if r := w.service.Table("Plain").Records(0, 1)[0]; r.Change.NewImage != nil || r.Change.OldImage != nil || len(r.Change.Keys) != 1 {
		t.Errorf("KEYS_ONLY: %+v", r.Change)
	}
}

// TestLambdaLibraryReadsRecords: the type that handlers decode finds everything.
func TestLambdaLibraryReadsRecords(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", every())
	w.put("Hub", with(every(), "x", n("1799999999")))
	w.service.Expire(w.clock)
	records := w.service.Table("Hub").Records(0, 10)
	body, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	var event events.DynamoDBEvent
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range event.Records {
		names = append(names, r.EventName)
	}
	w.same("names", names, []string{"INSERT", "MODIFY", "REMOVE"})
	last := event.Records[2]
	w.same("old image", last.Change.OldImage["ss"].StringSet(), []string{"", "a", "b"})
	w.same("time", last.Change.ApproximateCreationDateTime.Unix(), w.clock.Unix())
	if last.UserIdentity == nil || last.UserIdentity.PrincipalID != "dynamodb.amazonaws.com" || last.UserIdentity.Type != "Service" {
		t.Errorf("expired by %+v", last.UserIdentity)
	}
	if event.Records[0].UserIdentity != nil {
		t.Errorf("inserted by %+v", event.Records[0].UserIdentity)
	}
}

func TestNothingChangedNoRecord(t *testing.T) {
	w := newWorld(t)
	w.put("Hub", with(key("a", "1"), "v", n("1")))
	w.put("Hub", with(key("a", "1"), "v", n("1.0")))
	w.update("Hub", key("a", "1"), "SET v = :v", item{":v": n("1")})
	w.update("Hub", key("a", "1"), "REMOVE nope", nil)
	w.delete("Hub", key("b", "1"))
	if err := w.transact("", checkEntry(key("a", "1"), "attribute_exists(pk)"), putEntry(with(key("a", "2"), "v", n("1")))); err != nil {
		t.Fatal(err)
	}
	if err := w.transact("", putEntry(key("c", "1")), checkEntry(key("a", "1"), "attribute_exists(nope)")); err == nil {
		t.Fatal("not cancelled")
	}
	w.same("records", len(w.service.Table("Hub").Records(0, 10)), 2)
}

func TestReadingAStream(t *testing.T) {
	w := newWorld(t)
	table := w.service.Table("Hub")
	for i := range 5 {
		w.put("Hub", key("a", fmt.Sprint(i)))
		w.clock = w.clock.Add(6 * time.Hour)
	}
	sequences := func(after uint64, limit int) string {
		var list []string
		for _, r := range table.Records(after, limit) {
			list = append(list, fmt.Sprint(r.Sequence))
		}
		return strings.Join(list, " ")
	}
	// The first record is 30 hours old by now.
	w.same("from the trim horizon", sequences(0, 10), "2 3 4 5")
	w.same("a few", sequences(0, 2), "2 3")
	w.same("behind the third", sequences(3, 10), "4 5")
	w.same("behind the last", sequences(5, 10), "")
	w.same("the last", table.Latest(), uint64(5))
	w.clock = w.clock.Add(48 * time.Hour)
	w.same("all trimmed", sequences(0, 10), "")
	w.put("Hub", key("a", "6"))
	w.same("goes on counting", sequences(0, 10), "6")
}

func TestTablesAndStreams(t *testing.T) {
	w := newWorld(t)
	var names []string
	for _, table := range w.service.Tables() {
		names = append(names, table.Name())
		w.same("stream of "+table.Name(), w.service.Stream(table.Spec().StreamARN).Name(), table.Name())
	}
	w.same("tables", names, []string{"Hub", "Inbox", "Numbered", "Plain"})
	if table := w.service.Stream(hubARN); table != nil {
		t.Errorf("%s streams under the ARN of a table", table.Name())
	}
}

// TestManyWriters is for the race detector: writers, readers of the stream and a listener at once.
func TestManyWriters(t *testing.T) {
	w := newWorld(t)
	table := w.service.Table("Hub")
	table.Notify(func() { table.Records(0, 10) })
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 25 {
				if err := w.transact("", addEntry(key("c", "1"), "1"), putEntry(key("w", fmt.Sprint(i)))); err != nil {
					t.Error(err)
				}
				table.Units()
			}
		})
	}
	writers.Wait()
	w.same("counter", text(w.get("Hub", key("c", "1"))["n"]), "200")
	w.same("records", len(table.Records(0, 1000)), 208)
}

func TestNotify(t *testing.T) {
	w := newWorld(t)
	calls := 0
	table := w.service.Table("Hub")
	table.Notify(func() {
		calls++
		table.Records(0, 1) // a listener may use the table
	})
	for what, c := range map[string]struct {
		do   func()
		want int
	}{
		"another table": {func() { w.put("Inbox", key("a", "1")) }, 0},
		"a put":         {func() { w.put("Hub", key("a", "1")) }, 1},
		"a read":        {func() { w.get("Hub", key("a", "1")) }, 0},
		"a transaction": {func() {
			if err := w.transact("", putEntry(key("t", "1")), putEntry(key("t", "2"))); err != nil {
				t.Fatal(err)
			}
		}, 1},
		"a batch": {func() {
			w.must("BatchWriteItem", `{"RequestItems":{"Hub":[{"PutRequest":{"Item":{"pk":{"S":"b"},"sk":{"S":"1"}}}}]}}`)
		}, 1},
		"an expiry": {func() {
			w.put("Hub", with(key("x", "1"), "x", n("1")))
			w.put("Hub", with(key("x", "2"), "x", n("1799999999")))
			w.service.Expire(w.clock)
		}, 3},
		"no deletion": {func() { w.delete("Hub", key("nope", "1")) }, 0},
	} {
		calls = 0
		c.do()
		if calls != c.want {
			t.Errorf("%s: %d calls, want %d", what, calls, c.want)
		}
	}
}

func TestExpire(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Unix()
	at := func(seconds int64) any { return n(fmt.Sprint(seconds)) }
	w.put("Inbox", with(key("past", "1"), "x", at(now-1), "pw", s("w"), "pt", n("1")))
	w.put("Inbox", with(key("present", "1"), "x", at(now)))
	w.put("Inbox", with(key("future", "1"), "x", at(now+3600)))
	w.put("Inbox", with(key("ancient", "1"), "x", at(now-6*365*24*3600)))
	w.put("Inbox", with(key("text", "1"), "x", s(fmt.Sprint(now-1))))
	w.put("Inbox", key("never", "1"))
	w.put("Inbox", with(key("saved", "1"), "x", at(now-1)))
	w.update("Inbox", key("saved", "1"), "REMOVE x", nil)
	w.put("Plain", item{"id": s("no ttl"), "x": n("1")})
	before := w.service.Table("Inbox").Units()
	if next, ok := w.service.NextExpiry(); !ok || next.Unix() != now {
		t.Errorf("next expiry %v, %v, want %d", next, ok, now)
	}
	w.same("expired", w.service.Expire(w.clock), 1)
	w.same("left", w.service.Table("Inbox").Len(), 6)
	w.same("expired again", w.service.Expire(w.clock), 0)
	if next, _ := w.service.NextExpiry(); next.Unix() != now+1 {
		t.Errorf("next expiry %v, want %d", next.Unix(), now+1)
	}
	w.clock = w.clock.Add(2 * time.Hour)
	w.same("expired later", w.service.Expire(w.clock), 2)
	if next, ok := w.service.NextExpiry(); ok {
		t.Errorf("next expiry %v, want none", next)
	}
	w.same("units", w.service.Table("Inbox").Units(), before)
	out, err := w.client.Query(context.Background(), &sdk.QueryInput{TableName: aws.String("Inbox"), IndexName: aws.String("parked"),
		KeyConditionExpression: aws.String("pw = :w"), ExpressionAttributeValues: item{":w": s("w")}})
	if err != nil || out.Count != 0 {
		t.Errorf("the index still lists %d expired items, %v", out.Count, err)
	}
}
