// Package inbox is the Inbox table: the durable commit of a webhook before it is
// acknowledged, the filter of duplicates, the archive for replay and, by its
// stream, the queue of unify.
package inbox

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/delivery"
	"loophub/shared/fault"
)

// Overflow keeps packed requests that are too large for an item.
type Overflow interface {
	Put(ctx context.Context, name string, packed []byte) error
	Get(ctx context.Context, name string) ([]byte, error)
}

// Inbox is the table.
type Inbox struct {
	db       *dynamodb.Client
	table    string
	overflow Overflow
}

// New uses a table. overflow may be nil for a stage that puts and reads no
// delivery above delivery.Inline.
func New(db *dynamodb.Client, table string, overflow Overflow) *Inbox {
	return &Inbox{db, table, overflow}
}

// Put stores a delivery unless it is there, and tells under which key it lies. A
// delivery with the same key and another body is stored beside the first. An item
// whose time has run out counts as absent, whether or not it has been deleted.
func (i *Inbox) Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	if len(s.Packed) > delivery.Inline {
		if i.overflow == nil {
			return s.Key, "", fault.New(fault.Permanent, "storing delivery: it is too large for an item and there is no overflow bucket")
		}
		name := s.Object()
		if err := i.overflow.Put(ctx, name, s.Packed); err != nil {
			return s.Key, "", fmt.Errorf("storing delivery: %w", err)
		}
		s.Packed, s.Overflow = nil, name
	}
	there, hash, err := i.put(ctx, s, false)
	if err != nil {
		return s.Key, "", fmt.Errorf("storing delivery: %w", err)
	}
	if !there {
		return s.Key, delivery.Stored, nil
	}
	if hash == string(s.Hash[:]) {
		return s.Key, delivery.Duplicate, nil
	}
	s.Key.Delivery += "~" + hex.EncodeToString(s.Hash[:])
	there, _, err = i.put(ctx, s, true)
	if err != nil {
		return s.Key, "", fmt.Errorf("storing clashing delivery: %w", err)
	}
	if there {
		return s.Key, delivery.Duplicate, nil
	}
	return s.Key, delivery.Clash, nil
}

// put tells whether a live item was there and the hash of its body.
func (i *Inbox) put(ctx context.Context, s delivery.Sealed, clash bool) (there bool, hash string, err error) {
	_, err = i.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &i.table,
		Item:                                item(s, clash),
		ConditionExpression:                 aws.String("attribute_not_exists(pk) OR x < :now"),
		ExpressionAttributeValues:           map[string]types.AttributeValue{":now": number(s.ReceivedAt.Unix())},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return true, string(fromTable(failed.Item).hash), nil
	}
	return false, "", err
}

// Get reads a delivery, or delivery.ErrAbsent. When it is there but can't be
// read, the error is permanent.
func (i *Inbox) Get(ctx context.Context, k delivery.Key, now time.Time) (delivery.Delivery, error) {
	out, err := i.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &i.table, Key: key(k), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return delivery.Delivery{}, fmt.Errorf("reading delivery: %w", err)
	}
	r := fromTable(out.Item)
	if out.Item == nil || r.expired(now) {
		return delivery.Delivery{}, delivery.ErrAbsent
	}
	return i.open(ctx, r)
}

// FromStreamImage reads a delivery out of the table's stream. Whatever the error,
// the key is right if the image holds one; a permanent error stays with the same
// bytes, any other may be gone at the next attempt.
func (i *Inbox) FromStreamImage(ctx context.Context, image map[string]events.DynamoDBAttributeValue) (delivery.Delivery, error) {
	return i.open(ctx, fromStream(image))
}

