package sqs

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is what one call does to the messages of a queue, by serial number. A call and a restart make it alike.
type effect struct {
	Queue   string     // ARN
	Created time.Time  `json:",omitzero"`
	Serial  uint64     `json:",omitempty"` // the last number given out
	Sent    []*message `json:",omitempty"`
	Taken   []uint64   `json:",omitempty"` // received
	At      time.Time  `json:",omitzero"`  // when
	Until   time.Time  `json:",omitzero"`  // and hidden until then
	Buried  []uint64   `json:",omitempty"` // moved to
	Grave   string     `json:",omitempty"` // ARN of the dead-letter queue
	Deleted []uint64   `json:",omitempty"`
	Hidden  []hiding   `json:",omitempty"`
	Moved   []moving   `json:",omitempty"` // by a task
	Task    *task      `json:",omitempty"` // as it is now
}

type hiding struct {
	Serial uint64
	Until  time.Time
}

// moving is a message that becomes another one in another queue.
type moving struct {
	Serial, New uint64
	To          string // ARN
}

// kept is a message in the journal.
type kept struct {
	Serial     uint64
	Body       string
	Attributes map[string]Attribute `json:",omitempty"`
	Trace      string               `json:",omitempty"`
	Sender     string               `json:",omitempty"`
	Sent       time.Time
	First      time.Time `json:",omitzero"`
	Last       time.Time `json:",omitzero"`
	Receives   int       `json:",omitempty"`
	Returns    time.Time `json:",omitzero"`
	InFlight   bool      `json:",omitempty"`
	Source     string    `json:",omitempty"`
}

func (m *message) MarshalJSON() (text []byte, err error) {
	k := kept{m.serial, m.body, m.attributes, m.trace, m.sender, m.sent, m.first, m.last, m.receives, m.returns,
		m.inFlight, m.source}
	err = journal.Write(func(record []byte) error { text = record; return nil }, k)
	return text, err
}

func (m *message) UnmarshalJSON(text []byte) error {
	var k kept
	if err := journal.Read(text, &k); err != nil {
		return err
	}
	*m = message{messageID(k.Serial), k.Serial, k.Body, k.Attributes, k.Trace, k.Sender, k.Sent, k.First, k.Last, k.Receives, k.Returns,
		k.InFlight, k.Source, -1}
	return nil
}

// do keeps an effect and makes it. The caller holds the lock.
func (s *Service) do(q *queue, e effect) error {
	e.Queue = q.ARN
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	return s.make(q, e)
}

func (s *Service) make(q *queue, e effect) error {
	s.serial = max(s.serial, e.Serial)
	for _, m := range e.Sent {
		s.serial = max(s.serial, m.serial)
		q.add(m)
	}
	for _, serial := range e.Taken {
		m, err := q.find(serial)
		if err != nil {
			return err
		}
		m.receives++
		if m.last = e.At; !m.inFlight {
			m.inFlight = true
			q.inFlight++
		}
		if m.first.IsZero() {
			m.first = e.At
		}
		q.hide(m, e.Until)
	}
	if err := s.bury(q, e); err != nil {
		return err
	}
	for _, serial := range e.Deleted {
		m, err := q.find(serial)
		if err != nil {
			return err
		}
		q.remove(m)
	}
	for _, h := range e.Hidden {
		m, err := q.find(h.Serial)
		if err != nil {
			return err
		}
		q.hide(m, h.Until)
	}
	return s.shift(q, e)
}

// shift moves messages as a task does, and notes how the task stands.
func (s *Service) shift(q *queue, e effect) error {
	for _, v := range e.Moved {
		m, err := q.find(v.Serial)
		if err != nil {
			return err
		}
		to, err := s.kept(v.To)
		if err != nil {
			return err
		}
		q.remove(m)
		to.add(&message{id: messageID(v.New), serial: v.New, body: m.body, attributes: m.attributes, trace: m.trace, sender: m.sender,
			sent: e.At, index: -1})
		s.serial = max(s.serial, v.New)
	}
	if e.Task == nil {
		return nil
	}
	if i := slices.IndexFunc(s.tasks, func(t *task) bool { return t.Handle == e.Task.Handle }); i >= 0 {
		*s.tasks[i] = *e.Task
	} else {
		s.tasks = append(s.tasks, e.Task)
	}
	return nil
}

// bury moves messages to the dead-letter queue. They keep id, age and count of receives.
func (s *Service) bury(q *queue, e effect) error {
	if len(e.Buried) == 0 {
		return nil
	}
	dead, err := s.kept(e.Grave)
	if err != nil {
		return err
	}
	for _, serial := range e.Buried {
		m, err := q.find(serial)
		if err != nil {
			return err
		}
		q.remove(m)
		m.source, m.returns = q.ARN, time.Time{}
		dead.add(m)
	}
	return nil
}

func (q *queue) find(serial uint64) (*message, error) {
	if m := q.messages[messageID(serial)]; m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("queue %s has no message %d", q.Name, serial)
}

func (s *Service) kept(arn string) (*queue, error) {
	if q := s.byARN[arn]; q != nil {
		return q, nil
	}
	return nil, fmt.Errorf("the template has no queue %s, of which there are messages: start with another folder", arn)
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.timers.Now()
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		q := s.byName[name]
		q.settle(now)
		if err := journal.Write(write, effect{Queue: q.ARN, Created: q.created, Serial: s.serial}); err != nil {
			return err
		}
		for _, m := range oldestFirst(slices.Collect(maps.Values(q.messages))) {
			if err := journal.Write(write, effect{Queue: q.ARN, Sent: []*message{m}}); err != nil {
				return err
			}
		}
	}
	for _, t := range s.tasks {
		if err := journal.Write(write, effect{Queue: t.Source, Task: t}); err != nil {
			return err
		}
	}
	return nil
}

// Load implements journal.Part.
func (s *Service) Load(record []byte) error {
	var e effect
	if err := journal.Read(record, &e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.byARN[e.Queue]
	if q == nil && !e.Created.IsZero() {
		return nil // a queue that is gone, and was empty or its messages will say so
	}
	q, err := s.kept(e.Queue)
	if err != nil {
		return err
	}
	if !e.Created.IsZero() {
		q.created = e.Created
	}
	if e.Task != nil {
		e.Task.asleep = true
	}
	return s.make(q, e)
}

// Resume goes on where the service was when it ended: what comes back from hiding comes back in its time.
func (s *Service) Resume() {
	s.mu.Lock()
	for _, t := range s.tasks {
		if t.asleep && t.Status == running {
			s.timers.At(s.timers.Now().Add(time.Second), func() { s.move(t) })
		}
		t.asleep = false
	}
	s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		s.mu.Lock()
		after := s.rouse(s.byName[name])
		s.mu.Unlock()
		after()
	}
}
