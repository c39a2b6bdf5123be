// Package bus puts events on the EventBridge bus.
package bus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"loophub/events"
)

// Bus is one event bus.
type Bus struct {
	client *eventbridge.Client
	name   string
}

// New uses a bus by its name.
func New(client *eventbridge.Client, name string) *Bus { return &Bus{client, name} }

// perCall is how many events a call may hold.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html, read 2026-11-22.
const perCall = 10

// Put puts events, ten to a call. failed are the positions of those that were
// not taken, also where a later call failed as a whole; err says that all of
// them were not.
func (b *Bus) Put(ctx context.Context, l []events.Envelope) (failed []int, err error) {
	for from := 0; from < len(l); from += perCall {
		some := l[from:min(from+perCall, len(l))]
		refused, callErr := b.call(ctx, some)
		if callErr != nil {
			err = callErr
			for n := range some {
				refused = append(refused, n)
			}
		}
		for _, n := range refused {
			failed = append(failed, from+n)
		}
	}
	if len(failed) < len(l) {
		return failed, nil
	}
	return failed, err
}

func (b *Bus) call(ctx context.Context, l []events.Envelope) (refused []int, err error) {
	entries := make([]types.PutEventsRequestEntry, len(l))
	for n, e := range l {
		detail, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("encoding event: %w", err)
		}
		entries[n] = types.PutEventsRequestEntry{EventBusName: &b.name, Source: aws.String(events.Source), DetailType: aws.String(e.Type),
			Detail: aws.String(string(detail)), Time: aws.Time(e.Time)}
	}
	out, err := b.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries})
	if err != nil {
		return nil, err
	}
	for n, e := range out.Entries {
		if e.ErrorCode != nil {
			refused = append(refused, n)
		}
	}
	return refused, nil
}
