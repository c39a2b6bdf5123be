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
	if w := m.MaximumBatchingWindowInSeconds; w < 0 || w > 300 || m.BatchSize < 0 || m.BatchSize > 10_000 {
		return fmt.Errorf("a batch of %d within %d s: AWS knows up to 10000 within 300 s", m.BatchSize, w)
	}
	for _, t := range m.FunctionResponseTypes {
		if t != "ReportBatchItemFailures" {
			return fmt.Errorf("unknown response type %s", t)
		}
	}
	var filters []pattern.Pattern
	if m.FilterCriteria != nil {
		for _, raw := range m.FilterCriteria.Filters {
			p, err := pattern.ParseFilter([]byte(raw.Pattern))
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
	if m.ScalingConfig != nil {
		return errors.New("ScalingConfig is for queues")
	}
	out := lambda.StreamMapping{ID: m.Name, Function: f.ARN, SourceARN: m.EventSourceArn, BatchSize: m.BatchSize,
		Window: time.Duration(m.MaximumBatchingWindowInSeconds) * time.Second, Retries: -1,
		Bisect: m.BisectBatchOnFunctionError, Filters: filters,
		Report: slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures")}
	if out.BatchSize == 0 {
		out.BatchSize = 100
	}
	switch m.StartingPosition {
	case "TRIM_HORIZON":
	case "LATEST":
		out.FromLatest = true
	default:
		return fmt.Errorf("a stream is read from TRIM_HORIZON or LATEST, not from %q", m.StartingPosition)
	}
	table := c.tables.Stream(m.EventSourceArn)
	if table == nil {
		return fmt.Errorf("there is no stream %s", m.EventSourceArn)
	}
	out.Stream, out.Shards = tableStream{table, c.options.Shards > 1}, c.options.Shards
	if m.MaximumRetryAttempts != nil {
		out.Retries = *m.MaximumRetryAttempts
	}
	if m.MaximumRecordAgeInSeconds != nil && *m.MaximumRecordAgeInSeconds >= 0 {
		out.MaxAge = time.Duration(*m.MaximumRecordAgeInSeconds) * time.Second
	}
	if err := streamRanges(m); err != nil {
		return err
	}
	if err := c.streamFailures(m, f, &out); err != nil {
		return err
	}
	return c.functions.MapStream(out)
}

// streamRanges holds a mapping to what AWS accepts.
// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html, read 2026-11.
func streamRanges(m template.Mapping) error {
	if n := m.MaximumRetryAttempts; n != nil && (*n < -1 || *n > 10_000) {
		return fmt.Errorf("MaximumRetryAttempts is %d, not from -1 to 10000", *n)
	}
	if n := m.MaximumRecordAgeInSeconds; n != nil && *n != -1 && (*n < 60 || *n > 604_800) {
		return fmt.Errorf("MaximumRecordAgeInSeconds is %d, neither -1 nor from 60 to 604800", *n)
	}
	return nil
}

// streamFailures sends what a mapping gives up to its bucket or queue, under the function's role.
func (c *Cloud) streamFailures(m template.Mapping, f template.Function, out *lambda.StreamMapping) error {
	if m.DestinationConfig == nil || m.DestinationConfig.OnFailure == nil {
		return nil
	}
	arn := m.DestinationConfig.OnFailure.Destination
	switch serviceOf(arn) {
	case "sqs":
		if err := c.roleMay(f.Role, arn, "sqs:SendMessage"); err != nil {
			return fmt.Errorf("the function's role can't write to the failure destination: %w", err)
		}
		out.Failure = func(_ string, record []byte) error {
			if err := c.roleMay(f.Role, arn, "sqs:SendMessage"); err != nil {
				return err
			}
			return c.queues.Send(arn, string(record), nil)
		}
		return nil
	case "s3":
	default:
		return fmt.Errorf("the local cloud knows no failure destinations for streams but S3 and SQS: %s", arn)
	}
	if err := errors.Join(c.roleMay(f.Role, arn+"/aws/lambda/"+m.Name, "s3:PutObject"),
		c.roleMay(f.Role, arn, "s3:ListBucket")); err != nil {
		return fmt.Errorf("the function's role can't write to the failure destination: %w", err)
	}
	bucket := strings.TrimPrefix(arn, "arn:aws:s3:::")
	out.Whole = true
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
	if hidden, running := c.queues.Visibility(m.EventSourceArn), time.Duration(f.Timeout)*time.Second; hidden < running {
		return fmt.Errorf("queue visibility timeout %v is less than the function's timeout of %v", hidden, running)
	}
	if m.StartingPosition != "" || m.BisectBatchOnFunctionError || m.MaximumRetryAttempts != nil || m.MaximumRecordAgeInSeconds != nil ||
		m.DestinationConfig != nil {
		return errors.New("StartingPosition, BisectBatchOnFunctionError, MaximumRetryAttempts, MaximumRecordAgeInSeconds and " +
			"DestinationConfig are for streams: a queue has its own redrive")
	}
	out := lambda.QueueMapping{Function: f.ARN, SourceARN: m.EventSourceArn, BatchSize: m.BatchSize, Filters: filters,
		Queue:  queueSource{c, m.EventSourceArn},
		Window: time.Duration(m.MaximumBatchingWindowInSeconds) * time.Second,
		Report: slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures")}
	if out.BatchSize == 0 {
		out.BatchSize = 10
	}
	if out.BatchSize > 10 && out.Window == 0 {
		return errors.New("a batch of more than 10 messages needs a batching window of at least a second")
	}
	if m.ScalingConfig != nil {
		if n := m.ScalingConfig.MaximumConcurrency; n < 2 || n > 1000 {
			return fmt.Errorf("MaximumConcurrency is %d, not from 2 to 1000", n)
		}
		out.Concurrency = m.ScalingConfig.MaximumConcurrency
	}
	return c.functions.MapQueue(out)
}

// queueSource shows a queue to a poller, and meters what it does there.
type queueSource struct {
	cloud *Cloud
	arn   string
}

func (q queueSource) Receive(count int) ([]events.SQSMessage, error) {
	messages, err := q.cloud.queues.Receive(q.arn, count)
	if err != nil {
		return nil, err
	}
	var out []events.SQSMessage
	bytes := 0
	for _, m := range messages {
		e := events.SQSMessage{MessageId: m.MessageID, ReceiptHandle: m.ReceiptHandle, Body: m.Body, Md5OfBody: m.MD5OfBody,
			Md5OfMessageAttributes: m.MD5OfMessageAttributes, Attributes: m.Attributes, EventSource: "aws:sqs",
			EventSourceARN: q.arn, AWSRegion: template.Region, MessageAttributes: map[string]events.SQSMessageAttribute{}}
		for name, a := range m.MessageAttributes {
			e.MessageAttributes[name] = events.SQSMessageAttribute{DataType: a.DataType, StringValue: a.StringValue, BinaryValue: a.BinaryValue}
		}
		out = append(out, e)
		bytes += len(m.Body)
	}
	if len(out) > 0 {
		q.cloud.queueCall(q.arn, "ReceiveMessage", bytes)
	}
	return out, nil
}

func (q queueSource) Delete(receipts []string) error {
	q.cloud.queueCall(q.arn, "DeleteMessageBatch", 0)
	var errs []error
	for _, r := range receipts {
		errs = append(errs, q.cloud.queues.Delete(q.arn, r))
	}
	return errors.Join(errs...)
}

func (q queueSource) Watch(wake func()) error { return q.cloud.queues.Watch(q.arn, wake) }
