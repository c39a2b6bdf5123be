package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// Messages in the table:
//
//	<ws>#g#<fragment>  m#<message id>  message; ids sort by the moment of the request
//	<ws>#g#<fragment>  SENDS           what was claimed lately, for caps and duplicates
//
// A message that was only asked for may have been written by whoever asked, within
// a transaction of his own.

// messageKept is how long messages and sends are kept, like the links in them.
const messageKept = 400 * 24 * time.Hour

func (w Workspace) message(fragment profile.ID, id string) key {
	return w.key("g", string(fragment), "m#"+id)
}
func (w Workspace) sends(fragment profile.ID) key { return w.key("g", string(fragment), "SENDS") }

// Request stores a request, if it is new, and announces it.
func (w Workspace) Request(ctx context.Context, r message.Request) (fresh bool, err error) {
	item, err := w.requestItem(r)
	if err != nil {
		return false, fault.As(fault.Permanent, err)
	}
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")})
	if lost(err) {
		return false, nil
	}
	return err == nil, classed(err)
}

// requestItem is a message that is new, with its announcement.
func (w Workspace) requestItem(r message.Request) (key, error) {
	item, err := w.messageItem(message.Message{Request: r, Status: message.Requested})
	if err != nil {
		return nil, err
	}
	return item, tell(item, events.MessageRequested, events.Message{Fragment: string(r.Fragment), Message: r.ID})
}

// messageItem is a message as it is stored next. Its announcement is the caller's.
func (w Workspace) messageItem(m message.Message) (key, error) {
	item := w.message(m.Fragment, m.ID)
	d, err := pack(m)
	if err != nil {
		return nil, err
	}
	item["d"], item["v"] = d, number(m.Stored+1)
	item["x"] = number(time.UnixMilli(m.At).Add(messageKept).Unix())
	return item, nil
}

// Message reads a message; Stored 0 = there is none.
func (w Workspace) Message(ctx context.Context, fragment profile.ID, id string) (message.Message, error) {
	item, err := w.get(ctx, w.message(fragment, id))
	if err != nil || item == nil {
		return message.Message{}, err
	}
	return readMessage(item)
}

func readMessage(item key) (message.Message, error) {
	var m message.Message
	if err := unpack(item["d"], &m); err != nil {
		return m, fault.As(fault.Permanent, fmt.Errorf("a message: %w", err))
	}
	m.Stored = integer(item["v"])
	return m, nil
}

// Messages lists a fragment's messages, newest first, beginning after the one
// named before ("" = at the newest). more tells that there are others.
func (w Workspace) Messages(ctx context.Context, fragment profile.ID, before string, limit int) (l []message.Message, more bool, err error) {
	in := w.query("g", string(fragment), "m#", true, int32(limit))
	if before != "" {
		in.ExclusiveStartKey = w.message(fragment, before)
	}
	out, err := w.db.Query(ctx, in)
	if err != nil {
		return nil, false, classed(err)
	}
	for _, item := range out.Items {
		m, err := readMessage(item)
		if err != nil {
			return nil, false, err
		}
		l = append(l, m)
	}
	return l, out.LastEvaluatedKey != nil, nil
}

// Sends reads what was claimed lately, in the order of the fragments.
func (w Workspace) Sends(ctx context.Context, fragments []profile.ID) ([]message.Sends, error) {
	items, err := w.batch(ctx, len(fragments), func(n int) key { return w.sends(fragments[n]) })
	if err != nil {
		return nil, err
	}
	l := make([]message.Sends, len(fragments))
	for n, id := range fragments {
		if items[n] != nil {
			if err := unpack(items[n]["d"], &l[n]); err != nil {
				return nil, fault.As(fault.Permanent, fmt.Errorf("what was sent to %s: %w", id, err))
			}
		}
		l[n].Fragment, l[n].Version = id, integer(items[n]["v"])
	}
	return l, nil
}

// CommitMessage stores a message that was read at m.Stored, or gives
// profile.ErrLost. What others should know is announced with it.
func (w Workspace) CommitMessage(ctx context.Context, m message.Message) error {
	put, err := w.putMessage(m)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: put.Item,
		ConditionExpression: put.ConditionExpression, ExpressionAttributeValues: put.ExpressionAttributeValues})
	return won(err)
}

func (w Workspace) putMessage(m message.Message) (*types.Put, error) {
	item, err := w.messageItem(m)
	if err == nil && m.Announced() {
		err = tell(item, events.MessageDecided, events.Message{Fragment: string(m.Fragment), Message: m.ID})
	}
	if err != nil {
		return nil, err
	}
	condition, values := guard(m.Stored)
	return &types.Put{TableName: &w.table, Item: item, ConditionExpression: condition, ExpressionAttributeValues: values}, nil
}

// CommitClaim stores a message together with the sends of the fragment that is
// first in the list, each read at its version; the sends of the other members must
// stand as they were read. So two messages to one person never both see room
// under a cap. It gives profile.ErrLost where anybody else was faster.
func (w Workspace) CommitClaim(ctx context.Context, m message.Message, sends []message.Sends) error {
	put, err := w.putMessage(m)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	all := []types.TransactWriteItem{{Put: put}}
	for n, s := range sends {
		condition, values := guard(s.Version)
		item := w.sends(s.Fragment)
		if n > 0 {
			all = append(all, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &w.table, Key: item,
				ConditionExpression: condition, ExpressionAttributeValues: values}})
			continue
		}
		if item["d"], err = pack(s); err != nil {
			return fault.As(fault.Permanent, err)
		}
		item["v"] = number(s.Version + 1)
		item["x"] = number(time.UnixMilli(m.Changed).Add(messageKept).Unix())
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	_, err = w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
	return won(err)
}

// linksConnection is the internal connection whose deliveries the links stage makes.
const linksConnection = "links"

// MessageFacts are all facts that tell what became of a message: those of its
// channel and those of our own links.
func (w Workspace) MessageFacts(ctx context.Context, m message.Message) ([]events.Fact, error) {
	return w.told(ctx, m.Connection, m.Fragment, m.ID)
}

// told reads the two records of a message: its channel's, and that of our own links.
func (w Workspace) told(ctx context.Context, channel string, fragment profile.ID, id string) ([]events.Fact, error) {
	var l []events.Fact
	for _, connection := range slices.Compact([]string{channel, linksConnection}) {
		facts, err := w.Facts(ctx, strings.Join([]string{connection, "message", string(fragment) + "." + id}, "|"))
		if err != nil {
			return nil, err
		}
		l = append(l, facts...)
	}
	return l, nil
}
