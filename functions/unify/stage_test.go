package unify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const someone = "gaaaaaaaaaaaaaaaaaaaaaaaa"

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// till is a connector whose bodies say what it is to do, by their first word.
type till struct{}

func (till) Verify(connector.Request, []connector.Secret) error { return nil }
func (till) Key(connector.Request) (object, delivery string)    { return "", "" }
func (till) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	word, record, _ := strings.Cut(string(r.Body), " ")
	record, _, _ = strings.Cut(record, " ") // what follows is a marker
	f := events.Fact{Kind: events.Customer, Record: record, Version: noon.UnixMilli(), At: noon.UnixMilli(), Fields: events.Fields{
		"first_name": events.Text("Lan"), "email": events.Text(record + "@marker.vn")}}
	bad := f
	switch word {
	case "panic":
		panic("body-MARKER: " + string(r.Body))
	case "nothing":
		return nil, nil
	case "faults":
		return []events.Fact{f}, []connector.Fault{{Class: connector.UnknownTopic, Reason: "a part of it is not read"}}
	case "future":
		bad.Record, bad.At = record+"-bad", noon.Add(24*time.Hour+time.Millisecond).UnixMilli()
		f.At = noon.Add(24 * time.Hour).UnixMilli()
		return []events.Fact{f, bad}, nil
	case "invalid":
		bad.Record, bad.Fields = record+"-bad", events.Fields{"shoe_size": events.Text("MARKER")}
		return []events.Fact{f, bad}, nil
	case "sale": // of one customer, just now
		o := events.Fact{Kind: events.Order, Record: record, Version: noon.UnixMilli(), At: noon.UnixMilli(), Fields: events.Fields{"customer": events.Text("all"),
			"total": events.Text("5"), "currency": events.Text("VND"), "ordered_at": events.Text(strconv.FormatInt(noon.UnixMilli(), 10))}}
		return []events.Fact{o}, nil
	case "submission":
		f.Kind = events.Form
	case "engaged":
		f.Kind, f.Fields = events.Engagement, events.Fields{"fragment": events.Text(someone), "message": events.Text("m"), "opened_at": events.Text("1")}
	case "lost":
		f.Kind, f.Fields = events.Engagement, events.Fields{"fragment": events.Text("lan"), "message": events.Text("m"), "opened_at": events.Text("1")}
	case "named":
		f.Kind, f.Fields = events.Event, events.Fields{"fragment": events.Text(someone), "name": events.Text("tasting.booked")}
	case "tagged":
		f.Kind, f.Fields = events.Decision, events.Fields{"fragment": events.Text(someone), "tag:vip": events.Text("+")}
	case "cleared":
		f.Kind, f.Fields = events.Event, events.Fields{"fragment": events.Null, "name": events.Text("tasting.booked"), "email": events.Text("lan@marker.vn")}
	case "order":
		o := events.Fact{Kind: events.Order, Record: record, Version: 1, At: 1, Fields: events.Fields{"customer": events.Text("c" + record),
			"total": events.Text("5"), "currency": events.Text("VND"), "ordered_at": events.Text("1")}}
		return []events.Fact{o}, nil
	}
	return []events.Fact{f}, nil
}

// stageWorld is the stage with ports that can fail.
type stageWorld struct {
	t       *testing.T
	stage   *Stage
	log     bytes.Buffer
	tables  map[string]*table
	stored  map[delivery.Key]delivery.Delivery
	garbled map[delivery.Key]bool
	parked  map[delivery.Key][]delivery.Fault
	expires bool // as it was parked last
	queue   []string
	loading error // of Load
	keys    error // of IdentityKey
	reading error // of the Inbox
	parking error
	sending error // to the queue
	table   func(call string) error
	now     time.Time
}

