package ingest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/functions/ingest"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/overflow"
	"loophub/shared/aws/spill"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

// real is the stage with its adapters, the SDK and the local DynamoDB behind it.
type real struct {
	*awstest.Cloud
	*world // sends; its ports are not used
	inbox  *inbox.Inbox
}

func newReal(t testing.TB) real {
	c, w := awstest.New(t), newWorld(t)
	db, parameters := dynamodb.NewFromConfig(c.Config()), ssm.NewFromConfig(c.Config())
	var manifests []connector.Manifest
	for _, one := range connectors() {
		manifests = append(manifests, one.Manifest)
	}
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, manifests, rand.Reader)
	_, err := writer.Apply(t.Context(), []byte("workspace: saigon\nname: Trà Lan\ncountry: VN\ncurrency: VND\ntimezone: UTC\n"+
		"connections:\n  shop: {connector: till}\n  mail: {connector: post}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.SetSecrets(t.Context(), "saigon", "shop", []connector.Secret{secret}); err != nil {
		t.Fatal(err)
	}
	large := overflow.New(c.Config(), awstest.Bucket)
	r := real{c, w, inbox.New(db, awstest.Inbox, large)}
	w.stage = ingest.New(ingest.Config{
		Connectors:  connectors(),
		Definitions: definition.NewReader(db, parameters, awstest.Hub, awstest.Prefix, c.Now),
		Inbox:       r.inbox,
		Spill:       spill.New(sqs.NewFromConfig(c.Config()), awstest.Queue, large),
		Log:         telemetry.New(w.log, "ingest"), Now: c.Now,
	})
	return r
}

func TestThroughTheSDK(t *testing.T) {
	throttled := &awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}
	hang, lost := &awstest.Fault{Hang: true}, &awstest.Fault{Hang: true, After: true}
	for name, tt := range map[string]struct {
		puts        []*awstest.Fault // of the first, the second attempt
		sqs, ssm    *awstest.Fault
		status      int
		msg, code   string
		stored, ssp bool
	}{
		"well":                    {status: 200, msg: "stored", stored: true},
		"throttled once":          {puts: []*awstest.Fault{throttled}, status: 200, msg: "stored", stored: true},
		"time-out after effect":   {puts: []*awstest.Fault{lost}, status: 200, msg: "duplicate", stored: true},
		"both lost after effect":  {puts: []*awstest.Fault{lost, lost}, status: 200, msg: "spilled", code: "DeadlineExceeded", stored: true, ssp: true},
		"throttled, then hanging": {puts: []*awstest.Fault{throttled, hang}, status: 200, msg: "spilled", code: "DeadlineExceeded", ssp: true},
		"throttled twice":         {puts: []*awstest.Fault{throttled, throttled}, status: 200, msg: "spilled", code: "ProvisionedThroughputExceededException", ssp: true},
		"nothing works":           {puts: []*awstest.Fault{throttled, throttled}, sqs: hang, status: 503, msg: "failed", code: "ProvisionedThroughputExceededException"},
		"no secrets to be had":    {ssm: hang, status: 503, msg: "failed", code: "DeadlineExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newReal(t)
				puts := 0
				w.Fault = func(call string) *awstest.Fault {
					switch call {
					case "dynamodb.PutItem":
						if puts++; puts <= len(tt.puts) {
							return tt.puts[puts-1]
						}
					case "sqs.SendMessage":
						return tt.sqs
					case "ssm.GetParameter":
						return tt.ssm
					}
					return nil
				}
				r := w.send(t, event("/hooks/saigon/shop", order))
				l := w.line(t)
				if code, _ := l["code"].(string); r.StatusCode != tt.status || l["msg"] != tt.msg || code != tt.code {
					t.Error(r, l)
				}
				_, err := w.inbox.Get(t.Context(), orderKey, w.Now())
				if (err == nil) != tt.stored || (len(w.Messages()) > 0) != tt.ssp {
					t.Error(err, len(w.Messages()))
				}
				// The sender's retry, when all is well again, finds or makes the one item.
				w.Fault = nil
				if r := w.send(t, event("/hooks/saigon/shop", order)); r.StatusCode != 200 {
					t.Error(r)
				}
				got, err := w.inbox.Get(t.Context(), orderKey, w.Now())
				if err != nil || string(got.Request.Body) != order {
					t.Error(err)
				}
			})
		})
	}
}

// A body of 6 MB that does not compress goes to the bucket, also on its way to the
// spill queue.
func TestLargestBody(t *testing.T) {
	w := newReal(t)
	body := make([]byte, ingest.MaxBody)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	e := event("/hooks/saigon/shop", string(body))
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	for _, outcome := range []string{"stored", "duplicate", "spilled"} {
		if outcome == "spilled" {
			w.Fault = func(call string) *awstest.Fault {
				if call == "dynamodb.PutItem" {
					return &awstest.Fault{Status: 500, Code: "InternalServerError"}
				}
				return nil
			}
		}
		if r := w.send(t, e); r.StatusCode != 200 || w.line(t)["msg"] != outcome {
			t.Fatal(r, w.line(t))
		}
	}
	got, err := w.inbox.Get(t.Context(), orderKey, w.Now())
	if err != nil || !bytes.Equal(got.Request.Body, body) {
		t.Error(err)
	}
	if len(w.Objects()) != 1 || len(w.Messages()) != 1 || len(w.Messages()[0]) > 1_000 {
		t.Error(len(w.Objects()), len(w.Messages()))
	}
}

// While the definition can't be read, the last good one serves.
func TestDefinitionOutage(t *testing.T) {
	w := newReal(t)
	w.send(t, event("/hooks/saigon/shop", order))
	w.Advance(2 * time.Minute)
	w.Fault = func(call string) *awstest.Fault {
		if call == "dynamodb.GetItem" || strings.HasPrefix(call, "ssm.") {
			return &awstest.Fault{Status: 500, Code: "InternalServerError"}
		}
		return nil
	}
	if r := w.send(t, event("/hooks/saigon/shop", order)); r.StatusCode != 200 || w.line(t)["msg"] != string(delivery.Duplicate) {
		t.Error(r, w.line(t))
	}
	if r := w.send(t, event("/hooks/hanoi/shop", order)); r.StatusCode != 503 {
		t.Error("during an outage an unknown workspace is not known to be unknown", r)
	}
}
