// Package dispatchtest opens both doors of a dispatcher for the tests of the services.
package dispatchtest

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/dispatch"
)

// allowAll is an authoriser for services whose tests are not about permissions.
type allowAll struct{}

func (allowAll) Authorise(string, dispatch.Need) error { return nil }

// Run runs a test once by each door, with a fresh service each time; the configuration acts for the account.
func Run(t *testing.T, name string, service func(t *testing.T) dispatch.Service, test func(t *testing.T, cfg aws.Config)) {
	t.Helper()
	for _, door := range []string{"in process", "loopback"} {
		t.Run(door, func(t *testing.T) {
			d := dispatch.New(allowAll{})
			d.Register(name, service(t))
			test(t, Config(t, d, door == "loopback"))
		})
	}
}

// Config is the SDK's configuration for the account, by the loopback door or in process. A call is tried once.
func Config(t testing.TB, d *dispatch.Dispatcher, loopback bool) aws.Config {
	t.Helper()
	id := d.Admit("")
	cfg := aws.Config{
		Region:           "us-east-1",
		HTTPClient:       d.Client(""),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: id, SecretAccessKey: "local"}, nil
		}),
	}
	if loopback {
		server := httptest.NewServer(d.Endpoint())
		t.Cleanup(server.Close)
		cfg.HTTPClient, cfg.BaseEndpoint = server.Client(), &server.URL
	}
	return cfg
}