func newStage(t *testing.T) *stageWorld {
	w := &stageWorld{t: t, tables: map[string]*table{}, stored: map[delivery.Key]delivery.Delivery{}, garbled: map[delivery.Key]bool{},
		parked: map[delivery.Key][]delivery.Fault{}, now: noon}
	source := func(s connector.Settings) (connector.Source, error) {
		if s.Values["broken"] != "" {
			return nil, errors.New("setting broken: MARKER")
		}
		return till{}, nil
	}
	w.stage = New(Config{
		Connectors:  []connector.Connector{{Manifest: connector.Manifest{Name: "till", Rank: 3}, Source: source}, {Manifest: connector.Manifest{Name: "outlet"}}},
		Definitions: w, Deliveries: w, Retry: w,
		Hub:   func(id string) Hub { return flaky{w.hub(id), w} },
		Pause: func(context.Context, int) error { return nil },
		Log:   telemetry.New(&w.log, "unify"),
		Now:   func() time.Time { return w.now },
	})
	return w
}

func (w *stageWorld) hub(id string) *hub {
	if w.tables[id] == nil {
		w.tables[id] = newTable()
	}
	return direct(w.tables[id])
}

// flaky is a hub some of whose calls fail before they take effect.
type flaky struct {
	*hub
	w *stageWorld
}

func (f flaky) fail(call string) error {
	if f.w.table == nil {
		return nil
	}
	return f.w.table(call)
}

func (f flaky) Known(ctx context.Context, x events.Fact) (bool, error) {
	if err := f.fail("known " + x.Record); err != nil {
		return false, err
	}
	return f.hub.Known(ctx, x)
}

func (f flaky) Facts(ctx context.Context, record string) ([]events.Fact, error) {
	if err := f.fail("facts " + record); err != nil {
		return nil, err
	}
	return f.hub.Facts(ctx, record)
}

func (f flaky) Put(ctx context.Context, x events.Fact) error {
	if err := f.fail("put " + x.Record); err != nil {
		return err
	}
	return f.hub.Put(ctx, x)
}

