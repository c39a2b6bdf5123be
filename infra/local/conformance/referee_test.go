package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/template"
)

// referee is the implementation that LOOPHUB_REFEREE names, by the URL of its endpoint, or "aws" for AWS with the
// credentials and the region of the shell; nil without one.
var referee *aws.Config

func TestMain(m *testing.M) {
	code, err := run(m, os.Getenv("LOOPHUB_REFEREE"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "referee:", err)
		code = 1
	}
	os.Exit(code)
}

// run makes what the suite works on, and removes it afterwards.
func run(m *testing.M, endpoint string) (int, error) {
	if endpoint == "" {
		return m.Run(), nil
	}
	ctx := context.Background()
	cfg, err := refereeConfig(ctx, endpoint)
	if err != nil {
		return 0, err
	}
	stack, err := described()
	if err != nil {
		return 0, err
	}
	db := dynamodb.NewFromConfig(cfg)
	if err := createTables(ctx, db, stack.Tables, endpoint != "aws"); err != nil {
		return 0, err
	}
	referee = &cfg
	return m.Run(), dropTables(ctx, db, stack.Tables)
}

func refereeConfig(ctx context.Context, endpoint string) (aws.Config, error) {
	if endpoint == "aws" {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err == nil && cfg.Region == "" {
			err = errors.New("the shell names no region: set AWS_REGION")
		}
		cfg.HTTPClient = http.DefaultClient
		return cfg, err
	}
	if !strings.HasPrefix(endpoint, "http://") && !strings.HasPrefix(endpoint, "https://") {
		return aws.Config{}, fmt.Errorf("AWS_ENDPOINT_URL is %q, want a URL, or aws for AWS itself", endpoint)
	}
	return aws.Config{Region: template.Region, BaseEndpoint: &endpoint, HTTPClient: http.DefaultClient, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("referee", "referee", "")}, nil
}

// wait bounds how long a table may take to come or go.
const wait = 3 * time.Minute

// createTables makes the tables. Those of a run that was cut off are replaced, where nobody's data can be at stake.
func createTables(ctx context.Context, db *dynamodb.Client, tables []template.Table, replace bool) error {
	if replace {
		if err := dropTables(ctx, db, tables); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if _, err := db.CreateTable(ctx, creation(t)); err != nil {
			return fmt.Errorf("creating table %s: %w", t.Name, err)
		}
	}
	for _, t := range tables {
		if err := dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name},
			wait); err != nil {
			return fmt.Errorf("waiting for table %s: %w", t.Name, err)
		}
	}
	return nil
}

func dropTables(ctx context.Context, db *dynamodb.Client, tables []template.Table) error {
	for _, t := range tables {
		_, err := db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &t.Name})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			return fmt.Errorf("deleting table %s: %w", t.Name, err)
		}
	}
	for _, t := range tables {
		if err := dynamodb.NewTableNotExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name},
			wait); err != nil {
			return fmt.Errorf("waiting until table %s is gone: %w", t.Name, err)
		}
	}
	return nil
}

// creation is a table of the template as the API makes it. Stream and expiry are left out: no call of the suite sees them.
func creation(t template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: schema(t.KeySchema)}
	for _, a := range t.AttributeDefinitions {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &a.AttributeName,
			AttributeType: types.ScalarAttributeType(a.AttributeType)})
	}
	for _, i := range t.GlobalSecondaryIndexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{IndexName: &i.IndexName,
			KeySchema: schema(i.KeySchema), Projection: &types.Projection{
				ProjectionType: types.ProjectionType(i.Projection.ProjectionType), NonKeyAttributes: i.Projection.NonKeyAttributes}})
	}
	return in
}

func schema(elements []template.KeyElement) []types.KeySchemaElement {
	var out []types.KeySchemaElement
	for _, e := range elements {
		out = append(out, types.KeySchemaElement{AttributeName: aws.String(e.AttributeName),
			KeyType: types.KeyType(e.KeyType)})
	}
	return out
}
