// Package dispatchtest opens both doors of a dispatcher for the tests of the services.
package dispatchtest

import (
	"context"
	"net/http/httptest"
	"sync/atomic"
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

// RunPartial is Run with a fault at hand: after fail, a part of the next call's entries fails.
func RunPartial(t *testing.T, name string, service func(t *testing.T) dispatch.Service,
	test func(t *testing.T, cfg aws.Config, fail func())) {
	t.Helper()
	for _, door := range []string{"in process", "loopback"} {
		t.Run(door, func(t *testing.T) {
			d, g := dispatch.New(allowAll{}), &partial{}
			d.Register(name, service(t))
			d.Guard(g)
			test(t, Config(t, d, door == "loopback"), func() { g.next.Store(true) })
		})
	}
}

// partial is a gate that fails a part of the next call.
type partial struct{ next atomic.Bool }

func (p *partial) Pass(_ context.Context, c dispatch.Call, serve func(dispatch.Call) dispatch.Reply,
	_ func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	c.Partial = p.next.Swap(false)
	return serve(c), nil
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
