package lambda

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"loophub/infra/local/pattern"
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
	Report      bool // ReportBatchItemFailures
	Filters     []pattern.Pattern
	Concurrency int // batches at a time, 0: as many as Lambda begins with
}

// initialConcurrency is how many batches Lambda reads at a time from a queue that has just become busy.
const initialConcurrency = 5

type queuePoller struct {
	QueueMapping
	function *function
	service  *Service
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
	p := &queuePoller{QueueMapping: m, function: f, service: s}
	loops := make([]*work.Loop, m.Concurrency)
	for i := range loops {
		loops[i] = s.keep(work.NewLoop(s.cfg.Tracker, fmt.Sprintf("poller %d %s → %s", i, m.SourceARN, f.Name), p.step))
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

// step receives and delivers one batch. What fails stays in the queue and returns when its visibility time-out is over.
func (p *queuePoller) step() bool {
	if p.service.life.Err() != nil {
		return false
	}
	received, err := p.Queue.Receive(p.BatchSize)
	if err != nil {
		p.function.Log(fmt.Sprintf("receiving from %s: %v", p.SourceARN, err))
		return false
	}
	if len(received) == 0 {
		return false
	}
	var batch, unfit []events.SQSMessage
	for _, m := range received {
		if p.fits(m) {
			batch = append(batch, m)
		} else {
			unfit = append(unfit, m)
		}
	}
	p.delete(unfit) // as on AWS, a filter deletes what it does not let through
	if len(batch) > 0 {
		p.deliver(batch)
	}
	return true
}

func (p *queuePoller) deliver(batch []events.SQSMessage) {
	payload, err := json.Marshal(events.SQSEvent{Records: batch})
	if err != nil {
		p.function.Log(fmt.Sprintf("encoding messages of %s: %v", p.SourceARN, err))
		return
	}
	result, err := p.service.invoke(p.function.Name, payload)
	if err != nil || result.Failed {
		return
	}
	var failed []string
	if p.Report {
		ids, ok := failedItems(result.Payload)
		known := func(id string) bool {
			return slices.ContainsFunc(batch, func(m events.SQSMessage) bool { return m.MessageId == id })
		}
		if !ok || slices.ContainsFunc(ids, func(id string) bool { return !known(id) }) {
			return
		}
		failed = ids
	}
	p.delete(slices.DeleteFunc(batch, func(m events.SQSMessage) bool { return slices.Contains(failed, m.MessageId) }))
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
