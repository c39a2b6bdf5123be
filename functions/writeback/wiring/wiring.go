// Package wiring joins the writeback stage to AWS and to the systems that it
// writes to.
package wiring

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"loophub/connectors/all"
	"loophub/functions/writeback"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/outbound"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// New makes the handler of the writeback function. LOOPHUB_OUTBOUND names the
// simulators of a local cloud, as connector=URL with commas between; on AWS it is
// not set.
func New(d deps.Deps) (lambda.Handler, error) {
	simulators, err := simulators(d.Getenv("LOOPHUB_OUTBOUND"))
	if err != nil {
		return nil, err
	}
	transport := d.Transport
	if transport == nil {
		transport = outbound.Guarded(len(simulators) > 0)
	}
	return join(d, outside{simulators, transport, deps.Wait, d.Float})
}

// outside is what tests put others in the place of: systems, waiting and chance.
type outside struct {
	simulators map[string]string
	transport  http.RoundTripper
	pause      func(ctx context.Context, d time.Duration) error
	jitter     func() float64
}

func join(d deps.Deps, o outside) (lambda.Handler, error) {
	v := d.Variables()
	var (
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
		parameters = v.Required("LOOPHUB_PARAMETERS")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(d.Config)
	table := hub.New(db, hubTable)
	definitions := definition.NewReader(db, ssm.NewFromConfig(d.Config), hubTable, parameters, d.Now)
	log := telemetry.New(d.Output(), writeback.Name)
	return writeback.New(writeback.Config{
		Connectors:  all.Connectors(),
		Definitions: definitions,
		Hub:         func(workspace string) writeback.Hub { return part{table.In(workspace)} },
		Systems: outbound.New(outbound.Config{Credentials: definitions, Transport: o.transport, Simulators: o.simulators,
			Pause: o.pause, Log: log, Now: d.Now}),
		Jitter: o.jitter,
		Log:    log,
		Now:    d.Now,
	}), nil
}

// part is a workspace's part of the Hub in the words of the stage.
type part struct{ hub.Workspace }

// Person reads a profile.
func (p part) Person(ctx context.Context, fragment profile.ID) (writeback.Person, error) {
	one, err := p.PersonAndOutcome(ctx, fragment)
	return writeback.Person(one), err
}

// Arm has a profile looked at again.
func (p part) Arm(ctx context.Context, what string, at time.Time) error {
	return p.Workspace.Arm(ctx, writeback.Name, what, at)
}

// Paused tells whether an operator has stopped a destination.
func (p part) Paused(ctx context.Context, destination string) (bool, error) {
	return p.Workspace.Paused(ctx, workspace.ControlDestination, destination)
}

// Hold keeps what is due until the destination goes on.
func (p part) Hold(ctx context.Context, destination, what string) error {
	return p.Workspace.Hold(ctx, workspace.Control(workspace.ControlDestination, destination), writeback.Name, what)
}

// simulators reads connector=URL,connector=URL.
func simulators(text string) (map[string]string, error) {
	m := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, url, ok := strings.Cut(pair, "=")
		if !ok || name == "" || !strings.HasPrefix(url, "http") {
			return nil, fmt.Errorf("reading environment: LOOPHUB_OUTBOUND must read connector=URL, with commas between")
		}
		m[name] = url
	}
	return m, nil
}
