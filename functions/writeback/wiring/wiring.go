// Package wiring joins the writeback stage to AWS and to the systems that it
// writes to.
package wiring

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	"loophub/shared/telemetry"
	plan "loophub/shared/writeback"
)

// Parts are what the stage stands on beside the table: how definitions are
// compiled, and what other stages keep.
type Parts struct {
	Language     plan.Language
	Surroundings writeback.Surroundings
	Due          writeback.Due
	Controls     writeback.Controls
}

// Join makes the handler of the writeback function. LOOPHUB_OUTBOUND names the
// simulators of a local cloud, as connector=URL with commas between; on AWS it is
// not set.
func Join(d deps.Deps, parts func(*hub.Hub) Parts) (lambda.Handler, error) {
	v := d.Variables()
	var (
		table      = v.Required("LOOPHUB_HUB_TABLE")
		parameters = v.Required("LOOPHUB_PARAMETERS")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	simulators, err := simulators(d.Getenv("LOOPHUB_OUTBOUND"))
	if err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(d.Config)
	store := hub.New(db, table)
	definitions := definition.NewReader(db, ssm.NewFromConfig(d.Config), table, parameters, d.Now)
	log := telemetry.New(d.Output(), "writeback")
	p := parts(store)
	return writeback.New(writeback.Config{
		Connectors:   all.Connectors(),
		Definitions:  definitions,
		Hub:          func(workspace string) writeback.Hub { return store.In(workspace) },
		Surroundings: p.Surroundings,
		Due:          p.Due,
		Controls:     p.Controls,
		Systems: outbound.New(outbound.Config{
			Credentials: definitions,
			Transport:   outbound.Guarded(len(simulators) > 0),
			Simulators:  simulators,
			Pause:       pause,
			Log:         log,
			Now:         d.Now,
		}),
		Language: p.Language,
		Jitter:   rand.Float64,
		Log:      log,
		Now:      d.Now,
	}), nil
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

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
