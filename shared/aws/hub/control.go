package hub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/fault"
	"loophub/shared/workspace"
)

// Controls in the table:
//
//	<ws>#controls#    STATE             the last turn of each control, under their version
//	<ws>#controls#    c#<ms>#<version>  every turn there was
//	<ws>#h#           <control>         something waits, or waited, for the control
//	<ws>#h#<control>  <stage>|<what>    what waits for it to be on again
func (w Workspace) controls(sort string) key { return w.key("controls", "", sort) }

// Controls reads what stands still.
func (w Workspace) Controls(ctx context.Context) (workspace.Controls, error) {
	var c workspace.Controls
	item, err := w.get(ctx, w.controls("STATE"))
	if err != nil || item == nil {
		return c, err
	}
	if err := unpack(item["d"], &c); err != nil {
		return c, fault.As(fault.Permanent, fmt.Errorf("controls: %w", err))
	}
	c.Version = integer(item["v"])
	return c, nil
}

// StopAll tells whether no message may go out.
func (w Workspace) StopAll(ctx context.Context) (bool, error) {
	c, err := w.Controls(ctx)
	return c.StopAll(), err
}

// Paused tells whether a connection, journey or destination stands still.
func (w Workspace) Paused(ctx context.Context, kind, name string) (bool, error) {
	c, err := w.Controls(ctx)
	return c.Paused(kind, name), err
}

// Turn turns a control from what was read at c.Version and keeps the turn, or gives
// profile.ErrLost. Where it changes nothing, nothing is written.
func (w Workspace) Turn(ctx context.Context, c workspace.Controls, t workspace.Turn) (workspace.Controls, error) {
	after, changed := c.Turned(t)
	if !changed {
		return c, nil
	}
	d, err := pack(after)
	if err != nil {
		return c, fault.As(fault.Permanent, err)
	}
	after.Version++
	state := w.controls("STATE")
	state["d"], state["v"] = d, number(after.Version)
	kept := w.controls(fmt.Sprintf("c#%013d#%08d", t.At, after.Version))
	if kept["d"], err = pack(t); err != nil {
		return c, fault.As(fault.Permanent, err)
	}
	condition, values := guard(c.Version)
	all := []types.TransactWriteItem{
		{Put: &types.Put{TableName: &w.table, Item: state, ConditionExpression: condition, ExpressionAttributeValues: values}},
		{Put: &types.Put{TableName: &w.table, Item: kept}},
	}
	if t.Off && t.Kind() == workspace.ControlConnection {
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &w.table, Item: w.key("h", "", t.Control)}},
			types.TransactWriteItem{Update: &types.Update{TableName: &w.table, Key: w.held(t.Control, workspace.HeldDeliveries, t.Name()),
				UpdateExpression: aws.String(again), ExpressionAttributeValues: key{":one": number(1)}}})
	}
	if _, err := w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: all}); err != nil {
		return c, won(err)
	}
	return after, nil
}

// Turns lists turns, newest first, beginning after the place named before ("" = at
// the newest). next is "" at the end.
func (w Workspace) Turns(ctx context.Context, before string, limit int) (turns []workspace.Turn, next string, err error) {
	in := w.query("controls", "", "c#", true, int32(limit))
	if before != "" {
		in.ExclusiveStartKey = w.controls("c#" + before)
	}
	out, err := w.db.Query(ctx, in)
	if err != nil {
		return nil, "", classed(err)
	}
	for _, item := range out.Items {
		var t workspace.Turn
		if err := unpack(item["d"], &t); err != nil {
			return nil, "", fault.As(fault.Permanent, fmt.Errorf("a turn of a control: %w", err))
		}
		turns = append(turns, t)
	}
	return turns, strings.TrimPrefix(sortOf(out.LastEvaluatedKey), "c#"), nil
}

func (w Workspace) held(control, stage, what string) key {
	return w.key("h", control, stage+"|"+what)
}

// again counts how often something was held: who sent it on forgets it only if it was
// not held again meanwhile.
const again = "ADD n :one"

