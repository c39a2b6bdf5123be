package local

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"loophub/infra/local/lambda"
	"loophub/infra/local/pattern"
	"loophub/infra/local/sqs"
	"loophub/infra/local/template"
)

// startMapping starts an event source mapping, after the checks that AWS makes when one is created.
func (c *Cloud) startMapping(m template.Mapping) error {
	if m.Enabled != nil && !*m.Enabled {
		return nil
	}
	f, err := c.function(m.FunctionName)
	if err != nil {
		return err
	}
	if m.MaximumBatchingWindowInSeconds != 0 {
		return errors.New("the local cloud knows no batching window")
	}
	for _, t := range m.FunctionResponseTypes {
		if t != "ReportBatchItemFailures" {
			return fmt.Errorf("unknown response type %s", t)
		}
	}
	var filters []pattern.Pattern
	if m.FilterCriteria != nil {
		for _, raw := range m.FilterCriteria.Filters {
			p, err := pattern.Parse([]byte(raw.Pattern))
			if err != nil {
				return err
			}
			filters = append(filters, p)
		}
	}
	switch serviceOf(m.EventSourceArn) {
	case "dynamodb":
		return c.startStream(m, f, filters)
	case "sqs":
		return c.startQueue(m, f, filters)
	}
	return fmt.Errorf("the local cloud knows no event source %s", m.EventSourceArn)
}

func (c *Cloud) startStream(m template.Mapping, f template.Function, filters []pattern.Pattern) error {
	if err := c.roleMay(f.Role, m.EventSourceArn, "dynamodb:DescribeStream", "dynamodb:GetRecords",
		"dynamodb:GetShardIterator", "dynamodb:ListStreams"); err != nil {
		return fmt.Errorf("the function's role can't read the stream: %w", err)
	}
	out := lambda.StreamMapping{ID: m.Name, Function: f.ARN, SourceARN: m.EventSourceArn, BatchSize: m.BatchSize,
		FromLatest: m.StartingPosition == "LATEST", Bisect: m.BisectBatchOnFunctionError, Filters: filters,
		Report: slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures")}
	if out.BatchSize == 0 {
		out.BatchSize = 100
	}
	table := c.tables.Stream(m.EventSourceArn)
	if table == nil {
		return fmt.Errorf("there is no stream %s", m.EventSourceArn)
	}
	out.Stream, out.Shards = tableStream{table, c.options.Shards > 1}, c.options.Shards
	if m.MaximumRetryAttempts == nil || *m.MaximumRetryAttempts < 0 {
		return errors.New("without MaximumRetryAttempts one bad record would hold up the stream for a day: " +
			"the local cloud refuses that")
	}
	out.Retries = *m.MaximumRetryAttempts
	if m.MaximumRecordAgeInSeconds != nil && *m.MaximumRecordAgeInSeconds > 0 {
		out.MaxAge = time.Duration(*m.MaximumRecordAgeInSeconds) * time.Second
	}
	if err := c.streamFailures(m, f, &out); err != nil {
		return err
	}
	return c.functions.MapStream(out)
}

// streamFailures sends what a mapping gives up to its bucket, under the function's role.
func (c *Cloud) streamFailures(m template.Mapping, f template.Function, out *lambda.StreamMapping) error {
	if m.DestinationConfig == nil || m.DestinationConfig.OnFailure == nil {
		return nil
	}
	arn := m.DestinationConfig.OnFailure.Destination
	if serviceOf(arn) != "s3" {
		return fmt.Errorf("the local cloud knows no failure destination for streams but S3: %s", arn)
	}
	if err := errors.Join(c.roleMay(f.Role, arn+"/aws/lambda/"+m.Name, "s3:PutObject"),
		c.roleMay(f.Role, arn, "s3:ListBucket")); err != nil {
		return fmt.Errorf("the function's role can't write to the failure destination: %w", err)
	}
	bucket := strings.TrimPrefix(arn, "arn:aws:s3:::")
	out.Failure = func(key string, record []byte) error {
		if err := c.roleMay(f.Role, arn+"/"+key, "s3:PutObject"); err != nil {
			return err
		}
		return c.objects.Put(bucket, key, record)
	}
	return nil
}

func (c *Cloud) startQueue(m template.Mapping, f template.Function, filters []pattern.Pattern) error {
	if err := c.roleMay(f.Role, m.EventSourceArn, "sqs:ReceiveMessage", "sqs:DeleteMessage",
		"sqs:GetQueueAttributes"); err != nil {
		return fmt.Errorf("the function's role can't read the queue: %w", err)
	}
	for _, q := range c.stack.Queues {
		if d := describeQueue(q); q.ARN == m.EventSourceArn && d.Visibility < time.Duration(f.Timeout)*time.Second {
			return fmt.Errorf("queue visibility timeout %v is less than the function's timeout of %d seconds", d.Visibility, f.Timeout)
		}
	}
	out := lambda.QueueMapping{Function: f.ARN, SourceARN: m.EventSourceArn, BatchSize: m.BatchSize, Filters: filters,
		Queue:  queueSource{c.queues, m.EventSourceArn},
		Report: slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures")}
	if out.BatchSize == 0 {
		out.BatchSize = 10
	}
	if out.BatchSize > 10 {
		return errors.New("the local cloud knows batches of up to 10 messages: more would need a batching window")
	}
	if m.ScalingConfig != nil {
		out.Concurrency = m.ScalingConfig.MaximumConcurrency
	}
	return c.functions.MapQueue(out)
}

// queueSource shows a queue to a poller.
type queueSource struct {
	service *sqs.Service
	arn     string
}

func (q queueSource) Receive(count int) ([]events.SQSMessage, error) {
	messages, err := q.service.Receive(q.arn, count)
	if err != nil {
		return nil, err
	}
	var out []events.SQSMessage
	for _, m := range messages {
		e := events.SQSMessage{MessageId: m.MessageID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, Md5OfBody: m.MD5OfBody,
			Md5OfMessageAttributes: m.MD5OfMessageAttributes, Attributes: m.Attributes, EventSource: "aws:sqs",
			EventSourceARN: q.arn, AWSRegion: template.Region, MessageAttributes: map[string]events.SQSMessageAttribute{}}
		for name, a := range m.MessageAttributes {
			e.MessageAttributes[name] = events.SQSMessageAttribute{DataType: a.DataType, StringValue: a.StringValue, BinaryValue: a.BinaryValue}
		}
		out = append(out, e)
	}
	return out, nil
}

func (q queueSource) Delete(receipt string) error { return q.service.Delete(q.arn, receipt) }

func (q queueSource) Watch(wake func()) error { return q.service.Watch(q.arn, wake) }
