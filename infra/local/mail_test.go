package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
)

// postOffice is what mail needs beside the fixture's own template: ingest hears what becomes of mails, publish may
// send them. Each resource is a JSON text, so that a test can leave one out or change it.
var postOffice = map[string]string{
	"MailSet": `{"Type":"AWS::SES::ConfigurationSet","Properties":{"Name":"hub","SendingOptions":{"SendingEnabled":true}}}`,
	"MailEvents": `{"Type":"AWS::SES::ConfigurationSetEventDestination","Properties":{"ConfigurationSetName":{"Ref":"MailSet"},
		"EventDestination":{"Name":"topic","Enabled":true,"MatchingEventTypes":["send","delivery","open","bounce"],
			"SnsDestination":{"TopicARN":{"Ref":"MailTopic"}}}}}`,
	"MailTopic": `{"Type":"AWS::SNS::Topic","Properties":{}}`,
	"MailTopicPolicy": `{"Type":"AWS::SNS::TopicPolicy","Properties":{"Topics":[{"Ref":"MailTopic"}],"PolicyDocument":{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Principal":{"Service":"ses.amazonaws.com"},"Action":"sns:Publish","Resource":{"Ref":"MailTopic"},
			"Condition":{"StringEquals":{"aws:SourceAccount":{"Ref":"AWS::AccountId"}},"ArnEquals":{"aws:SourceArn":
				{"Fn::Sub":"arn:aws:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${MailSet}"}}}}]}}}`,
	"MailHeard": `{"Type":"AWS::SNS::Subscription","Properties":{"Protocol":"lambda","Endpoint":{"Fn::GetAtt":["IngestFunction","Arn"]},
		"TopicArn":{"Ref":"MailTopic"},"RedrivePolicy":{"deadLetterTargetArn":{"Fn::GetAtt":["MailDead","Arn"]}}}}`,
	"MailPermission": `{"Type":"AWS::Lambda::Permission","Properties":{"Action":"lambda:InvokeFunction","Principal":"sns.amazonaws.com",
		"FunctionName":{"Fn::GetAtt":["IngestFunction","Arn"]},"SourceArn":{"Ref":"MailTopic"}}}`,
	"MailDead": `{"Type":"AWS::SQS::Queue","Properties":{}}`,
	"MailDeadPolicy": `{"Type":"AWS::SQS::QueuePolicy","Properties":{"Queues":[{"Ref":"MailDead"}],"PolicyDocument":{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":{"Fn::GetAtt":["MailDead","Arn"]},
			"Condition":{"ArnEquals":{"aws:SourceArn":{"Ref":"MailTopic"}}}}]}}}`,
	"MailSender": `{"Type":"AWS::IAM::Policy","Properties":{"PolicyName":"mail","Roles":[{"Ref":"PublishRole"}],"PolicyDocument":{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Action":"ses:SendEmail","Resource":[
			{"Fn::Sub":"arn:aws:ses:${AWS::Region}:${AWS::AccountId}:identity/*"},
			{"Fn::Sub":"arn:aws:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${MailSet}"}]}]}}}`,
}

// withMail is the fixture's template with the post office.
func withMail(t *testing.T, changed map[string]string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(fixture(t), &doc); err != nil {
		t.Fatal(err)
	}
	parts := maps.Clone(postOffice)
	maps.Copy(parts, changed)
	for id, text := range parts {
		if text == "" {
			continue
		}
		var r any
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(id, err)
		}
		doc["Resources"].(map[string]any)[id] = r
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// office is a cloud with mail. Its ingest keeps what it hears, and fails while down is set.
type office struct {
	*world
	heard []events.SNSEventRecord
	down  bool
}

func newOffice(t *testing.T, changed map[string]string) (*office, error) {
	t.Helper()
	o := &office{world: &world{t: t}}
	return o, o.open(withMail(t, changed), o.listen)
}

// listen is an ingest that keeps what it hears.
func (o *office) listen(lambda.Environment) (awslambda.Handler, error) {
	return awslambda.NewHandler(func(_ context.Context, e events.SNSEvent) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.heard = append(o.heard, e.Records...)
		if o.down {
			return errors.New("down")
		}
		return nil
	}), nil
}

