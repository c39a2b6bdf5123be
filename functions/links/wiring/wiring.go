// Package wiring joins the links stage to AWS.
package wiring

import (
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	own "loophub/connectors/links"
	"loophub/functions/links"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

// Join makes the handler of the links function from what reads tokens and
// messages, and from the Inbox.
func Join(d deps.Deps, tokens links.Tokens, messages links.Messages) (lambda.Handler, error) {
	v := d.Variables()
	inboxTable := v.Required("LOOPHUB_INBOX_TABLE")
	if err := v.Err(); err != nil {
		return nil, err
	}
	source, err := own.New().Source(connector.Settings{})
	if err != nil {
		return nil, fmt.Errorf("making the source of acts: %w", err)
	}
	// The stage itself decides how often and how long the Inbox is tried.
	once := func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }
	return lambda.NewHandler(links.New(links.Config{
		Tokens: tokens, Messages: messages, Acts: acts(source),
		// An act is far smaller than what needs the overflow bucket.
		Inbox: inbox.New(dynamodb.NewFromConfig(d.Config, once), inboxTable, nil),
		Log:   telemetry.New(d.Output(), "links"),
		Now:   d.Now,
	}).Handle), nil
}

// acts writes what a customer did as a delivery of the connection that every
// workspace has.
func acts(source connector.Source) func(links.Act, time.Time) (delivery.Delivery, error) {
	return func(a links.Act, received time.Time) (delivery.Delivery, error) {
		r, err := own.Act{Act: string(a.Did), Fragment: a.Token.Fragment, Message: a.Token.Message, Number: a.Token.Link,
			Link: a.Link, At: a.At.UnixMilli()}.Request(received)
		if err != nil {
			return delivery.Delivery{}, err
		}
		object, id := source.Key(r)
		return delivery.Delivery{Request: r, Key: delivery.Key{
			Workspace: a.Token.Workspace, Connection: own.Name, Object: object, Delivery: id}}, nil
	}
}
