package dynamodb

import (
	"net/http"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// Limits of batches (API reference, BatchGetItem and BatchWriteItem, read 2026-11-22).
const (
	maxBatchGet      = 100
	maxBatchGetBytes = 16 << 20
	maxBatchWrite    = 25
)

// oneRead is one item to be read.
type oneRead struct {
	table      *Table
	encoded    string
	projection expr.Projection
}

func (s *Service) newRead(table string, key attr.Map, p picked) (*oneRead, error) {
	projection, err := p.projection()
	if err != nil {
		return nil, err
	}
	r := &oneRead{projection: projection}
	return r, s.aimRead(r, table, key)
}

// aimRead finds out what is to be read.
func (s *Service) aimRead(r *oneRead, table string, key attr.Map) (err error) {
	if r.table, err = s.lookup(table); err != nil {
		return err
	}
	if key == nil {
		return missing("key")
	}
	r.encoded, err = r.table.locate(key)
	return err
}

// read returns what is wanted of the item, nil if there is none, and the stored size.
func (r *oneRead) read() (*attr.Map, int) {
	stored, ok := r.table.rows.get(r.encoded)
	if !ok {
		return nil, 0
	}
	item := project(r.projection, stored.item)
	return &item, stored.size
}

// keysAndAttributes is what BatchGetItem wants of one table.
type keysAndAttributes struct {
	Keys           []attr.Map
	ConsistentRead bool `json:",omitempty"`
	picked
}

type batchGetInput struct {
	RequestItems           map[string]keysAndAttributes
	ReturnConsumedCapacity string
}

type batchGetReply struct {
	Responses        map[string][]attr.Map
	UnprocessedKeys  map[string]keysAndAttributes
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (s *Service) batchGet(call dispatch.Call, in *batchGetInput) (any, error) {
	if err := (reports{ReturnConsumedCapacity: in.ReturnConsumedCapacity}).check(); err != nil {
		return nil, err
	}
	reads, err := s.batchReads(in)
	if err != nil {
		return nil, err
	}
	spared, err := spare(call, reads)
	if err != nil {
		return nil, err
	}
	out := batchGetReply{Responses: map[string][]attr.Map{}, UnprocessedKeys: map[string]keysAndAttributes{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, name := range sortedNames(in.RequestItems) {
		asked := in.RequestItems[name]
		out.Responses[name] = []attr.Map{}
		var c cost
		for i, r := range reads[name] {
			item, size := r.read()
			if total += size; total > maxBatchGetBytes || spared == 0 {
				rest := asked
				rest.Keys = asked.Keys[i:]
				out.UnprocessedKeys[name] = rest
				break
			}
			spared--
			c.table += readUnits(size, asked.ConsistentRead)
			if item != nil {
				out.Responses[name] = append(out.Responses[name], *item)
			}
		}
		t := reads[name][0].table
		s.count(t, "BatchGetItem", c.total(), 0)
		if r := c.report(t, in.ReturnConsumedCapacity, plainUnits); r != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, r)
		}
	}
	return out, nil
}

// batchReads checks a BatchGetItem.
func (s *Service) batchReads(in *batchGetInput) (map[string][]*oneRead, error) {
	if len(in.RequestItems) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1")
	}
	reads := map[string][]*oneRead{}
	count := 0
	for _, name := range sortedNames(in.RequestItems) {
		asked := in.RequestItems[name]
		if len(asked.Keys) == 0 {
			return nil, invalid("1 validation error detected: Value '[]' at 'requestItems." + name +
				".member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1")
		}
		if count += len(asked.Keys); count > maxBatchGet {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		for _, key := range asked.Keys {
			r, err := s.newRead(name, key, asked.picked)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(reads[name], func(o *oneRead) bool { return o.encoded == r.encoded }) {
				return nil, errDuplicates
			}
			reads[name] = append(reads[name], r)
		}
	}
	return reads, nil
}

var errDuplicates = invalid("Provided list of item keys contains duplicates")

type writeRequest struct {
	PutRequest    *struct{ Item attr.Map } `json:",omitempty"`
	DeleteRequest *struct{ Key attr.Map }  `json:",omitempty"`
}

type batchWriteInput struct {
	RequestItems map[string][]writeRequest
	reports
}

type batchWriteReply struct {
	UnprocessedItems map[string][]writeRequest
	ConsumedCapacity []*consumed `json:",omitempty"`
}

func (s *Service) batchWrite(call dispatch.Call, in *batchWriteInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	writes, err := s.batchWrites(in.RequestItems)
	if err != nil {
		return nil, err
	}
	spared, err := spare(call, writes)
	if err != nil {
		return nil, err
	}
	out := batchWriteReply{UnprocessedItems: map[string][]writeRequest{}}
	var all []*write
	for _, name := range sortedNames(writes) {
		now := min(spared, len(writes[name]))
		if spared -= now; now < len(writes[name]) {
			out.UnprocessedItems[name] = in.RequestItems[name][now:]
		}
		all = append(all, writes[name][:now]...)
	}
	costs, err := s.writeAll(all)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedNames(writes) {
		t := writes[name][0].table
		if costs[t] == nil {
			costs[t] = &cost{} // nothing of it was spared
		}
		if r := costs[t].report(t, in.ReturnConsumedCapacity, plainUnits); r != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, r)
		}
	}
	return out, nil
}

