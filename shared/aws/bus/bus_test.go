package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"loophub/events"
	"loophub/shared/aws/bus"
)

// cloud answers PutEvents: entries by their number in all, calls by theirs.
type cloud struct {
	t       *testing.T
	refuse  func(n int) bool
	fail    func(call int) bool
	calls   [][]int // numbers of the entries
	entries []map[string]any
}

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	var in struct{ Entries []map[string]any }
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" {
		c.t.Errorf("%s: %v", body, err)
	}
	type result struct {
		EventID   string `json:"EventId,omitempty"`
		ErrorCode string `json:",omitempty"`
	}
	var out struct {
		FailedEntryCount int
		Entries          []result
	}
	var call []int
	for _, e := range in.Entries {
		n := len(c.entries)
		call, c.entries = append(call, n), append(c.entries, e)
		if c.refuse(n) {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, result{ErrorCode: "InternalFailure"})
			continue
		}
		out.Entries = append(out.Entries, result{EventID: fmt.Sprint(n)})
	}
	c.calls = append(c.calls, call)
	reply := &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}}
	b, err := json.Marshal(out)
	if c.fail(len(c.calls) - 1) {
		reply.StatusCode, b = 500, []byte(`{"__type":"InternalException"}`)
	}
	reply.Body = io.NopCloser(bytes.NewReader(b))
	return reply, err
}

func put(t *testing.T, n int, refuse, fail func(int) bool) (*cloud, []int, error) {
	t.Helper()
	c := &cloud{t: t, refuse: refuse, fail: fail}
	b := bus.New(eventbridge.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: c, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", "")}), "loophub")
	var l []events.Envelope
	for i := range n {
		e, err := events.NewProfileChanged("saigon", time.Unix(1795249232, 0), []events.ProfileChange{{Fragment: fmt.Sprint(i), Version: 1, Profile: "p", Parts: []string{"orders"}}})
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, e)
	}
	failed, err := b.Put(context.Background(), l)
	return c, failed, err
}

func never(int) bool  { return false }
func always(int) bool { return true }

func TestPartialFailureOverSeveralCalls(t *testing.T) {
	in := func(l ...int) func(int) bool { return func(n int) bool { return slices.Contains(l, n) } }
	span := func(from, to int) (l []int) {
		for n := from; n < to; n++ {
			l = append(l, n)
		}
		return l
	}
	for name, tt := range map[string]struct {
		n            int
		refuse, fail func(int) bool
		failed       []int
		err          bool
		calls        int
	}{
		"nothing":                       {0, never, never, nil, false, 0},
		"all taken":                     {23, never, never, nil, false, 3},
		"some refused in each call":     {23, in(3, 10, 22), never, []int{3, 10, 22}, false, 3},
		"all refused":                   {12, always, never, span(0, 12), false, 2},
		"the second call fails":         {23, in(3, 22), in(1), append(append([]int{3}, span(10, 20)...), 22), false, 3},
		"the first call fails":          {12, never, in(0), span(0, 10), false, 2},
		"all calls fail":                {23, never, always, span(0, 23), true, 3},
		"one fails, the other refuses":  {12, always, in(0), span(0, 12), true, 2},
		"the only call, at its limit":   {10, never, never, nil, false, 1},
		"one call, and one entry fails": {1, always, never, []int{0}, false, 1},
	} {
		c, failed, err := put(t, tt.n, tt.refuse, tt.fail)
		slices.Sort(failed)
		if !slices.Equal(failed, tt.failed) || (err != nil) != tt.err || len(c.calls) != tt.calls {
			t.Errorf("%s: failed %v, %v, %d calls", name, failed, err, len(c.calls))
		}
		for _, call := range c.calls {
			if len(call) > 10 {
				t.Errorf("%s: a call with %d entries", name, len(call))
			}
		}
	}
}

func TestEntry(t *testing.T) {
	c, _, err := put(t, 1, never, never)
	if err != nil {
		t.Fatal(err)
	}
	e := c.entries[0]
	var detail events.Envelope
	if err := json.Unmarshal([]byte(e["Detail"].(string)), &detail); err != nil {
		t.Fatal(err)
	}
	if e["EventBusName"] != "loophub" || e["Source"] != events.Source || e["DetailType"] != events.ProfileChanged || e["Time"] != 1795249232.0 ||
		detail.Type != events.ProfileChanged || detail.Workspace != "saigon" {
		t.Errorf("%v", e)
	}
}

func TestTimeIsUp(t *testing.T) {
	c := &cloud{t: t, refuse: never, fail: never}
	b := bus.New(eventbridge.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: c, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", "")}), "loophub")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if failed, err := b.Put(ctx, make([]events.Envelope, 12)); !errors.Is(err, context.Canceled) || len(failed) != 12 {
		t.Error(failed, err)
	}
}
