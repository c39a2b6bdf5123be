// Package wiring joins the api stage to AWS.
package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/links"
	"loophub/connectors/operator"
	"loophub/functions/api"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// New makes the handler of the api function.
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
	source, err := operator.New().Source(connector.Settings{})
	if err != nil {
		return nil, fmt.Errorf("starting the operator's connector: %w", err)
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	return lambda.NewHandler(api.New(api.Config{
		Definitions: definition.NewReader(db, ssm.NewFromConfig(d.Config), hubTable, parameters, d.Now),
		Hub:         func(id string) api.Hub { return part{table.In(id)} },
		// What the API itself puts there is small; it opens no delivery.
		Inbox:     inbox.New(db, inboxTable, nil),
		Decisions: decisions(source),
		Events:    event,
		Own:       []string{operator.Name, links.Name},
		Log:       telemetry.New(d.Output(), "api"),
		Now:       d.Now,
	}).Handle), nil
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Timeline lists the records that may concern a fragment.
func (p part) Timeline(ctx context.Context, fragment profile.ID, before api.Indexed, limit int) ([]api.Indexed, bool, error) {
	from := ""
	if before != (api.Indexed{}) {
		from = hub.Indexed(before).Place()
	}
	list, next, err := p.Workspace.Timeline(ctx, fragment, from, limit)
	if err != nil {
		return nil, false, err
	}
	out := make([]api.Indexed, len(list))
	for n, r := range list {
		out[n] = api.Indexed(r)
	}
	return out, next != "", nil
}

// Ahead lists the moments that stages wait for.
func (p part) Ahead(ctx context.Context, from, to time.Time, limit int) ([]api.Due, time.Time, error) {
	list, whole, err := p.Workspace.Ahead(ctx, from.UnixMilli(), to.UnixMilli(), limit, "segment", "journey", "message")
	out := make([]api.Due, len(list))
	for n, d := range list {
		out[n] = api.Due{Stage: d.Stage, What: d.What, At: time.UnixMilli(d.At).UTC()}
	}
	return out, time.UnixMilli(whole).UTC(), err
}

// decisions writes what was decided as the operator's connector reads it.
func decisions(source connector.Source) func(string, []api.Decision, time.Time) (delivery.Delivery, error) {
	return func(id string, list []api.Decision, at time.Time) (delivery.Delivery, error) {
		d := operator.Decisions{By: "api", At: at.UnixMilli()}
		for _, one := range list {
			op := "tie"
			if one.Split {
				op = "split"
			}
			d.Decisions = append(d.Decisions, operator.Decision{Op: op, A: string(one.A), B: string(one.B)})
		}
		r, err := d.Request()
		if err != nil {
			return delivery.Delivery{}, err
		}
		object, name := source.Key(r)
		k := delivery.Key{Workspace: id, Connection: operator.Name, Object: object, Delivery: name}
		return delivery.Delivery{Key: k, Request: r}, nil
	}
}

// event writes an event as the operator's connector reads it, and lets that say
// what it could not take: what is answered 202 is never parked for what it says.
func event(w workspace.Workspace, e api.Event, now time.Time) (delivery.Delivery, string, error) {
	source, err := operator.New().Source(w.SettingsOf(w.Connections[operator.Name]))
	if err != nil {
		return delivery.Delivery{}, "", fmt.Errorf("starting the operator's connector: %w", err)
	}
	said := operator.Event{Name: e.Name, ID: e.ID, Email: e.Email, Phone: e.Phone, AnonymousID: e.AnonymousID, Fragment: string(e.Fragment),
		Properties: e.Properties, Product: e.Product, Value: e.Value, Currency: e.Currency}
	if !e.At.IsZero() {
		said.At = e.At.UnixMilli()
	}
	r, err := said.Request(now)
	if err != nil {
		return delivery.Delivery{}, "", err
	}
	if _, faults := source.Decode(r); len(faults) > 0 {
		return delivery.Delivery{}, faults[0].Reason, nil
	}
	object, id := source.Key(r)
	k := delivery.Key{Workspace: w.ID, Connection: operator.Name, Object: object, Delivery: id}
	return delivery.Delivery{Key: k, Request: r}, "", nil
}
