package hub

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

func (w Workspace) memberships(id profile.ID) key { return w.key("g", string(id), "SEGMENTS") }

// Memberships reads what is kept under fragments, in the order of ids; Version 0 =
// nothing is stored.
func (w Workspace) Memberships(ctx context.Context, ids []profile.ID) ([]profile.Memberships, error) {
	items, err := w.batch(ctx, len(ids), func(n int) key { return w.memberships(ids[n]) })
	if err != nil {
		return nil, err
	}
	l := make([]profile.Memberships, len(ids))
	for n, id := range ids {
		if l[n], err = readMemberships(id, items[n]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// CommitMemberships stores memberships that were read at their version, with what
// is to be announced of them, and empties those of the profile's other fragments,
// while those that are held stand at the version that was read; or gives
// profile.ErrLost, and nothing of it is done.
func (w Workspace) CommitMemberships(ctx context.Context, m profile.Memberships, emptied, held []profile.Memberships, l []events.Announcement) error {
	item, err := w.membershipsItem(m)
	if err == nil {
		err = announce(item, l...)
	}
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	condition, values := guard(m.Version)
	if len(emptied)+len(held) == 0 {
		_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values})
		return won(err)
	}
	all := []types.TransactWriteItem{{Put: &types.Put{TableName: &w.table, Item: item,
		ConditionExpression: condition, ExpressionAttributeValues: values}}}
	for _, e := range emptied {
		item, err := w.membershipsItem(profile.Memberships{Fragment: e.Fragment, Version: e.Version, Into: m.Fragment})
		if err != nil {
			return fault.As(fault.Permanent, err)
		}
		condition, values := guard(e.Version)
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	for _, m := range held {
		condition, values := guard(m.Version)
		all = append(all, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &w.table, Key: w.memberships(m.Fragment),
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	_, err = w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
	return won(err)
}

func (w Workspace) membershipsItem(m profile.Memberships) (key, error) {
	d, err := pack(m)
	if err != nil {
		return nil, err
	}
	item := w.memberships(m.Fragment)
	item["d"], item["v"] = d, number(m.Version+1)
	if m.Armed != 0 {
		item["a"] = number(m.Armed)
	}
	return item, nil
}
