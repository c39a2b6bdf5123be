package sqs

import (
	"context"
	"encoding/json"
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
	return struct{}{}, s.delete(q, in.ReceiptHandle)
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
	ids := make([]string, len(in.Entries))
	for i, e := range in.Entries {
		ids[i] = e.ID
	}
	return batch(c, ids, func(i int) error { return s.delete(q, in.Entries[i].ReceiptHandle) })
}

func (s *Service) delete(q *queue, receipt string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok, err := q.held(receipt)
	if err != nil || !ok {
		return err
	}
	q.remove(m)
	return nil
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
	return struct{}{}, s.change(q, in.change)
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
	return batch(c, ids, func(i int) error { return s.change(q, in.Entries[i]) })
}

func (s *Service) change(q *queue, c change) error {
	if c.VisibilityTimeout == nil {
		return missing("VisibilityTimeout")
	}
	if err := between("VisibilityTimeout", c.VisibilityTimeout, 0, 43200); err != nil {
		return err
	}
	s.mu.Lock()
	after, err := s.changeLocked(q, c)
	s.mu.Unlock()
	if err == nil {
		after()
	}
	return err
}

func (s *Service) changeLocked(q *queue, c change) (after func(), err error) {
	now := s.timers.Now()
	q.settle(now)
	m, ok, err := q.held(c.ReceiptHandle)
	until := now.Add(time.Duration(*c.VisibilityTimeout) * time.Second)
	switch {
	case err != nil:
		return nil, err
	case m == nil:
		return nil, invalid("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "+
			"available for visibility timeout change.", c.ReceiptHandle)
	case !ok || !m.inFlight:
		return nil, &dispatch.Error{Code: "MessageNotInflight",
			Message: "The message referred to is not in flight."}
	case until.Sub(m.last) > maxVisibility:
		// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html, read 2026-11.
		return nil, invalid("Value %d for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the "+
			"message is beyond the limit [%d seconds].", *c.VisibilityTimeout, maxVisibility/time.Second)
	}
	q.hide(m, until)
	return s.rouse(q), nil
}

func batch(c dispatch.Call, ids []string, do func(i int) error) (any, error) {
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	out := batchReply{[]done{}, []failure{}}
	spared := c.Spared(len(ids))
	for i, id := range ids {
		if i >= spared {
			out.Failed = append(out.Failed, failed(id, errInternal))
		} else if err := do(i); err != nil {
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
