package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.yaml.in/yaml/v3"

	connector "loophub/connectors"
	"loophub/connectors/samples"
	"loophub/events"
	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/stage"
	hubtable "loophub/shared/aws/hub"
	"loophub/shared/delivery"
)

// sendSamples sends every payload of a folder through a hub of its own, each
// into a workspace of its own, and compares with the committed table.
func sendSamples(ctx context.Context, o options, out io.Writer) error {
	if o.dir == "" {
		return errors.New("name the folder of payloads: make samples DIR=…")
	}
	listener, err := listen(ctx, 0)
	if err != nil {
		return err
	}
	h, err := newHub(ctx, nil, local.Options{Handlers: stage.Handlers(""), Clock: clock.Wall()}, address(listener))
	if err != nil {
		listener.Close()
		return err
	}
	defer func() { h.stop() }()
	serve(h, listener, h.console())
	n := 0
	through := func(s samples.Sample) (samples.Result, error) {
		n++
		return h.sample(ctx, fmt.Sprintf("sample-%d", n), s)
	}
	return samples.Run(o.dir, time.Now(), through, func(format string, args ...any) { fmt.Fprintf(out, format, args...) })
}

// sample sends one payload and reads back what became of it.
func (h *hub) sample(ctx context.Context, id string, s samples.Sample) (samples.Result, error) {
	if err := h.prepare(ctx, id, s.Connector); err != nil {
		return samples.Result{}, err
	}
	r, err := http.NewRequestWithContext(ctx, s.Request.Method, h.url+"/hooks/"+id+"/"+s.Connector, strings.NewReader(string(s.Request.Body)))
	if err != nil {
		return samples.Result{}, err
	}
	r.Header = s.Request.Header.Clone()
	status, answer, err := send(r)
	if err != nil {
		return samples.Result{}, err
	}
	if status >= http.StatusMultipleChoices && status != http.StatusSeeOther {
		return samples.Result{}, fmt.Errorf("answered %d: %s", status, answer)
	}
	if err := h.cloud.Idle(ctx); err != nil {
		return samples.Result{}, fmt.Errorf("waiting for rest: %w", err)
	}
	facts, err := h.facts(ctx, id)
	if err != nil {
		return samples.Result{}, err
	}
	var result samples.Result
	for _, f := range facts {
		result.Kinds = append(result.Kinds, f.Kind)
		result.Facts = append(result.Facts, samples.Describe(f))
	}
	result.Faults, err = h.parked(ctx, s.Connector)
	return result, err
}

// prepare makes a workspace with one connection.
func (h *hub) prepare(ctx context.Context, id, name string) error {
	settings, ok := samples.Settings(name)
	if !ok {
		return fmt.Errorf("samples of %s have no settings", name)
	}
	text, err := yaml.Marshal(map[string]any{"workspace": id, "name": id, "country": settings.Country, "currency": settings.Currency,
		"timezone": settings.Zone, "connections": map[string]any{name: map[string]any{"connector": name, "settings": settings.Values}}})
	if err != nil {
		return fmt.Errorf("writing the workspace: %w", err)
	}
	if err := h.apply(ctx, text); err != nil {
		return named(id, err)
	}
	return stage.Writer(h.cloud).SetSecrets(ctx, id, name, []connector.Secret{samples.Secret})
}

// facts reads all facts of a workspace off the table.
func (h *hub) facts(ctx context.Context, id string) ([]events.Fact, error) {
	db := dynamodb.NewFromConfig(h.cloud.Config(""))
	table, prefix := stage.HubTable(h.cloud), id+"#r#"
	out, err := db.Scan(ctx, &dynamodb.ScanInput{TableName: &table, FilterExpression: aws.String("begins_with(pk, :p)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: prefix}}})
	if err != nil {
		return nil, fmt.Errorf("reading the facts: %w", err)
	}
	records := map[string]bool{}
	for _, item := range out.Items {
		if pk, ok := item["pk"].(*types.AttributeValueMemberS); ok {
			records[strings.TrimPrefix(pk.Value, prefix)] = true
		}
	}
	var l []events.Fact
	for record := range records {
		facts, err := hubtable.New(db, table).In(id).Facts(ctx, record)
		if err != nil {
			return nil, err
		}
		l = append(l, facts...)
	}
	return l, nil
}

// parked asks the API what of the connection is parked, and why.
func (h *hub) parked(ctx context.Context, connection string) ([]delivery.Fault, error) {
	got, err := h.get(ctx, "/v1/deliveries?status=parked&connection="+connection)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(got)
	if err != nil {
		return nil, err
	}
	var list struct {
		Deliveries []struct{ Faults []delivery.Fault }
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("reading the API's answer: %w", err)
	}
	var l []delivery.Fault
	for _, d := range list.Deliveries {
		l = append(l, d.Faults...)
	}
	return l, nil
}
