package lambda

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"time"

	"loophub/infra/local/pattern"
	"loophub/infra/local/work"
)

// Record is one record of a change stream.
type Record struct {
	Position uint64 // grows with each record of the stream, from 1
	Item     string // the key of the item: its records stay in one shard, in order
	Sequence string // the same as AWS writes it, by which a function reports failures
	At       time.Time
	Event    []byte // the record in JSON, as an element of the event's "Records"
}

// Stream is a table's change stream as a poller sees it, in order of commit.
type Stream interface {
	// Records returns up to limit records after a position, oldest first; 0 is before the oldest.
	Records(after uint64, limit int) ([]Record, error)
	// Latest is the position of the newest record, 0 before the first.
	Latest() uint64
	// Watch calls wake, outside of every lock, before the reply to the call that appended records.
	Watch(wake func())
}

// StreamMapping is an event source mapping from a stream.
type StreamMapping struct {
	ID         string // UUID
	Function   string // name or ARN
	SourceARN  string
	Stream     Stream
	BatchSize  int
	FromLatest bool // StartingPosition LATEST, else TRIM_HORIZON
	Bisect     bool
	Report     bool // ReportBatchItemFailures
	Retries    int
	MaxAge     time.Duration
	Shards     int               // how many the stream has, each read by itself; 0 is one
	Filters    []pattern.Pattern // any may fit; none lets everything through
	// Failure takes what was given up, by object key; nil drops it.
	Failure func(key string, record []byte) error
}

// shardID is the id of a shard.
func shardID(n int) string { return fmt.Sprintf("shardId-00000000000000000000-local%03d", n) }

// readAhead is how many records are read at a time, since the filter may drop many.
const readAhead = 1000

type streamPoller struct {
	StreamMapping
	function *function
	service  *Service
	shard    int
	position uint64   // of the last record read
	done     uint64   // of the last that need not be read again
	ahead    []Record // read and not yet dealt with
}

// MapStream starts a mapping.
func (s *Service) MapStream(m StreamMapping) error {
	f := s.functions[m.Function]
	if f == nil {
		return fmt.Errorf("mapping %s: there is no function %s", m.SourceARN, m.Function)
	}
	m.Shards = max(m.Shards, 1)
	for n := range m.Shards {
		p := &streamPoller{StreamMapping: m, function: f, service: s, shard: n}
		var err error
		if p.position, err = s.begin(p); err != nil {
			return fmt.Errorf("mapping %s: %w", m.SourceARN, err)
		}
		p.done = p.position
		loop := s.keep(work.NewLoop(s.cfg.Tracker, fmt.Sprintf("poller %d %s → %s", n, m.SourceARN, f.Name), p.step))
		m.Stream.Watch(loop.Wake)
		loop.Wake()
	}
	return nil
}

// mine says whether a record lies in the poller's shard.
func (p *streamPoller) mine(r Record) bool {
	if p.Shards == 1 {
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(r.Item))
	return int(h.Sum32()%uint32(p.Shards)) == p.shard
}

// step deals with one batch. Its records leave only when the batch is done with: delivered, or given up.
func (p *streamPoller) step() bool {
	if len(p.ahead) < p.BatchSize {
		records, err := p.Stream.Records(p.position, readAhead)
		if err != nil {
			p.function.Log(fmt.Sprintf("reading %s: %v", p.SourceARN, err))
			return false
		}
		if len(records) > 0 {
			p.position = records[len(records)-1].Position
		}
		for _, r := range records {
			if p.mine(r) && p.fits(r) {
				p.ahead = append(p.ahead, r)
			}
		}
		if len(p.ahead) == 0 && p.position-p.done >= readAhead { // what the filter drops need not be read again for ever
			p.reached(p.position)
		}
		if len(records) == 0 && len(p.ahead) == 0 {
			return false
		}
	}
	batch := p.fill()
	if len(batch) > 0 && !p.deliver(batch, 0) {
		return false
	}
	p.ahead = p.ahead[len(batch):]
	return true
}

// fill picks the records of the next batch, by number and size.
func (p *streamPoller) fill() (batch []Record) {
	size := 0
	for _, r := range p.ahead {
		if len(batch) == p.BatchSize || len(batch) > 0 && size+len(r.Event)+1 > MaxPayload-envelope {
			break
		}
		size += len(r.Event) + 1
		batch = append(batch, r)
	}
	return batch
}

// envelope is what an event holds around its records.
const envelope = 64

func (p *streamPoller) fits(r Record) bool {
	return len(p.Filters) == 0 ||
		slices.ContainsFunc(p.Filters, func(f pattern.Pattern) bool { return f.Match(r.Event) })
}

