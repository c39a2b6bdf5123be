package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/lambda"
	"loophub/infra/local/store"
)

// opened is a world that is kept in a folder.
type opened struct {
	*world
	store *store.Store
	end   context.CancelCauseFunc
}

func open(t *testing.T, dir string, c *clock.Offset) *opened {
	t.Helper()
	w := &world{t: t}
	return w.open(fixture(t), dir, c, w.ingest)
}

func (w *world) open(template []byte, dir string, c *clock.Offset, ingest lambda.Factory) *opened {
	t := w.t
	t.Helper()
	s, err := store.Open(dir, func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	handlers := map[string]lambda.Factory{"ingest": ingest, "unify": w.unify, "publish": w.publish, "api": w.api, "sweep": w.sweep}
	if w.Cloud, err = New(template, Options{Handlers: handlers, Clock: c, Store: s, Tail: func(l Line) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tail = append(w.tail, l)
	}}); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancelCause(t.Context())
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	o := &opened{w, s, end}
	t.Cleanup(o.kill)
	return o
}

// kill ends a world as kill -9 would: what runs is not waited for, and nothing that it still does is kept.
func (o *opened) kill() {
	o.store.Close() //nolint:errcheck // a killed process hears nothing
	o.end(errors.New("killed"))
}

func (o *opened) parts() map[string]journal.Part {
	return map[string]journal.Part{"dynamodb": o.tables, "sqs": o.queues, "ssm": o.parameters, "s3": o.objects, "lambda": o.functions,
		"events": o.events, "scheduler": o.schedules, "sns": o.topics, "ses": o.mails, "clock": o.clock, "sts": o.sessions}
}

// bodies are all messages of a queue.
func (o *opened) bodies(queue string) (all string) {
	for _, q := range o.stack.Queues {
		if q.LogicalID == queue {
			all += strings.Join(o.queues.Bodies(q.ARN), "\n")
		}
	}
	return all
}

// play posts webhooks of all sorts, lets time pass in between, and returns the size of the log when each was acknowledged.
func play(t *testing.T, o *opened, file string) map[string]int64 {
	t.Helper()
	acknowledged := map[string]int64{}
	for _, body := range []string{"o1", "later 1", "hopeless 1", "o2", "crash 1", "o3"} {
		if resp := o.post(body); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s was answered with %d", body, resp.StatusCode)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		acknowledged[body] = info.Size()
		if body == "hopeless 1" {
			o.rest()
			o.pass(2 * time.Minute)
		}
	}
	o.rest()
	return acknowledged
}

// boundaries are the places in a log where a record ends, by the magic that begins the next.
func boundaries(log []byte) (out []int64) {
	for i := range log {
		if strings.HasPrefix(string(log[i:min(len(log), i+4)]), "\xc5LH\n") {
			out = append(out, int64(i))
		}
	}
	return append(out, int64(len(log)))
}

// TestKilledAfterEveryRecord ends a world after each record of its log and goes on from there: what had been acknowledged
// by then becomes a fact and an event, or ends in the dead letters, and never both.
func TestKilledAfterEveryRecord(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "loophub.log")
	first := open(t, dir, clock.Stopped(noon))
	acknowledged := play(t, first, file)
	first.kill()
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ends := boundaries(log)
	if len(ends) < 60 {
		t.Fatalf("%d records", len(ends))
	}
	every := 1
	if testing.Short() {
		every = 7
	}
	for n := 0; n < len(ends); n += every {
		killedAt(t, log[:ends[n]], acknowledged, n)
	}
}

