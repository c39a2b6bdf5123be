// Package wiring joins the links stage to AWS.
package wiring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	own "loophub/connectors/links"
	"loophub/functions/links"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/token"
	"loophub/shared/workspace"
)

// New makes the handler of the links function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
		parameters = v.Required("LOOPHUB_PARAMETERS")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	source, err := own.New().Source(connector.Settings{})
	if err != nil {
		return nil, fmt.Errorf("making the source of acts: %w", err)
	}
	// The stage itself decides how often and how long the tables are tried.
	db := dynamodb.NewFromConfig(d.Config, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
	definitions := definition.NewReader(db, ssm.NewFromConfig(d.Config), hubTable, parameters, d.Now)
	return lambda.NewHandler(links.New(links.Config{
		Tokens: tokens{definitions}, Messages: messages{definitions, hub.New(db, hubTable)}, Acts: acts(source),
		// An act is far smaller than what needs the overflow bucket.
		Inbox: inbox.New(db, inboxTable, nil),
		Log:   telemetry.New(d.Output(), "links"),
		Now:   d.Now,
	}).Handle), nil
}

// tokens reads tokens with the keys of workspaces.
type tokens struct{ definitions *definition.Reader }

// Read gives what a token says. A workspace that there is not has no links; a key
// that can't be read just now makes nobody's link a forged one.
func (t tokens) Read(ctx context.Context, s string, now time.Time) (links.Token, error) {
	said, err := token.Read(s, now, func(id string) (token.Key, error) {
		if _, err := t.definitions.Load(ctx, id); errors.Is(err, workspace.ErrUnknown) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		identity, err := t.definitions.IdentityKey(ctx, id)
		if err != nil {
			return nil, err
		}
		return token.NewKey(identity)
	})
	if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrExpired) {
		return links.Token{}, links.ErrToken
	}
	return links.Token{Kind: links.Kind(said.Kind.Letter()), Workspace: said.Workspace, Fragment: said.Fragment,
		Message: said.Message, Link: said.Link}, err
}

// messages knows what was sent by the table.
type messages struct {
	definitions *definition.Reader
	hub         *hub.Hub
}

// Link gives the message of a token.
func (m messages) Link(ctx context.Context, t links.Token) (links.Message, error) {
	sent, err := m.hub.In(t.Workspace).Message(ctx, profile.ID(t.Fragment), t.Message)
	if err != nil {
		return links.Message{}, fmt.Errorf("reading the message: %w", err)
	}
	if sent.Stored == 0 {
		return links.Message{}, links.ErrUnknown
	}
	out := links.Message{Locale: sent.Content}
	out.Link, _ = sent.Link(t.Link) // "" where there is none of that number
	// Whose message it is stands on pages alone: without it they still do what they are for.
	if w, err := m.definitions.Load(ctx, t.Workspace); err == nil {
		out.Shop = w.Name
	}
	return out, nil
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
