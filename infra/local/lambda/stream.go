package lambda

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"time"

	"loophub/infra/local/pattern"
	"loophub/infra/local/retry"
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
	Window     time.Duration // how long a batch may take to fill; 0: it does not wait
	FromLatest bool          // StartingPosition LATEST, else TRIM_HORIZON
	Bisect     bool
	Report     bool              // ReportBatchItemFailures
	Retries    int               // below zero: until the record is too old
	MaxAge     time.Duration     // 0: as long as the stream keeps records
	Shards     int               // how many the stream has, each read by itself; 0 is one
	Filters    []pattern.Pattern // any may fit; none lets everything through
	// Failure takes what was given up, by object key; nil drops it.
	Failure func(key string, record []byte) error
	// Whole tells that the failure destination takes the records themselves with it, as a bucket does and a queue doesn't.
	Whole bool
}

// streamRetention is how long a stream keeps its records.
const streamRetention = 24 * time.Hour

// shardID is the id of a shard.
func shardID(n int) string { return fmt.Sprintf("shardId-00000000000000000000-local%03d", n) }

// readAhead is how many records are read at a time, since the filter may drop many.
const readAhead = 1000

type streamPoller struct {
	StreamMapping
	function *function
	service  *Service
	shard    int
	pause    pause
	position uint64    // of the last record read
	done     uint64    // of the last that need not be read again
	ahead    []Record  // read and not yet dealt with
	since    time.Time // when the first of them was read
	batch    int       // how many of them are the batch at hand
	parts    []part    // of the batch at hand, the next one last
}

// part is what is left of a batch that was delivered, or bisected. Parts are done with in the order of their records.
type part struct {
	records  []Record
	failures int
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
		if p.MaxAge <= 0 {
			p.MaxAge = streamRetention
		}
		var err error
		if p.position, err = s.begin(p); err != nil {
			return fmt.Errorf("mapping %s: %w", m.SourceARN, err)
		}
		p.done = p.position
		loop := s.keep(work.NewLoop(s.cfg.Tracker, fmt.Sprintf("poller %d %s → %s", n, m.SourceARN, f.Name), p.step))
		p.pause = pause{timers: s.cfg.Timers, wake: loop.Wake}
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

// step makes one delivery. The records of a batch leave only when it is done with: delivered, or given up.
func (p *streamPoller) step() bool {
	if !p.pause.over() {
		return false
	}
	if len(p.parts) == 0 {
		more, err := p.read()
		if err != nil {
			p.function.Log(fmt.Sprintf("reading %s: %v", p.SourceARN, err))
			return false
		}
		batch := p.fill()
		if len(batch) == 0 {
			return more
		}
		if p.waits(batch) {
			return false
		}
		p.batch, p.parts = len(batch), []part{{records: batch}}
	}
	next := len(p.parts) - 1
	this := p.parts[next]
	p.parts = p.parts[:next]
	if !p.deliver(this) {
		return false
	}
	if len(p.parts) == 0 {
		p.ahead, p.batch = p.ahead[p.batch:], 0
		p.since = p.pause.timers.Now()
	}
	return p.pause.over()
}

// read looks for records where there are too few for a batch; more tells that there were some.
func (p *streamPoller) read() (more bool, err error) {
	if len(p.ahead) >= p.BatchSize {
		return true, nil
	}
	records, err := p.Stream.Records(p.position, readAhead)
	if err != nil || len(records) == 0 {
		return false, err
	}
	p.position = records[len(records)-1].Position
	if len(p.ahead) == 0 {
		p.since = p.pause.timers.Now()
	}
	for _, r := range records {
		if p.mine(r) && p.fits(r) {
			p.ahead = append(p.ahead, r)
		}
	}
	if len(p.ahead) == 0 && p.position-p.done >= readAhead { // what the filter drops need not be read again for ever
		p.reached(p.position)
	}
	return true, nil
}

// waits tells whether a batch may yet fill, and comes back when its window is over.
func (p *streamPoller) waits(batch []Record) bool {
	until := p.since.Add(p.Window)
	if len(batch) == p.BatchSize || len(batch) < len(p.ahead) || !p.pause.timers.Now().Before(until) {
		return false
	}
	p.pause.at(until)
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

// deliver invokes the function once, and leaves among the parts what has yet to be tried again. It is false when the
// function could not be invoked: the service stops, or no instance is free, which counts as no try. Retries follow at once,
// those without end after a pause: AWS waits in between, for times that it does not publish.
func (p *streamPoller) deliver(this part) bool {
	batch := p.expire(this)
	if len(batch) == 0 {
		return true
	}
	result, err := p.service.invoke(p.function.Name, payloadOf(batch))
	if err != nil || result.Failed && p.service.life.Err() != nil {
		p.parts = append(p.parts, part{batch, this.failures})
		if retry.Throttled(err) {
			p.pause.longer()
		}
		return false
	}
	rest := batch
	if !result.Failed {
		p.pause.end()
		rest = p.remaining(batch, result.Payload)
		if p.passed(batch[:len(batch)-len(rest)]); len(rest) == 0 {
			return true
		}
	}
	failures, half := this.failures+1, len(batch)/2
	switch {
	case p.Retries >= 0 && failures > p.Retries:
		p.giveUp("RetryAttemptsExhausted", rest, failures, result)
		p.passed(rest)
	case p.Bisect && len(rest) == len(batch) && len(batch) > 1:
		// Splitting costs no retry: both halves start with the tries that the whole had left before.
		p.parts = append(p.parts, part{batch[half:], this.failures}, part{batch[:half], this.failures})
	default:
		p.parts = append(p.parts, part{rest, failures})
		if p.Retries < 0 {
			p.pause.longer()
		}
	}
	return true
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
func (p *streamPoller) expire(this part) []Record {
	now, n := p.service.cfg.Timers.Now(), 0
	for n < len(this.records) && now.Sub(this.records[n].At) > p.MaxAge {
		n++
	}
	if n > 0 {
		p.giveUp("RecordAgeExceeded", this.records[:n], this.failures, Result{RequestID: p.service.requestID()})
		p.passed(this.records[:n])
	}
	return this.records[n:]
}

// giveUp sends the records to the failure destination.
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
	}
	if p.Whole {
		record["payload"] = string(payloadOf(batch))
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
