// Package dynamodb is the DynamoDB of the local cloud: the JSON 1.0 protocol over tables in memory, with streams,
// expiry and consumed capacity. Its README lists what is implemented and what is refused.
package dynamodb

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/journal"
	"loophub/infra/local/meter"
)

// TableSpec describes a table.
type TableSpec struct {
	Name         string
	ARN          string
	Keys         []Key // partition key, then sort key if there is one
	Indexes      []IndexSpec
	TTLAttribute string // "" without expiry
	StreamView   string // KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES; "" without a stream
	StreamARN    string
}

// Key is a key attribute: its name and its type descriptor, S, N or B.
type Key struct{ Name, Type string }

// IndexSpec describes a global secondary index.
type IndexSpec struct {
	Name       string
	Keys       []Key
	Projection string   // ALL, KEYS_ONLY or INCLUDE
	Include    []string // with INCLUDE
}

// Table is one table. Its methods may be called from any goroutine.
type Table struct {
	spec    TableSpec
	keys    keySchema
	service *Service
	rows    tree[*row]
	indexes []*index
	expiry  tree[string] // ordered expiry time and primary key → primary key
	stream  stream
	units   ledger
}

// row is a stored item and its size. Neither changes: a write stores a new row.
type row struct {
	item attr.Map
	size int
}

// index is a global secondary index: the items that have its keys, reduced to what it projects.
type index struct {
	spec IndexSpec
	keys keySchema
	all  bool            // projects every attribute
	has  map[string]bool // otherwise, those that it projects
	rows tree[*row]
}

// Service is all tables of the account. It implements dispatch.Service and journal.Part.
type Service struct {
	// Journal, if not nil, gets what each call writes. Set it before the first.
	Journal journal.Journal

	now    func() time.Time
	mu     *sync.Mutex // guards everything below and all tables; never held across a call out
	tables map[string]*Table
	tokens *tokens
	use    *meter.Use // of the call at hand, see during; nil outside of one
}

// New returns a service with the tables described, all empty. Time is asked of now alone.
func New(now func() time.Time, specs []TableSpec) (*Service, error) {
	s := &Service{now: now, tables: map[string]*Table{}, mu: &sync.Mutex{}, tokens: &tokens{known: map[string]*token{}}}
	for _, spec := range specs {
		t, err := s.table(spec)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", spec.Name, err)
		}
		if s.tables[spec.Name] != nil {
			return nil, fmt.Errorf("table %s: described twice", spec.Name)
		}
		s.tables[spec.Name] = t
	}
	return s, nil
}

// Table returns a table by name, nil if there is none.
func (s *Service) Table(name string) *Table { return s.tables[name] }

// Tables lists the tables by name.
func (s *Service) Tables() []*Table {
	list := make([]*Table, 0, len(s.tables))
	for _, t := range s.tables {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *Table) int { return strings.Compare(a.spec.Name, b.spec.Name) })
	return list
}

// Stream returns the table whose stream has the ARN, nil if there is none.
func (s *Service) Stream(arn string) *Table {
	for _, t := range s.tables {
		if t.spec.StreamARN == arn && t.spec.StreamView != "" {
			return t
		}
	}
	return nil
}

func (s *Service) table(spec TableSpec) (*Table, error) {
	t := &Table{spec: spec, service: s, units: newLedger()}
	var err error
	if t.keys, err = newKeySchema(spec.Keys); err != nil {
		return nil, err
	}
	if spec.Name == "" || spec.ARN == "" {
		return nil, errors.New("name or ARN is missing")
	}
	switch spec.StreamView {
	case "", viewKeys, viewNew, viewOld, viewBoth:
	default:
		return nil, fmt.Errorf("unknown stream view %q", spec.StreamView)
	}
	for _, x := range spec.Indexes {
		i, err := t.index(x)
		if err != nil {
			return nil, fmt.Errorf("index %s: %w", x.Name, err)
		}
		t.indexes = append(t.indexes, i)
	}
	return t, nil
}

