package sqs

import (
	"container/heap"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/work"
)

// Message is a received message.
type Message struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string    `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
	MessageAttributes      map[string]Attribute `json:",omitempty"`
}

func (s *Service) receiveMessage(ctx context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl                    string
		AttributeNames              []string // the older name of MessageSystemAttributeNames
		MessageSystemAttributeNames []string
		MessageAttributeNames       []string
		MaxNumberOfMessages         *int
		VisibilityTimeout           *int
		WaitTimeSeconds             *int
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := between("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10); err != nil {
		return nil, err
	}
	if err := between("VisibilityTimeout", in.VisibilityTimeout, 0, 43200); err != nil {
		return nil, err
	}
	if err := between("WaitTimeSeconds", in.WaitTimeSeconds, 0, 20); err != nil {
		return nil, err
	}
	count, visibility, wait := 1, q.Visibility, q.Wait
	if in.MaxNumberOfMessages != nil {
		count = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	messages, err := s.await(ctx, q, count, visibility, wait)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 && wait == 0 && s.overLimit(q) { // who waits gets no error
		return nil, &dispatch.Error{Code: "OverLimit", Message: fmt.Sprintf("Too many messages in flight: %d.", maxInFlight)}
	}
	system := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for i := range messages {
		messages[i].keep(system, in.MessageAttributeNames)
	}
	return struct{ Messages []Message }{messages}, nil
}

func (s *Service) overLimit(q *queue) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return q.inFlight >= maxInFlight && len(q.ready.list) > 0
}

// await receives, and if there is nothing waits for a message, the clock or the caller's end.
func (s *Service) await(ctx context.Context, q *queue, count int, visibility, wait time.Duration) ([]Message, error) {
	until := s.timers.Now().Add(wait)
	for {
		s.mu.Lock()
		out, after, err := s.take(q, count, visibility)
		if err != nil || len(out) > 0 || !s.timers.Now().Before(until) {
			s.mu.Unlock()
			after()
			return out, err
		}
		w := &waiter{roused: make(chan struct{})}
		q.waiters[w] = true
		// The timer stands before the task is counted out: who then finds all at rest must see what time will bring.
		withdraw := s.timers.At(until, func() { s.rouseOne(q, w) })
		w.resume = work.Park(ctx)
		s.mu.Unlock()
		after()
		select {
		case <-w.roused:
		case <-ctx.Done():
			s.rouseOne(q, w)
		}
		withdraw()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

func (s *Service) rouseOne(q *queue, w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.rouseOne(w)
}

// Receive takes messages as an event source mapping does, all attributes included, without waiting.
func (s *Service) Receive(arn string, count int) ([]Message, error) {
	q := s.byARN[arn]
	if q == nil {
		return nil, &dispatch.Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist: " + arn}
	}
	s.mu.Lock()
	out, after, err := s.take(q, count, q.Visibility)
	s.mu.Unlock()
	after()
	return out, err
}

// Delete removes a received message, as an event source mapping does.
func (s *Service) Delete(arn, receipt string) error {
	q := s.byARN[arn]
	if q == nil {
		return &dispatch.Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist: " + arn}
	}
	return s.delete(q, receipt)[0]
}

// take hands out up to count visible messages and moves those received too often to the dead-letter queue, which is
// when SQS does it. The caller holds the lock and calls after without it.
func (s *Service) take(q *queue, count int, visibility time.Duration) (out []Message, after func(), err error) {
	now := s.timers.Now()
	q.settle(now)
	e := effect{At: now, Until: now.Add(visibility)}
	var picked []*message
	for len(e.Taken) < count && len(q.ready.list) > 0 && q.inFlight+len(e.Taken) < maxInFlight {
		m := s.next(q)
		heap.Remove(&q.ready, m.index)
		picked = append(picked, m)
		if q.DeadLetter != "" && m.receives >= q.MaxReceive {
			e.Buried, e.Grave = append(e.Buried, m.serial), q.DeadLetter
		} else {
			e.Taken = append(e.Taken, m.serial)
		}
	}
	if len(picked) > 0 {
		err = s.do(q, e)
	}
	if err != nil {
		for _, m := range picked {
			heap.Push(&q.ready, m)
		}
		return nil, func() {}, err
	}
	for _, serial := range e.Taken {
		out = append(out, q.messages[messageID(serial)].received())
	}
	s.arm(q)
	if len(e.Buried) == 0 {
		return out, func() {}, nil
	}
	return out, s.rouse(s.byARN[e.Grave]), nil
}

// next is the visible message that is handed out first.
func (s *Service) next(q *queue) *message {
	if s.Pick == nil {
		return q.ready.list[0]
	}
	return oldestFirst(slices.Clone(q.ready.list))[s.Pick(len(q.ready.list))]
}

func (m *message) received() Message {
	out := Message{
		MessageID: m.id, Body: m.body, MD5OfBody: sum([]byte(m.body)),
		ReceiptHandle:     base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s#%d", m.id, m.receives)),
		MessageAttributes: m.attributes, MD5OfMessageAttributes: sumAttributes(m.attributes),
		Attributes: map[string]string{
			"ApproximateReceiveCount":          strconv.Itoa(m.receives),
			"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
			"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
			"SenderId":                         senderID(m.sender),
		},
	}
	if m.trace != "" {
		out.Attributes["AWSTraceHeader"] = m.trace
	}
	if m.source != "" {
		out.Attributes["DeadLetterQueueSourceArn"] = m.source
	}
	return out
}

// senderID names the role, as AWS does with an id of its own.
func senderID(principal string) string {
	if principal == "" {
		return "LOCALACCOUNT"
	}
	return "LOCALROLE:" + principal[strings.LastIndexByte(principal, '/')+1:]
}

// keep drops the attributes that the receiver has not asked for.
func (m *Message) keep(system, own []string) {
	for name := range m.Attributes {
		if !slices.Contains(system, "All") && !slices.Contains(system, name) {
			delete(m.Attributes, name)
		}
	}
	asked := map[string]Attribute{}
	for name, a := range m.MessageAttributes {
		if slices.ContainsFunc(own, func(p string) bool {
			prefix, open := strings.CutSuffix(p, ".*")
			return p == "All" || p == ".*" || p == name || open && strings.HasPrefix(name, prefix)
		}) {
			asked[name] = a
		}
	}
	m.MessageAttributes, m.MD5OfMessageAttributes = asked, sumAttributes(asked)
}

// held finds the message of a receipt. It is not ok when the message is gone or has been received again since: SQS then
// answers success and does nothing.
func (q *queue) held(receipt string) (m *message, ok bool, err error) {
	raw, err := base64.StdEncoding.DecodeString(receipt)
	id, count, whole := strings.Cut(string(raw), "#")
	if err != nil || !whole {
		return nil, false, &dispatch.Error{Code: "ReceiptHandleIsInvalid",
			Message: fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", receipt)}
	}
	m = q.messages[id]
	return m, m != nil && strconv.Itoa(m.receives) == count, nil
}
