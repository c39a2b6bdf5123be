package sim

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
)

// seedSDK gives the SDK's own chance another source: the delays of its retries, the tokens of its transactions.
func seedSDK(c *aws.Config, random io.Reader) {
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
				// The SDK's: a random part of 2^attempt seconds, at most 20.
				most := min(time.Second<<attempt, retry.DefaultMaxBackoff)
				return time.Duration(number(random) % uint64(most)), nil
			})
		})
	}
	c.APIOptions = append(c.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("SeededToken", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if t, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput); ok && t.ClientRequestToken == nil {
				seeded := *t
				seeded.ClientRequestToken = aws.String(fmt.Sprintf("%016x", number(random)))
				in.Parameters = &seeded
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
}

func number(random io.Reader) uint64 {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic(err) // ChaCha8 has no end
	}
	return binary.LittleEndian.Uint64(b[:])
}

// firstItem is the identifier of the first item of a batch, by which a function reports its failure.
func firstItem(payload []byte) string {
	var in struct {
		Records []struct {
			MessageID string                          `json:"messageId"`
			Change    struct{ SequenceNumber string } `json:"dynamodb"`
		}
	}
	if json.Unmarshal(payload, &in) != nil || len(in.Records) == 0 {
		return ""
	}
	if id := in.Records[0].MessageID; id != "" {
		return id
	}
	return in.Records[0].Change.SequenceNumber
}
