package dynamodb

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb/attr"
)

// Limits of a transaction (developer guide, "Amazon DynamoDB Transactions: How it works", read 2026-11-22).
const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
)

// oneWrite is a write within a transaction. Which members it has depends on what it does.
type oneWrite struct {
	TableName        string
	Key              attr.Map `json:",omitempty"`
	Item             attr.Map `json:",omitempty"`
	UpdateExpression *string  `json:",omitempty"`
	conditional
}

type transactWriteItem struct {
	ConditionCheck *oneWrite `json:",omitempty"`
	Put            *oneWrite `json:",omitempty"`
	Update         *oneWrite `json:",omitempty"`
	Delete         *oneWrite `json:",omitempty"`
}

type transactWriteInput struct {
	TransactItems      []transactWriteItem
	ClientRequestToken *string
	reports
}

// only returns the one write of an entry and what it does.
func (i transactWriteItem) only() (*oneWrite, action, error) {
	var w *oneWrite
	var a action
	count := 0
	for _, c := range []struct {
		write  *oneWrite
		action action
	}{{i.Put, putAction}, {i.Update, updateAction}, {i.Delete, deleteAction}, {i.ConditionCheck, checkAction}} {
		if c.write != nil {
			w, a = c.write, c.action
			count++
		}
	}
	switch count {
	case 0:
		return nil, a, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	case 1:
		return w, a, nil
	}
	return nil, a, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
}

// checked turns the entries of a transaction into writes and refuses what does not depend on what is stored: first what any
// expression says, then what the tables say. A key that is not the table's is left to cancel the transaction.
func (s *Service) checked(items []transactWriteItem) ([]*write, error) {
	drafts, tables := make([]*write, len(items)), make([]string, len(items))
	for n, item := range items {
		one, a, err := item.only()
		if err != nil {
			return nil, err
		}
		if err := one.fits(a, n); err != nil {
			return nil, err
		}
		if drafts[n], err = draft(a, one.conditional, one.Key, one.Item, one.UpdateExpression); err != nil {
			return nil, err
		}
		tables[n] = one.TableName
	}
	for n, w := range drafts {
		switch err := s.aim(w, tables[n]); {
		case err == errWrongKey:
			w.refused = err
		case err != nil:
			return nil, err
		case slices.ContainsFunc(drafts[:n], w.sameItem):
			return nil, errRepeated
		}
	}
	return drafts, nil
}

var errRepeated = invalid("Transaction request cannot include multiple operations on one item")

func (w *write) sameItem(o *write) bool {
	return w.table == o.table && w.encoded == o.encoded && o.refused == nil
}

// memberNames are the kinds of entries as errors name them.
var memberNames = map[action]string{putAction: "put", updateAction: "update", deleteAction: "delete",
	checkAction: "conditionCheck"}

// fits refuses members that the action does not have, and asks for those that it must have.
func (o *oneWrite) fits(a action, n int) error {
	at := "transactItems." + strconv.Itoa(n+1) + ".member." + memberNames[a] + "."
	switch {
	case a == putAction && o.Item == nil:
		return missing(at + "item")
	case a != putAction && o.Key == nil:
		return missing(at + "key")
	case a == checkAction && o.ConditionExpression == nil:
		return missing(at + "conditionExpression")
	case a == updateAction && o.UpdateExpression == nil:
		return missing(at + "updateExpression")
	case a != putAction && o.Item != nil, a == putAction && o.Key != nil, a != updateAction && o.UpdateExpression != nil:
		return invalid("the local cloud refuses a member that does not belong to entry " + strconv.Itoa(n+1) +
			" of the transaction")
	}
	return nil
}

// countRule refuses transactions that are empty or too long.
func countRule(count int) error {
	limit := ""
	switch {
	case count == 0:
		limit = "greater than or equal to 1"
	case count > maxTransaction:
		limit = "less than or equal to " + strconv.Itoa(maxTransaction)
	default:
		return nil
	}
	return invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: " +
		"Member must have length " + limit)
}

// transactReply is the reply to TransactWriteItems.
type transactReply struct {
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (s *Service) transactWrite(in *transactWriteInput) (any, error) {
	if err := countRule(len(in.TransactItems)); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	writes, err := s.checked(in.TransactItems)
	if err != nil {
		return nil, err
	}
	digest, err := in.digest()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	out, changed, err := s.transact(in, writes, digest)
	s.mu.Unlock()
	notify(changed)
	return out, err
}

// transact carries a transaction out, all of it or nothing. It also returns the tables with new stream records.
func (s *Service) transact(in *transactWriteInput, writes []*write, digest [32]byte) (any, []*Table, error) {
	repeated, err := s.tokens.seen(in.ClientRequestToken, digest, s.now())
	if err != nil {
		return nil, nil, err
	}
	if repeated { // nothing happens again; what was written is read, and paid for as reading
		costs := map[*Table]*cost{}
		for _, w := range writes {
			size := 0
			if old := w.stored(); old != nil {
				size = old.size
			}
			charge(costs, w.table, cost{table: readUnits(size, true)})
		}
		return s.settle(costs, in, readKind), nil, nil
	}
	outcomes, err := s.outcomes(writes)
	if err != nil {
		return nil, nil, err
	}
	costs := map[*Table]*cost{}
	var effects []effect
	for i, w := range writes {
		old := w.stored()
		if w.action != checkAction {
			effects = append(effects, effect{w.table, w.encoded, old, outcomes[i]})
			continue
		}
		size := 0
		if old != nil {
			size = old.size
		}
		charge(costs, w.table, cost{table: writeUnits(size)})
	}
	at := s.now()
	if err := s.keep(at, nil, newToken(in.ClientRequestToken, digest, at), effects...); err != nil {
		return nil, nil, err
	}
	before := sequences(effects)
	for _, e := range effects {
		charge(costs, e.table, e.table.commit(e, nil, at))
	}
	s.tokens.remember(newToken(in.ClientRequestToken, digest, at))
	return s.settle(costs, in, writeKind), changed(effects, before), nil
}

// charge adds transactional units to what a table is charged.
func charge(costs map[*Table]*cost, t *Table, c cost) {
	if costs[t] == nil {
		costs[t] = &cost{}
	}
	costs[t].add(c, transactional)
}

// settle counts the units of a transaction and reports them.
func (s *Service) settle(costs map[*Table]*cost, in *transactWriteInput, kind kindOfUnits) transactReply {
	var out transactReply
	for _, t := range s.Tables() {
		c := costs[t]
		if c == nil {
			continue
		}
		if kind == readKind {
			s.count(t, "TransactWriteItems", c.total(), 0)
		} else {
			s.count(t, "TransactWriteItems", 0, c.total())
		}
		if r := c.report(t, in.ReturnConsumedCapacity, kind); r != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, r)
		}
	}
	return out
}

