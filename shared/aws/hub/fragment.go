package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Fragment reads a fragment; Version 0 = not stored.
func (w Workspace) Fragment(ctx context.Context, id profile.ID) (profile.Fragment, error) {
	item, err := w.get(ctx, w.state(id))
	if err != nil {
		return profile.Fragment{}, err
	}
	return readFragment(id, item)
}

func readFragment(id profile.ID, item key) (profile.Fragment, error) {
	var f profile.Fragment
	if item != nil {
		if err := unpack(item["d"], &f); err != nil {
			return f, fault.As(fault.Permanent, fmt.Errorf("fragment %s: %w", id, err))
		}
	}
	f.ID, f.Version = id, integer(item["v"])
	return f, nil
}

// Commit stores a fragment that was read at f.Version and moves older orders
// with it, or gives profile.ErrLost. A death between the write and its answer is
// a lost race too: the next read shows that it was our own. What changed, and what
// occurred by it, is announced with the write.
func (w Workspace) Commit(ctx context.Context, f profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error {
	item, err := w.fragmentItem(f, changes, occurred)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	condition, values := guard(f.Version)
	if len(moves) == 0 {
		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values})
		return won(err)
	}
	all := []types.TransactWriteItem{{Put: &types.Put{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values}}}
	for _, m := range moves {
		k := w.order(f.ID, profile.Lookup{At: m.Order.At, Record: m.Order.Record})
		if !m.Put {
			all = append(all, types.TransactWriteItem{Delete: &types.Delete{TableName: &w.table, Key: k}})
			continue
		}
		if k["d"], err = pack(m.Order); err != nil {
			return fault.As(fault.Permanent, err)
		}
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: k}})
	}
	_, err = w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
	return won(err)
}

func (w Workspace) fragmentItem(f profile.Fragment, changes []profile.Change, occurred []events.Occurrence) (key, error) {
	d, err := pack(f)
	if err != nil {
		return nil, err
	}
	item := w.state(f.ID)
	item["d"], item["v"], item["p"] = d, number(f.Version+1), text(string(f.Profile()[0]))
	if len(changes) > 0 {
		words := make([]string, len(changes))
		for n, c := range changes {
			words[n] = string(c)
		}
		item["ev"] = text(strings.Join(words, ","))
	}
	if len(occurred) > 0 {
		b, err := json.Marshal(occurred)
		if err != nil {
			return nil, fmt.Errorf("encoding what occurred: %w", err)
		}
		item["oc"] = text(string(b))
	}
	return item, nil
}

// guard lets a write pass only on the version that was read.
func guard(version int64) (condition *string, values key) {
	if version == 0 {
		return aws.String("attribute_not_exists(pk)"), nil
	}
	return aws.String("v = :v"), key{":v": number(version)}
}

func won(err error) error {
	if lost(err) {
		return profile.ErrLost
	}
	return classed(err)
}

// Older reads orders beyond the newest: those at the places named, and with ends
// the two newest and two oldest.
func (w Workspace) Older(ctx context.Context, id profile.ID, own []profile.Lookup, ends bool) (profile.Older, error) {
	var o profile.Older
	for _, l := range own {
		item, err := w.get(ctx, w.order(id, l))
		if err != nil {
			return o, err
		}
		if item != nil {
			if o.Own, err = readOrder(item); err != nil {
				return o, err
			}
		}
	}
	if !ends {
		return o, nil
	}
	for _, newest := range []bool{true, false} {
		out, err := w.db.Query(ctx, w.query("g", string(id), "o#", newest, 2))
		if err != nil {
			return o, classed(err)
		}
		for _, item := range out.Items {
			order, err := readOrder(item)
			if err != nil {
				return o, err
			}
			if newest {
				o.Newest = append(o.Newest, *order)
			} else {
				o.Oldest = append(o.Oldest, *order)
			}
		}
	}
	return o, nil
}

// OlderOrders are a fragment's orders beyond its newest, placed at since or later.
func (w Workspace) OlderOrders(ctx context.Context, id profile.ID, since time.Time) ([]profile.Order, error) {
	in := w.query("g", string(id), "", false, 0)
	in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
	in.ExpressionAttributeValues[":s"] = text(fmt.Sprintf("o#%013d", max(since.UnixMilli(), 0)))
	in.ExpressionAttributeValues[":e"] = text("o#~")
	var l []profile.Order
	for {
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return nil, classed(err)
		}
		for _, item := range out.Items {
			o, err := readOrder(item)
			if err != nil {
				return nil, err
			}
			l = append(l, *o)
		}
		if out.LastEvaluatedKey == nil {
			return l, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func readOrder(item key) (*profile.Order, error) {
	var o profile.Order
	if err := unpack(item["d"], &o); err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("an older order: %w", err))
	}
	return &o, nil
}

// Identity reads an identity; Version 0 = not stored.
func (w Workspace) Identity(ctx context.Context, id string) (profile.Identity, error) {
	item, err := w.get(ctx, w.identity(id))
	if err != nil {
		return profile.Identity{}, err
	}
	return readIdentity(id, item)
}

func readIdentity(id string, item key) (profile.Identity, error) {
	var i profile.Identity
	if item != nil {
		if err := unpack(item["d"], &i); err != nil {
			return i, fault.As(fault.Permanent, fmt.Errorf("identity %s: %w", id, err))
		}
	}
	i.ID, i.Version = id, integer(item["v"])
	return i, nil
}

// CommitIdentity stores an identity that was read at i.Version, or gives profile.ErrLost.
func (w Workspace) CommitIdentity(ctx context.Context, i profile.Identity) error {
	d, err := pack(i)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	item := w.identity(i.ID)
	item["d"], item["v"] = d, number(i.Version+1)
	condition, values := guard(i.Version)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)
}

// Indexed is a record that may concern a fragment.
type Indexed struct {
	At     int64 // Unix ms, of the first fact that named the fragment
	Record string
}

// Place is where a record stands in a timeline: what Timeline takes as before. It
// means the same in every fragment's timeline, whether or not the record is there.
func (i Indexed) Place() string { return fmt.Sprintf("%013d#%s", i.At, i.Record) }

// Timeline lists records of a fragment, newest first, beginning after the place
// named before ("" = at the newest). next is "" at the end. A record may come
// twice where two workers saw it first at the same moment.
func (w Workspace) Timeline(ctx context.Context, id profile.ID, before string, limit int) (records []Indexed, next string, err error) {
	in := w.query("x", string(id), "", true, int32(limit))
	in.KeyConditionExpression = aws.String("pk = :p")
	delete(in.ExpressionAttributeValues, ":s")
	if before != "" {
		in.ExclusiveStartKey = w.key("x", string(id), before)
	}
	out, err := w.db.Query(ctx, in)
	if err != nil {
		return nil, "", classed(err)
	}
	for _, item := range out.Items {
		sk, _ := item["sk"].(*types.AttributeValueMemberS)
		if sk == nil {
			continue // a key is always a text
		}
		at, record, _ := strings.Cut(sk.Value, "#")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return nil, "", fault.New(fault.Permanent, "an index item of %s has no time", id)
		}
		records = append(records, Indexed{n, record})
	}
	if last, ok := out.LastEvaluatedKey["sk"].(*types.AttributeValueMemberS); ok {
		next = last.Value
	}
	return records, next, nil
}
