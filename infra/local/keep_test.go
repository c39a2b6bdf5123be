package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
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
	s, err := store.Open(dir, func(line string) { t.Error(line) })
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	handlers := map[string]lambda.Factory{"ingest": w.ingest, "unify": w.unify, "publish": w.publish, "api": w.api, "sweep": w.sweep}
	if w.Cloud, err = New(fixture(t), Options{Handlers: handlers, Clock: c, Store: s, Tail: func(l Line) {
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
