package sqs

import (
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"loophub/infra/local/dispatch"
)

// task moves the messages of a dead-letter queue: to where they came from, or to one queue. It works once a second.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html, read 2026-11.
type task struct {
	Handle      string
	Source      string // ARN
	Destination string `json:",omitempty"` // ARN; "": each message's own
	Rate        *int   `json:",omitempty"` // messages per second, if the caller has said
	Started     time.Time
	ToMove      int
	Moved       int
	Status      string
	Reason      string `json:",omitempty"` // of a failure

	asleep bool // read from the journal and not yet resumed
}

const (
	running   = "RUNNING"
	completed = "COMPLETED"
	cancelled = "CANCELLED"
	broken    = "FAILED"

	maxRate = 500 // messages a second, also where nobody has said
)

type moveRequest struct {
	SourceArn                    string
	DestinationArn               string
	MaxNumberOfMessagesPerSecond *int
}

func (s *Service) startMove(_ context.Context, c dispatch.Call) (any, error) {
	var in moveRequest
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	if err := between("MaxNumberOfMessagesPerSecond", in.MaxNumberOfMessagesPerSecond, 1, maxRate); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	source, destination, err := s.ends(in)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.tasks, func(t *task) bool { return t.Source == source.ARN && t.Status == running }) {
		return nil, &dispatch.Error{Code: "UnsupportedOperation", Message: "There is already a task running. Only one active task is " +
			"allowed for a source queue arn at a given time."}
	}
	now := s.timers.Now()
	source.settle(now)
	id := fmt.Sprintf("10ca1000-0000-4000-8006-%012x", s.serial+1)
	handle, err := json.Marshal(map[string]string{"taskId": id, "sourceArn": source.ARN})
	if err != nil { // texts always marshal
		panic(err)
	}
	t := &task{Handle: base64.StdEncoding.EncodeToString(handle), Source: source.ARN, Rate: in.MaxNumberOfMessagesPerSecond,
		Started: now, ToMove: len(source.ready.list), Status: running}
	if destination != nil {
		t.Destination = destination.ARN
	}
	if err := s.do(source, effect{Serial: s.serial + 1, Task: t}); err != nil {
		return nil, err
	}
	s.timers.At(now.Add(time.Second), func() { s.move(t) })
	return struct{ TaskHandle string }{t.Handle}, nil
}

// ends finds the queues of a task; the source must be some queue's dead-letter queue. The caller holds the lock.
func (s *Service) ends(in moveRequest) (source, destination *queue, err error) {
	if in.SourceArn == "" {
		return nil, nil, missing("SourceArn")
	}
	if source, err = s.resource("SourceArn", in.SourceArn); err != nil {
		return nil, nil, err
	}
	if len(s.sources(source)) == 0 {
		return nil, nil, invalid("Source queue must be configured as a Dead Letter Queue.")
	}
	if in.DestinationArn == "" {
		return source, nil, nil
	}
	destination, err = s.resource("DestinationArn", in.DestinationArn)
	if destination == source {
		return nil, nil, invalid("Source queue arn and destination queue arn cannot be the same.")
	}
	return source, destination, err
}

func (s *Service) resource(parameter, arn string) (*queue, error) {
	q := s.byARN[arn]
	if q == nil {
		return nil, &dispatch.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "The resource that you specified for the " + parameter + " parameter doesn't exist."}
	}
	return q, nil
}

// sources are the ARNs of the queues whose dead letters a queue takes, sorted.
func (s *Service) sources(dead *queue) []string {
	var out []string
	for arn, q := range s.byARN {
		if q.DeadLetter == dead.ARN {
			out = append(out, arn)
		}
	}
	slices.Sort(out)
	return out
}

