// Package wiring joins the unify stage to AWS.
package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/functions/unify"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/overflow"
	"loophub/shared/aws/retry"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// New makes the handler of the unify function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
		retryQueue = v.Required("LOOPHUB_RETRY_QUEUE")
		bucket     = v.Required("LOOPHUB_OVERFLOW_BUCKET")
		parameters = v.Required("LOOPHUB_PARAMETERS")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	controls := table.Watch(d.Now)
	definitions := definition.NewReader(db, ssm.NewFromConfig(d.Config), hubTable, parameters, d.Now)
	connectors := all.Connectors()
	return unify.New(unify.Config{
		Connectors:  connectors,
		Definitions: definitions,
		Deliveries:  inbox.New(db, inboxTable, overflow.New(d.Config, bucket)),
		Retry:       retry.New(sqs.NewFromConfig(d.Config), retryQueue),
		Hub:         func(workspace string) unify.Hub { return table.In(workspace) },
		Echo:        hub.NewEcho(table, outbound(definitions, connectors)),
		Pause:       d.Pause(20 * time.Millisecond),
		Paused: func(ctx context.Context, id, connection string) (bool, error) {
			return controls.Paused(ctx, id, workspace.ControlConnection, connection)
		},
		Log: telemetry.New(d.Output(), "unify"),
		Now: d.Now,
	}), nil
}

// outbound says how the system of a connection is written to; nil = it never is.
func outbound(definitions unify.Definitions, connectors []connector.Connector) func(ctx context.Context, id, connection string) (*connector.Outbound, error) {
	systems := map[string]*connector.Outbound{}
	for _, c := range connectors {
		systems[c.Manifest.Name] = c.Manifest.Outbound
	}
	return func(ctx context.Context, id, connection string) (*connector.Outbound, error) {
		w, err := definitions.Load(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("loading the definition: %w", err)
		}
		return systems[w.Connections[connection].Connector], nil
	}
}
