package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// Journeys in the table:
//
//	<ws>#g#<fragment>  j#<journey>           head: how the newest entry stands (attribute h)
//	<ws>#g#<fragment>  j#<journey>#<entry>   entry
//	<ws>#g#<fragment>  r#<journey>#<id>      somebody asked through the API for an entry
//	<ws>#j#<journey>   v#<version>           definition by which somebody is inside

func (w Workspace) head(id profile.ID, journey string) key {
	return w.key("g", string(id), "j#"+journey)
}
func (w Workspace) entry(id profile.ID, journey, entry string) key {
	return w.key("g", string(id), "j#"+journey+"#"+entry)
}

// KeepJourney keeps a definition under its version: people who are inside need it
// after it was replaced.
func (w Workspace) KeepJourney(ctx context.Context, version string, d journey.Definition) error {
	item := w.key("j", d.Journey.Name, "v#"+version)
	var err error
	if item["d"], err = pack(d); err != nil {
		return fault.As(fault.Permanent, err)
	}
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")})
	if lost(err) {
		return nil // it is there
	}
	return classed(err)
}

// KeptJourney reads a definition that was kept.
func (w Workspace) KeptJourney(ctx context.Context, name, version string) (journey.Definition, error) {
	var d journey.Definition
	item, err := w.get(ctx, w.key("j", name, "v#"+version))
	if err != nil {
		return d, err
	}
	if item == nil {
		return d, fault.New(fault.Permanent, "version %s of journey %s is not kept", version, name)
	}
	if err := unpack(item["d"], &d); err != nil {
		return d, fault.As(fault.Permanent, fmt.Errorf("version %s of journey %s: %w", version, name, err))
	}
	return d, nil
}

