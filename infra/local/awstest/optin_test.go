package awstest_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"
	handler "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	"loophub/events"
	journey "loophub/functions/journey/wiring"
	"loophub/functions/publish"
	unify "loophub/functions/unify/wiring"
	"loophub/infra/local/awstest"
	local "loophub/infra/local/dynamodb"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

const asking = `workspace: saigon
name: Trà Sen
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  email: {connector: ses, settings: {from: Trà Sen <chao@tra-sen.example>}}
  site:
    connector: form
    settings: {public_key: pk_tra_sen, allowed_origins: "https://tra-sen.example", consent: "email:marketing=newsletter", confirm: "yes"}
templates:
  confirm:
    connection: email
    purpose: confirmation
    locale: vi
    contents: {vi: {subject: Xác nhận nhận tin, html: '<a href="{{ links.confirm }}">Xác nhận</a>'}}
  come-back:
    connection: email
    purpose: marketing
    locale: vi
    contents: {vi: {subject: Trà mới về, text: Mời bạn ghé}}
journeys:
  opt-in:
    trigger: {event: consent.asked}
    re_entry: always
    steps: [{send: confirm}]
  offer:
    trigger: {event: form.submitted}
    re_entry: always
    steps: [{send: come-back}]
`

// loop is a world whose tables' streams are read, from the Inbox to the mail.
type loop struct {
	*world
	unify, publish, journey handler.Handler
	read                    map[string]uint64
	bus                     []events.Envelope
	posts                   int
}

func newLoop(t *testing.T) *loop {
	t.Helper()
	l := &loop{world: newWorld(t, asking), read: map[string]uint64{}}
	var err error
	l.unify, err = unify.New(l.deps)
	l.must(err)
	l.journey, err = journey.New(l.deps)
	l.must(err)
	l.publish = publish.New(publish.Config{Bus: l, Log: telemetry.New(&l.log, "publish"), Now: l.Now,
		Pause: func(context.Context, int) error { return nil }})
	return l
}

// Put makes the loop its own bus.
func (l *loop) Put(_ context.Context, list []events.Envelope) ([]int, error) {
	l.bus = append(l.bus, list...)
	return nil, nil
}

// records are those of a table's stream that nobody has read.
func (l *loop) records(table, wants string) (some []local.Record) {
	for _, r := range l.Table(table).Records(l.read[table], 1_000) {
		l.read[table] = r.Sequence
		if _, there := r.Change.NewImage[wants]; there {
			some = append(some, r)
		}
	}
	return some
}

// settle lets the stages work until nothing is left to do.
func (l *loop) settle() {
	l.t.Helper()
	for {
		received, changed := l.records(awstest.Inbox, "q"), l.records(awstest.Hub, "ev")
		if len(received)+len(changed)+len(l.bus) == 0 {
			return
		}
		for stage, some := range map[handler.Handler][]local.Record{l.unify: received, l.publish: changed} {
			if len(some) > 0 {
				if r := invoke[lambda.DynamoDBEventResponse](l.world, stage, map[string]any{"Records": some}); len(r.BatchItemFailures) > 0 {
					l.t.Fatal(l.log.String())
				}
			}
		}
		told := l.bus
		l.bus = nil
		for _, e := range told {
			to := map[string]handler.Handler{events.ProfileChanged: l.journey, events.MessageRequested: l.send}[e.Type]
			if to == nil {
				continue
			}
			body, err := events.ForQueue(e)
			l.must(err)
			for range 2 { // queues tell twice
				if r := invoke[lambda.SQSEventResponse](l.world, to, lambda.SQSEvent{Records: []lambda.SQSMessage{{MessageId: "1", Body: body}}}); len(r.BatchItemFailures) > 0 {
					l.t.Fatal(e.Type, l.log.String())
				}
			}
		}
	}
}

// tick is a visitor who ticks the newsletter's box.
func (l *loop) tick() {
	l.t.Helper()
	l.posts++
	r := connector.Request{Method: http.MethodPost, ReceivedAt: l.Now(), Body: fmt.Appendf(nil, "key=pk_tra_sen&email=lan@marker.example&newsletter=on&n=%d", l.posts),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://tra-sen.example"}}}
	k := delivery.Key{Workspace: "saigon", Connection: "site", Object: fmt.Sprint("s", l.posts), Delivery: "d"}
	_, _, err := inbox.New(dynamodb.NewFromConfig(l.Config()), awstest.Inbox, nil).Put(l.t.Context(), delivery.Seal(delivery.Delivery{Key: k, Request: r}))
	l.must(err)
	l.settle()
}

// subjects of the mails that went out.
func (l *loop) subjects() (list []string) {
	for _, m := range l.Outbox() {
		list = append(list, m.Subject)
	}
	return list
}

var confirming = regexp.MustCompile(`"(https://links\.example/c/[^"]+)"`)

// TestDoubleOptIn: a box that is ticked asks for consent and gives none. A journey
// sends the question, once a day; the answer is the consent, and ends the asking.
func TestDoubleOptIn(t *testing.T) {
	l := newLoop(t)
	mails := func(want ...string) {
		t.Helper()
		if got := l.subjects(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatal(got, l.log.String())
		}
	}
	l.tick()
	mails("Xác nhận nhận tin")
	l.Advance(time.Hour)
	l.tick()
	mails("Xác nhận nhận tin")
	l.Advance(24 * time.Hour)
	l.tick()
	mails("Xác nhận nhận tin", "Xác nhận nhận tin")
	link := confirming.FindStringSubmatch(l.Outbox()[0].HTML)
	if link == nil {
		t.Fatal(l.Outbox()[0].HTML)
	}
	l.visit("GET", link[1]) // as a mail scanner does
	l.settle()
	l.Advance(48 * time.Hour)
	l.tick()
	mails("Xác nhận nhận tin", "Xác nhận nhận tin", "Xác nhận nhận tin")
	if a := l.visit("POST", link[1]); a.StatusCode != 200 {
		t.Fatalf("%+v", a)
	}
	l.settle()
	l.Advance(48 * time.Hour)
	l.tick()
	mails("Xác nhận nhận tin", "Xác nhận nhận tin", "Xác nhận nhận tin", "Trà mới về")
}