func (i *Inbox) open(ctx context.Context, r record) (delivery.Delivery, error) {
	s, err := r.sealed()
	if err != nil {
		return delivery.Delivery{Key: s.Key}, fault.As(fault.Permanent, fmt.Errorf("reading delivery: %w", err))
	}
	if s.Overflow != "" {
		if i.overflow == nil {
			return delivery.Delivery{Key: s.Key}, fault.New(fault.Permanent, "reading delivery: there is no overflow bucket")
		}
		if s.Packed, err = i.overflow.Get(ctx, s.Overflow); err != nil {
			return delivery.Delivery{Key: s.Key}, fmt.Errorf("reading delivery: %w", err)
		}
	}
	d, err := s.Open()
	return d, fault.As(fault.Permanent, err)
}

const (
	maxFaults = 50
	maxReason = 400
)

// Park sets a delivery aside with the reasons: it leaves the queue, does not
// expire unless it is said to, and is listed until it is replayed. What anybody
// can send expires, or strangers would fill the list. Parking again renews the reasons.
// At most 50 reasons of 400 bytes are kept. A body in the overflow bucket still
// goes after 31 days.
func (i *Inbox) Park(ctx context.Context, k delivery.Key, faults []delivery.Fault, expires bool, now time.Time) error {
	why, err := json.Marshal(cut(faults))
	if err != nil {
		return fmt.Errorf("parking delivery: %w", err)
	}
	remove := "q, x"
	if expires {
		remove = "q"
	}
	return i.update(ctx, "parking delivery", k, now,
		"SET why = :why, pw = :pw, pt = if_not_exists(pt, :pt) REMOVE "+remove, map[string]types.AttributeValue{
			":why": &types.AttributeValueMemberS{Value: string(why)},
			":pw":  &types.AttributeValueMemberS{Value: k.Workspace + "#" + k.Connection},
			":pt":  number(now.UnixMilli()),
		})
}

// Replay puts a delivery back into the queue, parked or not, to be kept for
// another 30 days; delivery.ErrAbsent when there is none. From now on it is in the
// lane of replays: whatever it says is no news.
func (i *Inbox) Replay(ctx context.Context, k delivery.Key, now time.Time) error {
	return i.update(ctx, "replaying delivery", k, now,
		"SET q = :one, x = :x, l = :l REMOVE why, pw, pt", map[string]types.AttributeValue{
			":one": number(1), ":x": number(now.Add(delivery.Retention).Unix()), ":l": &types.AttributeValueMemberS{Value: string(delivery.Replay)},
		})
}

// Resume puts a delivery that waited for its connection back into the queue, in the
// lane that it came by: what it says was held up, and is news still. After a day it
// is none: then it is as Replay has it.
func (i *Inbox) Resume(ctx context.Context, k delivery.Key, received, now time.Time) error {
	if now.Sub(received) > news {
		return i.Replay(ctx, k, now)
	}
	return i.update(ctx, "resuming delivery", k, now, "SET q = :one, x = :x REMOVE why, pw, pt", map[string]types.AttributeValue{
		":one": number(1), ":x": number(now.Add(delivery.Retention).Unix()),
	})
}

// news is how old what is told of as happening now may be.
const news = 24 * time.Hour

func (i *Inbox) update(ctx context.Context, doing string, k delivery.Key, now time.Time, expression string, values map[string]types.AttributeValue) error {
	values[":now"] = number(now.Unix())
	_, err := i.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &i.table, Key: key(k), UpdateExpression: &expression, ExpressionAttributeValues: values,
		ConditionExpression: aws.String("attribute_exists(pk) AND (attribute_not_exists(x) OR x >= :now)"),
	})
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return delivery.ErrAbsent
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// cut keeps an item within bounds whatever a delivery makes a decoder say.
func cut(faults []delivery.Fault) []delivery.Fault {
	out := make([]delivery.Fault, 0, min(len(faults), maxFaults))
	for _, f := range faults[:min(len(faults), maxFaults)] {
		if len(f.Reason) > maxReason {
			f.Reason = strings.ToValidUTF8(f.Reason[:maxReason], "") + "…"
		}
		out = append(out, f)
	}
	return out
}

func number[N int | int64](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}