// reason is why one entry cancelled a transaction; Code None if it did not.
type reason struct {
	Code    string
	Message string   `json:",omitempty"`
	Item    attr.Map `json:",omitempty"`
}

// outcomes computes what every write leaves, or says why the transaction is cancelled. A cancelled transaction costs
// what it would have cost to write the items that are there.
func (s *Service) outcomes(writes []*write) ([]attr.Map, error) {
	outcomes := make([]attr.Map, len(writes))
	reasons := make([]reason, len(writes))
	cancelled := false
	total := 0
	for i, w := range writes {
		old := w.stored()
		after, err := w.outcome(old)
		outcomes[i] = after
		if w.action != deleteAction && w.action != checkAction {
			total += after.Size()
		}
		reasons[i] = reason{Code: "None"}
		var refused *attr.Error
		switch {
		case errors.Is(err, errCondition):
			reasons[i] = reason{Code: "ConditionalCheckFailed", Message: conditionMessage}
			if w.returnOld && old != nil {
				reasons[i].Item = old.item
			}
		case errors.As(err, &refused):
			reasons[i] = reason{Code: "ValidationError", Message: refused.Message}
		}
		cancelled = cancelled || err != nil
	}
	if cancelled {
		s.chargeCancelled(writes)
		return nil, canceled(reasons)
	}
	if total > maxTransactionBytes {
		return nil, invalid("Transaction request cannot include items of an aggregate size of more than 4 MB")
	}
	return outcomes, nil
}

func (s *Service) chargeCancelled(writes []*write) {
	costs := map[*Table]*cost{}
	for _, w := range writes {
		size := 0
		if old := w.stored(); old != nil {
			size = old.size
		}
		charge(costs, w.table, cost{table: writeUnits(size)})
	}
	for t, c := range costs {
		s.count(t, "TransactWriteItems", 0, c.total())
	}
}

func canceled(reasons []reason) error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.Code
	}
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "TransactionCanceledException",
		Message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" +
			strings.Join(codes, ", ") + "]",
		Extra: map[string]any{"CancellationReasons": reasons}}
}

type transactGetInput struct {
	TransactItems []struct {
		Get *struct {
			TableName string
			Key       attr.Map
			picked
		}
	}
	ReturnConsumedCapacity string
}

func (s *Service) transactGet(in *transactGetInput) (any, error) {
	if err := countRule(len(in.TransactItems)); err != nil {
		return nil, err
	}
	if err := (reports{ReturnConsumedCapacity: in.ReturnConsumedCapacity}).check(); err != nil {
		return nil, err
	}
	reads, err := s.transactReads(in)
	if err != nil {
		return nil, err
	}
	out := struct {
		Responses        []found
		ConsumedCapacity []*consumed `json:",omitempty"`
	}{Responses: make([]found, len(reads))}
	s.mu.Lock()
	defer s.mu.Unlock()
	costs := map[*Table]*cost{}
	for i, r := range reads {
		item, size := r.read()
		out.Responses[i] = found{Item: item}
		charge(costs, r.table, cost{table: readUnits(size, true)})
	}
	for _, t := range s.Tables() {
		if c := costs[t]; c != nil {
			s.count(t, "TransactGetItems", c.total(), 0)
			if r := c.report(t, in.ReturnConsumedCapacity, readKind); r != nil {
				out.ConsumedCapacity = append(out.ConsumedCapacity, r)
			}
		}
	}
	return out, nil
}

// transactReads checks a TransactGetItems. A key that is not the table's cancels it.
func (s *Service) transactReads(in *transactGetInput) ([]*oneRead, error) {
	reads := make([]*oneRead, len(in.TransactItems))
	for n, item := range in.TransactItems {
		if item.Get == nil {
			return nil, missing("transactItems." + strconv.Itoa(n+1) + ".member.get")
		}
		projection, err := item.Get.projection()
		if err != nil {
			return nil, err
		}
		reads[n] = &oneRead{projection: projection}
	}
	reasons, cancelled := make([]reason, len(reads)), false
	for n, r := range reads {
		reasons[n] = reason{Code: "None"}
		get := in.TransactItems[n].Get
		switch err := s.aimRead(r, get.TableName, get.Key); {
		case err == errWrongKey:
			reasons[n], cancelled = reason{Code: "ValidationError", Message: wrongKey}, true
		case err != nil:
			return nil, err
		case slices.ContainsFunc(reads[:n], func(o *oneRead) bool { return r.table == o.table && r.encoded == o.encoded }):
			return nil, errRepeated
		}
	}
	if cancelled {
		return nil, canceled(reasons)
	}
	return reads, nil
}
