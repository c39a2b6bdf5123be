package local

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// refusal is one call by a stage's role that its template does not allow.
type refusal struct {
	name   string
	stage  string
	call   func(context.Context, aws.Config) error
	status int
	code   string
	text   string // ends the message, ROLE standing for the session of the stage's role
}

const place = ":us-east-1:000000000000:"

// usual is how most services say it.
func usual(action, resource string) string {
	return "User: ROLE is not authorized to perform: " + action + " on resource: " + resource +
		" because no identity-based policy allows the " + action + " action"
}

// tableRefusals are those of DynamoDB: of each item of a transaction and of each table of a batch.
func tableRefusals(o *office) []refusal {
	inbox, hub, key := o.inbox(), aws.String("Loophub-HubTable"), map[string]types.AttributeValue{"pk": text("a"), "sk": text("b")}
	table := func(name *string) string { return "arn:aws:dynamodb" + place + "table/" + *name }
	on := func(name, stage, action, resource string, call func(context.Context, *dynamodb.Client) error) refusal {
		return refusal{name, stage, func(ctx context.Context, cfg aws.Config) error { return call(ctx, dynamodb.NewFromConfig(cfg)) },
			400, "AccessDeniedException", usual("dynamodb:"+action, resource)}
	}
	write := func(second types.TransactWriteItem) func(context.Context, *dynamodb.Client) error {
		return func(ctx context.Context, c *dynamodb.Client) error {
			_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: inbox, Item: key}}, second}})
			return err
		}
	}
	other := map[string]types.AttributeValue{"pk": text("a"), "sk": text("c")}
	return []refusal{
		on("a table", "sweep", "GetItem", table(hub), func(ctx context.Context, c *dynamodb.Client) error {
			_, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: hub, Key: key})
			return err
		}),
		on("an index", "sweep", "Query", table(inbox)+"/index/parked", func(ctx context.Context, c *dynamodb.Client) error {
			_, err := c.Query(ctx, &dynamodb.QueryInput{TableName: inbox, IndexName: aws.String("parked"), KeyConditionExpression: aws.String("pw = :w"),
				ExpressionAttributeValues: map[string]types.AttributeValue{":w": text("w")}})
			return err
		}),
		on("one table of a batch", "api", "BatchGetItem", table(inbox), func(ctx context.Context, c *dynamodb.Client) error {
			keys := types.KeysAndAttributes{Keys: []map[string]types.AttributeValue{key}}
			_, err := c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*hub: keys, *inbox: keys}})
			return err
		}),
		on("an update in a transaction", "sweep", "UpdateItem", table(inbox), write(types.TransactWriteItem{Update: &types.Update{
			TableName: inbox, Key: other, UpdateExpression: aws.String("REMOVE f")}})),
		on("a deletion in a transaction", "sweep", "DeleteItem", table(inbox), write(types.TransactWriteItem{Delete: &types.Delete{TableName: inbox, Key: other}})),
		on("a condition in a transaction", "sweep", "ConditionCheckItem", table(inbox), write(types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: inbox, Key: other, ConditionExpression: aws.String("attribute_not_exists(pk)")}})),
		on("another table in a transaction", "sweep", "PutItem", table(hub), write(types.TransactWriteItem{Put: &types.Put{TableName: hub, Item: other}})),
		on("a read in a transaction", "sweep", "GetItem", table(inbox), func(ctx context.Context, c *dynamodb.Client) error {
			_, err := c.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: inbox, Key: key}}}})
			return err
		}),
	}
}

// refusals are those of the other services.
func refusals(o *office) []refusal {
	return []refusal{
		{"a queue, by its URL", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: o.url("SpillQueue"), MessageBody: aws.String("x")})
			return err
		}, 403, "AccessDenied", usual("sqs:sendmessage", "arn:aws:sqs"+place+"Loophub-SpillQueue")},
		{"a topic", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := sns.NewFromConfig(cfg).Publish(ctx, &sns.PublishInput{TopicArn: &o.Stack().Topics[0].ARN, Message: aws.String("a")})
			return err
		}, 403, "AuthorizationError", usual("SNS:Publish", "arn:aws:sns"+place+"Loophub-MailTopic")},
		{"an object", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := s3.NewFromConfig(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: &o.Stack().Buckets[0].Name, Key: aws.String("overflow/1")})
			return err
		}, 403, "AccessDenied", usual("s3:GetObject", `"`+o.Stack().Buckets[0].ARN+`/overflow/1"`)},
		{"a parameter", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/loophub/a/b")})
			return err
		}, 400, "AccessDeniedException", usual("ssm:GetParameter", "arn:aws:ssm"+place+"parameter/loophub/a/b")},
		{"parameters below a path", "ingest", func(ctx context.Context, cfg aws.Config) error {
			_, err := ssm.NewFromConfig(cfg).GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: aws.String("/loophub/a")})
			return err
		}, 400, "AccessDeniedException", usual("ssm:GetParametersByPath", "arn:aws:ssm"+place+"parameter/loophub/a")},
		{"a bus", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
				EventBusName: &o.Stack().Buses[0].Name, Source: aws.String("s"), DetailType: aws.String("t"), Detail: aws.String("{}")}}})
			return err
		}, 400, "AccessDeniedException", usual("events:PutEvents", o.Stack().Buses[0].ARN)},
		{"a mail", "sweep", func(ctx context.Context, cfg aws.Config) error {
			_, err := sesv2.NewFromConfig(cfg).SendEmail(ctx, mailTo("lan@example.vn"))
			return err
		}, 403, "AccessDeniedException", "User `ROLE' is not authorized to perform `ses:SendEmail' on resource `arn:aws:ses" + place + "identity/tra-sen.example'"},
	}
}

// TestRefusals: what a role may not do is refused as AWS refuses it, in each service's own words, by either door; of a
// transaction that may be done in part nothing is done.
func TestRefusals(t *testing.T) {
	o, err := newOffice(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(o.Endpoint())
	defer server.Close()
	for _, r := range slices.Concat(tableRefusals(o), refusals(o)) {
		t.Run(r.name, func(t *testing.T) {
			for _, base := range []*string{nil, &server.URL} {
				cfg := o.as(r.stage)
				if base != nil {
					cfg.HTTPClient, cfg.BaseEndpoint = server.Client(), base
				}
				stage := strings.ToUpper(r.stage[:1]) + r.stage[1:]
				want := strings.ReplaceAll(r.text, "ROLE", "arn:aws:sts::000000000000:assumed-role/Loophub-"+stage+"Role/Loophub-"+stage+"Function")
				err := r.call(t.Context(), cfg)
				var api smithy.APIError
				var reply *smithyhttp.ResponseError
				if !errors.As(err, &api) || !errors.As(err, &reply) || api.ErrorCode() != r.code || reply.HTTPStatusCode() != r.status || api.ErrorMessage() != want {
					t.Errorf("got  %v\nwant %d %s: %s", err, r.status, r.code, want)
				}
			}
		})
	}
	if n := o.tables.Table(*o.inbox()).Len(); n != 0 {
		t.Errorf("%d items of refused transactions were written", n)
	}
}
