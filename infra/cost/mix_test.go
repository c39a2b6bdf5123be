package cost

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/infra/local"
	"loophub/infra/local/meter"
)

// mix is what came of webhooks.
type mix struct{ segments, messages, records int }

// see implements local.Options.Tail: it counts what the mix speaks of.
func (w *world) see(l local.Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var line struct {
		Type    string `json:"detail-type"`
		Stage   string `json:"stage"`
		Sent    int    `json:"sent"`
		Records int    `json:"records"`
	}
	if json.Unmarshal([]byte(l.Text), &line) != nil {
		return // a line that is no JSON counts nothing
	}
	switch {
	case l.Event && (line.Type == events.SegmentEntered || line.Type == events.SegmentLeft):
		w.mix.segments++
	case !l.Event:
		w.mix.messages += line.Sent
		w.mix.records += line.Records
	}
}

// The shop. Of ten orders three are somebody's first, one of these a large one; one makes a regular of somebody.
const (
	rounds  = 20
	ten     = 10
	regular = 120 // customers who have long been regulars
	lately  = 28  // of them: had a message within the last thirty days
)

const (
	known = "Trần" // whom the destination's rule lets through
	other = "Phạm"
)

// measured is what a world used for its webhooks.
type measured struct {
	webhooks int
	bytes    int // of their bodies
	used     meter.Sheet
	mix      mix
	stored   map[string]int // bytes that tables grew by
}

// measure runs the shop: a warm-up, so that all is known that a shop knows after some weeks, then the webhooks that are
// counted, and all that time brings of them in the month after.
func measure(t *testing.T, sparse bool) (m measured) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sparse)
		s := newShop(t, w)
		regulars, coming := s.warmUp()
		before, mixed, stored, bytes := w.used(), w.mix, w.Stored(), s.bytes
		for round := range rounds {
			s.round(round, regulars, coming)
		}
		m = measured{webhooks: rounds * ten, bytes: s.bytes - bytes, stored: w.Stored()}
		for name, n := range stored {
			m.stored[name] -= n
		}
		w.passes(31 * 24 * time.Hour)
		m.used = marginal(w.used().Since(before))
		m.mix = mix{w.mix.segments - mixed.segments, w.mix.messages - mixed.messages, w.mix.records - mixed.records}
	})
	return m
}

// warmUp makes the customers who order again: regulars, a fifth of them with a message of late, and those who have ordered
// twice.
func (s *shop) warmUp() (regulars, coming []*customer) {
	s.t.Helper()
	for n := range regular + rounds {
		c := &customer{number: n, name: other}
		if n%4 == 0 {
			c.name = known
		}
		if n < regular {
			regulars = append(regulars, c)
		} else {
			coming = append(coming, c)
		}
	}
	order := func(l []*customer) {
		for _, c := range l {
			s.places(c, 468_000)
			s.rest()
		}
	}
	order(regulars)
	order(regulars)
	order(coming)
	order(coming)
	order(regulars[lately:])
	s.passes(30 * 24 * time.Hour)
	order(regulars[:lately])
	s.passes(10 * 24 * time.Hour)
	order(regulars[lately : lately+1]) // so that definitions and secrets are known again
	return regulars, coming
}

// round sends ten orders: together where batches hold ten.
func (s *shop) round(n int, regulars, coming []*customer) {
	s.t.Helper()
	var l []*customer
	for i := range 3 {
		l = append(l, &customer{number: 1000 + 3*n + i, name: other})
	}
	if n%2 == 0 {
		l[0].name = known
	}
	l = append(l, coming[n])
	l = append(l, regulars[6*n:6*n+6]...)
	for i, c := range l {
		total := 468_000
		if i == 0 {
			total = 1_200_000
		}
		s.places(c, total)
		if s.sparse {
			s.rest()
		}
	}
	s.rest()
}

// passes lets time pass, with a sweep wherever something is due.
func (w *world) passes(d time.Duration) {
	w.t.Helper()
	until := w.clock.Now().Add(d)
	db := dynamodb.NewFromConfig(w.Config(""))
	var at time.Time
	var ok bool
	seen := -1
	w.while(func() error {
		var failed error
		err := w.Skip(w.t.Context(), until, func() (time.Time, bool) {
			w.mu.Lock()
			turns := w.turns
			w.mu.Unlock()
			if turns != seen { // else nobody can have armed or told anything
				seen = turns
				if at, ok, failed = w.due(w.t.Context(), db); failed != nil {
					return until, false
				}
			}
			return at, ok
		})
		return errors.Join(err, failed)
	})
}

// due is the earliest moment of the due index, whose items lie at <workspace>#d#<hour>#<shard>, <ms>#….
func (w *world) due(ctx context.Context, db *dynamodb.Client) (earliest time.Time, found bool, err error) {
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: aws.String(w.hub()), ConsistentRead: aws.Bool(true),
		FilterExpression: aws.String("begins_with(pk, :d)"), ProjectionExpression: aws.String("sk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":d": &types.AttributeValueMemberS{Value: id + "#d#"}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return earliest, false, err
		}
		for _, item := range page.Items {
			digits, _, _ := strings.Cut(item["sk"].(*types.AttributeValueMemberS).Value, "#")
			ms, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				continue // the cursor
			}
			if at := time.UnixMilli(ms); !found || at.Before(earliest) {
				earliest, found = at, true
			}
		}
	}
	return earliest, found, nil
}

// marginal is what hangs on webhooks. A sweep runs each minute whatever happens, and is in the price of standing still; of
// sweeps only what they send, delete and write down is somebody's.
func marginal(all meter.Sheet) meter.Sheet {
	out := meter.Sheet{}
	for k, u := range all {
		sends := k.Service == "sqs" && strings.HasPrefix(k.Operation, "SendMessage")
		if k.Who == "" || k.Who == "sweep" && !sends && u.Writes == 0 && k.Service != meter.Logged {
			continue
		}
		out[k] = u
	}
	return out
}
