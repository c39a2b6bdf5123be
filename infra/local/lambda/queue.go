package lambda

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"loophub/infra/local/pattern"
	"loophub/infra/local/retry"
	"loophub/infra/local/work"
)

// Queue is a queue as a poller sees it.
type Queue interface {
	// Receive returns up to count visible messages, without waiting, in Lambda's own shape.
	Receive(count int) ([]events.SQSMessage, error)
	// Delete removes what was received, at most ten messages, in one call.
	Delete(receipts []string) error
	// Watch calls wake, outside of every lock, whenever messages have become visible.
	Watch(wake func()) error
}

// QueueMapping is an event source mapping from a queue.
type QueueMapping struct {
	Function    string // name or ARN
	SourceARN   string
	Queue       Queue
	BatchSize   int
	Window      time.Duration // how long a batch may take to fill; 0: it does not wait
	Report      bool          // ReportBatchItemFailures
	Filters     []pattern.Pattern
	Concurrency int // batches at a time, 0: as many as Lambda begins with
}

// initialConcurrency is how many batches Lambda reads at a time from a queue that has just become busy.
const initialConcurrency = 5

// perReceive is how many messages a receive gives at most.
const perReceive = 10

// queuePoller takes one batch at a time out of a queue.
type queuePoller struct {
	QueueMapping
	function *function
	service  *Service
	pause    pause
	held     []heldMessage // received, on the way into a batch
	since    time.Time     // when the first of them was
}

// heldMessage is a message with its JSON.
type heldMessage struct {
	events.SQSMessage
	text []byte
}

// MapQueue starts a mapping.
func (s *Service) MapQueue(m QueueMapping) error {
	f := s.functions[m.Function]
	if f == nil {
		return fmt.Errorf("mapping %s: there is no function %s", m.SourceARN, m.Function)
	}
	if m.Concurrency == 0 {
		m.Concurrency = initialConcurrency
	}
	loops := make([]*work.Loop, m.Concurrency)
	for i := range loops {
		p := &queuePoller{QueueMapping: m, function: f, service: s}
		loops[i] = s.keep(work.NewLoop(s.cfg.Tracker, fmt.Sprintf("poller %d %s → %s", i, m.SourceARN, f.Name), p.step))
		p.pause = pause{timers: s.cfg.Timers, wake: loops[i].Wake}
	}
	wake := func() {
		for _, l := range loops {
			l.Wake()
		}
	}
	if err := m.Queue.Watch(wake); err != nil {
		return fmt.Errorf("mapping %s: %w", m.SourceARN, err)
	}
	wake()
	return nil
}

// step receives once and delivers what makes a batch. What fails stays in the queue and returns when its visibility
// time-out is over.
func (p *queuePoller) step() bool {
	if p.service.life.Err() != nil || !p.pause.over() {
		return false
	}
	received, err := p.receive()
	if err != nil {
		p.function.Log(fmt.Sprintf("receiving from %s: %v", p.SourceARN, err))
		return false
	}
	batch := p.fill()
	if len(batch) == 0 {
		return received > 0
	}
	if p.Window > 0 && len(batch) < p.BatchSize && len(batch) == len(p.held) {
		if received > 0 {
			return true // there may be more
		}
		if until := p.since.Add(p.Window); p.pause.timers.Now().Before(until) {
			p.pause.at(until)
			return false
		}
	}
	p.held = p.held[len(batch):]
	p.since = p.pause.timers.Now()
	p.deliver(batch)
	return p.pause.over()
}

// receive takes what the batch still lacks, and what one receive gives.
func (p *queuePoller) receive() (received int, err error) {
	room := min(perReceive, p.BatchSize-len(p.held))
	if room <= 0 {
		return 0, nil
	}
	messages, err := p.Queue.Receive(room)
	if err != nil {
		return 0, err
	}
	if len(p.held) == 0 {
		p.since = p.pause.timers.Now()
	}
	var unfit []events.SQSMessage
	defer func() { p.delete(unfit) }() // as on AWS, a filter deletes what it does not let through
	for _, m := range messages {
		if !p.fits(m) {
			unfit = append(unfit, m)
			continue
		}
		text, err := json.Marshal(m)
		if err != nil {
			return 0, fmt.Errorf("encoding message %s: %w", m.MessageId, err)
		}
		p.held = append(p.held, heldMessage{m, text})
	}
	return len(messages), nil
}

// fill picks the messages of the next batch, by number and size.
func (p *queuePoller) fill() []heldMessage {
	size := 0
	for i, m := range p.held {
		if size += len(m.text) + 1; i == p.BatchSize || i > 0 && size > MaxPayload-envelope {
			return p.held[:i]
		}
	}
	return p.held
}

func (p *queuePoller) deliver(batch []heldMessage) {
	payload := []byte(`{"Records":[`)
	for i, m := range batch {
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = append(payload, m.text...)
	}
	result, err := p.service.invoke(p.function.Name, append(payload, "]}"...))
	if retry.Throttled(err) { // the messages count as received all the same
		p.pause.longer()
	}
	if err != nil {
		return
	}
	p.pause.end()
	if result.Failed {
		return
	}
	var failed []string
	if p.Report {
		ids, ok := failedItems(result.Payload)
		known := func(id string) bool {
			return slices.ContainsFunc(batch, func(m heldMessage) bool { return m.MessageId == id })
		}
		if !ok || slices.ContainsFunc(ids, func(id string) bool { return !known(id) }) {
			return
		}
		failed = ids
	}
	done := make([]events.SQSMessage, 0, len(batch))
	for _, m := range batch {
		if !slices.Contains(failed, m.MessageId) {
			done = append(done, m.SQSMessage)
		}
	}
	p.delete(done)
}

func (p *queuePoller) delete(l []events.SQSMessage) {
	if len(l) == 0 {
		return
	}
	receipts := make([]string, len(l))
	for n, m := range l {
		receipts[n] = m.ReceiptHandle
	}
	if err := p.Queue.Delete(receipts); err != nil {
		p.function.Log(fmt.Sprintf("deleting %d messages of %s, %s the first: %v", len(l), p.SourceARN, l[0].MessageId, err))
	}
}

// fits matches filters against the message; a body that is JSON is matched as such.
func (p *queuePoller) fits(m events.SQSMessage) bool {
	if len(p.Filters) == 0 {
		return true
	}
	view := map[string]any{"messageId": m.MessageId, "body": m.Body, "attributes": m.Attributes}
	if json.Valid([]byte(m.Body)) {
		view["body"] = json.RawMessage(m.Body)
	}
	text, err := json.Marshal(view)
	return err == nil && slices.ContainsFunc(p.Filters, func(f pattern.Pattern) bool { return f.Match(text) })
}