func killedAt(t *testing.T, log []byte, acknowledged map[string]int64, n int) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "loophub.log"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	o := open(t, dir, clock.Stopped(noon))
	o.rest()
	o.pass(time.Hour)
	dead, ordered := o.bodies("DeadQueue"), o.bodies("OrderQueue")
	for body, at := range acknowledged {
		if at > int64(len(log)) {
			continue
		}
		key, is := strings.ReplaceAll(body, " ", "%20"), false
		switch {
		case strings.HasPrefix(body, "hopeless"):
			is = strings.Contains(dead, body) && !o.known(key)
		case strings.HasPrefix(body, "crash"):
			is = !o.known(key) // its batch lies in the bucket
		default:
			is = o.known(key) && strings.Contains(ordered, fmt.Sprintf(`"key":%q`, body))
		}
		if !is {
			t.Errorf("killed after record %d: %s is lost; dead letters %q, orders %q", n, body, dead, ordered)
		}
	}
	if acknowledged["crash 1"] <= int64(len(log)) && len(o.objects.Objects(o.stack.Buckets[0].Name)) == 0 {
		t.Errorf("killed after record %d: what was given up is lost", n)
	}
	o.kill()
}

// TestEveryPartSurvives compares all that a cloud holds before and after a restart, in the middle of things.
func TestEveryPartSurvives(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, clock.Stopped(noon))
	play(t, first, filepath.Join(dir, "loophub.log"))
	if _, err := ssm.NewFromConfig(first.Config("")).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/loophub/x"), Type: "String", Value: aws.String("v")}); err != nil {
		t.Fatal(err)
	}
	want := map[string][][]byte{}
	for name, p := range first.parts() {
		want[name] = journaltest.Dump(t, p)
	}
	first.kill()
	s, err := store.Open(dir, func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	handlers := map[string]lambda.Factory{}
	for _, stage := range []string{"ingest", "unify", "publish", "api", "sweep"} {
		handlers[stage] = idle
	}
	again, err := New(fixture(t), Options{Handlers: handlers, Clock: clock.Stopped(noon), Store: s}) // and not started
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range (&opened{world: &world{Cloud: again}}).parts() {
		journaltest.Same(t, name, journaltest.Dump(t, p), want[name])
	}
	for _, name := range []string{"dynamodb", "sqs", "s3", "lambda", "scheduler", "events", "ses", "sns", "clock", "ssm"} {
		if len(want[name]) == 0 {
			t.Errorf("nothing of %s was kept", name)
		}
	}
}

// TestAFullDiskIsSaid: from the first record on that could not be kept no call that changes anything succeeds.
func TestAFullDiskIsSaid(t *testing.T) {
	o := open(t, t.TempDir(), clock.Stopped(noon))
	if resp := o.post("o1"); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("answered with %d", resp.StatusCode)
	}
	o.rest()
	if err := o.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := dynamodb.NewFromConfig(o.Config(""), func(p *dynamodb.Options) { p.Retryer = aws.NopRetryer{} }).PutItem(t.Context(),
		&dynamodb.PutItemInput{TableName: aws.String(o.Stack().Tables[0].Name), Item: map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}})
	if err == nil || !strings.Contains(err.Error(), store.ErrClosed.Error()) {
		t.Errorf("a call was answered with %v", err)
	}
	if n := o.tables.Tables()[0].Len() + o.tables.Tables()[1].Len(); !o.known("o1") || n != 2 {
		t.Errorf("%d items, want a delivery and its fact", n)
	}
}

// TestNoIDTwice: neither of requests nor of invocations, after any restart.
func TestNoIDTwice(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for range 3 {
		o := open(t, dir, clock.Stopped(noon))
		for range 5 {
			r, err := o.Invoke("api", []byte(`{}`))
			if err != nil || seen[r.RequestID] {
				t.Errorf("%v: invocation %s", err, r.RequestID)
			}
			seen[r.RequestID] = true
		}
		resp, err := o.Config("").HTTPClient.Do(mustRequest(t))
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint(resp.Header["X-Amzn-Requestid"])
		if len(id) < 10 || seen[id] {
			t.Errorf("request %s", id)
		}
		seen[id] = true
		o.kill()
	}
}

func mustRequest(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://sqs.us-east-1.amazonaws.com/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueUrl")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	return r
}

