// Package wiring joins the message stage to AWS.
package wiring

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	stage "loophub/functions/message"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/mail"
	"loophub/shared/message"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// pause before a lost race is read again, doubled with every attempt.
const pause = 10 * time.Millisecond

// New makes the handler of the message function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		hubTable      = v.Required("LOOPHUB_HUB_TABLE")
		parameters    = v.Required("LOOPHUB_PARAMETERS")
		configuration = v.Required("LOOPHUB_CONFIGURATION_SET")
		links         = v.Required("LOOPHUB_LINKS_URL")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	if u, err := url.Parse(links); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("reading environment: LOOPHUB_LINKS_URL is no address: %q", links)
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	return lambda.NewHandler(stage.New(stage.Config{
		Definitions: definition.NewReader(db, ssm.NewFromConfig(d.Config), hubTable, parameters, d.Now),
		Hub:         func(workspace string) stage.Hub { return part{table.In(workspace)} },
		Mailer:      mail.New(d.Config, configuration),
		Links:       links,
		Pause:       d.Pause(pause),
		Log:         telemetry.New(d.Output(), stage.Name),
		Now:         d.Now,
	}).Handle), nil
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Stopped tells what of the controls concerns a request.
func (p part) Stopped(ctx context.Context, r message.Request) (message.Controls, error) {
	c, err := p.Workspace.Controls(ctx)
	return message.Controls{
		StopAll:    c.Stops(workspace.ControlAll),
		Journey:    r.Journey != "" && c.Stops(workspace.Control(workspace.ControlJourney, r.Journey)),
		Connection: c.Stops(workspace.Control(workspace.ControlConnection, r.Connection)),
	}, err
}

// Hold keeps a message until its control is lifted.
func (p part) Hold(ctx context.Context, c message.Control, what string) error {
	return p.Workspace.Hold(ctx, workspace.Control(c.Kind, c.Name), stage.Name, what)
}

// Arm lets a message come back at a moment.
func (p part) Arm(ctx context.Context, what string, at time.Time) error {
	return p.Workspace.Arm(ctx, stage.Name, what, at)
}
