package spill_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/overflow"
	"loophub/shared/aws/spill"
	"loophub/shared/delivery"
)

func newSpill(t testing.TB) (*awstest.Cloud, *spill.Spill) {
	c := awstest.New(t)
	return c, spill.New(sqs.NewFromConfig(c.Config()), awstest.Queue, overflow.New(c.Config(), awstest.Bucket))
}

func sealed(c *awstest.Cloud, body []byte) delivery.Sealed {
	return delivery.Seal(delivery.Delivery{
		Key:     delivery.Key{Workspace: "saigon", Connection: "shop", Object: "order-1", Delivery: "d1"},
		Request: connector.Request{Method: "POST", Header: http.Header{}, Body: body, ReceivedAt: c.Now()},
		Trace:   "trace",
	})
}

func TestSendReceiveDelete(t *testing.T) {
	c, s := newSpill(t)
	want := sealed(c, []byte(`{"id":1}`))
	want.Lane = delivery.Backfill
	for range 2 {
		if err := s.Send(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		got, err := s.Receive(t.Context())
		if err != nil || len(got) != 2 {
			t.Fatal(len(got), err)
		}
		for _, one := range got {
			if diff := cmp.Diff(want, one.Sealed); diff != "" || one.Err != nil {
				t.Error(diff, one.Err)
			}
		}
		if more, err := s.Receive(t.Context()); err != nil || len(more) != 0 {
			t.Error(len(more), err)
		}
		c.Reappear()
	}
	got, err := s.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Delete(t.Context(), []string{got[0].Receipt, got[1].Receipt}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.Messages()); n != 0 {
		t.Errorf("%d messages stay", n)
	}
}

func TestLargeGoesToTheBucketFirst(t *testing.T) {
	c, s := newSpill(t)
	body := make([]byte, 200<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	d := sealed(c, body)
	c.Fault = func(call string) *awstest.Fault {
		if call == "s3.PutObject" {
			return &awstest.Fault{Status: 503, Code: "SlowDown"}
		}
		return nil
	}
	if err := s.Send(t.Context(), d); err == nil || len(c.Messages()) != 0 {
		t.Fatal("sent without its body")
	}
	c.Fault = nil
	if err := s.Send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if m := c.Messages(); len(m) != 1 || len(m[0]) > 1000 {
		t.Error("the body is in the message")
	}
	got, err := s.Receive(t.Context())
	if err != nil || len(got) != 1 || got[0].Packed != nil || string(c.Objects()[got[0].Overflow]) != string(d.Packed) {
		t.Error(err, len(got))
	}
}

// Whatever goes into a message stays below the queue's 256 KB.
func TestLargestMessage(t *testing.T) {
	c, s := newSpill(t)
	d := sealed(c, nil)
	d.Packed = make([]byte, 180<<10)
	d.Key.Object, d.Key.Delivery = strings.Repeat("\\", 200), strings.Repeat("\\", 240)
	if err := s.Send(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if m := c.Messages(); len(m) != 1 || len(m[0]) > 256<<10 || len(c.Objects()) != 0 {
		t.Error(len(m))
	}
}

func TestBrokenMessages(t *testing.T) {
	c, s := newSpill(t)
	broken := []string{" ", "{", `{"v":2}`, `{"v":1}`, `{"v":1,"w":"a","c":"b","ob":"c","de":"d","h":"AAAA","d":"AA=="}`,
		`{"v":1,"w":"a","c":"b","ob":"c","de":"d","h":"AAAAAAAAAAAAAAAAAAAAAA=="}`}
	for _, m := range broken {
		c.Push(m)
	}
	got, err := s.Receive(t.Context())
	if err != nil || len(got) != len(broken) {
		t.Fatal(len(got), err)
	}
	for i, one := range got {
		if one.Err == nil || one.Receipt == "" {
			t.Errorf("%s: accepted", broken[i])
		}
	}
}

func TestErrors(t *testing.T) {
	c, s := newSpill(t)
	c.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalError"} }
	if err := s.Send(t.Context(), sealed(c, nil)); err == nil {
		t.Error("sent")
	}
	if _, err := s.Receive(t.Context()); err == nil {
		t.Error("received")
	}
	if err := s.Delete(t.Context(), []string{"x"}); err == nil {
		t.Error("deleted")
	}
}

// TestDeletesInPart: what the queue did not delete comes back, and nothing else.
func TestDeletesInPart(t *testing.T) {
	c, s := newSpill(t)
	for range 3 {
		if err := s.Send(t.Context(), sealed(c, []byte(`{"id":1}`))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Receive(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatal(len(got), err)
	}
	c.Fault = func(string) *awstest.Fault { return &awstest.Fault{Partial: true} }
	if err := s.Delete(t.Context(), []string{got[0].Receipt, got[1].Receipt, got[2].Receipt}); err == nil || !strings.Contains(err.Error(), "2 of 3 stayed") {
		t.Error(err)
	}
	c.Fault = nil
	c.Reappear()
	if got, err = s.Receive(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("%d deliveries came back, want the 2 that stayed: %v", len(got), err)
	}
}