func (t *Table) index(spec IndexSpec) (*index, error) {
	i := &index{spec: spec, has: map[string]bool{}}
	var err error
	if i.keys, err = newKeySchema(spec.Keys); err != nil {
		return nil, err
	}
	switch spec.Projection {
	case "ALL":
		i.all = true
	case "INCLUDE":
		for _, name := range spec.Include {
			i.has[name] = true
		}
	case "KEYS_ONLY":
	default:
		return nil, fmt.Errorf("unknown projection %q", spec.Projection)
	}
	for _, k := range slices.Concat(t.keys, i.keys) {
		i.has[k.name] = true
	}
	return i, nil
}

// Name is the table's name.
func (t *Table) Name() string { return t.spec.Name }

// Spec is what the table was made from.
func (t *Table) Spec() TableSpec { return t.spec }

// Len is the number of items.
func (t *Table) Len() int {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	return t.rows.len
}

// Items are all items, ordered by partition, whose order means nothing, and by sort key. They must not be changed.
func (t *Table) Items() []attr.Map {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	items := make([]attr.Map, 0, t.rows.len)
	t.rows.ascend("", "", func(_ string, r *row) bool {
		items = append(items, r.item)
		return true
	})
	return items
}

// itemOverhead is what storage counts of an item beside its size, in the table and in each index (developer guide,
// "Estimating capacity and costs", read 2026-11-22).
const itemOverhead = 100

// Bytes is what the table stores, with its indexes, as storage is billed.
func (t *Table) Bytes() (n int) {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	add := func(_ string, r *row) bool {
		n += r.size + itemOverhead
		return true
	}
	t.rows.ascend("", "", add)
	for _, i := range t.indexes {
		i.rows.ascend("", "", add)
	}
	return n
}

// keySchema is the attributes of a key, in order.
type keySchema []keyAttribute

type keyAttribute struct {
	name string
	kind attr.Kind
}

func newKeySchema(keys []Key) (keySchema, error) {
	if len(keys) != 1 && len(keys) != 2 {
		return nil, fmt.Errorf("%d key attributes, want 1 or 2", len(keys))
	}
	var schema keySchema
	for _, k := range keys {
		kind, ok := attr.ParseKind(k.Type)
		if !ok || kind != attr.S && kind != attr.N && kind != attr.B {
			return nil, fmt.Errorf("key %s has type %q, want S, N or B", k.Name, k.Type)
		}
		schema = append(schema, keyAttribute{k.Name, kind})
	}
	return schema, nil
}

// has says whether the attribute is part of the key.
func (s keySchema) has(name string) bool {
	return slices.ContainsFunc(s, func(k keyAttribute) bool { return k.name == name })
}

// partition is the beginning of the encoded keys of one partition. A hash stands first: it spreads the partitions of a
// Scan as on AWS, so that nobody comes to rely on their order.
func (s keySchema) partition(value attr.Value) []byte {
	h := fnv.New64a()
	ordered := value.AppendOrdered(make([]byte, 8, 64))
	h.Write(ordered[8:])
	sum := h.Sum64()
	sum ^= sum >> 32 // FNV's high bits, which decide the order, barely depend on the last bytes
	sum *= 0x9E3779B97F4A7C15
	for i := range 8 {
		ordered[i] = byte(sum >> (56 - 8*i))
	}
	return ordered
}

// encode is the key of an item that has the key's attributes.
func (s keySchema) encode(item attr.Map) []byte {
	key := s.partition(item[s[0].name])
	if len(s) == 2 {
		key = item[s[1].name].AppendOrdered(key)
	}
	return key
}

// of reduces an item to its key.
func (s keySchema) of(item attr.Map) attr.Map {
	key := make(attr.Map, len(s))
	for _, k := range s {
		if v, ok := item[k.name]; ok {
			key[k.name] = v
		}
	}
	return key
}

// holds says whether the item has every attribute of the key: a sparse index lists no other items.
func (s keySchema) holds(item attr.Map) bool {
	for _, k := range s {
		if item[k.name].Kind != k.kind {
			return false
		}
	}
	return true
}

// entry is what the index stores of an item: key and row, or no row if the index does not list the item.
func (i *index) entry(primary string, item attr.Map) (string, *row) {
	if item == nil || !i.keys.holds(item) {
		return "", nil
	}
	kept := item
	if !i.all {
		kept = attr.Map{}
		for name, v := range item {
			if i.has[name] {
				kept[name] = v
			}
		}
	}
	return string(i.keys.encode(item)) + primary, &row{kept, kept.Size()}
}
