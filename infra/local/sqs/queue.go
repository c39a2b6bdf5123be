// Package sqs is Amazon SQS with standard queues: visibility, delays, redrive, long polling.
package sqs

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal"
)

// Queue describes one queue. Durations of zero stand for themselves: the caller fills in the service's defaults.
type Queue struct {
	Name       string
	ARN        string
	URL        string
	Visibility time.Duration
	Retention  time.Duration
	Delay      time.Duration
	Wait       time.Duration // how long a receive waits unless it says otherwise
	MaxBytes   int
	DeadLetter string // ARN, "" for none
	MaxReceive int    // receives before a message goes there
	Policy     string // JSON, as GetQueueAttributes shows it
	// Sources says whose dead letters it takes: nil for everybody's, else the queues' ARNs.
	Sources []string
}

// check holds a queue to the ranges of its attributes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html, read 2026-11.
func (q Queue) check() error {
	const second = time.Second
	for _, a := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"VisibilityTimeout", q.Visibility, 0, maxVisibility},
		{"MessageRetentionPeriod", q.Retention, time.Minute, 14 * 24 * time.Hour},
		{"DelaySeconds", q.Delay, 0, 900 * second},
		{"ReceiveMessageWaitTimeSeconds", q.Wait, 0, 20 * second},
	} {
		if a.value < a.low || a.value > a.high {
			return fmt.Errorf("%s is %v, not from %v to %v", a.name, a.value, a.low, a.high)
		}
	}
	if q.MaxBytes < 1024 || q.MaxBytes > MaxBytes {
		return fmt.Errorf("MaximumMessageSize is %d, not from 1024 to %d", q.MaxBytes, MaxBytes)
	}
	if q.DeadLetter != "" && (q.MaxReceive < 1 || q.MaxReceive > 1000) {
		return fmt.Errorf("maxReceiveCount is %d, not from 1 to 1000", q.MaxReceive)
	}
	return nil
}

// The service's defaults and limits.
const (
	DefaultVisibility = 30 * time.Second
	DefaultRetention  = 4 * 24 * time.Hour
	MaxBytes          = 1 << 20

	maxVisibility = 12 * time.Hour
	// maxInFlight is how many received messages a standard queue keeps hidden.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html, read 2026-11.
	maxInFlight = 120_000
)

// Service holds the queues. One lock guards all of them, since redrive crosses from one to another; it is never held
// while a caller waits or is called back.
type Service struct {
	// Journal, if not nil, gets what each call does to the messages. Set it before the first.
	Journal journal.Journal
	// Pick, if not nil, chooses one of n visible messages, the oldest being 0. Set it before the first call.
	Pick func(n int) int

	timers clock.Timers

	mu     sync.Mutex
	byName map[string]*queue
	byARN  map[string]*queue
	serial uint64
	tasks  []*task // that move messages, oldest first
}

type queue struct {
	Queue
	inFlight int
	created  time.Time
	messages map[string]*message // by id
	ready    messageHeap         // visible, oldest first
	hidden   messageHeap         // delayed or in flight, earliest return first
	waiters  map[*waiter]bool
	watch    func()

	withdraw func() // of the timer for the earliest return
	armed    time.Time
}

type message struct {
	id         string
	serial     uint64
	body       string
	attributes map[string]Attribute
	trace      string // system attribute AWSTraceHeader
	sender     string
	sent       time.Time
	first      time.Time // first receive
	last       time.Time // latest receive
	receives   int
	returns    time.Time // when it becomes visible, if hidden
	inFlight   bool
	source     string // ARN of the queue that gave it up
	index      int    // position in ready or hidden, -1 out of both
}

// Attribute is a message attribute as the API carries it.
type Attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// New makes the queues.
func New(t clock.Timers, queues []Queue) (*Service, error) {
	s := &Service{timers: t, byName: map[string]*queue{}, byARN: map[string]*queue{}}
	for _, def := range queues {
		if err := def.check(); err != nil {
			return nil, fmt.Errorf("making queue %s: %w", def.Name, err)
		}
		q := &queue{Queue: def, created: t.Now(), messages: map[string]*message{}, waiters: map[*waiter]bool{}}
		q.hidden.byReturn = true
		s.byName[def.Name], s.byARN[def.ARN] = q, q
	}
	for _, def := range queues {
		if def.DeadLetter == "" {
			continue
		}
		dead := s.byARN[def.DeadLetter]
		if dead == nil {
			return nil, fmt.Errorf("making queue %s: its dead-letter queue %s does not exist", def.Name, def.DeadLetter)
		}
		if dead.Sources != nil && !slices.Contains(dead.Sources, def.ARN) {
			return nil, fmt.Errorf("making queue %s: the RedriveAllowPolicy of %s does not let it send its dead letters there", def.Name, dead.Name)
		}
	}
	return s, nil
}

