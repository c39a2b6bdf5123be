package sqs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"loophub/infra/local/dispatch"
)

type done struct {
	ID string `json:"Id"`
}

type batchReply struct {
	Successful []done
	Failed     []failure
}

func (s *Service) deleteMessage(_ context.Context, c dispatch.Call) (any, error) {
	var in struct{ QueueUrl, ReceiptHandle string }
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.delete(q, in.ReceiptHandle)[0]
}

func (s *Service) deleteMessageBatch(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl string
		Entries  []struct {
			ID            string `json:"Id"`
			ReceiptHandle string
		}
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, receipts := make([]string, len(in.Entries)), make([]string, len(in.Entries))
	for i, e := range in.Entries {
		ids[i], receipts[i] = e.ID, e.ReceiptHandle
	}
	return batch(c, ids, func(n int) []error { return s.delete(q, receipts[:n]...) })
}

// delete removes messages and says of each receipt what was wrong with it.
func (s *Service) delete(q *queue, receipts ...string) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(receipts))
	var e effect
	for i, r := range receipts {
		m, ok, err := q.held(r)
		if errs[i] = err; ok && !slices.Contains(e.Deleted, m.serial) {
			e.Deleted = append(e.Deleted, m.serial)
		}
	}
	if len(e.Deleted) > 0 {
		fill(errs, s.do(q, e))
	}
	return errs
}

// fill gives what went through without a fault of its own the fault of all.
func fill(errs []error, all error) {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = all
		}
	}
}

// change is a new visibility time-out for a received message.
type change struct {
	ID                string `json:"Id,omitempty"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (s *Service) changeVisibility(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl string
		change
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.change(q, in.change)[0]
}

func (s *Service) changeVisibilityBatch(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl string
		Entries  []change
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(in.Entries))
	for i, e := range in.Entries {
		ids[i] = e.ID
	}
	return batch(c, ids, func(n int) []error { return s.change(q, in.Entries[:n]...) })
}

// change hides messages anew and says of each entry what was wrong with it.
func (s *Service) change(q *queue, entries ...change) []error {
	s.mu.Lock()
	now := s.timers.Now()
	q.settle(now)
	errs := make([]error, len(entries))
	var e effect
	for i, c := range entries {
		m, until, err := q.changeable(c, now)
		if errs[i] = err; err == nil {
			e.Hidden = append(e.Hidden, hiding{m.serial, until})
		}
	}
	after := func() {}
	if len(e.Hidden) > 0 {
		err := s.do(q, e)
		if fill(errs, err); err == nil {
			after = s.rouse(q)
		}
	}
	s.mu.Unlock()
	after()
	return errs
}

// changeable finds the message of a change, and until when it is to hide.
func (q *queue) changeable(c change, now time.Time) (m *message, until time.Time, err error) {
	if c.VisibilityTimeout == nil {
		return nil, until, missing("VisibilityTimeout")
	}
	if err := between("VisibilityTimeout", c.VisibilityTimeout, 0, 43200); err != nil {
		return nil, until, err
	}
	m, ok, err := q.held(c.ReceiptHandle)
	until = now.Add(time.Duration(*c.VisibilityTimeout) * time.Second)
	switch {
	case err != nil:
	case m == nil:
		err = invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "+
			"available for visibility timeout change.", c.ReceiptHandle)
	case !ok || !m.inFlight:
		err = &dispatch.Error{Code: "MessageNotInflight", Message: "The message referred to is not in flight."}
	case until.Sub(m.last) > maxVisibility:
		// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html, read 2026-11.
		err = invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the "+
			"message is beyond the limit [%d seconds].", *c.VisibilityTimeout, maxVisibility/time.Second)
	}
	return m, until, err
}

// batch does the first n entries of a batch, which says of each what was wrong with it; those that are not spared fail.
func batch(c dispatch.Call, ids []string, do func(n int) []error) (any, error) {
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	out := batchReply{[]done{}, []failure{}}
	spared := c.Spared(len(ids))
	errs := do(spared)
	for i, id := range ids {
		if i >= spared {
			out.Failed = append(out.Failed, failed(id, errInternal))
		} else if err := errs[i]; err != nil {
			out.Failed = append(out.Failed, failed(id, err))
		} else {
			out.Successful = append(out.Successful, done{id})
		}
	}
	return out, nil
}

func (s *Service) getQueueURL(_ context.Context, c dispatch.Call) (any, error) {
	var in struct{ QueueName, QueueOwnerAWSAccountId string }
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find("/" + in.QueueName)
	if err != nil {
		return nil, err
	}
	return struct{ QueueUrl string }{q.URL}, nil
}

func (s *Service) getQueueAttributes(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl       string
		AttributeNames []string
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q.settle(s.timers.Now())
	all := q.attributes()
	out := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			out = all
			break
		}
		if v, ok := all[name]; ok {
			out[name] = v
		} else if !optional[name] {
			return nil, &dispatch.Error{Code: "InvalidAttributeName", Message: "Unknown Attribute " + name + "."}
		}
	}
	return struct{ Attributes map[string]string }{out}, nil
}

// optional attributes are known and absent from queues that don't have them.
var optional = map[string]bool{"RedrivePolicy": true, "Policy": true, "RedriveAllowPolicy": true,
	"KmsMasterKeyId": true}

func (q *queue) attributes() map[string]string {
	visible, inFlight, delayed := q.depth()
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	out := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.created.Unix(), 10),
		"DelaySeconds":                          seconds(q.Delay),
		"MaximumMessageSize":                    strconv.Itoa(q.MaxBytes),
		"MessageRetentionPeriod":                seconds(q.Retention),
		"ReceiveMessageWaitTimeSeconds":         seconds(q.Wait),
		"VisibilityTimeout":                     seconds(q.Visibility),
		"QueueArn":                              q.ARN,
		"SqsManagedSseEnabled":                  "true",
	}
	if q.Sources != nil {
		permission := map[string]any{"redrivePermission": "denyAll"}
		if len(q.Sources) > 0 {
			permission = map[string]any{"redrivePermission": "byQueue", "sourceQueueArns": q.Sources}
		}
		policy, err := json.Marshal(permission)
		if err != nil { // texts always marshal
			panic(err)
		}
		out["RedriveAllowPolicy"] = string(policy)
	}
	if q.Policy != "" {
		out["Policy"] = q.Policy
	}
	if q.DeadLetter != "" {
		policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": q.DeadLetter, "maxReceiveCount": q.MaxReceive})
		if err != nil { // a text and a number always marshal
			panic(err)
		}
		out["RedrivePolicy"] = string(policy)
	}
	return out
}
