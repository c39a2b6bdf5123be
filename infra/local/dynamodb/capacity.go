package dynamodb

import (
	"context"
	"maps"
	"math"

	"loophub/infra/local/meter"
)

// Units of capacity (developer guide, "DynamoDB read and write operations", capacity unit consumption, read
// 2026-11-22).
const (
	writeUnitBytes = 1 << 10
	readUnitBytes  = 4 << 10
	transactional  = 2 // every unit counts twice in a transaction
)

// writeUnits is what writing an item of a size costs; writing or deleting nothing costs one.
func writeUnits(size int) float64 {
	return max(1, math.Ceil(float64(size)/writeUnitBytes))
}

// readUnits is what reading costs, half of it when eventually consistent; reading nothing costs as much as one byte.
func readUnits(size int, consistent bool) float64 {
	units := max(1, math.Ceil(float64(size)/readUnitBytes))
	if !consistent {
		units /= 2
	}
	return units
}

// cost is the units that a call consumes on one table and its indexes.
type cost struct {
	table   float64
	indexes map[string]float64
}

func (c *cost) index(name string, units float64) {
	if units == 0 {
		return
	}
	if c.indexes == nil {
		c.indexes = map[string]float64{}
	}
	c.indexes[name] += units
}

// add adds n times another cost.
func (c *cost) add(other cost, n float64) {
	c.table += n * other.table
	for name, units := range other.indexes {
		c.index(name, n*units)
	}
}

func (c cost) total() float64 {
	sum := c.table
	for _, units := range c.indexes {
		sum += units
	}
	return sum
}

// Usage is what calls consumed.
type Usage struct {
	Calls         int
	Reads, Writes float64
}

// Units is what a table's calls consumed: in all, and by operation. Indexes are included.
type Units struct {
	Usage
	ByOperation map[string]Usage
}

// ledger counts units.
type ledger struct{ by map[string]Usage }

func newLedger() ledger { return ledger{by: map[string]Usage{}} }

func (l *ledger) count(operation string, reads, writes float64) {
	u := l.by[operation]
	u.Calls++
	u.Reads += reads
	u.Writes += writes
	l.by[operation] = u
}

// during is the service as one call sees it: the same tables, and the call's own count. It is no copy of anything but
// pointers.
func (s *Service) during(ctx context.Context) *Service {
	one := *s
	one.use = meter.Of(ctx)
	return &one
}

// count notes the units that a call consumes on a table, for the table and for the call. The caller holds the lock.
func (s *Service) count(t *Table, operation string, reads, writes float64) {
	t.units.count(operation, reads, writes)
	if s.use != nil {
		s.use.Reads += reads
		s.use.Writes += writes
	}
}

// Units returns what was consumed so far.
func (t *Table) Units() Units {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	units := Units{ByOperation: maps.Clone(t.units.by)}
	for _, u := range t.units.by {
		units.Calls += u.Calls
		units.Reads += u.Reads
		units.Writes += u.Writes
	}
	return units
}

// consumed is ConsumedCapacity of a reply.
type consumed struct {
	TableName              string
	CapacityUnits          float64
	ReadCapacityUnits      float64             `json:",omitempty"`
	WriteCapacityUnits     float64             `json:",omitempty"`
	Table                  *capacity           `json:",omitempty"`
	GlobalSecondaryIndexes map[string]capacity `json:",omitempty"`
}

type capacity struct {
	CapacityUnits      float64
	ReadCapacityUnits  float64 `json:",omitempty"`
	WriteCapacityUnits float64 `json:",omitempty"`
}

// kindOfUnits says whether a reply tells apart reads and writes: those of transactions do.
type kindOfUnits uint8

const (
	plainUnits kindOfUnits = iota
	readKind
	writeKind
)

func (k kindOfUnits) of(units float64) capacity {
	c := capacity{CapacityUnits: units}
	switch k {
	case readKind:
		c.ReadCapacityUnits = units
	case writeKind:
		c.WriteCapacityUnits = units
	}
	return c
}

// report is the ConsumedCapacity that a request asked for with NONE, TOTAL or INDEXES; nil if none.
func (c cost) report(t *Table, asked string, kind kindOfUnits) *consumed {
	if asked != "TOTAL" && asked != "INDEXES" {
		return nil
	}
	sum := kind.of(c.total())
	r := &consumed{TableName: t.spec.Name, CapacityUnits: sum.CapacityUnits,
		ReadCapacityUnits: sum.ReadCapacityUnits, WriteCapacityUnits: sum.WriteCapacityUnits}
	if asked == "TOTAL" {
		return r
	}
	table := kind.of(c.table)
	r.Table = &table
	for name, units := range c.indexes {
		if r.GlobalSecondaryIndexes == nil {
			r.GlobalSecondaryIndexes = map[string]capacity{}
		}
		r.GlobalSecondaryIndexes[name] = kind.of(units)
	}
	return r
}
