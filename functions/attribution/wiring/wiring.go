// Package wiring joins the attribution stage to AWS.
package wiring

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"loophub/functions/attribution"
	kept "loophub/shared/attribution"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// New makes the handler of the attribution function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		hubTable = v.Required("LOOPHUB_HUB_TABLE")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	return attribution.New(attribution.Config{
		Definitions: definition.NewReader(db, nil, hubTable, "", d.Now),
		Hub:         func(workspace string) attribution.Hub { return part{table.In(workspace)} },
		StepLimit:   hub.CreditStep,
		Pause:       d.Pause(20 * time.Millisecond),
		Log:         telemetry.New(d.Output(), "attribution"),
		Now:         d.Now,
	}), nil
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Messages are those that were sent from a fragment.
func (p part) Messages(ctx context.Context, fragment profile.ID, since time.Time) ([]kept.Sent, error) {
	return p.SentMessages(ctx, fragment, since)
}

// Entries are a fragment's entries into journeys.
func (p part) Entries(ctx context.Context, fragment profile.ID) ([]kept.Entry, error) {
	return p.JourneyEntries(ctx, fragment)
}
