package hub

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/fault"
)

// Due is a moment that a stage waits for.
type Due struct {
	Stage string // no | in it
	What  string // in the words of the stage
	At    int64  // Unix ms
}

// Dues is a page of moments that have come.
type Dues struct {
	From int64 // nothing before this moment is to come after the page, Unix ms
	List []Due
}

const (
	shards = 4
	hour   = int64(time.Hour / time.Millisecond)
	// DueKept is how long a moment is kept after it has come, in Unix ms.
	DueKept = 7 * 24 * hour
	// page is how many moments are read at once: a few kilobytes.
	page = 200
)

// due is where a moment lies: those of an hour lie together, in a few partitions.
func (w Workspace) due(d Due) key {
	h := fnv.New32a()
	_, _ = h.Write([]byte(d.What)) // a hash takes everything
	return w.key("d", duePartition(d.At/hour, int64(h.Sum32()%shards)), fmt.Sprintf("%013d#%s|%s", d.At, d.Stage, d.What))
}

func duePartition(hour, shard int64) string { return fmt.Sprintf("%d#%d", hour, shard) }

// Arm lets sweep tell a stage when a moment has come. It is written before the
// state that needs it. The moment must not lie more than a minute in the past.
func (w Workspace) Arm(ctx context.Context, stage, what string, at time.Time) error {
	item := w.due(Due{stage, what, at.UnixMilli()})
	item["x"] = number((at.UnixMilli() + DueKept) / 1000)
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item})
	return classed(err)
}

// Dues reads the moments from one on up to another, that one included: page after
// page, empty ones too, hour by hour.
func (w Workspace) Dues(ctx context.Context, from, to int64) iter.Seq2[Dues, error] {
	return func(yield func(Dues, error) bool) {
		for h := from / hour; h <= to/hour; h++ {
			for shard := range int64(shards) {
				in := w.query("d", duePartition(h, shard), "", false, page)
				in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
				in.ExpressionAttributeValues[":s"] = text(fmt.Sprintf("%013d", from))
				in.ExpressionAttributeValues[":e"] = text(fmt.Sprintf("%013d#~", to))
				for more := true; more; more = in.ExclusiveStartKey != nil {
					out, err := w.db.Query(ctx, in)
					if err != nil {
						yield(Dues{}, classed(err))
						return
					}
					l, err := readDues(out.Items)
					if !yield(Dues{max(from, h*hour), l}, err) || err != nil {
						return
					}
					in.ExclusiveStartKey = out.LastEvaluatedKey
				}
			}
		}
	}
}

func readDues(items []key) ([]Due, error) {
	var l []Due
	for _, item := range items {
		sk, _ := item["sk"].(*types.AttributeValueMemberS)
		if sk == nil {
			continue // a key is always a text
		}
		at, rest, _ := strings.Cut(sk.Value, "#")
		stage, what, ok := strings.Cut(rest, "|")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil || !ok {
			return nil, fault.New(fault.Permanent, "a due item has a key that is none")
		}
		l = append(l, Due{stage, what, ms})
	}
	return l, nil
}

// perWrite is BatchWriteItem's limit.
const perWrite = 25

// Disarm takes moments out of the index. What is gone already is none the worse.
func (w Workspace) Disarm(ctx context.Context, l []Due) error {
	var rest []types.WriteRequest
	seen := map[Due]bool{}
	for _, d := range l {
		if !seen[d] { // the call refuses copies
			seen[d] = true
			rest = append(rest, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: w.due(d)}})
		}
	}
	for round := 0; len(rest) > 0; round++ {
		if round > rounds+len(seen)/perWrite {
			return fault.New(fault.Throttled, "the table left %d moments armed", len(rest))
		}
		n := min(len(rest), perWrite)
		out, err := w.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{w.table: rest[:n]}})
		if err != nil {
			return classed(err)
		}
		rest = append(rest[n:], out.UnprocessedItems[w.table]...)
	}
	return nil
}

func (w Workspace) cursor() key { return w.key("d", "", "CURSOR") }

// Cursor is up to where moments were told, Unix ms; 0 = nobody has begun.
func (w Workspace) Cursor(ctx context.Context) (int64, error) {
	item, err := w.get(ctx, w.cursor())
	return integer(item["c"]), err
}

// MoveCursor moves it, or gives profile.ErrLost where it does not stand at from.
func (w Workspace) MoveCursor(ctx context.Context, from, to int64) error {
	item := w.cursor()
	item["c"] = number(to)
	in := &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if from != 0 {
		in.ConditionExpression, in.ExpressionAttributeValues = aws.String("c = :c"), key{":c": number(from)}
	}
	_, err := w.db.PutItem(ctx, in)
	return won(err)
}
