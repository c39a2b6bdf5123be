package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/pattern"
)

// consumer is a function that notes its batches and fails as the keys of their records say: "bad…" makes it return an
// error, "partial…" a partial batch response from that record on.
type consumer struct {
	mu      sync.Mutex
	batches []string
	fixed   bool // nothing is bad any more
}

func (c *consumer) handle(_ context.Context, payload []byte) ([]byte, error) {
	var in struct {
		Records []struct {
			K        string
			DynamoDB struct{ SequenceNumber string }
		}
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, err
	}
	var keys []string
	for _, r := range in.Records {
		keys = append(keys, r.K)
	}
	c.mu.Lock()
	c.batches = append(c.batches, strings.Join(keys, " "))
	c.mu.Unlock()
	for _, r := range in.Records {
		switch {
		case c.fixed:
		case strings.HasPrefix(r.K, "bad"):
			return nil, errors.New(r.K)
		case strings.HasPrefix(r.K, "partial"):
			return fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, r.DynamoDB.SequenceNumber), nil
		case strings.HasPrefix(r.K, "unknown"):
			return []byte(`{"batchItemFailures":[{"itemIdentifier":"nobody"}]}`), nil
		}
	}
	return []byte(`{"batchItemFailures":[]}`), nil
}

type given struct {
	Key    string
	Record map[string]any
}

// stream starts a mapping over a stream in memory, after the records that are there already.
func stream(t *testing.T, change func(m *StreamMapping), before ...string) (*bench, *consumer, *memory, *[]given) {
	t.Helper()
	c := &consumer{}
	b := newBench(t, always(c.handle))
	source := &memory{now: b.clock.Now}
	source.add(before...)
	failures := &[]given{}
	m := StreamMapping{ID: "uuid", Function: "f", SourceARN: "arn:stream", Stream: source, BatchSize: 3, Retries: 2, Report: true, Whole: true,
		Failure: func(key string, body []byte) error {
			g := given{Key: key}
			*failures = append(*failures, g)
			return json.Unmarshal(body, &(*failures)[len(*failures)-1].Record)
		}}
	if change != nil {
		change(&m)
	}
	if err := b.MapStream(m); err != nil {
		t.Fatal(err)
	}
	b.rest()
	return b, c, source, failures
}

func (c *consumer) want(t *testing.T, batches ...string) {
	t.Helper()
	if !slices.Equal(c.batches, batches) {
		t.Errorf("batches %q, want %q", c.batches, batches)
	}
}

func TestStreamDeliversInOrderAndBatches(t *testing.T) {
	b, c, s, _ := stream(t, nil, "a")
	s.add("b", "c", "d", "e")
	b.rest()
	c.want(t, "a", "b c d", "e")
}

func TestStreamReadsALongBacklogInOrder(t *testing.T) {
	var keys []string
	for i := range 2*readAhead + 10 {
		keys = append(keys, fmt.Sprint(i))
	}
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.BatchSize = 100 }, keys...)
	if got := strings.Join(c.batches, " "); got != strings.Join(keys, " ") {
		t.Errorf("the order is lost, or records are: %d batches", len(c.batches))
	}
	if want := (len(keys) + 99) / 100; len(c.batches) != want {
		t.Errorf("%d batches, want %d full ones", len(c.batches), want)
	}
}

func TestStreamFromLatest(t *testing.T) {
	b, c, s, _ := stream(t, func(m *StreamMapping) { m.FromLatest = true }, "a", "b")
	s.add("c")
	b.rest()
	c.want(t, "c")
}

