package hub

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// What attribution keeps:
//
//	<ws>#g#<fragment>  CREDITS                                     attribution.Credits, under its version
//	<ws>#c#<journey>   <variant>|<template>||<shard>               counters: m:<measure> each
//	<ws>#c#<journey>   <variant>|<template>|<measure>|<shard>      a counter of format 1, which goes on counting: n

// CreditStep is the most that one transaction writes.
const CreditStep = 100

// counterShards spread the writes of a busy counter.
const counterShards = 8

func (w Workspace) credits(id profile.ID) key { return w.key("g", string(id), "CREDITS") }

// Credits reads what is kept of fragments, in the order of ids.
func (w Workspace) Credits(ctx context.Context, ids []profile.ID) ([]attribution.Credits, error) {
	items, err := w.batch(ctx, len(ids), func(n int) key { return w.credits(ids[n]) })
	if err != nil {
		return nil, err
	}
	l := make([]attribution.Credits, len(ids))
	for n, id := range ids {
		if l[n], err = readCredits(id, items[n]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Outcome is what messages brought from a profile, by all its members.
func (w Workspace) Outcome(ctx context.Context, members []profile.ID) (attribution.Outcome, error) {
	l, err := w.Credits(ctx, members)
	if err != nil {
		return attribution.Outcome{}, err
	}
	for _, c := range l { // the least carries it; just after a link it is still another
		if !c.Outcome.IsZero() {
			return c.Outcome, nil
		}
	}
	return attribution.Outcome{}, nil
}

// CommitCredits writes a step in one transaction, or gives profile.ErrLost when
// what is kept of any member is another by now. Members that do not change are
// held to their versions too: who counts a fragment here must not have counted it
// elsewhere meanwhile.
func (w Workspace) CommitCredits(ctx context.Context, s attribution.Step) error {
	var all []types.TransactWriteItem
	for n, m := range s.Members {
		condition, values := guard(m.Version)
		if !s.Changed[n] {
			all = append(all, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &w.table, Key: w.credits(m.Fragment),
				ConditionExpression: condition, ExpressionAttributeValues: values}})
			continue
		}
		item, err := w.creditsItem(m, s.Announced && n == 0)
		if err != nil {
			return fault.As(fault.Permanent, err)
		}
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	all = append(all, w.additions(s.Add, s.Members[0].Fragment)...)
	_, err := w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
	return won(err)
}

// additions to counters: those of one variant and template lie in one item, since each item of a transaction is paid for
// twice.
func (w Workspace) additions(add attribution.Counts, by profile.ID) (l []types.TransactWriteItem) {
	at := map[attribution.Key]*types.Update{}
	for _, k := range add.Keys() {
		of := k
		of.Measure = ""
		u := at[of]
		if u == nil {
			u = &types.Update{TableName: &w.table, Key: w.counter(of, by), UpdateExpression: aws.String("ADD "),
				ExpressionAttributeNames: map[string]string{}, ExpressionAttributeValues: key{}}
			at[of] = u
			l = append(l, types.TransactWriteItem{Update: u})
		}
		n := strconv.Itoa(len(u.ExpressionAttributeValues))
		if n != "0" {
			*u.UpdateExpression += ", "
		}
		*u.UpdateExpression += "#" + n + " :" + n
		u.ExpressionAttributeNames["#"+n], u.ExpressionAttributeValues[":"+n] = measured+string(k.Measure), number(add[k])
	}
	return l
}

// measured begins the attribute of a measure.
const measured = "m:"

func (w Workspace) creditsItem(c attribution.Credits, announced bool) (key, error) {
	d, err := pack(c)
	if err != nil {
		return nil, err
	}
	item := w.credits(c.Fragment)
	item["d"], item["v"] = d, number(c.Version+1)
	if !announced {
		return item, nil
	}
	return item, tell(item, events.OutcomeChanged, events.Outcome{Fragment: string(c.Fragment), Version: c.Version + 1})
}

func (w Workspace) counter(k attribution.Key, by profile.ID) key {
	h := fnv.New32a()
	h.Write([]byte(by)) // a hash takes everything
	shard := strconv.Itoa(int(h.Sum32() % counterShards))
	return w.key("c", k.Journey, strings.Join([]string{k.Variant, k.Template, string(k.Measure), shard}, "|"))
}

// Counters are the counters of a journey.
func (w Workspace) Counters(ctx context.Context, journey string) (attribution.Counts, error) {
	c := attribution.Counts{}
	in := w.query("c", journey, "", false, 0)
	in.KeyConditionExpression = aws.String("pk = :p")
	delete(in.ExpressionAttributeValues, ":s")
	err := w.each(ctx, in, func(item key) error {
		counts, err := countersOf(journey, item)
		if err != nil {
			return fault.As(fault.Permanent, fmt.Errorf("counters of %s: %w", journey, err))
		}
		c.Merge(counts)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func countersOf(journey string, item key) (attribution.Counts, error) {
	sk, _ := item["sk"].(*types.AttributeValueMemberS)
	if sk == nil {
		return nil, errors.New("a key is no text")
	}
	p := strings.Split(sk.Value, "|")
	if len(p) != 4 {
		return nil, errors.New("a counter's name has four parts")
	}
	c := attribution.Counts{}
	k := attribution.Key{Journey: journey, Variant: p[0], Template: p[1], Measure: attribution.Measure(p[2])}
	if k.Measure != "" { // of format 1
		c.Add(k, integer(item["n"]))
		return c, nil
	}
	for name, n := range item {
		if m, ok := strings.CutPrefix(name, measured); ok {
			k.Measure = attribution.Measure(m)
			c.Add(k, integer(n))
		}
	}
	return c, nil
}

// Engagement is what the log tells of a message, whoever told it.
func (w Workspace) Engagement(ctx context.Context, m attribution.Sent) (attribution.Engagement, error) {
	facts, err := w.told(ctx, m.Connection, m.Fragment, m.ID)
	return attribution.Fold(facts), err
}
