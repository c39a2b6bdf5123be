package wiring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	own "loophub/connectors/links"
	hub "loophub/events"
	"loophub/functions/links"
	"loophub/functions/links/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
)

// sent is one message, whose token is "good" for every kind of link.
type sent struct{ kind links.Kind }

func (s sent) Read(_ context.Context, token string, _ time.Time) (links.Token, error) {
	if token != "good" {
		return links.Token{}, links.ErrToken
	}
	t := links.Token{Kind: s.kind, Workspace: "saigon", Fragment: "c1", Message: "m1"}
	if s.kind == links.Click {
		t.Link = 2
	}
	return t, nil
}

func (sent) Link(context.Context, links.Token) (links.Message, error) {
	return links.Message{Locale: "vi", Shop: "Trà Sen", Link: "https://tra-sen.example/tra?voucher=TS10"}, nil
}

func handler(t *testing.T, c *awstest.Cloud, kind links.Kind) lambda.Handler {
	t.Helper()
	h, err := wiring.Join(deps.Deps{Config: c.Config(), Now: c.Now, Log: &bytes.Buffer{}, Getenv: func(name string) string {
		return map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox}[name]
	}}, sent{kind}, sent{kind})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func invoke(t *testing.T, h lambda.Handler, method, path string) events.LambdaFunctionURLResponse {
	t.Helper()
	e := events.LambdaFunctionURLRequest{RawPath: path, Body: "marketing=on"}
	e.RequestContext.HTTP.Method = method
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Invoke(t.Context(), payload)
	var r events.LambdaFunctionURLResponse
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatal(string(out), err)
	}
	return r
}

// TestActsBecomeFacts: what a customer does lies in the Inbox once, and the
// connector reads it from there as what it was.
func TestActsBecomeFacts(t *testing.T) {
	for _, c := range []struct {
		kind         links.Kind
		method, name string
		status       int
		field        string
	}{
		{links.Click, "GET", "click-2-", 302, "clicked_at"}, {links.Unsubscribe, "POST", "unsubscribe-0-", 200, "withdraw:email:marketing"},
		{links.Preferences, "POST", "subscribe-0-", 200, "grant:email:marketing"}, {links.Confirm, "POST", "confirm-0-", 200, "grant:email:marketing"},
	} {
		cloud := awstest.New(t)
		h := handler(t, cloud, c.kind)
		for range 2 {
			if r := invoke(t, h, c.method, "/"+string(c.kind)+"/good"); r.StatusCode != c.status {
				t.Errorf("%s: %+v", c.kind, r)
			}
		}
		second := cloud.Now().Unix()
		key := delivery.Key{Workspace: "saigon", Connection: own.Name, Object: "c1.m1", Delivery: c.name + decimal(second)}
		d, err := inbox.New(dynamodb.NewFromConfig(cloud.Config()), awstest.Inbox, nil).Get(t.Context(), key, cloud.Now())
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
			continue
		}
		if f := decode(t, d.Request); f.Record != "c1.m1" || f.At != second*1000 || f.Fields[c.field].String() != decimal(second*1000) ||
			strings.Contains(f.Fields["link"].String(), "voucher") {
			t.Errorf("%s: %+v", c.kind, f)
		}
		if cloud.Calls("dynamodb.PutItem") != 2 {
			t.Errorf("%s: %d puts", c.kind, cloud.Calls("dynamodb.PutItem"))
		}
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func decode(t *testing.T, r connector.Request) hub.Fact {
	t.Helper()
	src, err := own.New().Source(connector.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	facts, faults := src.Decode(r)
	if len(facts) != 1 || len(faults) != 0 || facts[0].Validate() != nil {
		t.Fatalf("%+v %v", facts, faults)
	}
	return facts[0]
}

// TestNothingIsPretended: who can't be unsubscribed just now is told so, and a click goes on.
func TestNothingIsPretended(t *testing.T) {
	for kind, want := range map[links.Kind]int{links.Click: 302, links.Unsubscribe: 503, links.Confirm: 503} {
		cloud := awstest.New(t)
		cloud.Fault = func(string) *awstest.Fault {
			return &awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}
		}
		method := "POST"
		if kind == links.Click {
			method = "GET"
		}
		if r := invoke(t, handler(t, cloud, kind), method, "/"+string(kind)+"/good"); r.StatusCode != want || cloud.Calls("dynamodb.PutItem") != 2 {
			t.Errorf("%s: %+v after %d puts", kind, r, cloud.Calls("dynamodb.PutItem"))
		}
	}
}

func TestJoinNamesWhatIsMissing(t *testing.T) {
	_, err := wiring.Join(deps.Deps{Getenv: func(string) string { return "" }}, sent{}, sent{})
	if err == nil || !strings.Contains(err.Error(), "LOOPHUB_INBOX_TABLE") {
		t.Error(err)
	}
}