func TestStreamFilter(t *testing.T) {
	p, err := pattern.Parse([]byte(`{"k":[{"anything-but":{"prefix":"x"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.Filters = []pattern.Pattern{p} }, "x1", "a", "x2", "b", "c", "x3", "d", "x4")
	c.want(t, "a b c", "d") // batches fill up with what fits
}

func TestStreamRetriesThenGivesUp(t *testing.T) {
	_, c, _, failures := stream(t, nil, "a", "bad", "c", "d")
	c.want(t, "a bad c", "a bad c", "a bad c", "d")
	if len(*failures) != 1 {
		t.Fatalf("%d failure records", len(*failures))
	}
	f := (*failures)[0]
	info, _ := f.Record["DDBStreamBatchInfo"].(map[string]any)
	request, _ := f.Record["requestContext"].(map[string]any)
	if !strings.HasPrefix(f.Key, "aws/lambda/uuid/"+shardID(0)+"/2026/01/02/2026-01-02T12.00.00-") || info["startSequenceNumber"] != "s1" ||
		info["endSequenceNumber"] != "s3" || info["batchSize"] != 3.0 || request["condition"] != "RetryAttemptsExhausted" ||
		request["approximateInvokeCount"] != 3.0 || !strings.Contains(fmt.Sprint(f.Record["payload"]), `"k":"bad"`) {
		t.Errorf("record %+v", f)
	}
}

func TestStreamBisectsWithoutSpendingRetries(t *testing.T) {
	_, c, _, failures := stream(t, func(m *StreamMapping) { m.Bisect = true; m.BatchSize = 4 }, "a", "b", "bad", "d")
	c.want(t, "a b bad d", "a b", "bad d", "bad", "bad", "bad", "d")
	if len(*failures) != 1 || !strings.Contains(fmt.Sprint((*failures)[0].Record["payload"]), `"k":"bad"`) {
		t.Errorf("failure records %+v", *failures)
	}
}

func TestStreamPartialFailureTriesTheRestAgain(t *testing.T) {
	_, c, _, failures := stream(t, nil, "a", "partial", "c")
	c.want(t, "a partial c", "partial c", "partial c")
	if info := (*failures)[0].Record["DDBStreamBatchInfo"].(map[string]any); info["startSequenceNumber"] != "s2" || info["batchSize"] != 2.0 {
		t.Errorf("given up: %v", info)
	}
}

func TestStreamPartialFailureWithBisect(t *testing.T) {
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.Bisect = true }, "a", "partial", "c")
	c.want(t, "a partial c", "partial c", "partial", "partial", "c")
}

func TestStreamTakesAnUnknownFailureForAllOfTheBatch(t *testing.T) {
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.Retries = 1 }, "a", "unknown")
	c.want(t, "a unknown", "a unknown")
}

func TestStreamWithoutReportTakesEveryReplyForSuccess(t *testing.T) {
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.Report = false }, "a", "partial")
	c.want(t, "a partial")
}

func TestStreamGivesUpWhatIsTooOld(t *testing.T) {
	c := &consumer{}
	b := newBench(t, always(c.handle))
	source := &memory{now: b.clock.Now}
	source.add("old 1", "old 2")
	b.pass(2 * time.Hour)
	source.add("new")
	var conditions []string
	err := b.MapStream(StreamMapping{ID: "uuid", Function: "f", Stream: source, BatchSize: 10, Retries: 1, MaxAge: time.Hour,
		Failure: func(_ string, body []byte) error {
			conditions = append(conditions, string(body))
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	b.rest()
	c.want(t, "new")
	if len(conditions) != 1 || !strings.Contains(conditions[0], "RecordAgeExceeded") || strings.Contains(conditions[0], "responseContext") {
		t.Errorf("records %q", conditions)
	}
}

func TestStreamSplitsByBytes(t *testing.T) {
	big := strings.Repeat("x", 4<<20)
	_, c, _, _ := stream(t, nil, big+"1", big+"2")
	if len(c.batches) != 2 {
		t.Errorf("%d batches for 8 MB", len(c.batches))
	}
}

func TestStoppedStreamKeepsItsPlace(t *testing.T) {
	b, c, s, _ := stream(t, nil, "a")
	b.Stop(errors.New("enough"))
	s.add("b")
	b.rest()
	c.want(t, "a")
}

func TestFailedItems(t *testing.T) {
	for reply, want := range map[string]string{
		``: "[] true", `null`: "[] true", `{}`: "[] true", `{"batchItemFailures":null}`: "[] true", `{"batchItemFailures":[]}`: "[] true",
		`{"batchItemFailures":[{"itemIdentifier":"a"}]}`: "[a] true",
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:  "[] false",
		`{"batchItemFailures":[{"identifier":"a"}]}`:     "[] false",
		`{"batchItemFailures":[null]}`:                   "[] false",
		`{"batchItemFailures":7}`:                        "[] false",
		`"text"`:                                         "[] false",
	} {
		ids, ok := failedItems([]byte(reply))
		if got := fmt.Sprint(ids, ok); got != want {
			t.Errorf("%s: %s, want %s", reply, got, want)
		}
	}
}

// The shards of a stream are read each by itself; the records of one item stay in order.
func TestShards(t *testing.T) {
	var keys []string
	for n := range 8 {
		for _, item := range "abcdef" {
			keys = append(keys, fmt.Sprint(string(item), n))
		}
	}
	_, c, _, _ := stream(t, func(m *StreamMapping) { m.Shards, m.BatchSize = 3, 100 }, keys...)
	if len(c.batches) < 2 || len(c.batches) > 3 { // by chance nothing may lie in one of them
		t.Fatalf("%d batches, want one for each shard: %q", len(c.batches), c.batches)
	}
	seen := map[byte]int{}
	for _, batch := range c.batches {
		for _, key := range strings.Fields(batch) {
			if want := fmt.Sprint(string(key[0]), seen[key[0]]); key != want {
				t.Errorf("%s came where %s should: %q", key, want, c.batches)
			}
			seen[key[0]]++
		}
	}
	for _, item := range []byte("abcdef") {
		if seen[item] != 8 {
			t.Errorf("%d records of %c, want 8", seen[item], item)
		}
	}
}
