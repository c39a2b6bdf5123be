package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// What attribution reads of items that other stages write.

// SentMessages are a fragment's messages that were sent, or may have been, whose
// ids were made at since or later: an id begins with its Unix ms in hex.
func (w Workspace) SentMessages(ctx context.Context, id profile.ID, since time.Time) ([]attribution.Sent, error) {
	in := w.query("g", string(id), "", false, 0)
	in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
	in.ExpressionAttributeValues[":s"] = text(fmt.Sprintf("m#%011x", max(since.UnixMilli(), 0)))
	in.ExpressionAttributeValues[":e"] = text("m#~")
	var l []attribution.Sent
	err := w.each(ctx, in, func(item key) error {
		m, err := readMessage(item)
		if err != nil || !m.Is(message.Sent) && !m.Uncertain() {
			return err // it was dropped or refused, or waits
		}
		l = append(l, attribution.Sent{ID: m.ID, Fragment: id, Journey: m.Journey, Variant: m.Variant, Template: m.Template,
			Connection: m.Connection, At: m.Claimed, Voucher: m.Voucher.Code, Unknown: m.Uncertain()})
		return nil
	})
	return l, err
}

// JourneyEntries are all entries of a fragment into journeys.
func (w Workspace) JourneyEntries(ctx context.Context, id profile.ID) ([]attribution.Entry, error) {
	in := w.query("g", string(id), "j#", false, 0)
	in.FilterExpression = aws.String("attribute_not_exists(h)") // heads tell nothing new
	var l []attribution.Entry
	err := w.each(ctx, in, func(item key) error {
		e, err := readEntry(item)
		if err != nil {
			return err
		}
		one := attribution.Entry{ID: e.ID, Fragment: id, Journey: e.Journey, Holdout: e.Held, At: e.Began, Goal: e.Goal}
		if !e.Held {
			one.Variant = e.Variant()
		}
		l = append(l, one)
		return nil
	})
	return l, err
}

// Issues are those of the codes, as orders have them, that a journey has given to
// somebody.
func (w Workspace) Issues(ctx context.Context, codes []string) ([]attribution.Issue, error) {
	items, err := w.batch(ctx, len(codes), func(n int) key { return w.code(codes[n]) })
	if err != nil {
		return nil, err
	}
	var l []attribution.Issue
	for n, item := range items {
		if item == nil {
			continue // a code of the shop's own
		}
		var i Issued
		if err := unpack(item["d"], &i); err != nil {
			return nil, fault.As(fault.Permanent, fmt.Errorf("an issued code: %w", err))
		}
		if i.To.At > 0 {
			l = append(l, attribution.Issue{Code: codes[n], Fragment: i.To.Fragment, Journey: i.To.Journey, Variant: i.To.Variant, At: i.To.At})
		}
	}
	return l, nil
}
