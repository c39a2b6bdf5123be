package conformance

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// code is the code of an error of AWS, "" of any other.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func TestParameters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := ssm.NewFromConfig(w.config)
		put := func(name, value string, overwrite bool) error {
			_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value,
				Type: ssmtypes.ParameterTypeString, Overwrite: &overwrite})
			return err
		}
		const one, other = "/conformance/a", "/conformance/deep/b"
		for _, name := range []string{one, other} {
			if err := put(name, "first", true); err != nil {
				if w.foreign {
					t.Skipf("the endpoint has no SSM: %v", err)
				}
				t.Fatal(err)
			}
		}
		w.same("without overwriting", code(put(one, "x", false)), "ParameterAlreadyExists")
		if err := put(one, "second", true); err != nil {
			t.Fatal(err)
		}
		got, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String(one)})
		if err != nil || *got.Parameter.Value != "second" || got.Parameter.Version < 2 {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/conformance/nowhere")})
		w.same("nowhere", code(err), "ParameterNotFound")
		both, err := client.GetParameters(t.Context(), &ssm.GetParametersInput{Names: []string{one, "/conformance/nowhere"}})
		if err != nil || len(both.Parameters) != 1 || len(both.InvalidParameters) != 1 {
			t.Errorf("got %+v, %v", both, err)
		}
		for recursive, want := range map[bool]int{false: 1, true: 2} {
			below, err := client.GetParametersByPath(t.Context(),
				&ssm.GetParametersByPathInput{Path: aws.String("/conformance"), Recursive: &recursive})
			if err != nil || len(below.Parameters) != want {
				t.Errorf("recursive %v: %+v, %v", recursive, below, err)
			}
		}
		if w.foreign {
			if _, err := client.DeleteParameters(context.Background(), &ssm.DeleteParametersInput{Names: []string{one,
				other}}); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestObjects(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := s3.NewFromConfig(w.config, func(o *s3.Options) { o.UsePathStyle = true })
		bucket, name := aws.String("conformance-objects"), aws.String("a/b c.é")
		if w.foreign {
			if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
				t.Skipf("the endpoint has no S3: %v", err)
			}
			t.Cleanup(func() {
				if _, err := client.DeleteBucket(context.Background(), &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
					t.Errorf("deleting bucket: %v", err)
				}
			})
		}
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: name,
			Body:     strings.NewReader("content"),
			Metadata: map[string]string{"trace": "x"}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: name})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || string(body) != "content" || got.Metadata["trace"] != "x" {
			t.Errorf("got %q with %v, %v", body, got.Metadata, err)
		}
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: name})
		if err != nil || *head.ContentLength != 7 {
			t.Errorf("head %+v, %v", head, err)
		}
		for range 2 { // deleting nothing is no error
			if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: name}); err != nil {
				t.Error(err)
			}
		}
		_, err = client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: name})
		w.same("gone", code(err), "NoSuchKey")
	})
}

func TestEvents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		client := eventbridge.NewFromConfig(w.config)
		bus := aws.String("conformance-bus")
		if w.foreign {
			if _, err := client.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: bus}); err != nil {
				t.Skipf("the endpoint has no EventBridge: %v", err)
			}
			t.Cleanup(func() {
				if _, err := client.DeleteEventBus(context.Background(),
					&eventbridge.DeleteEventBusInput{Name: bus}); err != nil {
					t.Errorf("deleting bus: %v", err)
				}
			})
		}
		entry := func(detail string) eventtypes.PutEventsRequestEntry {
			return eventtypes.PutEventsRequestEntry{EventBusName: bus, Source: aws.String("conformance"),
				DetailType: aws.String("tried"), Detail: &detail}
		}
		out, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{
			entry(`{"a":1}`), entry(`no JSON`), entry(`{}`)}})
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, e := range out.Entries {
			codes = append(codes, aws.ToString(e.ErrorCode))
		}
		w.same("failed", out.FailedEntryCount, int32(1))
		w.same("codes", codes, []string{"", "MalformedDetail", ""})
	})
}
