package dynamodb

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/infra/local/dynamodb/attr"
)

// The kinds of records, each the first byte of its records.
const (
	effectsRecord = 'c' // what one call wrote
	tableRecord   = 't'
	itemRecord    = 'i'
	streamRecord  = 's'
	tokenRecord   = 'k'
)

// effect is an item as a write leaves it.
type effect struct {
	table *Table
	key   string
	old   *row
	after attr.Map // nil: there is none any more
}

// keep appends what one call is about to write to the journal, with the time that its stream records will bear. The
// caller holds the lock.
func (s *Service) keep(at time.Time, by *UserIdentity, remembered *token, effects ...effect) error {
	if s.Journal == nil {
		return nil
	}
	b := binary.AppendVarint([]byte{effectsRecord}, at.UnixNano())
	b = append(b, truth(by != nil))
	if b = append(b, truth(remembered != nil)); remembered != nil {
		b = remembered.append(b)
	}
	kept := 0
	for _, e := range effects {
		if e.after == nil && e.old == nil {
			continue // nothing was deleted
		}
		kept++
		b = append(attr.AppendText(b, e.table.spec.Name), truth(e.after != nil))
		if e.after != nil {
			b = e.after.AppendBinary(b)
		} else {
			b = e.table.keys.of(e.old.item).AppendBinary(b)
		}
	}
	if kept == 0 && remembered == nil {
		return nil
	}
	return s.Journal.Append(b)
}

func truth(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// Dump implements journal.Part: tables with their items and the records of their streams, then tokens.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, t := range s.Tables() {
		t.stream.trim(now)
		if err := t.dump(write); err != nil {
			return err
		}
	}
	s.tokens.forget(now)
	for _, k := range s.tokens.order {
		if err := write(k.append([]byte{tokenRecord})); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) dump(write func(record []byte) error) (err error) {
	head := func(kind byte) []byte { return attr.AppendText([]byte{kind}, t.spec.Name) }
	if err := write(binary.AppendUvarint(attr.AppendText(head(tableRecord), t.keys.String()), t.stream.next)); err != nil {
		return err
	}
	t.rows.ascend("", "", func(_ string, r *row) bool {
		err = write(r.item.AppendBinary(head(itemRecord)))
		return err == nil
	})
	for _, r := range t.stream.records {
		if err != nil {
			break
		}
		err = write(r.append(head(streamRecord)))
	}
	return err
}

// String is the key as the journal and people read it: "pk S, sk S".
func (s keySchema) String() string {
	var parts []string
	for _, k := range s {
		parts = append(parts, k.name+" "+k.kind.String())
	}
	return strings.Join(parts, ", ")
}

func (k *token) append(b []byte) []byte {
	b = append(attr.AppendText(b, k.text), k.digest[:]...)
	return binary.AppendVarint(b, k.at.UnixNano())
}

func readToken(b *attr.Binary) *token {
	k := &token{text: b.Text()}
	for i := range k.digest {
		k.digest[i] = b.Byte()
	}
	k.at = moment(b)
	return k
}

func moment(b *attr.Binary) time.Time { return time.Unix(0, b.Int()).UTC() }

func (r *Record) append(b []byte) []byte {
	b = binary.AppendUvarint(b, r.Sequence)
	b = binary.AppendVarint(b, r.At.UnixNano())
	b = attr.AppendText(attr.AppendText(b, r.EventName), r.Change.StreamViewType)
	b = append(b, truth(r.UserIdentity != nil))
	for _, m := range []attr.Map{r.Change.Keys, r.Change.NewImage, r.Change.OldImage} {
		if b = append(b, truth(m != nil)); m != nil {
			b = m.AppendBinary(b)
		}
	}
	return b
}

func (t *Table) readRecord(b *attr.Binary) Record {
	sequence, at, name := b.Uint(), moment(b), b.Text()
	c := Change{StreamViewType: b.Text()}
	var by *UserIdentity
	if b.Byte() != 0 {
		by = expiry
	}
	for _, m := range []*attr.Map{&c.Keys, &c.NewImage, &c.OldImage} {
		if b.Byte() != 0 {
			*m = b.Map()
		}
	}
	return t.record(sequence, at, name, c, by)
}

// Load implements journal.Part.
func (s *Service) Load(record []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &attr.Binary{Rest: record}
	var err error
	switch kind := b.Byte(); kind {
	case effectsRecord:
		err = s.again(b)
	case tokenRecord:
		s.tokens.remember(readToken(b))
	case tableRecord, itemRecord, streamRecord:
		err = s.restore(kind, b)
	default:
		return fmt.Errorf("there is no record of kind %q", kind)
	}
	if err == nil {
		err = b.Err
	}
	if err == nil && len(b.Rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(b.Rest))
	}
	return err
}

// restore takes a record of a dump.
func (s *Service) restore(kind byte, b *attr.Binary) error {
	t, err := s.kept(b)
	if err != nil {
		return err
	}
	switch kind {
	case tableRecord:
		if keys := b.Text(); b.Err == nil && keys != t.keys.String() {
			return fmt.Errorf("table %s has the key (%s) in the data, and (%s) in the template: start with another folder, "+
				"or give the table its key back", t.spec.Name, keys, t.keys)
		}
		t.stream.next = b.Uint()
	case itemRecord:
		item := b.Map()
		if b.Err != nil || !t.keys.holds(item) {
			return fmt.Errorf("an item of table %s lacks its key", t.spec.Name)
		}
		t.store(string(t.keys.encode(item)), nil, item)
	case streamRecord:
		t.stream.records = append(t.stream.records, t.readRecord(b))
	}
	return nil
}

func (s *Service) kept(b *attr.Binary) (*Table, error) {
	name := b.Text()
	if b.Err != nil {
		return nil, b.Err
	}
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("the template has no table %s, of which there are items: start with another folder", name)
}

// again makes the writes of a call once more, in place of which nothing else has happened since.
func (s *Service) again(b *attr.Binary) error {
	at := moment(b)
	var by *UserIdentity
	if b.Byte() != 0 {
		by = expiry
	}
	if b.Byte() != 0 {
		s.tokens.remember(readToken(b))
	}
	for len(b.Rest) > 0 {
		t, err := s.kept(b)
		if err != nil {
			return err
		}
		put, item := b.Byte() != 0, b.Map()
		if b.Err != nil || !t.keys.holds(item) {
			return fmt.Errorf("a write to table %s lacks its key", t.spec.Name)
		}
		key := t.keys.encode(item)
		old, _ := t.rows.get(string(key))
		if !put {
			item = nil
		}
		t.commit(effect{t, string(key), old, item}, by, at)
	}
	return nil
}

// sequences are where the streams of the effects' tables stand.
func sequences(effects []effect) []uint64 {
	out := make([]uint64, len(effects))
	for i, e := range effects {
		out[i] = e.table.stream.next
	}
	return out
}

// changed are the tables among the effects whose stream has grown beyond what it was.
func changed(effects []effect, before []uint64) []*Table {
	var out []*Table
	for i, e := range effects {
		if e.table.stream.next != before[i] && !slices.Contains(out, e.table) {
			out = append(out, e.table)
		}
	}
	return out
}
