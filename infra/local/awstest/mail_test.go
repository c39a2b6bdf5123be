package awstest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	lambda "github.com/aws/aws-lambda-go/events"
	handler "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/events"
	links "loophub/functions/links/wiring"
	message "loophub/functions/message/wiring"
	"loophub/infra/local/awstest"
	"loophub/infra/local/ses"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/journey"
	messages "loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	lan      = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	linksURL = "https://links.example"
)

// environment is that of all stages.
var environment = map[string]string{"LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_PARAMETERS": awstest.Prefix,
	"LOOPHUB_CONFIGURATION_SET": awstest.Mails, "LOOPHUB_LINKS_URL": linksURL, "LOOPHUB_RETRY_QUEUE": awstest.Queue, "LOOPHUB_OVERFLOW_BUCKET": awstest.Bucket}

const shop = `workspace: saigon
name: Trà Sen
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  email: {connector: ses, settings: {from: Trà Sen <chao@tra-sen.example>, reply_to: hoi@tra-sen.example}}
templates:
  come-back:
    connection: email
    purpose: marketing
    locale: vi
    contents:
      vi:
        subject: 'Chào {{ traits.first_name | default: "bạn" }}, trà mới về'
        html: <p>Chào <a href="https://tra-sen.example/tra?ma=1">Xem trà</a></p>
`

// world is a shop with one customer, and the two stages that a mail passes.
type world struct {
	*awstest.Cloud
	t           *testing.T
	hub         hub.Workspace
	deps        deps.Deps
	send, links handler.Handler
	log         bytes.Buffer
}

func newWorld(t *testing.T, definitionOf string) *world {
	t.Helper()
	w := &world{Cloud: awstest.New(t), t: t}
	db, parameters := dynamodb.NewFromConfig(w.Config()), ssm.NewFromConfig(w.Config())
	w.hub = hub.New(db, awstest.Hub).In("saigon")
	var known []connector.Manifest
	for _, c := range all.Connectors() {
		known = append(known, c.Manifest)
	}
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, known,
		strings.NewReader(strings.Repeat("random bytes of a test, ", 100)), messages.Checks, journey.Checks)
	_, err := writer.Apply(t.Context(), []byte(definitionOf))
	w.must(err)
	w.deps = deps.Deps{Config: w.Config(), Now: w.Now, Log: &w.log, Getenv: func(name string) string { return environment[name] }}
	w.send, err = message.New(w.deps)
	w.must(err)
	w.links, err = links.New(w.deps)
	w.must(err)
	return w
}

// know stores a customer who has agreed to mails.
func (w *world) know() {
	w.t.Helper()
	said := func(s string) profile.Register { return profile.Register{Version: 1, Value: events.Text(s)} }
	w.must(w.hub.Commit(w.t.Context(), profile.Fragment{ID: lan, State: profile.State{
		Traits:  map[string]profile.Register{"email": said("lan@marker.example"), "first_name": said("Lan"), "locale": said("vi")},
		Consent: map[string]profile.Consent{"email:marketing": {Granted: 5}}}}, nil, nil))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err, w.log.String())
	}
}

func invoke[T any](w *world, h handler.Handler, in any) (out T) {
	w.t.Helper()
	payload, err := json.Marshal(in)
	w.must(err)
	answer, err := h.Invoke(context.Background(), payload)
	w.must(err)
	w.must(json.Unmarshal(answer, &out))
	return out
}

func (w *world) ask() messages.Request {
	w.t.Helper()
	r := messages.Request{ID: messages.NewID(w.Now(), "1"), Fragment: lan, Connection: "email", Template: "come-back", Purpose: workspace.Marketing, At: w.Now().UnixMilli()}
	_, err := w.hub.Request(w.t.Context(), r)
	w.must(err)
	e, err := events.NewEnvelope("saigon", events.MessageRequested, w.Now(), events.Message{Fragment: string(lan), Message: r.ID})
	w.must(err)
	body, err := events.ForQueue(e)
	w.must(err)
	for range 2 {
		if out := invoke[lambda.SQSEventResponse](w, w.send, lambda.SQSEvent{Records: []lambda.SQSMessage{{MessageId: "1", Body: body}}}); len(out.BatchItemFailures) > 0 {
			w.t.Fatal(w.log.String())
		}
	}
	return r
}

func (w *world) visit(method, url string) lambda.LambdaFunctionURLResponse {
	w.t.Helper()
	path, ok := strings.CutPrefix(url, linksURL)
	if !ok {
		w.t.Fatalf("%s leads elsewhere", url)
	}
	e := lambda.LambdaFunctionURLRequest{RawPath: path}
	e.RequestContext.HTTP.Method = method
	return invoke[lambda.LambdaFunctionURLResponse](w, w.links, e)
}

var href = regexp.MustCompile(`href="([^"]*)"`)

// TestAMailGoesOutWhole: once, with both bodies, tags and headers; and its links
// lead to the stage that takes them.
func TestAMailGoesOutWhole(t *testing.T) {
	w := newWorld(t, shop)
	w.know()
	r := w.ask()
	out := w.Outbox()
	if len(out) != 1 {
		t.Fatal(len(out), w.log.String())
	}
	m := out[0]
	if m.From != "=?utf-8?q?Tr=C3=A0_Sen?= <chao@tra-sen.example>" || len(m.To) != 1 || m.To[0] != "lan@marker.example" || m.ReplyTo[0] != "<hoi@tra-sen.example>" ||
		m.Subject != "Chào Lan, trà mới về" || m.ConfigurationSet != awstest.Mails {
		t.Errorf("%+v", m)
	}
	for tag, want := range map[string]string{"loophub-workspace": "saigon", "loophub-connection": "email", "loophub-fragment": string(lan), "loophub-message": r.ID} {
		if m.Tag(tag) != want {
			t.Errorf("%s: %q", tag, m.Tag(tag))
		}
	}
	kept, err := w.hub.Message(t.Context(), lan, r.ID)
	if w.must(err); !kept.Is(messages.Sent) || kept.Provider != m.ID {
		t.Errorf("%+v", kept)
	}
	follow(t, w, m)
}

func follow(t *testing.T, w *world, m ses.Mail) {
	t.Helper()
	unsubscribe := strings.Trim(m.Header("List-Unsubscribe"), "<>")
	if m.Header("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.Contains(m.Text, unsubscribe) || !strings.HasPrefix(unsubscribe, linksURL+"/u/") {
		t.Errorf("%+v", m)
	}
	var found []string
	for _, l := range href.FindAllStringSubmatch(m.HTML, -1) {
		found = append(found, l[1])
		if !strings.Contains(m.Text, l[1]) {
			t.Errorf("the text lacks %s: %s", l[1], m.Text)
		}
	}
	if len(found) != 3 || found[1] != unsubscribe {
		t.Fatal(found)
	}
	if a := w.visit("GET", found[0]); a.StatusCode != 302 || a.Headers["Location"] != "https://tra-sen.example/tra?ma=1" {
		t.Errorf("%+v", a)
	}
	for _, link := range found[1:] {
		if a := w.visit("GET", link); a.StatusCode != 200 || !strings.Contains(a.Body, "Trà Sen") {
			t.Errorf("%+v", a)
		}
	}
	if a := w.visit("POST", unsubscribe); a.StatusCode != 200 {
		t.Errorf("%+v", a)
	}
}
