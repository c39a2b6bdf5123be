package hub

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Fragments reads many fragments, in the order of ids.
func (w Workspace) Fragments(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error) {
	items, err := w.batch(ctx, len(ids), func(n int) key { return w.state(ids[n]) })
	if err != nil {
		return nil, err
	}
	l := make([]profile.Fragment, len(ids))
	for n, id := range ids {
		if l[n], err = readFragment(id, items[n]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Identities reads many identities.
func (w Workspace) Identities(ctx context.Context, ids []string) (map[string]profile.Identity, error) {
	items, err := w.batch(ctx, len(ids), func(n int) key { return w.identity(ids[n]) })
	if err != nil {
		return nil, err
	}
	m := map[string]profile.Identity{}
	for n, id := range ids {
		if m[id], err = readIdentity(id, items[n]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const (
	perBatch = 100 // BatchGetItem's limit
	rounds   = 5   // for keys that it leaves unprocessed
)

// batch reads items by key, strongly consistent; absent ones are nil.
func (w Workspace) batch(ctx context.Context, n int, at func(int) key) ([]key, error) {
	items := make([]key, n)
	place := map[string]int{}
	var rest []key
	for i := range n {
		k := at(i)
		if _, twice := place[name(k)]; !twice {
			rest = append(rest, k)
		}
		place[name(k)] = i
	}
	for round := 0; len(rest) > 0; round++ {
		if round > rounds+n/perBatch {
			return nil, fault.New(fault.Throttled, "the table left %d keys unread", len(rest))
		}
		now := rest[:min(len(rest), perBatch)]
		out, err := w.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			w.table: {Keys: now, ConsistentRead: aws.Bool(true)}}})
		if err != nil {
			return nil, classed(err)
		}
		for _, item := range out.Responses[w.table] {
			items[place[name(item)]] = item
		}
		rest = slices.Concat(rest[len(now):], out.UnprocessedKeys[w.table].Keys)
	}
	for i := range n {
		items[i] = items[place[name(at(i))]]
	}
	return items, nil
}

func name(k key) string {
	pk, _ := k["pk"].(*types.AttributeValueMemberS)
	sk, _ := k["sk"].(*types.AttributeValueMemberS)
	if pk == nil || sk == nil {
		return ""
	}
	return pk.Value + "\n" + sk.Value
}
