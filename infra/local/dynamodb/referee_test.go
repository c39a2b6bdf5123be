package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestReferee makes the same 20,000 random requests of the local cloud and of another implementation, for example
// DynamoDB Local, whose address LOOPHUB_REFEREE gives. Answers and error codes must agree.
func TestReferee(t *testing.T) {
	endpoint := os.Getenv("LOOPHUB_REFEREE")
	if endpoint == "" {
		t.Skip("LOOPHUB_REFEREE names no endpoint to compare with")
	}
	referee := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider("referee"+t.Name(), "x", "")})
	ours := newWorld(t).client
	recreate(t, referee)
	g := &generator{Rand: rand.New(rand.NewPCG(1, 2))}
	failures := 0
	for i := range 20000 {
		request := g.request()
		mine, theirs := answer(t, ours, request), answer(t, referee, request)
		if mine == theirs || tolerated(mine, theirs) {
			continue
		}
		text, _ := json.Marshal(request)
		t.Errorf("request %d %T %s\n ours    %s\n referee %s", i, request, text, mine, theirs)
		if failures++; failures > 20 {
			t.FailNow()
		}
	}
}

// tolerated are differences that the README explains: which of several mistakes an error names, and whether one that
// depends on the item cancels the transaction or refuses it.
func tolerated(mine, theirs string) bool {
	const refused = "ValidationException"
	return strings.HasPrefix(mine, refused) && strings.HasPrefix(theirs, refused) ||
		strings.HasSuffix(mine, "multiple operations on one item") && strings.HasPrefix(theirs, "Transaction") ||
		strings.HasPrefix(mine, "TransactionCanceledException") && strings.Contains(mine, "ValidationError") &&
			strings.HasPrefix(theirs, refused)
}

func recreate(t *testing.T, c *sdk.Client) {
	ctx := context.Background()
	_, _ = c.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: aws.String("Inbox")}) // from a run before, if any
	hash, sort := types.KeyTypeHash, types.KeyTypeRange
	element := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &name, KeyType: kind}
	}
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	_, err := c.CreateTable(ctx, &sdk.CreateTableInput{TableName: aws.String("Inbox"), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{element("pk", hash), element("sk", sort)},
		AttributeDefinitions: []types.AttributeDefinition{attribute("pk", "S"), attribute("sk", "S"), attribute("pw", "S"), attribute("pt", "N")},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("parked"),
			KeySchema:  []types.KeySchemaElement{element("pw", hash), element("pt", sort)},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"why", "r"}}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func (g *generator) request() any {
	switch g.IntN(10) {
	case 0, 1:
		return g.putInput()
	case 2, 3, 4:
		return g.updateInput()
	case 5:
		return g.deleteInput()
	case 6:
		return g.getInput()
	case 7:
		return g.queryInput()
	case 8:
		return g.scanInput()
	}
	return g.transactInput()
}

// answer is what a request yields, in a form to compare. Left out are the order of a Scan, the units of indexes (DynamoDB
// Local charges for some items that a sparse index never lists) and LastEvaluatedKey (it leaves some out where AWS
// returns one).
func answer(t *testing.T, c *sdk.Client, request any) string {
	ctx := context.Background()
	var out any
	var err error
	switch in := request.(type) {
	case *sdk.PutItemInput:
		var o *sdk.PutItemOutput
		if o, err = c.PutItem(ctx, in); err == nil {
			out = []any{o.Attributes, o.ConsumedCapacity.Table}
		}
	case *sdk.UpdateItemInput:
		var o *sdk.UpdateItemOutput
		if o, err = c.UpdateItem(ctx, in); err == nil {
			out = []any{o.Attributes, o.ConsumedCapacity.Table}
		}
	case *sdk.DeleteItemInput:
		var o *sdk.DeleteItemOutput
		if o, err = c.DeleteItem(ctx, in); err == nil {
			out = o.Attributes
		}
	case *sdk.GetItemInput:
		var o *sdk.GetItemOutput
		if o, err = c.GetItem(ctx, in); err == nil {
			out = o.Item
		}
	case *sdk.QueryInput:
		var o *sdk.QueryOutput
		if o, err = c.Query(ctx, in); err == nil {
			if in.IndexName != nil { // entries with equal keys have no order
				slices.SortFunc(o.Items, func(a, b item) int { return bytes.Compare(marshal(t, a), marshal(t, b)) })
			}
			out = []any{o.Items, o.Count, o.ScannedCount}
		}
	case *sdk.ScanInput:
		var o *sdk.ScanOutput
		if o, err = c.Scan(ctx, in); err == nil {
			slices.SortFunc(o.Items, func(a, b item) int { return bytes.Compare(marshal(t, a), marshal(t, b)) })
			out = []any{o.Items, o.Count, o.ScannedCount}
		}
	case *sdk.TransactWriteItemsInput:
		_, err = c.TransactWriteItems(ctx, in)
	}
	if err != nil {
		name, message := code(err)
		return name + ": " + message
	}
	return strings.ReplaceAll(string(marshal(t, out)), `.0"`, `"`) // DynamoDB Local writes the sum 1.5 + 0.5 as 2.0
}

func marshal(t *testing.T, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