// Hold keeps what a stage can't do now until the control is on again: then sweep
// sends it to the stage's queue. Holding it again changes nothing. It holds also
// where the control was turned on in between.
func (w Workspace) Hold(ctx context.Context, control, stage, what string) error {
	// First that there is something: what is held and can't be found would wait for ever.
	if _, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: w.key("h", "", control)}); err != nil {
		return classed(err)
	}
	_, err := w.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &w.table, Key: w.held(control, stage, what),
		UpdateExpression: aws.String(again), ExpressionAttributeValues: key{":one": number(1)}})
	return classed(err)
}

// Holding lists the controls for which something waits or once waited.
func (w Workspace) Holding(ctx context.Context) ([]string, error) {
	items, err := w.partition(ctx, w.query("h", "", "", false, 0))
	if err != nil {
		return nil, err
	}
	var l []string
	for _, item := range items {
		l = append(l, sortOf(item))
	}
	return l, nil
}

// Held lists what waits for a control, at most so many, after one of them (the zero
// value = from the first), whether or not that one still waits.
func (w Workspace) Held(ctx context.Context, control string, after workspace.Held, limit int) ([]workspace.Held, error) {
	in := w.query("h", control, "", false, int32(limit))
	if after.Stage != "" {
		in.ExclusiveStartKey = w.held(control, after.Stage, after.What)
	}
	items, err := w.partition(ctx, in)
	if err != nil {
		return nil, err
	}
	var l []workspace.Held
	for _, item := range items {
		stage, what, _ := strings.Cut(sortOf(item), "|")
		l = append(l, workspace.Held{Control: control, Stage: stage, What: what, Times: integer(item["n"])})
	}
	return l, nil
}

// Release forgets what was held, unless it was held once more since it was listed.
func (w Workspace) Release(ctx context.Context, h workspace.Held) error {
	_, err := w.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &w.table, Key: w.held(h.Control, h.Stage, h.What),
		ConditionExpression: aws.String("attribute_not_exists(pk) OR n = :n"), ExpressionAttributeValues: key{":n": number(h.Times)}})
	if lost(err) {
		return nil // it waits again
	}
	return classed(err)
}

// partition reads all items of a partition, or one page where a limit is set.
func (w Workspace) partition(ctx context.Context, in *dynamodb.QueryInput) ([]key, error) {
	in.KeyConditionExpression = aws.String("pk = :p")
	delete(in.ExpressionAttributeValues, ":s")
	var l []key
	for {
		out, err := w.db.Query(ctx, in)
		if err != nil {
			return nil, classed(err)
		}
		l = append(l, out.Items...)
		if out.LastEvaluatedKey == nil || in.Limit != nil {
			return l, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func sortOf(item key) string {
	if sk, ok := item["sk"].(*types.AttributeValueMemberS); ok {
		return sk.Value
	}
	return ""
}

// Watch remembers controls for a few seconds, for who would ask with every delivery.
// Who must know for certain reads them.
type Watch struct {
	hub  *Hub
	now  func() time.Time
	mu   sync.Mutex
	seen map[string]seen
}

type seen struct {
	controls workspace.Controls
	until    time.Time
}

const (
	watched    = 5 * time.Second
	maxWatched = 1_000 // workspaces
)

// Watch makes one.
func (h *Hub) Watch(now func() time.Time) *Watch {
	return &Watch{hub: h, now: now, seen: map[string]seen{}}
}

// Paused tells whether a connection, journey or destination stood still some seconds ago.
func (w *Watch) Paused(ctx context.Context, id, kind, name string) (bool, error) {
	now := w.now()
	w.mu.Lock()
	s, ok := w.seen[id]
	w.mu.Unlock()
	if ok && now.Before(s.until) {
		return s.controls.Paused(kind, name), nil
	}
	c, err := w.hub.In(id).Controls(ctx)
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) >= maxWatched {
		clear(w.seen)
	}
	w.seen[id] = seen{c, now.Add(watched)}
	return c.Paused(kind, name), nil
}
