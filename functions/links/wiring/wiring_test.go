package wiring_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	own "loophub/connectors/links"
	facts "loophub/events"
	"loophub/functions/links/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/token"
	"loophub/shared/workspace"
)

const (
	lan     = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	target  = "https://tra-sen.example/tra?voucher=TS10"
	address = "https://links.example"
)

var environment = map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_PARAMETERS": awstest.Prefix}

// shop is a workspace that has sent one message.
type shop struct {
	*awstest.Cloud
	t   *testing.T
	h   lambda.Handler
	key token.Key
	id  string // of the message
	log bytes.Buffer
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{Cloud: awstest.New(t), t: t}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, parameters := dynamodb.NewFromConfig(s.Config()), ssm.NewFromConfig(s.Config())
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
		strings.NewReader(strings.Repeat("random bytes of a test, ", 100)))
	_, err := writer.Apply(t.Context(), []byte("workspace: saigon\nname: Trà Sen\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconnections:\n  shop: {connector: till}\n"))
	must(err)
	identity, err := definition.NewReader(db, parameters, awstest.Hub, awstest.Prefix, s.Now).IdentityKey(t.Context(), "saigon")
	must(err)
	s.key, err = token.NewKey(identity)
	must(err)
	r := message.Request{ID: message.NewID(s.Now(), "1"), Fragment: lan, Connection: "shop", Template: "t", Purpose: workspace.Marketing, At: s.Now().UnixMilli()}
	m, err := message.Message{Request: r}.Claim(message.Rendered{Locale: "vi", Links: []string{"https://tra-sen.example/", target}}, s.Now())
	must(err)
	must(hub.New(db, awstest.Hub).In("saigon").CommitMessage(t.Context(), m))
	s.id = r.ID
	s.renew()
	return s
}

// renew begins with a process that has read nothing yet.
func (s *shop) renew() {
	s.t.Helper()
	var err error
	s.h, err = wiring.New(deps.Deps{Config: s.Config(), Now: s.Now, Log: &s.log, Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		s.t.Fatal(err)
	}
}

// path of a link of the message.
func (s *shop) path(k token.Kind, change ...func(*token.Token)) string {
	s.t.Helper()
	one := token.Token{Kind: k, Workspace: "saigon", Fragment: string(lan), Message: s.id, Issued: s.Now()}
	if k == token.Click {
		one.Link = 2
	}
	for _, c := range change {
		c(&one)
	}
	signed, err := token.Sign(s.key, one)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimPrefix(token.URL(address, k, signed), address)
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
		kind         token.Kind
		method, name string
		status       int
		field        string
	}{
		{token.Click, "GET", "click-2-", 302, "clicked_at"}, {token.Unsubscribe, "POST", "unsubscribe-0-", 200, "withdraw:email:marketing"},
		{token.Preferences, "POST", "subscribe-0-", 200, "grant:email:marketing"}, {token.Confirm, "POST", "confirm-0-", 200, "grant:email:marketing"},
	} {
		s := newShop(t)
		puts, path := s.Calls("dynamodb.PutItem"), s.path(c.kind)
		for range 2 {
			r := invoke(t, s.h, c.method, path)
			if r.StatusCode != c.status || c.kind == token.Click && r.Headers["Location"] != target {
				t.Errorf("%s: %+v", path, r)
			}
		}
		second := s.Now().Unix()
		key := delivery.Key{Workspace: "saigon", Connection: own.Name, Object: string(lan) + "." + s.id, Delivery: c.name + decimal(second)}
		d, err := inbox.New(dynamodb.NewFromConfig(s.Config()), awstest.Inbox, nil).Get(t.Context(), key, s.Now())
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if f := decode(t, d.Request); f.Record != key.Object || f.At != second*1000 || f.Fields[c.field].String() != decimal(second*1000) ||
			strings.Contains(f.Fields["link"].String(), "voucher") {
			t.Errorf("%s: %+v", path, f)
		}
		if n := s.Calls("dynamodb.PutItem") - puts; n != 2 {
			t.Errorf("%s: %d puts", path, n)
		}
	}
}

