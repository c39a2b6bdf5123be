package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	connector "loophub/connectors"
	"loophub/shared/fault"
)

// failing is a Doer that gives one answer to everything, and looks at what is sent.
type failing struct {
	b      *bench
	status int
	body   string
	err    error
}

func (f failing) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "" || !strings.HasPrefix(r.URL.Path, "/") || r.Header.Get("Authorization") != "" {
		f.b.fail("a request to %s names its host or credentials: both are the shell's to add", r.URL)
	}
	if f.err != nil {
		return nil, f.err
	}
	return &http.Response{StatusCode: f.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(f.body)), Request: r}, nil
}

// answers are what a system may answer, none of which says that anything was
// written.
func (b *bench) answers() map[string]failing {
	all := map[string]failing{}
	for _, c := range []fault.Class{fault.Transient, fault.Throttled, fault.Unauthorised, fault.Permanent} {
		all["an error of class "+string(c)] = failing{b: b, err: fault.New(c, "made to fail")}
	}
	all["an error without a class"] = failing{b: b, err: errors.New("made to fail")}
	for _, status := range []int{200, 201, 204, 207, 400, 401, 403, 404, 409, 423, 500, 503} {
		for _, body := range []string{"", "null", "{}", "[]", "<html>", `{"results":null,"errors":[{}]}`, strings.Repeat("[", 5000)} {
			all[fmt.Sprintf("%d with %.20q", status, body)] = failing{b: b, status: status, body: body}
		}
	}
	return all
}

// destinationsAnswerForEachChange: one receipt per change and one Found per key,
// whatever the system answers, and no success that it did not speak of.
func (b *bench) destinationsAnswerForEachChange() {
	out, build := b.manifest.Outbound, b.New().Destination
	if (out == nil) != (build == nil) {
		b.fail("a Destination is there: %v, and Outbound: %v; one says how to reach the other", build != nil, out != nil)
	}
	if out == nil || build == nil {
		return
	}
	b.outboundIsWhole(*out)
	to, err := build(b.Settings)
	if err != nil {
		b.fail("making the destination with the suite's settings: %v", err)
		return
	}
	const secret = "lan.marker@example.vn"
	changes := []connector.Change{
		{Key: connector.Key{Match: secret}, Fields: map[string]string{out.Key: secret}},
		{Key: connector.Key{Record: "1", Match: secret}, Fields: map[string]string{out.Key: ""}},
		{Key: connector.Key{Match: secret}, Fields: nil}, {},
	}
	keys := []connector.Key{changes[0].Key, changes[1].Key, {}}
	for name, do := range b.answers() {
		receipts := to.Apply(context.Background(), do, changes)
		if len(receipts) != len(changes) {
			b.fail("%s: %d receipts for %d changes", name, len(receipts), len(changes))
		}
		for n, r := range receipts {
			if r.Err == nil {
				b.fail("%s: change %d counts as written", name, n)
			} else if strings.Contains(r.Err.Error(), secret) {
				b.fail("%s: the reason tells a value", name)
			}
		}
		if found, err := to.Find(context.Background(), do, keys, []string{out.Key}); err == nil && len(found) != len(keys) {
			b.fail("%s: %d found for %d keys", name, len(found), len(keys))
		}
	}
	if l := to.Apply(context.Background(), failing{b: b, err: errors.New("nothing is to be sent")}, nil); len(l) != 0 {
		b.fail("no change gives %d receipts", len(l))
	}
}

func (b *bench) outboundIsWhole(o connector.Outbound) {
	u, err := url.Parse(o.Base)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		b.fail("Outbound.Base %q must be https, a host and nothing else", o.Base)
	}
	name, err := regexp.Compile("^(?:" + o.Property + ")$")
	if err != nil || o.Property == "" || !name.MatchString(o.Key) {
		b.fail("Outbound.Property %q must be a pattern that the key %q matches", o.Property, o.Key)
	}
	if o.Batch < 1 || o.Requests < 1 || o.Per <= 0 || o.TimeOut <= 0 || o.Reply < 1 || o.Credentials == "" || o.Traits[o.Key] == "" {
		b.fail("Outbound lacks a limit, what the credentials are, or the field that its key is: %+v", o)
	}
}
