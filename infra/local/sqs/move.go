package sqs

import (
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
	handle      string
	source      *queue
	destination *queue // nil: each message's own
	rate        *int   // messages per second, if the caller has said
	started     time.Time
	toMove      int
	moved       int
	status      string
	reason      string // of a failure
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
	if slices.ContainsFunc(s.tasks, func(t *task) bool { return t.source == source && t.status == running }) {
		return nil, &dispatch.Error{Code: "UnsupportedOperation", Message: "There is already a task running. Only one active task is " +
			"allowed for a source queue arn at a given time."}
	}
	now := s.timers.Now()
	source.settle(now)
	s.serial++
	id := fmt.Sprintf("10ca1000-0000-4000-8006-%012x", s.serial)
	handle, err := json.Marshal(map[string]string{"taskId": id, "sourceArn": source.ARN})
	if err != nil { // texts always marshal
		panic(err)
	}
	t := &task{handle: base64.StdEncoding.EncodeToString(handle), source: source, destination: destination,
		rate: in.MaxNumberOfMessagesPerSecond, started: now, toMove: len(source.ready.list), status: running}
	s.tasks = append(s.tasks, t)
	s.timers.At(now.Add(time.Second), func() { s.move(t) })
	return struct{ TaskHandle string }{t.handle}, nil
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

// move moves what a second allows, and ends the task or comes back.
func (s *Service) move(t *task) {
	rate := maxRate
	if t.rate != nil {
		rate = *t.rate
	}
	s.mu.Lock()
	var after []func()
	for range rate {
		if q := s.moveOne(t); q != nil {
			after = append(after, s.rouse(q))
		}
	}
	if t.status == running {
		s.timers.At(s.timers.Now().Add(time.Second), func() { s.move(t) })
	}
	s.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// moveOne moves the oldest visible message and returns the queue that has it now; nil when the task has ended. What is
// moved counts as new: another id, age and count of receives. The caller holds the lock.
func (s *Service) moveOne(t *task) *queue {
	if t.status != running {
		return nil
	}
	t.source.settle(s.timers.Now())
	if t.moved == t.toMove || len(t.source.ready.list) == 0 {
		t.status = completed
		return nil
	}
	m := t.source.ready.list[0]
	to := t.destination
	if to == nil {
		to = s.byARN[m.source]
	}
	if to == nil { // it was sent here by no queue: by a rule, a function or a person
		t.status, t.reason = broken, "CouldNotDetermineMessageSource"
		return nil
	}
	t.source.remove(m)
	s.serial++
	to.add(&message{id: messageID(s.serial), serial: s.serial, body: m.body, attributes: m.attributes, trace: m.trace,
		sender: m.sender, sent: s.timers.Now()})
	if t.moved++; t.moved == t.toMove {
		t.status = completed
	}
	return to
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
		if t.source != source || len(out) == most {
			continue
		}
		r := result{Status: t.status, SourceArn: source.ARN, MaxNumberOfMessagesPerSecond: t.rate, FailureReason: t.reason,
			ApproximateNumberOfMessagesMoved: t.moved, ApproximateNumberOfMessagesToMove: t.toMove, StartedTimestamp: t.started.UnixMilli()}
		if t.status == running {
			r.TaskHandle = t.handle
		}
		if t.destination != nil {
			r.DestinationArn = t.destination.ARN
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
	i := slices.IndexFunc(s.tasks, func(t *task) bool { return t.handle == in.TaskHandle })
	if i < 0 {
		return nil, &dispatch.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException", Message: "Task does not exist."}
	}
	t := s.tasks[i]
	if t.status != running {
		return nil, &dispatch.Error{Code: "UnsupportedOperation", Message: "Only an active task can be cancelled."}
	}
	t.status = cancelled
	return struct{ ApproximateNumberOfMessagesMoved int }{t.moved}, nil
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
