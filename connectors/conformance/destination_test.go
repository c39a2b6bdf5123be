package conformance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/shared/fault"
)

// writer is a destination whose methods a test may spoil.
type writer struct {
	apply func(ctx context.Context, do connector.Doer, changes []connector.Change) []connector.Receipt
	find  func(ctx context.Context, do connector.Doer, keys []connector.Key) ([]connector.Found, error)
}

func (w writer) Apply(ctx context.Context, do connector.Doer, changes []connector.Change) []connector.Receipt {
	return w.apply(ctx, do, changes)
}

func (w writer) Find(ctx context.Context, do connector.Doer, keys []connector.Key, _ []string) ([]connector.Found, error) {
	return w.find(ctx, do, keys)
}

// careful sends one request, and takes nothing for a success.
func careful() writer {
	send := func(ctx context.Context, do connector.Doer, target string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
		if err != nil {
			return err
		}
		response, err := do.Do(r)
		if err != nil {
			return err
		}
		return fault.New(fault.Transient, "status %d", response.StatusCode)
	}
	return writer{
		apply: func(ctx context.Context, do connector.Doer, changes []connector.Change) []connector.Receipt {
			l := make([]connector.Receipt, len(changes))
			for n := range l {
				l[n].Err = send(ctx, do, "/contacts")
			}
			return l
		},
		find: func(ctx context.Context, do connector.Doer, _ []connector.Key) ([]connector.Found, error) {
			return nil, send(ctx, do, "/find")
		},
	}
}

func TestDestinationCheck(t *testing.T) {
	outbound := connector.Outbound{Base: "https://api.toy.example", Key: "email", Property: "[a-z]+", Batch: 1, Requests: 1, Per: time.Second,
		TimeOut: time.Second, Reply: 1, Credentials: "a token", Traits: map[string]string{"email": "email"}}
	for _, c := range []struct {
		name  string
		spoil func(*connector.Connector, *connector.Outbound, *writer)
		want  string // "" = it passes
	}{
		{"sound", func(*connector.Connector, *connector.Outbound, *writer) {}, ""},
		{"nothing is written", func(c *connector.Connector, _ *connector.Outbound, _ *writer) {
			c.Destination, c.Manifest.Outbound = nil, nil
		}, ""},
		{"no Outbound", func(c *connector.Connector, _ *connector.Outbound, _ *writer) { c.Manifest.Outbound = nil }, "one says how to reach the other"},
		{"a base without TLS", func(_ *connector.Connector, o *connector.Outbound, _ *writer) { o.Base = "http://api.toy.example" }, "must be https"},
		{"a key that is no property", func(_ *connector.Connector, o *connector.Outbound, _ *writer) { o.Key = "E-Mail" }, "a pattern that the key"},
		{"no limit", func(_ *connector.Connector, o *connector.Outbound, _ *writer) { o.Batch = 0 }, "lacks a limit"},
		{"too few receipts", func(_ *connector.Connector, _ *connector.Outbound, w *writer) {
			w.apply = func(context.Context, connector.Doer, []connector.Change) []connector.Receipt { return nil }
		}, "0 receipts for 4 changes"},
		{"all is well, whatever the system says", func(_ *connector.Connector, _ *connector.Outbound, w *writer) {
			w.apply = func(_ context.Context, _ connector.Doer, l []connector.Change) []connector.Receipt {
				return make([]connector.Receipt, len(l))
			}
		}, "counts as written"},
		{"reasons tell values", func(_ *connector.Connector, _ *connector.Outbound, w *writer) {
			w.apply = func(_ context.Context, _ connector.Doer, l []connector.Change) []connector.Receipt {
				r := make([]connector.Receipt, len(l))
				for n := range r {
					r[n].Err = fault.New(fault.Permanent, "can't write %q", l[n].Match)
				}
				return r
			}
		}, "tells a value"},
		{"too few found", func(_ *connector.Connector, _ *connector.Outbound, w *writer) {
			w.find = func(context.Context, connector.Doer, []connector.Key) ([]connector.Found, error) { return nil, nil }
		}, "0 found for 3 keys"},
		{"a host of its own", func(_ *connector.Connector, _ *connector.Outbound, w *writer) {
			w.find = func(ctx context.Context, do connector.Doer, keys []connector.Key) ([]connector.Found, error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://other.example/", nil)
				if err != nil {
					return nil, err
				}
				_, err = do.Do(r)
				return make([]connector.Found, len(keys)), err
			}
		}, "names its host"},
	} {
		s := suite(t, sound())
		base, o, w := s.New(), outbound, careful()
		base.Manifest.Outbound = &o
		base.Destination = func(connector.Settings) (connector.Destination, error) { return w, nil }
		c.spoil(&base, &o, &w)
		s.New = func() connector.Connector { return base }
		found := examine(s, named(t, "destination"))
		if c.want == "" && len(found) > 0 || c.want != "" && (len(found) == 0 || !strings.Contains(found[0], c.want)) {
			t.Errorf("%s: found %q", c.name, found)
		}
	}
}
