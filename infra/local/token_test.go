package local

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Any SDK or command line before the loopback door can say who it is, and become a stage's role: then it may do what the
// role may, and no more.
func TestAnOperatorBecomesAStage(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewServer(w.Endpoint())
	t.Cleanup(server.Close)
	cfg := aws.Config{Region: "us-east-1", HTTPClient: server.Client(), BaseEndpoint: &server.URL, Credentials: w.Credentials(""), RetryMaxAttempts: 1}
	role, err := w.Role("ingest")
	if err != nil {
		t.Fatal(err)
	}
	out, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("operator")})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey,
			SessionToken: *out.Credentials.SessionToken, CanExpire: true, Expires: *out.Credentials.Expiration}, nil
	})
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != *out.AssumedRoleUser.Arn {
		t.Errorf("%+v %v", who, err)
	}
	db, table := dynamodb.NewFromConfig(cfg), w.Table("InboxTable").Name()
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": text("delivery"), "sk": text("by hand")}}); err != nil {
		t.Errorf("what ingest may do: %v", err)
	}
	_, err = db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "AccessDeniedException" {
		t.Errorf("what ingest may not do: %v", err)
	}
	_, err = sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("again")})
	if !errors.As(err, &e) || e.ErrorCode() != "AccessDenied" {
		t.Errorf("a stage became a stage: %v", err)
	}
}
