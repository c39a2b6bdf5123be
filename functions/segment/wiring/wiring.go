// Package wiring joins the segment stage to AWS.
package wiring

import (
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"loophub/functions/segment"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// New makes the handler of the segment function.
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
	return lambda.NewHandler(segment.New(segment.Config{
		Definitions: definition.NewReader(db, nil, hubTable, "", d.Now).Within(unreviewed),
		Hub:         func(workspace string) segment.Hub { return part{table.In(workspace)} },
		Pause:       d.Pause(50 * time.Millisecond),
		Log:         telemetry.New(d.Output(), "segment"),
		Now:         d.Now,
	}).Handle), nil
}

// unreviewed is how long the stage may go by a definition that was replaced: sweep has everybody looked at anew three
// minutes after segments became others, and whoever is then judged by the segments of before stays so.
const unreviewed = 2 * time.Minute

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Arm has a profile looked at again.
func (p part) Arm(ctx context.Context, fragment profile.ID, at time.Time) error {
	return p.Workspace.Arm(ctx, "segment", string(fragment), at)
}