// TestWhatWasUnderWayGoesOn cuts the log right behind the record of something that had only been accepted: the restart does
// it, without anybody asking.
func TestWhatWasUnderWayGoesOn(t *testing.T) {
	sweep := func(o *opened) string {
		f, err := o.stage("sweep")
		if err != nil {
			t.Fatal(err)
		}
		return f.ARN
	}
	queue := func(o *opened, name string) string {
		for _, q := range o.stack.Queues {
			if q.LogicalID == name {
				return q.ARN
			}
		}
		t.Fatalf("there is no queue %s", name)
		return ""
	}
	for name, c := range map[string]struct {
		do   func(o *opened) error
		mark string // in the record
		done func(o *opened) bool
	}{
		"an event that nobody waits for": {func(o *opened) error { return o.functions.InvokeAsync(sweep(o), []byte(`{}`)) }, `{"Event":{"ID"`,
			func(o *opened) bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.swept) == 1 }},
		"a message that is delayed": {func(o *opened) error {
			url := o.url("RetryQueue")
			_, err := sqs.NewFromConfig(o.Config("")).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url,
				MessageBody: aws.String("later 7"), DelaySeconds: 1})
			return err
		}, "later 7", func(o *opened) bool { return o.known("later%207") }},
		"a task that moves messages": {func(o *opened) error {
			if err := o.queues.Send(queue(o, "DeadQueue"), "later 8", nil); err != nil {
				return err
			}
			_, err := sqs.NewFromConfig(o.Config("")).StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{
				SourceArn: aws.String(queue(o, "DeadQueue")), DestinationArn: aws.String(queue(o, "RetryQueue"))})
			return err
		}, `"Task":{`, func(o *opened) bool { return o.known("later%208") }},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "loophub.log")
		first := open(t, dir, clock.Stopped(noon))
		if err := c.do(first); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		first.rest()
		first.kill()
		cutBehind(t, file, c.mark)
		again := open(t, dir, clock.Stopped(noon))
		again.rest()
		again.pass(2 * time.Second)
		if !c.done(again) {
			t.Errorf("%s: it is not done after a restart", name)
		}
		again.kill()
	}
}

// cutBehind ends a log behind the first record that holds a text.
func cutBehind(t *testing.T, file, text string) {
	t.Helper()
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at, ends := int64(strings.Index(string(log), text)), boundaries(log)
	end := slices.IndexFunc(ends, func(n int64) bool { return n > at })
	if at < 0 || end < 0 {
		t.Fatalf("%s is not in the log", text)
	}
	if err := os.Truncate(file, ends[end]); err != nil {
		t.Fatal(err)
	}
}

// TestWhatBecomesOfMailsIsTold cuts the log behind a mail, and behind what was published to a topic: after the restart
// ingest hears of it all the same.
func TestWhatBecomesOfMailsIsTold(t *testing.T) {
	for _, c := range []struct {
		do   func(o *opened) error
		mark string
		want []string
	}{
		{func(o *opened) error {
			_, err := sesv2.NewFromConfig(o.Config("")).SendEmail(t.Context(), mailTo("lan@example.vn"))
			return err
		}, `{"Mail":{"ID"`, []string{"Delivery", "Send"}},
		{func(o *opened) error {
			_, err := o.topics.Publish(o.stack.Topics[0].ARN, "", `{"eventType":"Open"}`, nil)
			return err
		}, `"Published":[{`, []string{"Open"}},
	} {
		dir := t.TempDir()
		office := &office{world: &world{t: t}}
		first := office.world.open(withMail(t, nil), dir, clock.Stopped(noon), idle)
		if err := c.do(first); err != nil {
			t.Fatal(err)
		}
		first.rest()
		first.kill()
		cutBehind(t, filepath.Join(dir, "loophub.log"), c.mark)
		again := office.world.open(withMail(t, nil), dir, clock.Stopped(noon), office.listen)
		again.rest()
		again.kill()
		if kinds := office.kinds(); !slices.Equal(kinds, c.want) {
			t.Errorf("cut behind %s: ingest hears %v, want %v", c.mark, kinds, c.want)
		}
	}
}
