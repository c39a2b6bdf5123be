package dynamodb

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"loophub/infra/local/dynamodb/attr"
)

// Stream views.
const (
	viewKeys = "KEYS_ONLY"
	viewNew  = "NEW_IMAGE"
	viewOld  = "OLD_IMAGE"
	viewBoth = "NEW_AND_OLD_IMAGES"
)

// Retention is how long a stream keeps a record.
const Retention = 24 * time.Hour

// Record is one change of an item. Its JSON is that of a record in Lambda's DynamoDB event (Lambda guide, "Using Lambda
// with DynamoDB").
type Record struct {
	EventID        string        `json:"eventID"`
	EventName      string        `json:"eventName"` // INSERT, MODIFY or REMOVE
	EventVersion   string        `json:"eventVersion"`
	EventSource    string        `json:"eventSource"`
	AWSRegion      string        `json:"awsRegion"`
	Change         Change        `json:"dynamodb"`
	EventSourceARN string        `json:"eventSourceARN"`
	UserIdentity   *UserIdentity `json:"userIdentity,omitempty"`

	Sequence uint64    `json:"-"` // counts the stream's records from 1
	At       time.Time `json:"-"`
}

// Change is what a record says about the item; which images it has, the stream's view decides.
type Change struct {
	ApproximateCreationDateTime int64    `json:"ApproximateCreationDateTime"` // epoch seconds
	Keys                        attr.Map `json:"Keys"`
	NewImage                    attr.Map `json:"NewImage,omitempty"`
	OldImage                    attr.Map `json:"OldImage,omitempty"`
	SequenceNumber              string   `json:"SequenceNumber"`
	SizeBytes                   int      `json:"SizeBytes"`
	StreamViewType              string   `json:"StreamViewType"`
}

// UserIdentity is who made a change, if it was not a caller: DynamoDB itself, deleting what has expired.
type UserIdentity struct {
	PrincipalID string `json:"principalId"`
	Type        string `json:"type"`
}

// stream is the records of a table, oldest first, without gaps.
type stream struct {
	records   []Record
	next      uint64 // records ever appended
	listeners []func()
}

func (s *stream) append(t *Table, now time.Time, before, after attr.Map, by *UserIdentity) {
	if t.spec.StreamView == "" {
		return
	}
	s.next++
	name, image := "MODIFY", after
	switch {
	case before == nil:
		name = "INSERT"
	case after == nil:
		name, image = "REMOVE", before
	}
	c := Change{Keys: t.keys.of(image), StreamViewType: t.spec.StreamView}
	if t.spec.StreamView == viewNew || t.spec.StreamView == viewBoth {
		c.NewImage = after
	}
	if t.spec.StreamView == viewOld || t.spec.StreamView == viewBoth {
		c.OldImage = before
	}
	s.trim(now)
	s.records = append(s.records, t.record(s.next, now, name, c, by))
}

// record completes a record of the table's stream.
func (t *Table) record(sequence uint64, at time.Time, name string, c Change, by *UserIdentity) Record {
	c.ApproximateCreationDateTime = at.Unix()
	c.SequenceNumber = fmt.Sprintf("1%020d", sequence)
	c.SizeBytes = c.Keys.Size() + c.NewImage.Size() + c.OldImage.Size()
	sum := md5.Sum([]byte(t.spec.StreamARN + "/" + c.SequenceNumber))
	return Record{EventID: hex.EncodeToString(sum[:]), EventName: name, EventVersion: "1.1", EventSource: "aws:dynamodb",
		AWSRegion: region(t.spec.ARN), Change: c, EventSourceARN: t.spec.StreamARN, UserIdentity: by, Sequence: sequence, At: at}
}

func region(arn string) string {
	parts := strings.SplitN(arn, ":", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}

// trim forgets the records that are older than the retention.
func (s *stream) trim(now time.Time) {
	old := 0
	for old < len(s.records) && now.Sub(s.records[old].At) > Retention {
		old++
	}
	clear(s.records[:old])
	s.records = s.records[old:]
}

// Records returns up to limit records after a sequence, oldest first; after 0 it begins at the trim horizon. Records
// older than 24 hours are gone, and the reader that comes too late sees a gap in Sequence.
func (t *Table) Records(after uint64, limit int) []Record {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	t.stream.trim(t.service.now())
	records := t.stream.records
	if len(records) == 0 || after >= t.stream.next {
		return nil
	}
	if first := records[0].Sequence; after >= first {
		records = records[after-first+1:]
	}
	return append([]Record(nil), records[:min(limit, len(records))]...)
}

// Latest is the sequence of the newest record, 0 before the first: a reader that starts at LATEST starts here.
func (t *Table) Latest() uint64 {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	return t.stream.next
}

// Notify has f called whenever the stream has new records, after the call that made them has let go of the table, on
// that call's goroutine. It must not block.
func (t *Table) Notify(f func()) {
	t.service.mu.Lock()
	defer t.service.mu.Unlock()
	t.stream.listeners = append(t.stream.listeners, f)
}

// notify tells the listeners of tables that have new records. The caller holds no lock.
func notify(changed []*Table) {
	for _, t := range changed {
		t.service.mu.Lock()
		listeners := t.stream.listeners
		t.service.mu.Unlock()
		for _, f := range listeners {
			f()
		}
	}
}
