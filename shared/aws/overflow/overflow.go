// Package overflow keeps packed requests that are too large for an item or a
// message as objects of a bucket. They expire after 31 days.
package overflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"loophub/shared/fault"
)

// maxObject bounds what is read: packed requests are never larger than this.
const maxObject = 8 << 20

// Overflow is the bucket.
type Overflow struct {
	s3     *s3.Client
	bucket string
}

// New uses a bucket. With an endpoint of its own (the local cloud) the bucket's
// name stands in the path; checksums are those of the signature, which every
// implementation of S3 understands.
func New(config aws.Config, bucket string) *Overflow {
	return &Overflow{bucket: bucket, s3: s3.NewFromConfig(config, func(o *s3.Options) {
		o.UsePathStyle = config.BaseEndpoint != nil
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})}
}

// Put stores an object. Names are derived from what they hold: twice is harmless.
func (o *Overflow) Put(ctx context.Context, name string, packed []byte) error {
	_, err := o.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &o.bucket, Key: &name, Body: bytes.NewReader(packed)})
	if err != nil {
		return fmt.Errorf("writing overflow object: %w", err)
	}
	return nil
}

// Get reads an object. One that has expired is a permanent fault.
func (o *Overflow) Get(ctx context.Context, name string) (packed []byte, err error) {
	out, err := o.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: &name})
	var gone *types.NoSuchKey
	if errors.As(err, &gone) {
		return nil, fault.New(fault.Permanent, "reading overflow object: it is gone; such objects are kept for 31 days")
	}
	if err != nil {
		return nil, fmt.Errorf("reading overflow object: %w", err)
	}
	defer func() { err = errors.Join(err, out.Body.Close()) }()
	packed, err = io.ReadAll(io.LimitReader(out.Body, maxObject+1))
	if err != nil {
		return nil, fmt.Errorf("reading overflow object: %w", err)
	}
	if len(packed) > maxObject {
		return nil, fault.New(fault.Permanent, "reading overflow object: it is larger than %d MB", maxObject>>20)
	}
	return packed, nil
}