// writeAll carries out puts and deletes without conditions.
func (s *Service) writeAll(writes []*write) (map[*Table]*cost, error) {
	costs := map[*Table]*cost{}
	s.mu.Lock()
	effects, at := make([]effect, len(writes)), s.now()
	for i, w := range writes {
		effects[i] = effect{w.table, w.encoded, w.stored(), w.item}
	}
	if err := s.keep(at, nil, nil, effects...); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	before := sequences(effects)
	for _, e := range effects {
		if costs[e.table] == nil {
			costs[e.table] = &cost{}
		}
		costs[e.table].add(e.table.commit(e, nil, at), 1)
	}
	for t, c := range costs {
		s.count(t, "BatchWriteItem", 0, c.total())
	}
	tables := changed(effects, before)
	s.mu.Unlock()
	notify(tables)
	return costs, nil
}

// batchWrites checks a BatchWriteItem: puts have an item, deletes none.
func (s *Service) batchWrites(requests map[string][]writeRequest) (map[string][]*write, error) {
	count := 0
	for name, list := range requests {
		if count += len(list); len(list) == 0 {
			return nil, invalid("1 validation error detected: Value '{" + name + "=[]}' at 'requestItems' failed to satisfy constraint: " +
				"Map value must satisfy constraint: [Member must have length less than or equal to 25, " +
				"Member must have length greater than or equal to 1]")
		}
	}
	if count == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 1")
	}
	if count > maxBatchWrite {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	writes := map[string][]*write{}
	for _, name := range sortedNames(requests) {
		for _, r := range requests[name] {
			w, err := s.batchedWrite(name, r)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(writes[name], w.sameItem) {
				return nil, errDuplicates
			}
			writes[name] = append(writes[name], w)
		}
	}
	return writes, nil
}

func (s *Service) batchedWrite(table string, r writeRequest) (*write, error) {
	switch {
	case (r.PutRequest == nil) == (r.DeleteRequest == nil):
		return nil, invalid("Supplied AttributeValue has more than one datatypes set, " +
			"must contain exactly one of the supported datatypes")
	case r.DeleteRequest != nil:
		return s.newWrite(deleteAction, table, conditional{}, r.DeleteRequest.Key, nil, nil)
	}
	w, err := s.newWrite(putAction, table, conditional{}, nil, r.PutRequest.Item, nil)
	if w == nil || w.table == nil {
		return nil, err
	}
	for _, k := range w.table.keys { // a batch has one word for a key that is missing and for one of another type
		if w.item[k.name].Kind != k.kind {
			return nil, errWrongKey
		}
	}
	if err != nil {
		return nil, err
	}
	return w, w.table.check(w.item)
}

// spare is how many entries of a batch are carried out. A batch of which nothing could be processed is no batch but an
// error: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html, read 2026-11.
func spare[V any](c dispatch.Call, entries map[string][]V) (int, error) {
	count := 0
	for _, list := range entries {
		count += len(list)
	}
	spared := c.Spared(count)
	if spared == 0 {
		return 0, &dispatch.Error{Status: http.StatusBadRequest, Code: "ProvisionedThroughputExceededException",
			Message: "The level of configured provisioned throughput for the table was exceeded. Consider increasing your " +
				"provisioning level with the UpdateTable API."}
	}
	return spared, nil
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
