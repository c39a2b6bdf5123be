package local

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dynamodb"
	"loophub/infra/local/lambda"
	"loophub/infra/local/template"
)

// newTables makes the template's tables.
func newTables(c clock.Clock, tables []template.Table) (*dynamodb.Service, error) {
	var specs []dynamodb.TableSpec
	for _, t := range tables {
		if t.BillingMode != "PAY_PER_REQUEST" {
			return nil, fmt.Errorf("table %s: the local cloud knows on-demand tables only", t.LogicalID)
		}
		types := map[string]string{}
		for _, a := range t.AttributeDefinitions {
			types[a.AttributeName] = a.AttributeType
		}
		spec := dynamodb.TableSpec{Name: t.Name, ARN: t.ARN, Keys: keys(t.KeySchema, types), StreamARN: t.StreamARN}
		if t.StreamSpecification != nil {
			spec.StreamView = t.StreamSpecification.StreamViewType
		}
		if t.TimeToLiveSpecification != nil && t.TimeToLiveSpecification.Enabled {
			spec.TTLAttribute = t.TimeToLiveSpecification.AttributeName
		}
		for _, i := range t.GlobalSecondaryIndexes {
			spec.Indexes = append(spec.Indexes, dynamodb.IndexSpec{Name: i.IndexName, Keys: keys(i.KeySchema, types),
				Projection: i.Projection.ProjectionType, Include: i.Projection.NonKeyAttributes})
		}
		specs = append(specs, spec)
	}
	return dynamodb.New(c.Now, specs)
}

// keys lists partition key and sort key in this order, whatever the template's.
func keys(schema []template.KeyElement, types map[string]string) []dynamodb.Key {
	var out []dynamodb.Key
	for _, kind := range []string{"HASH", "RANGE"} {
		for _, e := range schema {
			if e.KeyType == kind {
				out = append(out, dynamodb.Key{Name: e.AttributeName, Type: types[e.AttributeName]})
			}
		}
	}
	return out
}

// expiryInterval is how often the tables look for expired items; AWS takes up to a few days.
const expiryInterval = time.Hour

// expire deletes expired items now and then, until ctx ends.
func (c *Cloud) expire(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	c.tables.Expire(c.clock.Now())
	c.clock.At(c.clock.Now().Add(expiryInterval), func() { c.expire(ctx) })
}

// tableStream shows a table's changes to a poller.
type tableStream struct {
	table *dynamodb.Table
	split bool // into shards
}

// item names the item that a record is about; nobody asks where there is one shard.
func (s tableStream) item(r dynamodb.Record) string {
	if !s.split {
		return ""
	}
	key, err := json.Marshal(r.Change.Keys)
	if err != nil { // a key was once read from JSON
		panic(err)
	}
	return string(key)
}

func (s tableStream) Records(after uint64, limit int) ([]lambda.Record, error) {
	var out []lambda.Record
	for _, r := range s.table.Records(after, limit) {
		event, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encoding stream record %d: %w", r.Sequence, err)
		}
		out = append(out, lambda.Record{Position: r.Sequence, Item: s.item(r), Sequence: r.Change.SequenceNumber, At: r.At, Event: event})
	}
	return out, nil
}

func (s tableStream) Latest() uint64 { return s.table.Latest() }

func (s tableStream) Watch(wake func()) { s.table.Notify(wake) }
