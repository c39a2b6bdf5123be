package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/writeback"
)

// What was written back:
//
//	<ws>#g#<fragment>             w#<destination>   ledger, under its version
//	<ws>#w#<connection>|<record>  STATE             f fragment, n destination of the record

func (w Workspace) ledger(id profile.ID, destination string) key {
	return w.key("g", string(id), "w#"+destination)
}

func (w Workspace) pointer(connection, record string) key {
	return w.key("w", connection+"|"+record, "STATE")
}

// Ledgers are those that the members of a profile have at a destination, in the
// order of members.
func (w Workspace) Ledgers(ctx context.Context, members []profile.ID, destination string) ([]writeback.Ledger, error) {
	items, err := w.batch(ctx, len(members), func(n int) key { return w.ledger(members[n], destination) })
	if err != nil {
		return nil, err
	}
	var l []writeback.Ledger
	for n, item := range items {
		if item == nil {
			continue
		}
		one, err := readLedger(members[n], item)
		if err != nil {
			return nil, err
		}
		l = append(l, one)
	}
	return l, nil
}

func readLedger(id profile.ID, item key) (writeback.Ledger, error) {
	var l writeback.Ledger
	if err := unpack(item["d"], &l); err != nil {
		return l, fault.As(fault.Permanent, fmt.Errorf("ledger of %s: %w", id, err))
	}
	l.Fragment, l.Version = id, integer(item["v"])
	return l, nil
}

// CommitLedger stores a ledger that was read at l.Version, or gives profile.ErrLost.
func (w Workspace) CommitLedger(ctx context.Context, destination string, l writeback.Ledger) error {
	d, err := pack(l)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	item := w.ledger(l.Fragment, destination)
	item["d"], item["v"] = d, number(l.Version+1)
	condition, values := guard(l.Version)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)
}

// owner is whose record that is at a connection; "" = nobody's.
func (w Workspace) owner(ctx context.Context, connection, record string) (id profile.ID, destination string, err error) {
	item, err := w.get(ctx, w.pointer(connection, record))
	if err != nil || item == nil {
		return "", "", err
	}
	return profile.ID(word(item["f"])), word(item["n"]), nil
}

// Point notes whose record that is, unless it is somebody's who is none of members:
// then it gives profile.ErrLost.
func (w Workspace) Point(ctx context.Context, connection, record, destination string, id profile.ID, members []profile.ID) error {
	item := w.pointer(connection, record)
	item["f"], item["n"] = text(string(id)), text(destination)
	values, names := key{}, []string{}
	for n, m := range members {
		name := fmt.Sprintf(":m%d", n)
		values[name], names = text(string(m)), append(names, name)
	}
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression:       aws.String("attribute_not_exists(pk) OR f IN (" + strings.Join(names, ", ") + ")"),
		ExpressionAttributeValues: values})
	return won(err)
}

func word(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Echo recognises what comes back of what was written.
type Echo struct {
	hub *Hub
	// outbound describes the system of a connection; nil = nothing is written there.
	outbound func(ctx context.Context, workspace, connection string) (*connector.Outbound, error)
}

// NewEcho recognises by the ledgers of a table.
func NewEcho(h *Hub, outbound func(ctx context.Context, workspace, connection string) (*connector.Outbound, error)) Echo {
	return Echo{h, outbound}
}

// Own takes what we wrote ourselves out of a fact about a record of a connection;
// ok is false where nothing is left to say. The property by which records are
// found stays, with the least version: it says whose the record is, and outranks
// nothing.
func (e Echo) Own(ctx context.Context, workspace, connection string, f events.Fact) (rest events.Fact, ok bool, err error) {
	if f.Kind != events.Customer {
		return f, true, nil
	}
	out, err := e.outbound(ctx, workspace, connection)
	if err != nil || out == nil {
		return f, err == nil, err
	}
	w := e.hub.In(workspace)
	id, destination, err := w.owner(ctx, connection, f.Record)
	if err != nil || id == "" {
		return f, err == nil, err
	}
	item, err := w.get(ctx, w.ledger(id, destination))
	if err != nil || item == nil {
		return f, err == nil, err
	}
	l, err := readLedger(id, item)
	if err != nil {
		return f, false, err
	}
	rest, ok = strip(f, l, *out)
	return rest, ok, nil
}

func strip(f events.Fact, l writeback.Ledger, out connector.Outbound) (rest events.Fact, ok bool) {
	own, kept := false, events.Fields{}
	for field, value := range f.Fields {
		ours := false
		for property, trait := range out.Traits {
			ours = ours || trait == field && writeback.Own(l, property, value.String(), f.At)
		}
		own = own || ours
		if !ours || field == out.Traits[out.Key] && !value.IsNull() {
			kept[field] = value
		}
	}
	if !own {
		return f, true
	}
	f.Fields = kept
	if _, still := kept[out.Traits[out.Key]]; still && len(kept) == 1 && writeback.Own(l, out.Key, kept[out.Traits[out.Key]].String(), f.At) {
		f.Version = 0
	}
	return f, len(kept) > 0
}

// Forget takes the ledger of a fragment at a destination away, and what points to
// it: for erasure.
func (w Workspace) Forget(ctx context.Context, destination, connection string, id profile.ID) error {
	item, err := w.get(ctx, w.ledger(id, destination))
	if err != nil || item == nil {
		return err
	}
	l, err := readLedger(id, item)
	if err != nil {
		return err
	}
	var keys []key
	if owner, _, err := w.owner(ctx, connection, l.Record); err != nil {
		return err
	} else if l.Record != "" && owner == id {
		keys = append(keys, w.pointer(connection, l.Record))
	}
	for _, k := range slices.Concat(keys, []key{w.ledger(id, destination)}) { // the ledger last: it says what points to it
		if _, err := w.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &w.table, Key: k}); err != nil {
			return classed(err)
		}
	}
	return nil
}
