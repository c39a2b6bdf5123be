// Package spill is the SQS queue that takes deliveries while the Inbox table
// can't, so that they can be acknowledged all the same.
package spill

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"loophub/shared/delivery"
	"loophub/shared/fault"
)

// maxPacked is the most bytes of packed request in a message: in base64 and with
// its fields it stays below 256 KB.
const maxPacked = 180 << 10

// formatNow is the version of message; Receive reads it alone, being the first.
const formatNow = 1

// Overflow takes what is too large for a message.
type Overflow interface {
	Put(ctx context.Context, name string, packed []byte) error
}

// Spill is the queue.
type Spill struct {
	sqs      *sqs.Client
	url      string
	overflow Overflow
}

// New uses the queue at url. Only Send needs an overflow.
func New(client *sqs.Client, url string, overflow Overflow) *Spill {
	return &Spill{client, url, overflow}
}

type message struct {
	Format     int    `json:"v"`
	Workspace  string `json:"w"`
	Connection string `json:"c"`
	Object     string `json:"ob"`
	Delivery   string `json:"de"`
	Packed     []byte `json:"d,omitempty"`
	Overflow   string `json:"o,omitempty"`
	Hash       []byte `json:"h"`
	ReceivedAt int64  `json:"r"`
	Trace      string `json:"t,omitempty"`
	Lane       string `json:"l,omitempty"`
}

// Send puts a delivery into the queue; when it returns nil, it is safe there.
func (s *Spill) Send(ctx context.Context, d delivery.Sealed) error {
	if len(d.Packed) > maxPacked {
		name := d.Object()
		if err := s.overflow.Put(ctx, name, d.Packed); err != nil {
			return err
		}
		d.Packed, d.Overflow = nil, name
	}
	body, err := json.Marshal(message{
		Format: formatNow, Workspace: d.Key.Workspace, Connection: d.Key.Connection, Object: d.Key.Object,
		Delivery: d.Key.Delivery, Packed: d.Packed, Overflow: d.Overflow, Hash: d.Hash[:],
		ReceivedAt: d.ReceivedAt.UnixMilli(), Trace: d.Trace, Lane: string(d.Lane),
	})
	if err != nil {
		return fmt.Errorf("encoding spilled delivery: %w", err)
	}
	text := string(body)
	if _, err := s.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.url, MessageBody: &text}); err != nil {
		return fmt.Errorf("sending to spill queue: %w", err)
	}
	return nil
}

// Receive takes up to ten deliveries; none means that the queue is empty. What is
// not deleted comes back after the queue's visibility time-out.
func (s *Spill) Receive(ctx context.Context) ([]delivery.Spilled, error) {
	out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.url, MaxNumberOfMessages: 10,
		WaitTimeSeconds: 1, // asks all servers of the queue, so that empty means empty
	})
	if err != nil {
		return nil, fmt.Errorf("receiving from spill queue: %w", err)
	}
	all := make([]delivery.Spilled, len(out.Messages))
	for i, m := range out.Messages {
		if m.Body != nil {
			all[i].Sealed, all[i].Err = decode(*m.Body)
		}
		if m.ReceiptHandle != nil {
			all[i].Receipt = *m.ReceiptHandle
		}
	}
	return all, nil
}

func decode(body string) (delivery.Sealed, error) {
	var m message
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return delivery.Sealed{}, fault.As(fault.Permanent, fmt.Errorf("decoding spilled delivery: %w", err))
	}
	if m.Format != formatNow {
		return delivery.Sealed{}, fault.New(fault.Permanent, "decoding spilled delivery: format %d is unknown to this version of Loophub", m.Format)
	}
	d := delivery.Sealed{
		Key:    delivery.Key{Workspace: m.Workspace, Connection: m.Connection, Object: m.Object, Delivery: m.Delivery},
		Packed: m.Packed, Overflow: m.Overflow, ReceivedAt: time.UnixMilli(m.ReceivedAt).UTC(), Trace: m.Trace,
		Lane: delivery.Lane(m.Lane),
	}
	if m.Workspace == "" || m.Connection == "" || m.Object == "" || m.Delivery == "" ||
		copy(d.Hash[:], m.Hash) != len(d.Hash) || (len(m.Packed) == 0) == (m.Overflow == "") {
		return delivery.Sealed{}, fault.New(fault.Permanent, "decoding spilled delivery: the message is incomplete")
	}
	return d, nil
}

// Delete takes deliveries out of the queue, up to ten.
func (s *Spill) Delete(ctx context.Context, receipts []string) error {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(receipts))
	for i := range receipts {
		id := strconv.Itoa(i)
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: &receipts[i]}
	}
	out, err := s.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.url, Entries: entries})
	if err != nil {
		return fmt.Errorf("deleting from spill queue: %w", err)
	}
	if n := len(out.Failed); n > 0 {
		return fmt.Errorf("deleting from spill queue: %d of %d stayed", n, len(receipts))
	}
	return nil
}
