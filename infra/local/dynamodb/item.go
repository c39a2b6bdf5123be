package dynamodb

import (
	"errors"
	"net/http"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// conditional is what every write of one item may say about when to happen.
type conditional struct {
	ConditionExpression                 *string `json:",omitempty"`
	ReturnValuesOnConditionCheckFailure string  `json:",omitempty"`
	placeholders
}

// reports is what a caller may ask to be told.
type reports struct {
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string // there are no local secondary indexes, so there is nothing to report
}

func (r reports) check() error {
	if err := oneOf("returnConsumedCapacity", r.ReturnConsumedCapacity, "INDEXES", "TOTAL", "NONE"); err != nil {
		return err
	}
	return oneOf("returnItemCollectionMetrics", r.ReturnItemCollectionMetrics, "SIZE", "NONE")
}

// newWrite checks everything about a write that does not depend on what is stored.
func (s *Service) newWrite(a action, table string, c conditional, key, item attr.Map, update *string) (*write, error) {
	w, err := draft(a, c, key, item, update)
	if err != nil {
		return nil, err
	}
	return w, s.aim(w, table)
}

// draft reads what a write asks for, as far as no table matters. Key is nil for a put, item for all others.
func draft(a action, c conditional, key, item attr.Map, update *string) (*write, error) {
	if err := oneOf("returnValuesOnConditionCheckFailure", c.ReturnValuesOnConditionCheckFailure, "ALL_OLD", "NONE"); err != nil {
		return nil, err
	}
	w := &write{action: a, key: key, item: item, returnOld: c.ReturnValuesOnConditionCheckFailure == "ALL_OLD"}
	expressions := map[string]*string{"ConditionExpression": c.ConditionExpression}
	if a == updateAction {
		expressions["UpdateExpression"] = update
	}
	b, err := c.bind(expressions, expressions)
	if err != nil {
		return nil, err
	}
	if update != nil {
		if w.update, err = b.Update(*update); err != nil {
			return nil, err
		}
	}
	if c.ConditionExpression != nil {
		if w.condition, err = b.Condition("ConditionExpression", *c.ConditionExpression); err != nil {
			return nil, err
		}
	}
	if err := b.Unused(); err != nil {
		return nil, err
	}
	return w, bounded(item, putTooLarge)
}

// aim finds out where the write goes.
func (s *Service) aim(w *write, table string) (err error) {
	if w.table, err = s.lookup(table); err != nil {
		return err
	}
	return w.locate()
}

func (w *write) locate() (err error) {
	switch {
	case w.action == putAction && w.item == nil:
		return missing("item")
	case w.action == putAction:
		w.encoded, err = w.table.locateItem(w.item)
		return err
	case w.key == nil:
		return missing("key")
	}
	for _, name := range w.update.Paths().Roots() {
		if w.table.keys.has(name) {
			return invalid(invalidValues + "Cannot update attribute " + name + ". This attribute is part of the key")
		}
	}
	for _, i := range w.table.indexes {
		for _, path := range w.update.Paths() {
			if len(path) > 1 && i.keys.has(path.Root()) {
				return invalid(scalarKey + "IndexKey: " + path.Root())
			}
		}
	}
	w.encoded, err = w.table.locate(w.key)
	return err
}

// perform carries out a single write and returns the item before and after it.
func (s *Service) perform(operation string, w *write) (before, after attr.Map, c cost, err error) {
	s.mu.Lock()
	t := w.table
	old := w.stored()
	if old != nil {
		before = old.item
	}
	after, err = w.outcome(old)
	records, at, e := t.stream.next, s.now(), effect{t, w.encoded, old, after}
	if err == nil {
		err = s.keep(at, nil, nil, e)
	}
	switch {
	case err == nil:
		c = t.commit(e, nil, at)
	case errors.Is(err, errCondition): // which costs by the item that is there, and at least one unit
		c.table = writeUnits(before.Size())
	}
	s.count(t, operation, 0, c.total())
	changed := t.stream.next != records
	s.mu.Unlock()
	if changed {
		notify([]*Table{t})
	}
	if errors.Is(err, errCondition) {
		err = conditionFailed(w, before)
	}
	return before, after, c, err
}

const conditionMessage = "The conditional request failed"

func conditionFailed(w *write, before attr.Map) error {
	e := &dispatch.Error{Status: http.StatusBadRequest, Code: "ConditionalCheckFailedException", Message: conditionMessage}
	if w.returnOld && before != nil {
		e.Extra = map[string]any{"Item": before}
	}
	return e
}

// written is the reply to a write.
type written struct {
	Attributes       attr.Map  `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

type putInput struct {
	TableName    string
	Item         attr.Map
	ReturnValues string
	conditional
	reports
}

func (s *Service) putItem(in *putInput) (any, error) {
	w, err := s.newWrite(putAction, in.TableName, in.conditional, nil, in.Item, nil)
	if err != nil {
		return nil, err
	}
	return s.replace("PutItem", w, in.ReturnValues, in.reports)
}

type deleteInput struct {
	TableName    string
	Key          attr.Map
	ReturnValues string
	conditional
	reports
}

func (s *Service) deleteItem(in *deleteInput) (any, error) {
	w, err := s.newWrite(deleteAction, in.TableName, in.conditional, in.Key, nil, nil)
	if err != nil {
		return nil, err
	}
	return s.replace("DeleteItem", w, in.ReturnValues, in.reports)
}

// returnValues are the values of ReturnValues in AWS's order.
var returnValues = []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}

// replace carries out a put or a delete, which can return only the item as it was.
func (s *Service) replace(operation string, w *write, wanted string, r reports) (any, error) {
	if err := oneOf("returnValues", wanted, returnValues...); err != nil {
		return nil, err
	}
	if wanted != "" && wanted != "NONE" && wanted != "ALL_OLD" {
		return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	before, _, c, err := s.perform(operation, w)
	if err != nil {
		return nil, err
	}
	out := written{ConsumedCapacity: c.report(w.table, r.ReturnConsumedCapacity, plainUnits)}
	if wanted == "ALL_OLD" {
		out.Attributes = before
	}
	return out, nil
}

type updateInput struct {
	TableName        string
	Key              attr.Map
	UpdateExpression *string
	ReturnValues     string
	conditional
	reports
}

func (s *Service) updateItem(in *updateInput) (any, error) {
	if err := oneOf("returnValues", in.ReturnValues, returnValues...); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	w, err := s.newWrite(updateAction, in.TableName, in.conditional, in.Key, nil, in.UpdateExpression)
	if err != nil {
		return nil, err
	}
	before, after, c, err := s.perform("UpdateItem", w)
	if err != nil {
		return nil, err
	}
	out := written{ConsumedCapacity: c.report(w.table, in.ReturnConsumedCapacity, plainUnits)}
	switch in.ReturnValues {
	case "ALL_OLD":
		out.Attributes = before
	case "ALL_NEW":
		out.Attributes = after
	case "UPDATED_OLD":
		out.Attributes = project(w.update.Paths(), before)
	case "UPDATED_NEW":
		out.Attributes = project(w.update.Paths(), after)
	}
	return out, nil
}

// project applies a projection that may be missing.
func project(p expr.Projection, item attr.Map) attr.Map {
	if p == nil || item == nil {
		return item
	}
	return p.Apply(item)
}

// picked is which parts of an item a read wants.
type picked struct {
	ProjectionExpression     *string           `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
}

func (p picked) projection() (expr.Projection, error) {
	e := map[string]*string{"ProjectionExpression": p.ProjectionExpression}
	b, err := placeholders{ExpressionAttributeNames: p.ExpressionAttributeNames}.bind(e, e)
	if err != nil || p.ProjectionExpression == nil {
		return nil, err
	}
	projection, err := b.Projection(*p.ProjectionExpression)
	if err != nil {
		return nil, err
	}
	return projection, b.Unused()
}

type getInput struct {
	TableName      string
	Key            attr.Map
	ConsistentRead bool
	picked
	ReturnConsumedCapacity string
}

// found is the reply to a read of one item.
type found struct {
	Item             *attr.Map `json:",omitempty"`
	ConsumedCapacity *consumed `json:",omitempty"`
}

func (s *Service) getItem(in *getInput) (any, error) {
	if err := (reports{ReturnConsumedCapacity: in.ReturnConsumedCapacity}).check(); err != nil {
		return nil, err
	}
	projection, err := in.projection()
	if err != nil {
		return nil, err
	}
	t, err := s.lookup(in.TableName)
	if err != nil {
		return nil, err
	}
	if in.Key == nil {
		return nil, missing("key")
	}
	key, err := t.locate(in.Key)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	r, ok := t.rows.get(key)
	size := 0
	if ok {
		size = r.size
	}
	c := cost{table: readUnits(size, in.ConsistentRead)}
	s.count(t, "GetItem", c.table, 0)
	s.mu.Unlock()
	out := found{ConsumedCapacity: c.report(t, in.ReturnConsumedCapacity, plainUnits)}
	if ok {
		item := project(projection, r.item)
		out.Item = &item
	}
	return out, nil
}
