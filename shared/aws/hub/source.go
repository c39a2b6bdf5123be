package hub

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// What attribution reads of items that other stages write. Only the fields that
// it needs are named here.

// SentMessages are a fragment's messages that were sent, or may have been, whose
// ids were made at since or later: an id begins with its Unix ms in hex.
func (w Workspace) SentMessages(ctx context.Context, id profile.ID, since time.Time) ([]attribution.Sent, error) {
	in := w.query("g", string(id), "", false, 0)
	in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
	in.ExpressionAttributeValues[":s"] = text(fmt.Sprintf("m#%011x", max(since.UnixMilli(), 0)))
	in.ExpressionAttributeValues[":e"] = text("m#~")
	var l []attribution.Sent
	err := w.eachOf(ctx, in, func(item key) error {
		var m struct {
			ID, Connection, Template, Journey, Variant, Status string
			Voucher                                            struct{ Code string }
			Claimed                                            int64 // when it went out; quiet hours may lie in between
			At                                                 int64 // requested at
		}
		if err := unpack(item["d"], &m); err != nil {
			return fmt.Errorf("a message: %w", err)
		}
		if m.Status != "sent" && m.Status != "unknown" {
			return nil // it was dropped, or waits
		}
		at := m.Claimed
		if at == 0 {
			at = m.At
		}
		l = append(l, attribution.Sent{ID: m.ID, Fragment: id, Journey: m.Journey, Variant: m.Variant, Template: m.Template, Connection: m.Connection,
			At: at, Voucher: m.Voucher.Code, Unknown: m.Status == "unknown"})
		return nil
	})
	return l, err
}

// JourneyEntries are all entries of a fragment into journeys.
func (w Workspace) JourneyEntries(ctx context.Context, id profile.ID) ([]attribution.Entry, error) {
	in := w.query("g", string(id), "j#", false, 0)
	in.FilterExpression = aws.String("attribute_not_exists(h)") // heads tell nothing new
	var l []attribution.Entry
	err := w.eachOf(ctx, in, func(item key) error {
		var e struct {
			ID, Journey string
			Began, Goal int64
			Held        bool
			Choices     []struct{ Variant string }
		}
		if err := unpack(item["d"], &e); err != nil {
			return fmt.Errorf("an entry: %w", err)
		}
		variants := make([]string, len(e.Choices))
		for n, c := range e.Choices {
			variants[n] = c.Variant
		}
		l = append(l, attribution.Entry{ID: e.ID, Fragment: id, Journey: e.Journey, Variant: strings.Join(variants, "/"), Holdout: e.Held, At: e.Began, Goal: e.Goal})
		return nil
	})
	return l, err
}

// Issues are those of the codes that a journey has given to somebody.
func (w Workspace) Issues(ctx context.Context, codes []string) ([]attribution.Issue, error) {
	items, err := w.batch(ctx, len(codes), func(n int) key { return w.key("v", codes[n], "STATE") })
	if err != nil {
		return nil, err
	}
	var l []attribution.Issue
	for n, item := range items {
		if item == nil {
			continue // a code of the shop's own
		}
		var i struct {
			To struct {
				Fragment         profile.ID
				Journey, Variant string
				At               int64
			}
		}
		if err := unpack(item["d"], &i); err != nil {
			return nil, fault.As(fault.Permanent, fmt.Errorf("an issued code: %w", err))
		}
		if i.To.At > 0 {
			l = append(l, attribution.Issue{Code: codes[n], Fragment: i.To.Fragment, Journey: i.To.Journey, Variant: i.To.Variant, At: i.To.At})
		}
	}
	return l, nil
}

// eachOf runs through all pages of a query. What a visit can't read stays so.
func (w Workspace) eachOf(ctx context.Context, in *dynamodb.QueryInput, visit func(key) error) error {
	for {
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return classed(err)
		}
		for _, item := range out.Items {
			if err := visit(item); err != nil {
				return fault.As(fault.Permanent, err)
			}
		}
		if out.LastEvaluatedKey == nil {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
