package s3_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/s3"
)

// list reads all pages; common prefixes end with their delimiter.
func (b *bench) list(in client.ListObjectsV2Input) (names []string, pages int) {
	b.t.Helper()
	in.Bucket = bucket
	for {
		out, err := b.ListObjectsV2(b.t.Context(), &in)
		if err != nil {
			b.t.Fatal(err)
		}
		pages++
		if int(*out.KeyCount) != len(out.Contents)+len(out.CommonPrefixes) {
			b.t.Errorf("%d keys counted of %d", *out.KeyCount, len(out.Contents)+len(out.CommonPrefixes))
		}
		for _, o := range out.Contents {
			names = append(names, *o.Key)
			if *o.Size != 5 || !o.LastModified.Equal(noon) || !strings.HasPrefix(*o.ETag, `"`) || o.StorageClass != types.ObjectStorageClassStandard {
				b.t.Errorf("%s: %+v", *o.Key, o)
			}
		}
		for _, p := range out.CommonPrefixes {
			names = append(names, *p.Prefix)
		}
		if !*out.IsTruncated {
			slices.Sort(names)
			return names, pages
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

func TestListObjects(t *testing.T) {
	run(t, func(b *bench) {
		all := []string{"aws/lambda/a/1", "aws/lambda/a/2", "aws/lambda/b/1", "overflow/x y+z", "overflow/Đà Lạt", "root", "tmp/gone"}
		for _, key := range all {
			if _, err := b.PutObject(b.t.Context(), &client.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("hello")}); err != nil {
				b.t.Fatal(err)
			}
		}
		b.clock.AdvanceTo(noon.Add(48 * time.Hour))
		kept := all[:6]
		slices.Sort(kept)
		for name, test := range map[string]struct {
			in    client.ListObjectsV2Input
			want  []string
			pages int
		}{
			"all":               {client.ListObjectsV2Input{}, kept, 1},
			"by pages":          {client.ListObjectsV2Input{MaxKeys: aws.Int32(2)}, kept, 3},
			"by prefix":         {client.ListObjectsV2Input{Prefix: aws.String("aws/lambda/a/")}, []string{"aws/lambda/a/1", "aws/lambda/a/2"}, 1},
			"folders":           {client.ListObjectsV2Input{Delimiter: aws.String("/")}, []string{"aws/", "overflow/", "root"}, 1},
			"folders by pages":  {client.ListObjectsV2Input{Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)}, []string{"aws/", "overflow/", "root"}, 3},
			"folders of one":    {client.ListObjectsV2Input{Prefix: aws.String("aws/lambda/"), Delimiter: aws.String("/")}, []string{"aws/lambda/a/", "aws/lambda/b/"}, 1},
			"from somewhere on": {client.ListObjectsV2Input{Delimiter: aws.String("/"), StartAfter: aws.String("aws/lambda/a/1")}, []string{"aws/", "overflow/", "root"}, 1},
			"from behind it":    {client.ListObjectsV2Input{StartAfter: aws.String("overflow/zzz"), Delimiter: aws.String("/")}, []string{"overflow/", "root"}, 1},
			"none":              {client.ListObjectsV2Input{MaxKeys: aws.Int32(0)}, nil, 1},
		} {
			if got, pages := b.list(test.in); !slices.Equal(got, test.want) || pages != test.pages {
				b.t.Errorf("%s: %q in %d pages", name, got, pages)
			}
		}
		out, err := b.ListObjectsV2(b.t.Context(), &client.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("overflow/x"), EncodingType: types.EncodingTypeUrl})
		if err != nil || len(out.Contents) != 1 || *out.Contents[0].Key != "overflow/x+y%2Bz" {
			b.t.Errorf("encoded: %+v %v", out, err)
		}
		_, err = b.ListObjectsV2(b.t.Context(), &client.ListObjectsV2Input{Bucket: bucket, FetchOwner: aws.Bool(true)})
		b.refused(err, "NotImplemented")
		_, err = b.ListObjectsV2(b.t.Context(), &client.ListObjectsV2Input{Bucket: bucket, ContinuationToken: aws.String("?")})
		b.refused(err, "InvalidArgument")
		_, err = b.ListObjectsV2(b.t.Context(), &client.ListObjectsV2Input{Bucket: aws.String("none")})
		b.refused(err, "NoSuchBucket")
		_, err = b.ListObjects(b.t.Context(), &client.ListObjectsInput{Bucket: bucket})
		b.refused(err, "UnknownOperationException")
	})
}

func TestListNeedsThePermissionOnTheBucket(t *testing.T) {
	s := s3.New(clock.Stopped(noon), func(string, dispatch.Need) bool { return true }, []s3.Bucket{{Name: "bucket"}})
	needs, err := s.Needs(dispatch.Call{Operation: "ListObjectsV2", Request: httptest.NewRequest(http.MethodGet, "http://local/bucket?list-type=2", nil)})
	if err != nil || len(needs) != 1 || needs[0] != (dispatch.Need{Action: "s3:ListBucket", Resource: "arn:aws:s3:::bucket"}) {
		t.Errorf("needs %v: %v", needs, err)
	}
}