func (f flaky) Commit(ctx context.Context, x profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error {
	if err := f.fail("commit " + x.Anchor.Customer); err != nil {
		return err
	}
	return f.hub.Commit(ctx, x, moves, changes, occurred...)
}

func (w *stageWorld) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if w.loading != nil {
		return workspace.Workspace{}, w.loading
	}
	if id != "saigon" && id != "hanoi" {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	c := map[string]workspace.Connection{"broken": {Name: "broken", Connector: "till", Settings: map[string]string{"broken": "1"}}}
	for name, of := range map[string]string{"shop": "till", "outlet": "outlet", "future": "later"} {
		c[name] = workspace.Connection{Name: name, Connector: of}
	}
	return workspace.Workspace{ID: id, Country: "VN", Currency: "VND", Zone: "UTC", Connections: c}, nil
}

func (w *stageWorld) IdentityKey(_ context.Context, id string) ([]byte, error) {
	return []byte("key-MARKER of " + id), w.keys
}

func (w *stageWorld) FromStreamImage(_ context.Context, image map[string]lambdaevents.DynamoDBAttributeValue) (delivery.Delivery, error) {
	if image["pk"].DataType() != lambdaevents.DataTypeString {
		return delivery.Delivery{}, fault.New(fault.Permanent, "no key: MARKER")
	}
	p := strings.SplitN(image["pk"].String(), "#", 3)
	return w.open(delivery.Key{Workspace: p[0], Connection: p[1], Object: p[2], Delivery: image["sk"].String()})
}

func (w *stageWorld) Get(_ context.Context, k delivery.Key, _ time.Time) (delivery.Delivery, error) {
	if _, there := w.stored[k]; !there && w.reading == nil {
		return delivery.Delivery{}, delivery.ErrAbsent
	}
	return w.open(k)
}

func (w *stageWorld) open(k delivery.Key) (delivery.Delivery, error) {
	if w.reading != nil {
		return delivery.Delivery{Key: k}, w.reading
	}
	if w.garbled[k] {
		return delivery.Delivery{Key: k}, fault.New(fault.Permanent, "garbled: MARKER")
	}
	return w.stored[k], nil
}

func (w *stageWorld) Park(_ context.Context, k delivery.Key, faults []delivery.Fault, expires bool, _ time.Time) error {
	w.expires = expires
	if w.parking != nil {
		return w.parking
	}
	if _, there := w.stored[k]; !there {
		return delivery.ErrAbsent
	}
	w.parked[k] = faults
	return nil
}

func (w *stageWorld) Send(_ context.Context, message string) error {
	if w.sending != nil {
		return w.sending
	}
	w.queue = append(w.queue, message)
	return nil
}

// deliver stores a delivery and gives its key.
func (w *stageWorld) deliver(ws, connection, body string) delivery.Key {
	k := delivery.Key{Workspace: ws, Connection: connection, Object: "o" + strconv.Itoa(len(w.stored)), Delivery: "d"}
	w.stored[k] = delivery.Delivery{Key: k, Trace: "trace-1", Request: connector.Request{Body: []byte(body + " +84912345678 body-MARKER"), ReceivedAt: noon}}
	return k
}

// fromStream invokes the stage as Lambda does for the Inbox's stream, and gives
// the sequence numbers that failed.
func (w *stageWorld) fromStream(keys ...delivery.Key) []string {
	w.t.Helper()
	var b []string
	for n, k := range keys {
		b = append(b, fmt.Sprintf(`{"eventID":"%d","eventName":"INSERT","eventSource":"aws:dynamodb","awsRegion":"us-east-1","dynamodb":{
			"SequenceNumber":"%d","StreamViewType":"NEW_IMAGE","NewImage":{"pk":{"S":"%s#%s#%s"},"sk":{"S":"%s"},"q":{"N":"1"}}}}`,
			n, 100+n, k.Workspace, k.Connection, k.Object, k.Delivery))
	}
	return w.invoke(`{"Records":[` + strings.Join(b, ",") + `]}`)
}

// fromQueue invokes it as Lambda does for the retry queue.
func (w *stageWorld) fromQueue(receive int, messages ...string) []string {
	w.t.Helper()
	var b []string
	for n, m := range messages {
		b = append(b, fmt.Sprintf(`{"messageId":"m%d","receiptHandle":"r","body":%s,"eventSource":"aws:sqs","awsRegion":"us-east-1",
			"attributes":{"ApproximateReceiveCount":"%d"}}`, n, dump(m), receive))
	}
	return w.invoke(`{"Records":[` + strings.Join(b, ",") + `]}`)
}

func (w *stageWorld) invoke(payload string) []string {
	w.t.Helper()
	out, err := w.stage.Invoke(w.t.Context(), []byte(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	var r struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(out, &r); err != nil || r.BatchItemFailures == nil {
		w.t.Fatalf("%s: %v", out, err)
	}
	failed := []string{}
	for _, f := range r.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// lines are the last n lines of the log.
func (w *stageWorld) lines(n int) []map[string]any {
	w.t.Helper()
	l := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(l) < n {
		w.t.Fatalf("%d lines", len(l))
	}
	var out []map[string]any
	for _, s := range l[len(l)-n:] {
		var m map[string]any
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// records are the records of a workspace that have facts.
func (w *stageWorld) records(ws string) map[string]bool {
	m := map[string]bool{}
	if t := w.tables[ws]; t != nil {
		for r := range maps.Keys(t.facts) {
			m[r[strings.LastIndexByte(r, '|')+1:]] = true
		}
	}
	return m
}

// vanishing is an Inbox whose delivery expires between being read and being parked.
type vanishing struct {
	*stageWorld
	was delivery.Delivery
}

func (v vanishing) FromStreamImage(context.Context, map[string]lambdaevents.DynamoDBAttributeValue) (delivery.Delivery, error) {
	delete(v.stored, v.was.Key)
	return v.was, nil
}
