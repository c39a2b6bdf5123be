package s3_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/s3"
)

var (
	noon   = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	bucket = aws.String("bucket")
)

// bench has a bucket whose "tmp/" goes after one day.
type bench struct {
	*client.Client
	t       *testing.T
	clock   *clock.Offset
	service *s3.Service
	mayList bool
}

func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	var b *bench
	dispatchtest.Run(t, "s3", func(t *testing.T) dispatch.Service {
		b = &bench{clock: clock.Stopped(noon), mayList: true}
		b.service = s3.New(b.clock, func(string, dispatch.Need) bool { return b.mayList },
			[]s3.Bucket{{Name: "bucket", Expire: []s3.Expiry{{Prefix: "tmp/", Days: 1}}}})
		return b.service
	}, func(t *testing.T, cfg aws.Config) {
		b.t, b.Client = t, client.NewFromConfig(cfg)
		test(b)
	})
}

func (b *bench) get(key string) (string, error) {
	b.t.Helper()
	out, err := b.GetObject(b.t.Context(), &client.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(out.Body) // the SDK compares the checksum while reading
	if err != nil {
		b.t.Fatal(err)
	}
	return string(body), nil
}

func (b *bench) refused(err error, code string) {
	b.t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		b.t.Errorf("got %v, want %s", err, code)
	}
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	run(t, func(b *bench) {
		for _, algorithm := range append(types.ChecksumAlgorithm("").Values(), "") {
			if slices.Contains([]types.ChecksumAlgorithm{"MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"}, algorithm) {
				continue // computed by the caller, or refused
			}
			body := strings.Repeat("Xin chào ", 20000)
			put, err := b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: aws.String("a b/ü"), ChecksumAlgorithm: algorithm,
				Body: strings.NewReader(body), ContentType: aws.String("text/x"), Metadata: map[string]string{"kind": "order"}})
			if err != nil {
				b.t.Fatalf("%s: %v", algorithm, err)
			}
			if got, err := b.get("a b/ü"); err != nil || got != body {
				b.t.Errorf("%s: %d bytes came back as %d: %v", algorithm, len(body), len(got), err)
			}
			head, err := b.HeadObject(b.t.Context(), &client.HeadObjectInput{Bucket: bucket, Key: aws.String("a b/ü")})
			if err != nil || *head.ContentLength != int64(len(body)) || *head.ETag != *put.ETag || *head.ContentType != "text/x" ||
				head.Metadata["kind"] != "order" || !head.LastModified.Equal(noon) || head.ContentEncoding != nil {
				b.t.Errorf("%s: head %+v %v", algorithm, head, err)
			}
		}
	})
}

func TestAStreamWithoutLengthOfItsOwnArrivesWhole(t *testing.T) {
	run(t, func(b *bench) { // a body that can't be read twice is sent in chunks with a trailing checksum
		body := bytes.Repeat([]byte{0, 1, 2, '\r', '\n'}, 50000)
		_, err := b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: aws.String("k"),
			Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body)))})
		if err != nil {
			b.t.Fatal(err)
		}
		if got, err := b.get("k"); err != nil || got != string(body) {
			b.t.Errorf("%d bytes came back as %d: %v", len(body), len(got), err)
		}
	})
}

func TestDeleteAndWhatIsNotThere(t *testing.T) {
	run(t, func(b *bench) {
		put := func(key string, none *string) error {
			_, err := b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("x"), IfNoneMatch: none})
			return err
		}
		if err := put("k", aws.String("*")); err != nil {
			b.t.Fatal(err)
		}
		b.refused(put("k", aws.String("*")), "PreconditionFailed")
		if _, err := b.DeleteObject(b.t.Context(), &client.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
			b.t.Fatal(err)
		}
		_, err := b.get("k")
		var none *types.NoSuchKey
		if !errors.As(err, &none) {
			b.t.Errorf("got %v", err)
		}
		_, err = b.HeadObject(b.t.Context(), &client.HeadObjectInput{Bucket: bucket, Key: aws.String("k")})
		b.refused(err, "NotFound")
		b.mayList = false
		_, err = b.get("k")
		b.refused(err, "AccessDenied")
		_, err = b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: aws.String("other"), Key: aws.String("k"), Body: strings.NewReader("x")})
		b.refused(err, "NoSuchBucket")
	})
}

func TestExpiry(t *testing.T) {
	run(t, func(b *bench) {
		for _, key := range []string{"tmp/a", "kept"} {
			if err := b.service.Put("bucket", key, []byte("x")); err != nil {
				b.t.Fatal(err)
			}
		}
		b.clock.AdvanceTo(noon.Add(35 * time.Hour)) // the midnight after one day is 36 hours away
		if got := b.service.Objects("bucket"); len(got) != 2 {
			b.t.Errorf("before midnight: %v", got)
		}
		b.clock.AdvanceTo(noon.Add(36 * time.Hour))
		if got := slices.Collect(maps.Keys(b.service.Objects("bucket"))); !slices.Equal(got, []string{"kept"}) {
			b.t.Errorf("after midnight: %v", got)
		}
	})
}

func TestRefusals(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x"),
			ChecksumSHA256: aws.String("bm9uc2Vuc2U=")})
		b.refused(err, "BadDigest")
		_, err = b.GetObject(b.t.Context(), &client.GetObjectInput{Bucket: bucket, Key: aws.String("k"), Range: aws.String("bytes=0-1")})
		b.refused(err, "NotImplemented")
		_, err = b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms})
		b.refused(err, "NotImplemented")
		_, err = b.ListObjectVersions(b.t.Context(), &client.ListObjectVersionsInput{Bucket: bucket})
		b.refused(err, "UnknownOperationException")
		_, err = b.CreateMultipartUpload(b.t.Context(), &client.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("k")})
		b.refused(err, "UnknownOperationException")
	})
}
