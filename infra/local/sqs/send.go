package sqs

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"loophub/infra/local/dispatch"
)

// entry is a message as SendMessage and SendMessageBatch describe it. FIFO members are refused by name: they would
// promise an order that a standard queue does not keep.
type entry struct {
	ID                      string `json:"Id,omitempty"`
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]Attribute
	MessageSystemAttributes map[string]Attribute
}

type sent struct {
	ID               string `json:"Id,omitempty"`
	MessageID        string `json:"MessageId"`
	MD5OfMessageBody string

	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

func (s *Service) sendMessage(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl string
		entry
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := in.check(q); err != nil {
		return nil, err
	}
	out, err := s.put(q, c.Principal, in.entry)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (s *Service) sendMessageBatch(_ context.Context, c dispatch.Call) (any, error) {
	var in struct {
		QueueUrl string
		Entries  []entry
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids, total := make([]string, len(in.Entries)), 0
	for i, e := range in.Entries {
		ids[i] = e.ID
		total += e.size()
	}
	if err := checkBatch(ids); err != nil {
		return nil, err
	}
	if total > MaxBytes {
		return nil, &dispatch.Error{Code: "BatchRequestTooLong", Message: fmt.Sprintf(
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", MaxBytes, total)}
	}
	out := struct {
		Successful []sent
		Failed     []failure
	}{[]sent{}, []failure{}}
	var good []entry
	spared := c.Spared(len(in.Entries))
	for i, e := range in.Entries {
		if i >= spared {
			out.Failed = append(out.Failed, failed(e.ID, errInternal))
			continue
		}
		if err := e.check(q); err != nil {
			out.Failed = append(out.Failed, failed(e.ID, err))
			continue
		}
		good = append(good, e)
	}
	done, err := s.put(q, c.Principal, good...)
	if err != nil {
		return nil, err
	}
	out.Successful = append(out.Successful, done...)
	return out, nil
}

// Send puts a message as another service does: EventBridge, Scheduler, Lambda's dead-letter queue.
func (s *Service) Send(arn, body string, attributes map[string]Attribute) error {
	q := s.byARN[arn]
	if q == nil {
		return &dispatch.Error{Code: "QueueDoesNotExist", Message: "The specified queue does not exist: " + arn}
	}
	e := entry{MessageBody: body, MessageAttributes: attributes}
	if err := e.check(q); err != nil {
		return err
	}
	_, err := s.put(q, "", e)
	return err
}

// put sends messages, all of them or none.
func (s *Service) put(q *queue, sender string, entries ...entry) ([]sent, error) {
	s.mu.Lock()
	messages, out := make([]*message, len(entries)), make([]sent, len(entries))
	for i, e := range entries {
		m := s.message(q, sender, e, s.serial+uint64(i)+1)
		messages[i] = m
		out[i] = sent{ID: e.ID, MessageID: m.id, MD5OfMessageBody: sum([]byte(m.body)), MD5OfMessageAttributes: sumAttributes(m.attributes),
			MD5OfMessageSystemAttributes: sumAttributes(e.MessageSystemAttributes)}
	}
	if err := s.do(q, effect{Sent: messages}); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	after := s.rouse(q)
	s.mu.Unlock()
	after()
	return out, nil
}

func (s *Service) message(q *queue, sender string, e entry, serial uint64) *message {
	m := &message{id: messageID(serial), serial: serial, body: e.MessageBody, attributes: e.MessageAttributes, sender: sender,
		sent: s.timers.Now(), index: -1}
	if t, ok := e.MessageSystemAttributes["AWSTraceHeader"]; ok && t.StringValue != nil {
		m.trace = *t.StringValue
	}
	delay := q.Delay
	if e.DelaySeconds != nil {
		delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	if delay > 0 {
		m.returns = m.sent.Add(delay)
	}
	return m
}

func messageID(serial uint64) string { return fmt.Sprintf("10ca1000-0000-4000-8002-%012x", serial) }

func (e entry) size() int {
	n := len(e.MessageBody)
	for name, a := range e.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

func (e entry) check(q *queue) error {
	if e.MessageBody == "" {
		return missing("MessageBody")
	}
	if n := e.size(); n > q.MaxBytes {
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MaxBytes)
	}
	if !utf8.ValidString(e.MessageBody) || strings.IndexFunc(e.MessageBody, forbidden) >= 0 {
		return &dispatch.Error{Code: "InvalidMessageContents",
			Message: "Invalid binary character was found in the message body, the set of allowed characters is #x9 | " +
				"#xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"}
	}
	if err := between("DelaySeconds", e.DelaySeconds, 0, 900); err != nil {
		return err
	}
	for name := range e.MessageSystemAttributes {
		if name != "AWSTraceHeader" {
			return invalid("Message system attribute name '%s' is invalid.", name)
		}
	}
	return checkAttributes(e.MessageAttributes)
}

func checkAttributes(attributes map[string]Attribute) error {
	if len(attributes) > 10 {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [10].", len(attributes))
	}
	for name, a := range attributes {
		if !validAttribute.MatchString(name) || strings.Contains(name, "..") || strings.HasSuffix(name, ".") || reserved.MatchString(name) {
			return invalid("The message attribute name '%s' is invalid.", name)
		}
		kind, _, _ := strings.Cut(a.DataType, ".")
		switch {
		case kind == "Binary" && len(a.BinaryValue) > 0, kind == "String" && a.StringValue != nil && *a.StringValue != "":
		case kind == "Number" && a.StringValue != nil:
			if _, err := strconv.ParseFloat(*a.StringValue, 64); err != nil {
				return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
			}
		default:
			return invalid("The message attribute '%s' must contain a non-empty value of its type '%s'.", name, a.DataType)
		}
	}
	return nil
}

// Names of message attributes, and those that are kept for AWS.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html, read 2026-11.
var (
	validAttribute = regexp.MustCompile(`^[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,255}$`)
	reserved       = regexp.MustCompile(`(?i)^(aws|amazon)\.`)
)

// forbidden are the characters that XML 1.0 can't carry.
func forbidden(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

func sum(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}

// sumAttributes is the digest of message attributes: by name, each part with its length before it.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html, read 2026-11.
func sumAttributes(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	part := func(p string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		part(name)
		part(a.DataType)
		if a.StringValue != nil {
			b = append(b, 1)
			part(*a.StringValue)
		} else {
			b = append(b, 2)
			part(string(a.BinaryValue))
		}
	}
	return sum(b)
}
