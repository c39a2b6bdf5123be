// Package hub is the Hub table: facts, fragments, identities and what stages keep
// of one workspace.
//
//	<ws>#r#<record>     f#<fact id>       a fact; the log of a record is a set
//	<ws>#x#<fragment>   <ms>#<record>     the record may concern the fragment
//	<ws>#g#<fragment>   STATE             a fragment, under its version
//	<ws>#g#<fragment>   o#<ms>#<record>   an order beyond the newest
//	<ws>#g#<fragment>   SEGMENTS          memberships of its profile, under their version
//	<ws>#i#<kind/hash>  STATE             an identity, under its version
//	<ws>#d#<hour>#<n>   <ms>#<stage>|<what>  a moment that a stage waits for
//	<ws>#d#             CURSOR            up to where moments were told
//	<ws>#d#             REVIEW            up to where profiles were looked at anew
//	workspaces          <ws>              which workspaces there are, written by shared/aws/definition
//
// Attributes: d what is stored, packed; v version; r when a fact was first
// received, Unix ms. For publish: ev what changed, p the profile and oc what
// occurred, a JSON list of events.Occurrence, of a fragment; of any other item that
// announces something, ev "+" and an, a JSON list of events.Announcement. Whoever
// rewrites an item leaves these out, unless there is something new to tell. a is the
// moment that is armed, Unix ms; x when DynamoDB may delete the item, Unix seconds.
package hub

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Hub is the table.
type Hub struct {
	db    *dynamodb.Client
	table string
}

// New uses a table.
func New(db *dynamodb.Client, table string) *Hub { return &Hub{db, table} }

// Workspace is one workspace's part of the table. Every key that it reads or
// writes begins with the workspace, so no call can cross.
type Workspace struct {
	*Hub
	id string
}

// In gives a workspace's part.
func (h *Hub) In(workspace string) Workspace { return Workspace{h, workspace} }

type key = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (w Workspace) key(kind, name, sort string) key {
	return key{"pk": text(w.id + "#" + kind + "#" + name), "sk": text(sort)}
}

func (w Workspace) factKey(f events.Fact) key { return w.key("r", f.RecordKey(), "f#"+f.ID()) }
func (w Workspace) state(id profile.ID) key   { return w.key("g", string(id), "STATE") }
func (w Workspace) identity(id string) key    { return w.key("i", id, "STATE") }
func (w Workspace) order(id profile.ID, l profile.Lookup) key {
	return w.key("g", string(id), fmt.Sprintf("o#%013d#%s", l.At, l.Record))
}

// get reads one item, strongly consistent; nil where there is none.
func (w Workspace) get(ctx context.Context, k key, only ...string) (key, error) {
	in := &dynamodb.GetItemInput{TableName: &w.table, Key: k, ConsistentRead: aws.Bool(true)}
	if len(only) > 0 {
		in.ProjectionExpression = aws.String(strings.Join(only, ", "))
	}
	out, err := w.db.GetItem(ctx, in)
	if err != nil {
		return nil, classed(err)
	}
	return out.Item, nil
}

// Known tells whether the log holds a fact, received then or earlier.
func (w Workspace) Known(ctx context.Context, f events.Fact) (bool, error) {
	item, err := w.get(ctx, w.factKey(f), "r")
	if err != nil || item == nil {
		return false, err
	}
	return integer(item["r"]) <= f.Received, nil
}

// Put adds a fact. Of two copies the one received first stays.
func (w Workspace) Put(ctx context.Context, f events.Fact) error {
	d, err := pack(f)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	item := w.factKey(f)
	item["d"], item["r"] = d, number(f.Received)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression:       aws.String("attribute_not_exists(pk) OR r > :r"),
		ExpressionAttributeValues: key{":r": number(f.Received)}})
	if lost(err) {
		return nil // it is there
	}
	return classed(err)
}

// Index notes that facts of a record may name a fragment, at the time of the
// fact that does so first.
func (w Workspace) Index(ctx context.Context, id profile.ID, record string, at int64) error {
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table,
		Item: w.key("x", string(id), Indexed{max(at, 0), record}.Place())})
	return classed(err)
}

// Facts are all facts of a record.
func (w Workspace) Facts(ctx context.Context, record string) ([]events.Fact, error) {
	var l []events.Fact
	in := w.query("r", record, "f#", false, 0)
	for {
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return nil, classed(err)
		}
		for _, item := range out.Items {
			var f events.Fact
			if err := unpack(item["d"], &f); err != nil {
				return nil, fault.As(fault.Permanent, fmt.Errorf("a fact of %s: %w", record, err))
			}
			f.Workspace, f.Connection, f.Received = w.id, connectionOf(record), integer(item["r"])
			l = append(l, f)
		}
		if out.LastEvaluatedKey == nil {
			return l, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// query reads items of one partition whose sort key begins with a prefix.
func (w Workspace) query(kind, name, prefix string, newest bool, limit int32) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{TableName: &w.table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!newest),
		KeyConditionExpression:    aws.String("pk = :p AND begins_with(sk, :s)"),
		ExpressionAttributeValues: key{":p": text(w.id + "#" + kind + "#" + name), ":s": text(prefix)}}
	if limit > 0 {
		in.Limit = aws.Int32(limit)
	}
	return in
}

func connectionOf(record string) string {
	c, _, _ := strings.Cut(record, "|")
	return c
}

// lost tells whether a write failed its condition.
func lost(err error) bool {
	var failed *types.ConditionalCheckFailedException
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		for _, r := range cancelled.CancellationReasons {
			switch aws.ToString(r.Code) {
			case "ConditionalCheckFailed", "TransactionConflict":
				return true
			}
		}
	}
	var conflict *types.TransactionConflictException
	return errors.As(err, &failed) || errors.As(err, &conflict)
}

// classed says what may be done about an error of the table.
func classed(err error) error {
	if err == nil {
		return nil
	}
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded":
			return fault.As(fault.Throttled, err)
		case "ValidationException":
			return fault.As(fault.Permanent, err)
		case "AccessDeniedException", "UnrecognizedClientException":
			return fault.As(fault.Unauthorised, err)
		}
	}
	return fault.As(fault.Transient, err)
}

func integer(v types.AttributeValue) int64 {
	n, _ := v.(*types.AttributeValueMemberN)
	if n == nil {
		return 0
	}
	i, _ := strconv.ParseInt(n.Value, 10, 64) // we wrote it
	return i
}