// TestPagesSpeakAsTheMessageDid: its language and its shop; and where nothing is
// known of the message any more, it can still be unsubscribed from.
func TestPagesSpeakAsTheMessageDid(t *testing.T) {
	s := newShop(t)
	if r := invoke(t, s.h, "GET", s.path(token.Unsubscribe)); r.StatusCode != 200 || !strings.Contains(r.Body, "Trà Sen") || !strings.Contains(r.Body, `lang="vi"`) {
		t.Errorf("%+v", r)
	}
	gone := func(one *token.Token) { one.Message = message.NewID(s.Now(), "2") }
	if r := invoke(t, s.h, "POST", s.path(token.Unsubscribe, gone)); r.StatusCode != 200 {
		t.Errorf("%+v", r)
	}
	if r := invoke(t, s.h, "GET", s.path(token.Click, gone)); r.StatusCode != 404 {
		t.Errorf("%+v", r)
	}
	if r := invoke(t, s.h, "GET", s.path(token.Click, func(one *token.Token) { one.Link = 3 })); r.StatusCode != 404 {
		t.Errorf("a link that the message has not: %+v", r)
	}
}

// TestOnlyOurLinks: what another key signed, of a workspace that there is not, of
// another kind or too old is no link of ours, and changes nothing.
func TestOnlyOurLinks(t *testing.T) {
	s := newShop(t)
	puts := s.Calls("dynamodb.PutItem")
	old := s.path(token.Unsubscribe, func(one *token.Token) { one.Issued = s.Now().Add(-token.MaxAge - time.Minute) })
	nobody := s.path(token.Unsubscribe, func(one *token.Token) { one.Workspace = "hanoi" })
	ours := s.path(token.Unsubscribe)
	s.key = token.Key("another")
	for name, path := range map[string]string{"another key": s.path(token.Unsubscribe), "no workspace": nobody, "old": old,
		"another kind": strings.Replace(ours, "/u/", "/c/", 1), "spoiled": ours[:len(ours)-1] + "-"} {
		if r := invoke(t, s.h, "POST", path); r.StatusCode != 404 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if n := s.Calls("dynamodb.PutItem") - puts; n != 0 {
		t.Errorf("%d puts", n)
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func decode(t *testing.T, r connector.Request) facts.Fact {
	t.Helper()
	src, err := own.New().Source(connector.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	l, faults := src.Decode(r)
	if len(l) != 1 || len(faults) != 0 || l[0].Validate() != nil {
		t.Fatalf("%+v %v", l, faults)
	}
	return l[0]
}

// TestNothingIsPretended: who can't be unsubscribed just now is told so, and a click goes on.
func TestNothingIsPretended(t *testing.T) {
	for kind, want := range map[token.Kind]int{token.Click: 302, token.Unsubscribe: 503, token.Confirm: 503} {
		s := newShop(t)
		puts := s.Calls("dynamodb.PutItem")
		s.Fault = func(call string) *awstest.Fault {
			if call != "dynamodb.PutItem" {
				return nil
			}
			return &awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}
		}
		method := "POST"
		if kind == token.Click {
			method = "GET"
		}
		if r := invoke(t, s.h, method, s.path(kind)); r.StatusCode != want || s.Calls("dynamodb.PutItem")-puts != 2 {
			t.Errorf("%s: %+v after %d puts", kind.Letter(), r, s.Calls("dynamodb.PutItem")-puts)
		}
	}
}

// TestAKeyThatCantBeRead makes nobody's link a forged one.
func TestAKeyThatCantBeRead(t *testing.T) {
	for _, call := range []string{"ssm.GetParameter", "dynamodb.GetItem"} {
		s := newShop(t)
		path := s.path(token.Unsubscribe)
		s.Fault = func(c string) *awstest.Fault {
			if c != call {
				return nil
			}
			return &awstest.Fault{Status: 500, Code: "InternalServerError"}
		}
		if r := invoke(t, s.h, "POST", path); r.StatusCode != 503 {
			t.Errorf("%s fails: %+v", call, r)
		}
		s.Fault = nil
		if r := invoke(t, s.h, "POST", path); r.StatusCode != 200 {
			t.Errorf("%s is back: %+v", call, r)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	for missing := range environment {
		_, err := wiring.New(deps.Deps{Getenv: func(name string) string {
			if name == missing {
				return ""
			}
			return environment[name]
		}})
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", missing, err)
		}
	}
}
