package local

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sestypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/ses"
	"loophub/functions/ingest/wiring"
	"loophub/infra/local/lambda"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
)

// newPost is the post office with the real ingest, under its own role, and one workspace.
func newPost(t *testing.T) *office {
	t.Helper()
	o := &office{world: &world{t: t}}
	if err := o.open(withMail(t, nil), func(e lambda.Environment) (awslambda.Handler, error) { return wiring.New(deps.Deps(e)) }); err != nil {
		t.Fatal(err)
	}
	var manifests []connector.Manifest
	for _, c := range all.Connectors() {
		manifests = append(manifests, c.Manifest)
	}
	var table string
	for _, known := range o.Stack().Tables {
		if known.LogicalID == "HubTable" {
			table = known.Name
		}
	}
	writer := definition.NewWriter(dynamodb.NewFromConfig(o.Config("")), ssm.NewFromConfig(o.Config("")), table, "/loophub", manifests, rand.Reader)
	if _, err := writer.Apply(t.Context(), []byte("workspace: saigon\nname: Trà Sen\ncountry: VN\ncurrency: VND\ntimezone: UTC\n"+
		"connections:\n  email: {connector: ses, settings: {from: Trà Sen <chao@tra-sen.example>}}\n")); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) send(to, connection string) {
	o.t.Helper()
	in := mailTo(to)
	for name, value := range map[string]string{ses.WorkspaceTag: "saigon", ses.ConnectionTag: connection, ses.FragmentTag: "c1", ses.MessageTag: "m1"} {
		in.EmailTags = append(in.EmailTags, sestypes.MessageTag{Name: &name, Value: &value})
	}
	if _, err := sesv2.NewFromConfig(o.as("publish")).SendEmail(o.t.Context(), in); err != nil {
		o.t.Fatal(err)
	}
	o.rest()
}

// told are the fields of the facts that lie in the Inbox for the message.
func (o *office) told(ctx context.Context) (fields []string) {
	o.t.Helper()
	db := dynamodb.NewFromConfig(o.Config(""))
	out, err := db.Query(ctx, &dynamodb.QueryInput{TableName: o.inbox(), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": text("saigon#email#c1.m1")}})
	if err != nil {
		o.t.Fatal(err)
	}
	src, err := ses.New().Source(connector.Settings{Values: map[string]string{"from": "Trà Sen <chao@tra-sen.example>"}})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, item := range out.Items {
		id := item["sk"].(*types.AttributeValueMemberS).Value
		d, err := inbox.New(db, *o.inbox(), nil).Get(ctx, delivery.Key{Workspace: "saigon", Connection: "email", Object: "c1.m1", Delivery: id}, noon)
		if err != nil {
			o.t.Fatal(err)
		}
		facts, faults := src.Decode(d.Request)
		if len(facts) != 1 || len(faults) != 0 || facts[0].Record != "c1.m1" {
			o.t.Fatalf("%+v %v", facts, faults)
		}
		for name := range facts[0].Fields {
			if strings.HasSuffix(name, "_at") || strings.Contains(name, ":") {
				fields = append(fields, name)
			}
		}
	}
	slices.Sort(fields)
	return fields
}

// From a mail that bounces to the withdrawal in the Inbox, through every part as it is deployed.
func TestABounceEndsInTheInbox(t *testing.T) {
	o := newPost(t)
	o.send("bounce@simulator.amazonses.com", "email")
	if got := o.told(t.Context()); !slices.Equal(got, []string{"bounced_at", "sent_at", "withdraw:email:bounced"}) {
		t.Errorf("the Inbox holds %v", got)
	}
}

// A mail of a connection that is not in the definition is tried for as long as a definition may be remembered, then dropped.
func TestAMailOfNobodyIsDropped(t *testing.T) {
	o := newPost(t)
	o.send("lan@example.vn", "letters")
	o.pass(10 * time.Minute)
	var outcomes []string
	for _, l := range o.Lines("/loophub/ingest", 100) {
		for _, word := range []string{`"msg":"failed"`, `"msg":"stray"`, `"msg":"stored"`} {
			if strings.Contains(l.Text, word) {
				outcomes = append(outcomes, strings.Trim(word[len(`"msg":`):], `"`))
			}
		}
	}
	slices.Sort(outcomes)
	if !slices.Equal(outcomes, []string{"failed", "failed", "failed", "failed", "stray", "stray"}) || len(o.told(t.Context())) != 0 {
		t.Errorf("two events ended as %v", outcomes)
	}
}