// move moves what a second allows, all of it or nothing, and ends the task or comes back.
func (s *Service) move(t *task) {
	s.mu.Lock()
	source := s.byARN[t.Source]
	e, held := s.plan(t, source)
	for _, m := range held {
		heap.Push(&source.ready, m)
	}
	var after []func()
	if t.Status == running && s.do(source, e) == nil { // where it can't be kept it is tried again
		for _, v := range e.Moved {
			after = append(after, s.rouse(s.byARN[v.To]))
		}
	}
	if t.Status == running {
		s.timers.At(s.timers.Now().Add(time.Second), func() { s.move(t) })
	}
	s.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// plan finds out what a task moves next, the oldest visible messages, and how it stands then. What is moved counts as new:
// another id, age and count of receives. The messages are out of their queue until the caller puts them back, who holds the
// lock.
func (s *Service) plan(t *task, source *queue) (e effect, held []*message) {
	rate, next := maxRate, *t
	if t.Rate != nil {
		rate = *t.Rate
	}
	e = effect{At: s.timers.Now(), Task: &next}
	source.settle(e.At)
	for len(e.Moved) < rate && next.Status == running {
		if next.Moved == next.ToMove || len(source.ready.list) == 0 {
			next.Status = completed
			break
		}
		m := source.ready.list[0]
		to := t.Destination
		if to == "" {
			to = m.source
		}
		if s.byARN[to] == nil { // it was sent here by no queue: by a rule, a function or a person
			next.Status, next.Reason = broken, "CouldNotDetermineMessageSource"
			break
		}
		held = append(held, heap.Pop(&source.ready).(*message))
		e.Moved = append(e.Moved, moving{m.serial, s.serial + uint64(len(e.Moved)) + 1, to})
		if next.Moved++; next.Moved == next.ToMove {
			next.Status = completed
		}
	}
	return e, held
}

// result is a task as ListMessageMoveTasks shows it.
type result struct {
	TaskHandle                        string `json:",omitempty"` // while it can be cancelled
	Status                            string
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      *int   `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int
	ApproximateNumberOfMessagesToMove int
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64
}

func (s *Service) listMoves(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		SourceArn  string
		MaxResults *int
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	if err := between("MaxResults", in.MaxResults, 1, 10); err != nil {
		return nil, err
	}
	most := 1
	if in.MaxResults != nil {
		most = *in.MaxResults
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	source, _, err := s.ends(moveRequest{SourceArn: in.SourceArn})
	if err != nil {
		return nil, err
	}
	out := []result{}
	for _, t := range slices.Backward(s.tasks) {
		if t.Source != source.ARN || len(out) == most {
			continue
		}
		r := result{Status: t.Status, SourceArn: source.ARN, DestinationArn: t.Destination, MaxNumberOfMessagesPerSecond: t.Rate, FailureReason: t.Reason,
			ApproximateNumberOfMessagesMoved: t.Moved, ApproximateNumberOfMessagesToMove: t.ToMove, StartedTimestamp: t.Started.UnixMilli()}
		if t.Status == running {
			r.TaskHandle = t.Handle
		}
		out = append(out, r)
	}
	return struct{ Results []result }{out}, nil
}

func (s *Service) cancelMove(_ context.Context, c dispatch.Call) (any, error) {
	var in struct{ TaskHandle string }
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.tasks, func(t *task) bool { return t.Handle == in.TaskHandle })
	if i < 0 {
		return nil, &dispatch.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Task does not exist."}
	}
	t := s.tasks[i]
	if t.Status != running {
		return nil, &dispatch.Error{Code: "UnsupportedOperation", Message: "Only an active task can be cancelled."}
	}
	next := *t
	next.Status = cancelled
	if err := s.do(s.byARN[t.Source], effect{Task: &next}); err != nil {
		return nil, err
	}
	return struct{ ApproximateNumberOfMessagesMoved int }{t.Moved}, nil
}

// moveNeeds are the permissions of the calls about tasks. Who starts one must be allowed everything that it does.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html, read 2026-11.
func (s *Service) moveNeeds(c dispatch.Call) ([]dispatch.Need, error) {
	var in struct{ SourceArn, DestinationArn, TaskHandle string }
	if err := json.Unmarshal(c.Body, &in); err != nil {
		return nil, invalid("the request is no JSON: %v", err)
	}
	if in.TaskHandle != "" {
		var handle struct{ SourceArn string }
		raw, err := base64.StdEncoding.DecodeString(in.TaskHandle)
		if err != nil || json.Unmarshal(raw, &handle) != nil {
			return nil, invalid("Value %s for parameter TaskHandle is invalid.", in.TaskHandle)
		}
		in.SourceArn = handle.SourceArn
	}
	out := []dispatch.Need{{Action: "sqs:" + c.Operation, Resource: in.SourceArn}}
	if c.Operation != "StartMessageMoveTask" {
		return out, nil
	}
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		out = append(out, dispatch.Need{Action: "sqs:" + action, Resource: in.SourceArn})
	}
	to := []string{in.DestinationArn}
	if source := s.byARN[in.SourceArn]; in.DestinationArn == "" && source != nil {
		to = s.sources(source)
	}
	for _, arn := range to {
		out = append(out, dispatch.Need{Action: "sqs:SendMessage", Resource: arn})
	}
	return out, nil
}