func (o *office) open(template []byte, ingest lambda.Factory) error {
	cloud, err := New(template, Options{Clock: clock.Stopped(noon), Handlers: map[string]lambda.Factory{
		"ingest": ingest, "unify": o.unify, "publish": o.publish, "api": o.api, "sweep": o.sweep}})
	if err != nil {
		return err
	}
	o.Cloud = cloud
	return cloud.Start(o.t.Context())
}

func mailTo(to string) *sesv2.SendEmailInput {
	content := func(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }
	return &sesv2.SendEmailInput{FromEmailAddress: aws.String("chao@tra-sen.example"), ConfigurationSetName: aws.String("hub"),
		Destination: &types.Destination{ToAddresses: []string{to}},
		Content: &types.EmailContent{Simple: &types.Message{Subject: content("Chào"), Body: &types.Body{
			Html: content("<p>Trà</p>"), Text: content("Trà")}}}}
}

func (o *office) kinds() (out []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.heard {
		var e struct{ EventType string }
		if err := json.Unmarshal([]byte(r.SNS.Message), &e); err != nil {
			o.t.Error(err)
		}
		out = append(out, e.EventType)
	}
	slices.Sort(out) // each is an invocation of its own
	return out
}

func TestWhatBecomesOfAMailReachesIngest(t *testing.T) {
	o, err := newOffice(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sesv2.NewFromConfig(o.as("publish")).SendEmail(t.Context(), mailTo("lan@example.vn"))
	if err != nil {
		t.Fatal(err)
	}
	o.rest()
	if got := o.kinds(); !slices.Equal(got, []string{"Delivery", "Send"}) {
		t.Errorf("ingest heard %v", got)
	}
	if err := o.Outbox().Open(*out.MessageId); err != nil {
		t.Error(err)
	}
	o.rest()
	if got := o.kinds(); !slices.Equal(got, []string{"Delivery", "Open", "Send"}) {
		t.Errorf("ingest heard %v", got)
	}
	if o.Outbox().Click(*out.MessageId, "Trà") == nil {
		t.Error("a click is told although nobody asked for clicks")
	}
	r := o.heard[0]
	if r.SNS.Subject != "Amazon SES Email Event Notification" || !strings.HasPrefix(r.EventSubscriptionArn, o.Stack().Topics[0].ARN+":") {
		t.Errorf("%+v", r)
	}
	if mails := o.Outbox().Mails(); len(mails) != 1 || !strings.Contains(mails[0].Caller, "PublishRole") {
		t.Errorf("%+v", mails)
	}
}

// What ingest can't store is brought again after a minute and after two more, by Lambda and not by the topic.
func TestANotificationThatIngestCannotStoreComesAgain(t *testing.T) {
	o, err := newOffice(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.down = true
	if _, err := sesv2.NewFromConfig(o.as("publish")).SendEmail(t.Context(), mailTo("bounce@simulator.amazonses.com")); err != nil {
		t.Fatal(err)
	}
	o.rest()
	o.pass(61 * time.Second)
	o.mu.Lock()
	o.down = false
	o.mu.Unlock()
	o.pass(10 * time.Minute)
	if got := o.kinds(); len(got) != 6 { // send and bounce, three attempts each
		t.Errorf("heard %v", got)
	}
	ids := map[string]int{}
	for _, r := range o.heard {
		ids[r.SNS.MessageID]++
	}
	if len(ids) != 2 {
		t.Errorf("ids of the attempts: %v", ids)
	}
	if o.visible("MailDead") != 0 {
		t.Error("a message that Lambda took is among the topic's dead letters")
	}
}

func TestWithoutPermissionTheTopicBuries(t *testing.T) {
	for name, permission := range map[string]string{
		"none":             "",
		"of another topic": strings.ReplaceAll(postOffice["MailPermission"], `{"Ref":"MailTopic"}`, `"arn:aws:sns:us-east-1:000000000000:other"`),
		"of a service":     strings.ReplaceAll(postOffice["MailPermission"], "sns.amazonaws.com", "events.amazonaws.com"),
	} {
		o, err := newOffice(t, map[string]string{"MailPermission": permission})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sesv2.NewFromConfig(o.as("publish")).SendEmail(t.Context(), mailTo("lan@example.vn")); err != nil {
			t.Fatal(err)
		}
		o.rest()
		if len(o.heard) != 0 || o.visible("MailDead") != 2 {
			t.Errorf("%s: heard %v, %d dead letters", name, o.kinds(), o.visible("MailDead"))
		}
	}
}

func TestWhoMaySendAndPublish(t *testing.T) {
	o, err := newOffice(t, map[string]string{"MailSender": strings.ReplaceAll(postOffice["MailSender"],
		`{"Fn::Sub":"arn:aws:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/${MailSet}"}`, `"arn:aws:ses:us-east-1:000000000000:configuration-set/other"`)})
	if err != nil {
		t.Fatal(err)
	}
	denied := func(what string, err error, code, resource string) {
		t.Helper()
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), resource) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = sesv2.NewFromConfig(o.as("publish")).SendEmail(t.Context(), mailTo("lan@example.vn"))
	denied("the set of somebody else", err, "AccessDeniedException", "configuration-set/hub")
	_, err = sesv2.NewFromConfig(o.as("api")).SendEmail(t.Context(), mailTo("lan@example.vn"))
	denied("a role without mail", err, "AccessDeniedException", "identity/tra-sen.example")
	_, err = sns.NewFromConfig(o.as("api")).Publish(t.Context(), &sns.PublishInput{TopicArn: &o.Stack().Topics[0].ARN, Message: aws.String("a")})
	denied("a role without topics", err, "AuthorizationError", o.Stack().Topics[0].ARN)
	without := mailTo("lan@example.vn")
	without.ConfigurationSetName = nil
	if _, err := sesv2.NewFromConfig(o.as("publish")).SendEmail(t.Context(), without); err != nil {
		t.Error(err)
	}
	if _, err := sns.NewFromConfig(o.Config("")).Publish(t.Context(), &sns.PublishInput{TopicArn: &o.Stack().Topics[0].ARN, Message: aws.String("{}")}); err != nil {
		t.Error(err)
	}
	o.rest()
	if len(o.heard) != 1 {
		t.Errorf("heard %v", o.kinds())
	}
}

func TestMailThatCannotWorkIsRefused(t *testing.T) {
	change := func(part, from, to string) map[string]string {
		text := strings.ReplaceAll(postOffice[part], from, to)
		if text == postOffice[part] {
			t.Fatalf("%s has no %s", part, from)
		}
		return map[string]string{part: text}
	}
	for want, changed := range map[string]map[string]string{
		"could not publish to its topic":                {"MailTopicPolicy": ""},
		"not authorized to perform: SNS:Publish":        change("MailTopicPolicy", "configuration-set/${MailSet}", "configuration-set/other"),
		"subscriptions of the protocol lambda":          change("MailHeard", `"lambda"`, `"https"`),
		"there is no function":                          change("MailHeard", `{"Fn::GetAtt":["IngestFunction","Arn"]}`, `"arn:aws:lambda:us-east-1:000000000000:function:none"`),
		"there is no topic":                             change("MailHeard", `"TopicArn":{"Ref":"MailTopic"}`, `"TopicArn":"arn:aws:sns:us-east-1:000000000000:none"`),
		`there is no event type "SEND"`:                 change("MailEvents", `"send"`, `"SEND"`),
		`there is no configuration set "other"`:         change("MailEvents", `{"Ref":"MailSet"}`, `"other"`),
		`unknown field "FilterPolicy"`:                  change("MailHeard", `"Protocol"`, `"FilterPolicy":{},"Protocol"`),
		`unknown field "CloudWatchDestination"`:         change("MailEvents", `"SnsDestination"`, `"CloudWatchDestination":{},"SnsDestination"`),
		`unknown field "FifoTopic"`:                     change("MailTopic", `{}`, `{"FifoTopic":true}`),
		"not all of its queues are in the template":     change("MailDeadPolicy", `{"Ref":"MailDead"}`, `"https://sqs.us-east-1.amazonaws.com/000000000000/none"`),
		"event destination MailEvents: it has no topic": change("MailEvents", `"SnsDestination":{"TopicARN":{"Ref":"MailTopic"}}`, `"Name":"x"`),
	} {
		if _, err := newOffice(t, changed); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}
