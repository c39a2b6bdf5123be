package dynamodb

import (
	"errors"
	"time"

	"loophub/infra/local/dynamodb/attr"
	"loophub/infra/local/dynamodb/expr"
)

// action is what a write does with its item.
type action uint8

const (
	putAction action = iota
	updateAction
	deleteAction
	checkAction
)

// write is one item to be written, or in a transaction perhaps only checked, as a request asks for it.
type write struct {
	table     *Table
	action    action
	key       attr.Map
	encoded   string
	item      attr.Map // of a put
	update    expr.Update
	condition expr.Condition
	returnOld bool  // hand out the item when the condition fails
	refused   error // the key is not the table's
}

// errCondition says that the condition of a write does not hold.
var errCondition = errors.New("the conditional request failed")

// stored returns the row that the write is about, nil if there is none.
func (w *write) stored() *row {
	old, _ := w.table.rows.get(w.encoded)
	return old
}

// outcome is the item after the write, nil if there is none then. Errors are errCondition and *attr.Error.
func (w *write) outcome(old *row) (attr.Map, error) {
	if w.refused != nil {
		return nil, w.refused
	}
	var before attr.Map
	if old != nil {
		before = old.item
	}
	if w.action == putAction { // what the item alone tells is refused before any condition
		if err := w.table.check(w.item); err != nil {
			return nil, err
		}
	}
	if !w.condition.Holds(before) {
		return nil, errCondition
	}
	switch w.action {
	case putAction:
		return w.item, nil
	case deleteAction:
		return nil, nil
	case checkAction:
		return before, nil
	}
	if before == nil {
		before = w.key
	}
	after, err := w.update.Apply(before)
	if err != nil {
		return nil, err
	}
	return after, w.table.checkUpdated(after)
}

// commit stores the outcome of a write in the table, its indexes, its expiry and its stream, and returns what that
// costs. Nothing can fail any more. An outcome that equals what was there leaves no stream record.
func (t *Table) commit(e effect, by *UserIdentity, at time.Time) cost {
	var before attr.Map
	if e.old != nil {
		before = e.old.item
	}
	c := t.store(e.key, e.old, e.after)
	if !before.Equal(e.after) || (before == nil) != (e.after == nil) {
		t.stream.append(t, at, before, e.after, by)
	}
	return c
}

// store is commit without the stream.
func (t *Table) store(key string, old *row, after attr.Map) cost {
	var before attr.Map
	size := 0
	if old != nil {
		before, size = old.item, old.size
	}
	if after != nil {
		fresh := &row{after, after.Size()}
		size = max(size, fresh.size)
		t.rows.set(key, fresh)
	} else {
		t.rows.delete(key)
	}
	c := cost{table: writeUnits(size)}
	for _, i := range t.indexes {
		c.index(i.spec.Name, i.commit(key, before, after))
	}
	t.reschedule(key, before, after)
	return c
}

// commit brings the index up to date and returns the write units of doing so: none if nothing that it projects
// changed, two if the entry moves (developer guide, "Using global secondary indexes", provisioned throughput
// considerations).
func (i *index) commit(primary string, before, after attr.Map) float64 {
	oldKey, oldRow := i.entry(primary, before)
	newKey, newRow := i.entry(primary, after)
	units := 0.0
	switch {
	case oldRow != nil && newRow != nil && oldKey == newKey:
		if !oldRow.item.Equal(newRow.item) {
			units = writeUnits(max(oldRow.size, newRow.size))
		}
	default:
		if oldRow != nil {
			units += writeUnits(oldRow.size)
			i.rows.delete(oldKey)
		}
		if newRow != nil {
			units += writeUnits(newRow.size)
		}
	}
	if newRow != nil {
		i.rows.set(newKey, newRow)
	}
	return units
}

// expiryKey is where an item stands in the order of expiry, "" if it does not expire.
func (t *Table) expiryKey(primary string, item attr.Map) string {
	at := item[t.spec.TTLAttribute]
	if t.spec.TTLAttribute == "" || at.Kind != attr.N {
		return ""
	}
	return string(at.AppendOrdered(nil)) + primary
}

func (t *Table) reschedule(primary string, before, after attr.Map) {
	from, to := t.expiryKey(primary, before), t.expiryKey(primary, after)
	if from == to {
		return
	}
	if from != "" {
		t.expiry.delete(from)
	}
	if to != "" {
		t.expiry.set(to, primary)
	}
}

// maxOverdue is how long ago an expiry may lie: DynamoDB leaves items alone that expired more than five years ago
// (developer guide, "Using DynamoDB Time to Live", read 2026-11-22).
const maxOverdue = 5 * 365 * 24 * time.Hour

// Expire deletes the items whose expiry lies before now, as DynamoDB does in the background, and returns how many. The
// deletions consume no capacity, and their stream records name DynamoDB as the user.
func (s *Service) Expire(now time.Time) int {
	s.mu.Lock()
	var due []effect
	for _, t := range s.Tables() {
		due = t.due(due, now)
	}
	at := s.now()
	if s.keep(at, expiry, nil, due...) != nil { // whoever keeps the journal says so; what is due, stays due
		s.mu.Unlock()
		return 0
	}
	before := sequences(due)
	for _, e := range due {
		e.table.commit(e, expiry, at)
	}
	tables := changed(due, before)
	s.mu.Unlock()
	notify(tables)
	return len(due)
}

// expiry is who deletes what has expired.
var expiry = &UserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}

// due adds the deletions of what has expired.
func (t *Table) due(effects []effect, now time.Time) []effect {
	from := attr.NumberValue(attr.Int(now.Add(-maxOverdue).Unix())).AppendOrdered(nil)
	to := attr.NumberValue(attr.Int(now.Unix())).AppendOrdered(nil)
	t.expiry.ascend(string(from), string(to), func(_, primary string) bool {
		old, _ := t.rows.get(primary)
		effects = append(effects, effect{t, primary, old, nil})
		return true
	})
	return effects
}

// NextExpiry is the earliest time at which Expire has something to do; false if no item expires.
func (s *Service) NextExpiry() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var next time.Time
	from := attr.NumberValue(attr.Int(s.now().Add(-maxOverdue).Unix())).AppendOrdered(nil)
	for _, t := range s.Tables() {
		t.expiry.ascend(string(from), "", func(_, primary string) bool {
			r, _ := t.rows.get(primary)
			seconds, ok := r.item[t.spec.TTLAttribute].Num.Int64()
			if !ok {
				return true // a fraction of a second, or beyond any calendar
			}
			if at := time.Unix(seconds+1, 0); next.IsZero() || at.Before(next) {
				next = at
			}
			return false
		})
	}
	return next, !next.IsZero()
}