// Heads are the heads of all journeys under any of the fragments.
func (w Workspace) Heads(ctx context.Context, fragments []profile.ID) ([]journey.Head, error) {
	var l []journey.Head
	for _, id := range fragments {
		in := w.query("g", string(id), "j#", false, 0)
		in.FilterExpression = aws.String("attribute_exists(h)")
		err := w.each(ctx, in, func(item key) error {
			h, err := readHead(id, item)
			l = append(l, h)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Stand reads a fragment, Version 0 = not stored, and the heads of all journeys under
// it, which stand side by side.
func (w Workspace) Stand(ctx context.Context, id profile.ID) (f profile.Fragment, l []journey.Head, err error) {
	in := w.query("g", string(id), toState, false, 0)
	in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
	in.ExpressionAttributeValues[":e"] = text("j#~")
	in.FilterExpression = aws.String("attribute_exists(h) OR attribute_exists(p)") // entries have neither
	var state key
	err = w.each(ctx, in, func(item key) error {
		if sortOf(item) == toState {
			state = item
			return nil
		}
		h, err := readHead(id, item)
		l = append(l, h)
		return err
	})
	if err != nil {
		return f, nil, err
	}
	f, err = readFragment(id, state)
	return f, l, err
}

func readHead(id profile.ID, item key) (journey.Head, error) {
	var h journey.Head
	_, name, _ := strings.Cut(sortOf(item), "#")
	if err := unpack(item["d"], &h); err != nil {
		return h, fault.As(fault.Permanent, fmt.Errorf("head of journey %s under %s: %w", name, id, err))
	}
	h.Fragment, h.Journey, h.Revision = id, name, integer(item["v"])
	return h, nil
}

// Entry reads an entry; Revision 0 = not stored.
func (w Workspace) Entry(ctx context.Context, fragment profile.ID, name, id string) (journey.Entry, error) {
	item, err := w.get(ctx, w.entry(fragment, name, id))
	if err != nil || item == nil {
		return journey.Entry{}, err
	}
	return readEntry(item)
}

func readEntry(item key) (journey.Entry, error) {
	var e journey.Entry
	if err := unpack(item["d"], &e); err != nil {
		return e, fault.As(fault.Permanent, fmt.Errorf("an entry: %w", err))
	}
	e.Revision = integer(item["v"])
	return e, nil
}

// Entries are a journey's entries under any of the fragments, newest first.
func (w Workspace) Entries(ctx context.Context, fragments []profile.ID, name string) ([]journey.Entry, error) {
	var l []journey.Entry
	for _, id := range fragments {
		err := w.each(ctx, w.query("g", string(id), "j#"+name+"#", false, 0), func(item key) error {
			e, err := readEntry(item)
			l = append(l, e)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(l, func(a, b journey.Entry) int { return cmp.Or(cmp.Compare(b.Began, a.Began), cmp.Compare(a.ID, b.ID)) })
	return l, nil
}

// Step is what one step of an entry writes, all of it or nothing.
type Step struct {
	Head   journey.Head   // as it is to be, at the revision that was read
	Others []journey.Head // of the same journey under other members: they must stand as they were read
	News   bool           // announces the entry
	journey.Outcome
}

// CommitStep writes a step, or gives profile.ErrLost where somebody else wrote
// first: read again.
func (w Workspace) CommitStep(ctx context.Context, s Step) error {
	all, err := w.stepWrites(s)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	_, err = w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all})
	return won(err)
}

func (w Workspace) stepWrites(s Step) ([]types.TransactWriteItem, error) {
	var all []types.TransactWriteItem
	put := func(item key, version int64) {
		condition, values := guard(version)
		item["v"] = number(version + 1)
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: item,
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	e := w.entry(s.Entry.Fragment, s.Entry.Journey, s.Entry.ID)
	h, err := w.headItem(s.Head)
	if err != nil {
		return nil, err
	}
	if e["d"], err = pack(s.Entry); err != nil {
		return nil, err
	}
	if s.News {
		if err := tell(e, events.EntryChanged, events.Entry{Fragment: string(s.Entry.Fragment), Journey: s.Entry.Journey, Entry: s.Entry.ID}); err != nil {
			return nil, err
		}
	}
	put(e, s.Entry.Revision)
	put(h, s.Head.Revision)
	for _, o := range s.Others {
		condition, values := guard(o.Revision)
		all = append(all, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &w.table, Key: w.head(o.Fragment, o.Journey),
			ConditionExpression: condition, ExpressionAttributeValues: values}})
	}
	for _, m := range s.Messages {
		item, err := w.requested(m)
		if err != nil {
			return nil, err
		}
		put(item, 0)
	}
	for _, t := range s.Tasks {
		item, err := w.taskItem(t)
		if err != nil {
			return nil, err
		}
		put(item, 0)
	}
	for _, v := range s.Vouchers {
		writes, err := w.assign(v)
		if err != nil {
			return nil, err
		}
		all = append(all, writes...)
	}
	return all, nil
}

func (w Workspace) headItem(h journey.Head) (key, error) {
	item := w.head(h.Fragment, h.Journey)
	var err error
	item["d"], err = pack(h)
	item["h"] = text(string(h.Status))
	return item, err
}

// CommitHead writes a head alone, read at its revision, or gives profile.ErrLost.
func (w Workspace) CommitHead(ctx context.Context, h journey.Head) error {
	item, err := w.headItem(h)
	if err != nil {
		return fault.As(fault.Permanent, err)
	}
	condition, values := guard(h.Revision)
	item["v"] = number(h.Revision + 1)
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: condition, ExpressionAttributeValues: values})
	return won(err)
}

// requested is a message as a journey asks for it; the message stage goes on with it.
func (w Workspace) requested(r journey.Request) (key, error) {
	return w.requestItem(message.Request{ID: r.ID, Fragment: r.Fragment, Connection: r.Connection, Template: r.Template, Purpose: r.Purpose,
		Journey: r.Journey, Version: r.Version, Entry: r.Entry, Variant: r.Variant, Step: r.Step, Voucher: message.Voucher(r.Voucher),
		Event: r.Event, At: r.At})
}

// each runs through all pages of a query.
func (w Workspace) each(ctx context.Context, in *dynamodb.QueryInput, visit func(key) error) error {
	for {
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return classed(err)
		}
		for _, item := range out.Items {
			if err := visit(item); err != nil {
				return err
			}
		}
		if out.LastEvaluatedKey == nil {
			return nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Ask stores a wish, if it is new, and announces it.
func (w Workspace) Ask(ctx context.Context, a journey.Wish) (fresh bool, err error) {
	item := w.key("g", string(a.Fragment), "r#"+a.Journey+"#"+a.ID)
	if item["d"], err = pack(a); err != nil {
		return false, fault.As(fault.Permanent, err)
	}
	item["v"] = number(1)
	if err := tell(item, events.EntryRequested, events.EntryRequest{Fragment: string(a.Fragment), Journey: a.Journey, ID: a.ID}); err != nil {
		return false, fault.As(fault.Permanent, err)
	}
	_, err = w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")})
	if lost(err) {
		return false, nil
	}
	return err == nil, classed(err)
}

// errNotAsked says that nobody asked for the entry.
var errNotAsked = errors.New("nobody asked for this entry")

// AskedFor reads a wish.
func (w Workspace) AskedFor(ctx context.Context, fragment profile.ID, name, id string) (journey.Wish, error) {
	var a journey.Wish
	item, err := w.get(ctx, w.key("g", string(fragment), "r#"+name+"#"+id))
	if err != nil {
		return a, err
	}
	if item == nil {
		return a, fault.As(fault.Permanent, errNotAsked)
	}
	if err := unpack(item["d"], &a); err != nil {
		return a, fault.As(fault.Permanent, fmt.Errorf("a wish for journey %s: %w", name, err))
	}
	return a, nil
}
