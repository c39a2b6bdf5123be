// Package wiring joins the journey stage to AWS.
package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	"loophub/connectors/operator"
	stage "loophub/functions/journey"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// New makes the handler of the journey function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	source, err := operator.New().Source(connector.Settings{})
	if err != nil {
		return nil, fmt.Errorf("starting the operator's connector: %w", err)
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	return stage.New(stage.Config{
		Definitions: definition.NewReader(db, nil, hubTable, "", d.Now), // it asks for no secret
		Hub:         func(id string) stage.Hub { return part{table.In(id)} },
		// What it puts there is small; it opens no delivery.
		Tags:  tagger{inbox.New(db, inboxTable, nil), source},
		Pause: d.Pause(20 * time.Millisecond),
		Log:   telemetry.New(d.Output(), stage.Name),
		Now:   d.Now,
	}), nil
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Known reads a profile.
func (p part) Known(ctx context.Context, fragment profile.ID) (stage.Known, error) {
	one, err := p.Person(ctx, fragment)
	return stage.Known{Members: one.Members, Identities: one.Identities, Memberships: one.Memberships}, err
}

// Commit writes a step whole.
func (p part) Commit(ctx context.Context, s stage.Step) error {
	return p.CommitStep(ctx, hub.Step{Head: s.Head, Others: s.Others, News: s.News, Outcome: s.Outcome})
}

// Properties are those that came with a wish.
func (p part) Properties(ctx context.Context, fragment profile.ID, name, id string) (map[string]string, int64, error) {
	a, err := p.AskedFor(ctx, fragment, name, id)
	return a.Properties, a.At, err
}

// Paused tells whether an operator has stopped a journey.
func (p part) Paused(ctx context.Context, name string) (bool, error) {
	c, err := p.Controls(ctx)
	return c.Stops(workspace.Control(workspace.ControlJourney, name)), err
}

// Hold keeps something until the journey goes on.
func (p part) Hold(ctx context.Context, name, stage, what string) error {
	return p.Workspace.Hold(ctx, workspace.Control(workspace.ControlJourney, name), stage, what)
}

// tagger puts tags into the Inbox, as the operator's connector reads them.
type tagger struct {
	inbox  *inbox.Inbox
	source connector.Source
}

// Tag puts a delivery; the same cause is the same delivery.
func (t tagger) Tag(ctx context.Context, id string, g journey.Tagging) error {
	one := operator.Tag{Fragment: string(g.Fragment), Add: g.Add, Remove: g.Remove, Cause: g.Cause}
	r, err := operator.Tags{Tags: []operator.Tag{one}, By: stage.Name}.Request(time.UnixMilli(g.At).UTC())
	if err != nil {
		return err
	}
	object, delivered := t.source.Key(r)
	k := delivery.Key{Workspace: id, Connection: operator.Name, Object: object, Delivery: delivered}
	_, _, err = t.inbox.Put(ctx, delivery.Seal(delivery.Delivery{Key: k, Request: r}))
	return err
}