// Watch calls wake, outside of every lock, whenever messages of the queue have become visible. One watcher per queue.
func (s *Service) Watch(arn string, wake func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byARN[arn]
	if q == nil {
		return fmt.Errorf("watching queue %s: it does not exist", arn)
	}
	q.watch = wake
	return nil
}

// Depth counts the messages of a queue: visible, in flight, delayed.
func (s *Service) Depth(arn string) (visible, inFlight, delayed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byARN[arn]
	if q == nil {
		return 0, 0, 0
	}
	q.settle(s.timers.Now())
	return q.depth()
}

// Visibility is how long a received message of a queue hides unless the receiver says otherwise; 0 for no queue.
func (s *Service) Visibility(arn string) time.Duration {
	if q := s.byARN[arn]; q != nil {
		return q.Queue.Visibility
	}
	return 0
}

// Bodies are the messages of a queue as they were sent, oldest first, visible or not.
func (s *Service) Bodies(arn string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byARN[arn]
	if q == nil {
		return nil
	}
	q.settle(s.timers.Now())
	var out []string
	for _, m := range oldestFirst(slices.Collect(maps.Values(q.messages))) {
		out = append(out, m.body)
	}
	return out
}

func oldestFirst(messages []*message) []*message {
	slices.SortFunc(messages, func(a, b *message) int { return cmp.Compare(a.serial, b.serial) })
	return messages
}

func (q *queue) depth() (visible, inFlight, delayed int) {
	return len(q.ready.list), q.inFlight, len(q.hidden.list) - q.inFlight
}

// settle makes visible what is due and forgets what is too old.
func (q *queue) settle(now time.Time) {
	for len(q.hidden.list) > 0 && !q.hidden.list[0].returns.After(now) {
		m := heap.Pop(&q.hidden).(*message)
		q.land(m)
		heap.Push(&q.ready, m)
	}
	for len(q.ready.list) > 0 && now.Sub(q.ready.list[0].sent) > q.Retention {
		q.remove(q.ready.list[0])
	}
}

func (q *queue) add(m *message) {
	q.messages[m.id] = m
	if m.inFlight {
		q.inFlight++
	}
	if m.returns.IsZero() {
		heap.Push(&q.ready, m)
	} else {
		heap.Push(&q.hidden, m)
	}
}

// hide makes a message of this queue invisible until t.
func (q *queue) hide(m *message, t time.Time) {
	q.detach(m)
	m.returns = t
	heap.Push(&q.hidden, m)
}

// land ends a message's time in flight, if it is.
func (q *queue) land(m *message) {
	if m.inFlight {
		m.inFlight = false
		q.inFlight--
	}
}

func (q *queue) remove(m *message) {
	q.detach(m)
	q.land(m)
	delete(q.messages, m.id)
}

func (q *queue) detach(m *message) {
	if m.index < 0 {
		return
	}
	if m.index < len(q.hidden.list) && q.hidden.list[m.index] == m {
		heap.Remove(&q.hidden, m.index)
		return
	}
	heap.Remove(&q.ready, m.index)
}

// rouse tells everybody who waits for the queue that something is visible, and sets the timer for the next return. It
// returns what to call once the lock is free.
func (s *Service) rouse(q *queue) (after func()) {
	now := s.timers.Now()
	q.settle(now)
	s.arm(q)
	if len(q.ready.list) == 0 {
		return func() {}
	}
	for w := range q.waiters {
		q.rouseOne(w)
	}
	if q.watch == nil {
		return func() {}
	}
	return q.watch
}

// waiter is a receive that waits.
type waiter struct {
	roused chan struct{}
	resume func() // counts its task in again
}

func (q *queue) rouseOne(w *waiter) {
	if q.waiters[w] {
		delete(q.waiters, w)
		w.resume()
		close(w.roused)
	}
}

// arm keeps one timer per queue, at or before the earliest return.
func (s *Service) arm(q *queue) {
	if len(q.hidden.list) == 0 {
		return
	}
	due := q.hidden.list[0].returns
	if q.withdraw != nil {
		if !q.armed.After(due) {
			return
		}
		q.withdraw()
	}
	q.armed = due
	q.withdraw = s.timers.At(due, func() {
		s.mu.Lock()
		q.withdraw = nil
		after := s.rouse(q)
		s.mu.Unlock()
		after()
	})
}

// messageHeap orders by age, or by the moment of return.
type messageHeap struct {
	list     []*message
	byReturn bool
}

func (h messageHeap) Len() int { return len(h.list) }
func (h messageHeap) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	if h.byReturn && !a.returns.Equal(b.returns) {
		return a.returns.Before(b.returns)
	}
	return a.serial < b.serial
}
func (h messageHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].index, h.list[j].index = i, j
}
func (h *messageHeap) Push(x any) {
	m := x.(*message)
	m.index = len(h.list)
	h.list = append(h.list, m)
}
func (h *messageHeap) Pop() any {
	n := len(h.list) - 1
	m := h.list[n]
	h.list[n] = nil
	h.list = h.list[:n]
	m.index = -1
	return m
}
