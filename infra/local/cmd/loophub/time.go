package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/infra/local/stage"
)

// pass lets time pass up to t. The minute sweep runs where something is due; in
// all other minutes it would find nothing to do.
func (h *hub) pass(ctx context.Context, t time.Time) error {
	if err := h.rest(ctx); err != nil {
		return err
	}
	if !t.After(h.clock.Now()) {
		return nil
	}
	table := dynamodb.NewFromConfig(h.cloud.Config(""))
	var failed error
	err := h.cloud.Skip(ctx, t, func() (time.Time, bool) {
		due, ok, err := h.due(ctx, table)
		if err != nil {
			failed = err
		}
		return due, ok
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("letting time pass: %w", err)
	}
	return h.rest(ctx)
}

// due is when the next sweep finds something to do: the earliest moment of the due
// index, whose items lie at <workspace>#d#<hour>#<shard>, <ms>#…; at once where
// something is held, which lies at <workspace>#h#<control>.
func (h *hub) due(ctx context.Context, table *dynamodb.Client) (earliest time.Time, found bool, err error) {
	moments, holds := h.workspace.ID+"#d#", h.workspace.ID+"#h#"
	pages := dynamodb.NewScanPaginator(table, &dynamodb.ScanInput{TableName: aws.String(stage.HubTable(h.cloud)), ConsistentRead: aws.Bool(true),
		FilterExpression: aws.String("begins_with(pk, :d) OR begins_with(pk, :h)"), ProjectionExpression: aws.String("pk, sk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":d": &types.AttributeValueMemberS{Value: moments}, ":h": &types.AttributeValueMemberS{Value: holds}}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return earliest, false, fmt.Errorf("reading the due index: %w", err)
		}
		for _, item := range page.Items {
			partition, _ := item["pk"].(*types.AttributeValueMemberS)
			sort, _ := item["sk"].(*types.AttributeValueMemberS)
			if partition == nil || sort == nil {
				continue
			}
			digits, _, _ := strings.Cut(sort.Value, "#")
			ms, err := strconv.ParseInt(digits, 10, 64)
			at := time.UnixMilli(ms)
			switch {
			case strings.HasPrefix(partition.Value, holds):
				if partition.Value == holds {
					continue // that something ever was
				}
				at = h.clock.Now()
			case err != nil:
				continue // the cursor
			}
			if !found || at.Before(earliest) {
				earliest, found = at, true
			}
		}
	}
	return earliest, found, nil
}
