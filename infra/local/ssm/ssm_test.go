package ssm_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/ssm"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func run(t *testing.T, test func(t *testing.T, c *client.Client)) {
	t.Helper()
	dispatchtest.Run(t, "ssm", func(*testing.T) dispatch.Service {
		return ssm.New(clock.Stopped(noon), "us-east-1", "000000000000")
	}, func(t *testing.T, cfg aws.Config) { test(t, client.NewFromConfig(cfg)) })
}

func put(t *testing.T, c *client.Client, name, value string, kind types.ParameterType, overwrite bool) (*client.PutParameterOutput, error) {
	t.Helper()
	return c.PutParameter(t.Context(), &client.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: &overwrite})
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestVersionsAndSecrets(t *testing.T) {
	run(t, func(t *testing.T, c *client.Client) {
		out, err := put(t, c, "/app/secret", "s1", types.ParameterTypeSecureString, false)
		if err != nil || out.Version != 1 || out.Tier != types.ParameterTierStandard {
			t.Fatalf("%+v %v", out, err)
		}
		_, err = put(t, c, "/app/secret", "s2", types.ParameterTypeSecureString, false)
		var exists *types.ParameterAlreadyExists
		if !errors.As(err, &exists) {
			t.Errorf("got %v", err)
		}
		if out, err = put(t, c, "/app/secret", "s2", "", true); err != nil || out.Version != 2 {
			t.Fatalf("%+v %v", out, err)
		}
		get := func(name string, decrypt bool) *types.Parameter {
			t.Helper()
			got, err := c.GetParameter(t.Context(), &client.GetParameterInput{Name: &name, WithDecryption: &decrypt})
			if err != nil {
				t.Fatal(err)
			}
			return got.Parameter
		}
		p := get("/app/secret", true)
		if *p.Value != "s2" || p.Version != 2 || p.Type != types.ParameterTypeSecureString || !p.LastModifiedDate.Equal(noon) ||
			*p.ARN != "arn:aws:ssm:us-east-1:000000000000:parameter/app/secret" {
			t.Errorf("parameter %+v", p)
		}
		if v := *get("/app/secret:1", true).Value; v != "s1" {
			t.Errorf("version 1 is %q", v)
		}
		if v := *get("/app/secret", false).Value; strings.Contains(v, "s2") {
			t.Error("a secret was shown without decryption")
		}
		_, err = c.GetParameter(t.Context(), &client.GetParameterInput{Name: aws.String("/app/secret:9")})
		refused(t, err, "ParameterVersionNotFound")
		_, err = c.GetParameter(t.Context(), &client.GetParameterInput{Name: aws.String("/app/none")})
		var none *types.ParameterNotFound
		if !errors.As(err, &none) {
			t.Errorf("got %v", err)
		}
		for i := 3; i <= 102; i++ {
			if _, err := put(t, c, "/app/secret", fmt.Sprint("s", i), "", true); err != nil {
				t.Fatal(err)
			}
		}
		_, err = c.GetParameter(t.Context(), &client.GetParameterInput{Name: aws.String("/app/secret:2")})
		refused(t, err, "ParameterVersionNotFound") // a hundred versions are kept
		if p := get("/app/secret", true); p.Version != 102 {
			t.Errorf("version %d", p.Version)
		}
	})
}

func TestPathsAndLists(t *testing.T) {
	run(t, func(t *testing.T, c *client.Client) {
		for i := range 12 {
			if _, err := put(t, c, fmt.Sprintf("/app/p%02d", i), "v", types.ParameterTypeString, false); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"/app/deep/er", "/apple/x", "plain"} {
			if _, err := put(t, c, name, "v", types.ParameterTypeString, false); err != nil {
				t.Fatal(err)
			}
		}
		list := func(recursive bool) (names []string) {
			pages := client.NewGetParametersByPathPaginator(c, &client.GetParametersByPathInput{Path: aws.String("/app"), Recursive: &recursive})
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range page.Parameters {
					names = append(names, *p.Name)
				}
			}
			return names
		}
		if got := list(false); len(got) != 12 || got[0] != "/app/p00" || got[11] != "/app/p11" {
			t.Errorf("flat: %v", got)
		}
		if got := list(true); len(got) != 13 || got[0] != "/app/deep/er" {
			t.Errorf("recursive: %v", got)
		}
		out, err := c.GetParameters(t.Context(), &client.GetParametersInput{Names: []string{"plain", "/no"}})
		if err != nil || len(out.Parameters) != 1 || len(out.InvalidParameters) != 1 {
			t.Errorf("%+v %v", out, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	run(t, func(t *testing.T, c *client.Client) {
		for _, test := range []struct {
			name, value string
			kind        types.ParameterType
			code        string
		}{
			{"/a b", "v", types.ParameterTypeString, "ValidationException"},
			{"a/b", "v", types.ParameterTypeString, "ValidationException"},
			{"/aws/x", "v", types.ParameterTypeString, "ValidationException"},
			{"/new", "v", "", "ValidationException"},
			{"/big", strings.Repeat("x", 4097), types.ParameterTypeString, "ValidationException"},
			{"/odd", "v", "Blob", "UnsupportedParameterType"},
			{strings.Repeat("/x", 16), "v", types.ParameterTypeString, "HierarchyLevelLimitExceededException"},
		} {
			_, err := put(t, c, test.name, test.value, test.kind, false)
			refused(t, err, test.code)
			_, err = c.GetParameter(t.Context(), &client.GetParameterInput{Name: &test.name})
			refused(t, err, "ParameterNotFound") // what was refused is not there
		}
		_, err := c.DeleteParameter(t.Context(), &client.DeleteParameterInput{Name: aws.String("/x")})
		refused(t, err, "UnknownOperationException")
		_, err = c.PutParameter(t.Context(), &client.PutParameterInput{Name: aws.String("/x"), Value: aws.String("v"), Policies: aws.String("[]")})
		refused(t, err, "SerializationException")
	})
}
