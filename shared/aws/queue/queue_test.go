package queue_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"crypto/md5"

	"loophub/events"
	"loophub/shared/aws/queue"
)

// cloud answers SendMessageBatch.
type cloud struct {
	t      *testing.T
	reply  string // instead of its own
	status int
	bodies []string
}

func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	var in struct {
		Entries []struct{ Id, MessageBody string }
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessageBatch" {
		c.t.Errorf("%s: %v", body, err)
	}
	var done []string
	for _, e := range in.Entries {
		c.bodies = append(c.bodies, e.MessageBody)
		done = append(done, fmt.Sprintf(`{"Id":%q,"MessageId":"m","MD5OfMessageBody":"%x"}`, e.Id, md5.Sum([]byte(e.MessageBody))))
	}
	reply := `{"Successful":[` + strings.Join(done, ",") + `]}`
	if c.reply != "" {
		reply = c.reply
	}
	return &http.Response{StatusCode: c.status, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(reply))}, nil
}

func send(t *testing.T, c *cloud) ([]int, error) {
	q := queue.New(sqs.NewFromConfig(aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", ""),
		HTTPClient: c, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}), "https://sqs.us-east-1.amazonaws.com/000000000000/segment")
	var l []events.Envelope
	for n := range queue.PerCall {
		e, err := events.NewEnvelope("saigon", events.DueReached, time.UnixMilli(5), events.Due{What: fmt.Sprint(n), At: 5})
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, e)
	}
	return q.Send(t.Context(), l)
}

func TestSend(t *testing.T) {
	c := &cloud{t: t, status: 200}
	if failed, err := send(t, c); err != nil || len(failed) > 0 || len(c.bodies) != 10 {
		t.Fatal(failed, err)
	}
	e, err := events.FromQueue(c.bodies[7])
	if err != nil || e.Type != events.DueReached || e.Workspace != "saigon" || string(e.Data) != `{"what":"7","at":5}` {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestSendFails(t *testing.T) {
	c := &cloud{t: t, status: 200, reply: `{"Failed":[{"Id":"3","Code":"x","SenderFault":false},{"Id":"9","Code":"x","SenderFault":false}]}`}
	if failed, err := send(t, c); err != nil || fmt.Sprint(failed) != "[3 9]" {
		t.Error(failed, err)
	}
	for _, strange := range []string{`{"Failed":[{"Id":"10"}]}`, `{"Failed":[{"Id":"-1"}]}`, `{"Failed":[{}]}`, `{"Failed":[{"Id":"x"}]}`} {
		if _, err := send(t, &cloud{t: t, status: 200, reply: strange}); err == nil {
			t.Error(strange)
		}
	}
	if _, err := send(t, &cloud{t: t, status: 500, reply: `{"__type":"InternalError"}`}); err == nil {
		t.Error("no error")
	}
}
