// Package wiring joins the sweep stage to AWS.
package wiring

import (
	"context"
	"iter"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/functions/sweep"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/queue"
	"loophub/shared/aws/spill"
	"loophub/shared/telemetry"
)

// queues are the variables of the stages that wait for moments. A stage whose
// variable is not set goes on waiting.
var queues = map[string]string{
	"segment": "LOOPHUB_SEGMENT_QUEUE", "journey": "LOOPHUB_JOURNEY_QUEUE",
	"message": "LOOPHUB_MESSAGE_QUEUE", "writeback": "LOOPHUB_WRITEBACK_QUEUE",
}

// New makes the handler of the sweep function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
		spillQueue = v.Required("LOOPHUB_SPILL_QUEUE")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	db, client := dynamodb.NewFromConfig(d.Config), sqs.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	// What is spilled and too large for an item lies in the overflow bucket
	// already: nothing here needs the bucket.
	received := inbox.New(db, inboxTable, nil)
	stages := sweep.Stages{}
	for stage, variable := range queues {
		if url := d.Getenv(variable); url != "" {
			stages[stage] = queue.New(client, url)
		}
	}
	return lambda.NewHandler(sweep.New(sweep.Config{
		Queue:      spill.New(client, spillQueue, nil),
		Inbox:      received,
		Parked:     received,
		Workspaces: workspaces(table),
		Hub:        func(workspace string) sweep.Hub { return part{table.In(workspace)} },
		Stages:     stages,
		Log:        telemetry.New(d.Output(), "sweep"),
		Now:        d.Now,
	}).Handle), nil
}

func workspaces(table *hub.Hub) func(context.Context) ([]sweep.Workspace, error) {
	return func(ctx context.Context) (l []sweep.Workspace, err error) {
		all, err := table.Workspaces(ctx)
		for _, w := range all {
			l = append(l, sweep.Workspace(w))
		}
		return l, err
	}
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Dues reads the moments that have come.
func (p part) Dues(ctx context.Context, from, to int64) iter.Seq2[sweep.Dues, error] {
	return func(yield func(sweep.Dues, error) bool) {
		for page, err := range p.Workspace.Dues(ctx, from, to) {
			out := sweep.Dues{From: page.From}
			for _, d := range page.List {
				out.List = append(out.List, sweep.Due(d))
			}
			if !yield(out, err) {
				return
			}
		}
	}
}

// Disarm takes moments out of the index.
func (p part) Disarm(ctx context.Context, l []sweep.Due) error {
	all := make([]hub.Due, len(l))
	for n, d := range l {
		all[n] = hub.Due(d)
	}
	return p.Workspace.Disarm(ctx, all)
}

// Review tells how far the look at all profiles is.
func (p part) Review(ctx context.Context) (sweep.Review, error) {
	r, err := p.Workspace.Review(ctx)
	return sweep.Review(r), err
}

// CommitReview stores it.
func (p part) CommitReview(ctx context.Context, r sweep.Review) error {
	return p.Workspace.CommitReview(ctx, hub.Review(r))
}