// deliver invokes the function until the batch is done with. It is false when the service stops in between. Retries
// follow at once: AWS waits in between, for a time that it does not publish.
func (p *streamPoller) deliver(batch []Record, failures int) bool {
	for {
		batch = p.expire(batch, failures)
		if len(batch) == 0 {
			return true
		}
		result, err := p.service.invoke(p.function.Name, payloadOf(batch))
		if err != nil || result.Failed && p.service.life.Err() != nil { // stopping
			return false
		}
		rest := batch
		if !result.Failed {
			rest = p.remaining(batch, result.Payload)
			if p.passed(batch[:len(batch)-len(rest)]); len(rest) == 0 {
				return true
			}
		}
		failures++
		progress := len(rest) < len(batch)
		switch {
		case failures > p.Retries:
			p.giveUp("RetryAttemptsExhausted", rest, failures, result)
			p.passed(rest)
			return true
		case p.Bisect && !progress && len(batch) > 1:
			// Splitting costs no retry: both halves start with the tries that the whole had left before.
			half := len(batch) / 2
			return p.deliver(batch[:half], failures-1) && p.deliver(batch[half:], failures-1)
		}
		batch = rest
	}
}

// remaining reads a partial batch response: everything from the lowest failed record on is tried again. What can't be
// read as one, or names a record that was not in the batch, fails the whole batch.
func (p *streamPoller) remaining(batch []Record, reply []byte) []Record {
	if !p.Report {
		return nil
	}
	ids, ok := failedItems(reply)
	if !ok {
		return batch
	}
	lowest := len(batch)
	for _, id := range ids {
		i := slices.IndexFunc(batch, func(r Record) bool { return r.Sequence == id })
		if i < 0 {
			return batch
		}
		lowest = min(lowest, i)
	}
	return batch[lowest:]
}

// failedItems reads "batchItemFailures"; an empty or null reply, or list, is success.
func failedItems(reply []byte) (ids []string, ok bool) {
	if len(reply) == 0 {
		return nil, true
	}
	var in *struct {
		Failures []struct {
			ID string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if json.Unmarshal(reply, &in) != nil {
		return nil, false
	}
	if in == nil {
		return nil, true
	}
	for _, f := range in.Failures {
		if f.ID == "" {
			return nil, false
		}
		ids = append(ids, f.ID)
	}
	return ids, true
}

// expire gives up the records that are too old.
func (p *streamPoller) expire(batch []Record, failures int) []Record {
	if p.MaxAge <= 0 {
		return batch
	}
	now, n := p.service.cfg.Timers.Now(), 0
	for n < len(batch) && now.Sub(batch[n].At) > p.MaxAge {
		n++
	}
	if n > 0 {
		p.giveUp("RecordAgeExceeded", batch[:n], failures, Result{RequestID: p.service.requestID()})
		p.passed(batch[:n])
	}
	return batch[n:]
}

// giveUp sends the records to the failure destination. An S3 destination gets them whole.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html, read 2026-11.
func (p *streamPoller) giveUp(condition string, batch []Record, invocations int, last Result) {
	if p.Failure == nil {
		return
	}
	now := p.service.cfg.Timers.Now()
	first, final := batch[0], batch[len(batch)-1]
	record := map[string]any{
		"version":   "1.0",
		"timestamp": now.Format(timestamp),
		"requestContext": requestContext{RequestID: last.RequestID, FunctionARN: p.function.ARN, Condition: condition,
			Invocations: invocations},
		"DDBStreamBatchInfo": map[string]any{
			"shardId":                         shardID(p.shard),
			"startSequenceNumber":             first.Sequence,
			"endSequenceNumber":               final.Sequence,
			"approximateArrivalOfFirstRecord": first.At.Format(timestamp),
			"approximateArrivalOfLastRecord":  final.At.Format(timestamp),
			"batchSize":                       len(batch),
			"streamArn":                       p.SourceARN,
		},
		"payload": string(payloadOf(batch)),
	}
	if invocations > 0 {
		response := responseContext{StatusCode: http.StatusOK, Version: version}
		if last.Failed {
			response.Error = "Unhandled"
		}
		record["responseContext"] = response
	}
	body, err := json.Marshal(record)
	if err == nil {
		err = p.Failure(fmt.Sprintf("aws/lambda/%s/%s/%s-%s", p.ID, shardID(p.shard),
			now.Format("2006/01/02/2006-01-02T15.04.05"), p.service.requestID()), body)
	}
	if err != nil {
		p.function.Log(fmt.Sprintf("sending a failed batch of %s to its destination: %v", p.SourceARN, err))
	}
}

// payloadOf is the payload for a batch.
func payloadOf(batch []Record) []byte {
	out := []byte(`{"Records":[`)
	for i, r := range batch {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r.Event...)
	}
	return append(out, "]}"...)
}
