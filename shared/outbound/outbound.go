// Package outbound sends the requests of connectors to the systems that they are
// for. It is the shell around connector.Doer: credentials, base URL, time-out,
// rate, size of replies, guard and log lie here, and no connector sees them.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/telemetry"
)

// Credentials are what a connection may show to its system, by name.
type Credentials interface {
	Credentials(ctx context.Context, workspace, connection string) (map[string]string, error)
}

// Config is what requests are sent with.
type Config struct {
	Credentials Credentials
	// Transport carries requests; Guarded makes one for the open internet.
	Transport http.RoundTripper
	// Simulators are base URLs by connector that stand in for the systems' own. They
	// come from the environment of a local cloud, never from a workspace's file.
	Simulators map[string]string
	Pause      func(ctx context.Context, d time.Duration) error // until the rate allows the next request
	Log        *telemetry.Log
	Now        func() time.Time
}

// Sender sends for all connections, and keeps the rate of each. Its memory is one
// process's: the vendor's own 429 is what holds all processes together.
type Sender struct {
	Config
	mu      sync.Mutex
	budgets map[string]*bucket
}

// New makes a sender.
func New(c Config) *Sender { return &Sender{Config: c, budgets: map[string]*bucket{}} }

// maxBudgets bounds what the rates of connections may take up.
const maxBudgets = 10_000

// For gives the Doer of one connection.
func (s *Sender) For(workspace, connection string, m connector.Manifest) (connector.Doer, error) {
	if m.Outbound == nil {
		return nil, fault.New(fault.Permanent, "%s is no system that is written to", m.Name)
	}
	base, simulated := m.Outbound.Base, false
	if other := s.Simulators[m.Name]; other != "" {
		base, simulated = other, true
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Path != "" || u.User != nil || u.Scheme != "https" && !simulated {
		return nil, fault.New(fault.Permanent, "the base URL of %s must be https, a host and nothing else", m.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := workspace + "/" + connection
	b := s.budgets[name]
	if b == nil {
		if len(s.budgets) >= maxBudgets {
			clear(s.budgets)
		}
		b = newBucket(m.Outbound.Requests, m.Outbound.Per)
		s.budgets[name] = b
	}
	return &doer{s, workspace, connection, *m.Outbound, u, b}, nil
}

// patience is how long a request waits for the rate; longer waits are the caller's.
const patience = 5 * time.Second

// doer sends for one connection.
type doer struct {
	*Sender
	workspace  string
	connection string
	limits     connector.Outbound
	base       *url.URL
	budget     *bucket
}

// Do sends one request and reads its reply whole.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	start := d.Now()
	response, err := d.send(r)
	line := telemetry.Line{Outcome: "sent", Err: err, Workspace: d.workspace, Connection: d.connection,
		Route: r.Method + " " + redacted(r.URL.Path), Duration: d.Now().Sub(start)}
	if response != nil {
		line.Status = response.StatusCode
	}
	d.Log.Write(r.Context(), start, line)
	if err != nil {
		return nil, err
	}
	return response, nil
}

func (d *doer) send(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if err := d.aim(r); err != nil {
		return nil, err
	}
	if err := d.authorise(r.Context(), r); err != nil {
		return nil, err
	}
	if wait := d.budget.take(d.Now(), patience); wait > patience || wait > 0 && d.Pause(r.Context(), wait) != nil {
		return nil, fault.Throttle(d.Now().Add(wait), "the rate of %s is used up", d.connection)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d.limits.TimeOut)
	defer cancel()
	response, err := d.Transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, fault.As(fault.Transient, fmt.Errorf("sending to %s: %w", d.base.Host, bare(err)))
	}
	defer response.Body.Close()
	if asksToWait(response) {
		return response, d.throttled(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, d.limits.Reply+1))
	if err != nil {
		return response, fault.As(fault.Transient, fmt.Errorf("reading the reply of %s: %w", d.base.Host, bare(err)))
	}
	if int64(len(body)) > d.limits.Reply {
		return response, fault.New(fault.Transient, "the reply of %s is larger than %d bytes", d.base.Host, d.limits.Reply)
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		return response, fault.New(fault.Permanent, "%s sends elsewhere with %d; requests follow no redirect", d.base.Host, response.StatusCode)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// aim turns the request to the base, and refuses one that names another place.
func (d *doer) aim(r *http.Request) error {
	if r.URL.Host != "" && (r.URL.Host != d.base.Host || r.URL.Scheme != d.base.Scheme) || r.URL.User != nil || !strings.HasPrefix(r.URL.Path, "/") {
		return fault.New(fault.Permanent, "a request of %s names another place than %s", d.connection, d.base.Host)
	}
	u := *r.URL
	u.Scheme, u.Host = d.base.Scheme, d.base.Host
	r.URL, r.Host, r.RequestURI = &u, "", ""
	return nil
}

// authorise adds the connection's token, and takes away what the connector may
// have put in its place.
func (d *doer) authorise(ctx context.Context, r *http.Request) error {
	r.Header.Del("Authorization")
	r.Header.Del("Cookie")
	if d.limits.Bearer == "" {
		return nil
	}
	all, err := d.Credentials.Credentials(ctx, d.workspace, d.connection)
	if err != nil {
		return fmt.Errorf("reading the credentials of %s: %w", d.connection, err)
	}
	token := all[d.limits.Bearer]
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fault.New(fault.Unauthorised, "the credentials of %s hold no proper %s", d.connection, d.limits.Bearer)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// asksToWait tells whether a reply says that nothing was done, and to come later.
func asksToWait(r *http.Response) bool {
	later := r.StatusCode >= 400 && r.StatusCode < 500 || r.StatusCode == http.StatusServiceUnavailable
	return r.StatusCode == http.StatusTooManyRequests || later && r.Header.Get("Retry-After") != ""
}

// longest is the longest wait that a Retry-After is believed for.
const longest = 24 * time.Hour

// throttled reads how long the system asks to wait, if it says so.
func (d *doer) throttled(response *http.Response) error {
	const text = "%s asks to wait"
	if until, ok := RetryAfter(response.Header, d.Now()); ok {
		d.budget.rest(until)
		return fault.Throttle(until, text, d.base.Host)
	}
	return fault.New(fault.Throttled, text, d.base.Host)
}

// RetryAfter reads the header of that name: seconds, or a date.
func RetryAfter(h http.Header, now time.Time) (time.Time, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return time.Time{}, false
	}
	until, err := http.ParseTime(text)
	if err != nil {
		wait, err := time.ParseDuration(text + "s")
		if err != nil || wait < 0 {
			return time.Time{}, false
		}
		until = now.Add(min(wait, longest))
	}
	if until.Before(now) {
		until = now
	}
	return until.Truncate(time.Millisecond), !until.After(now.Add(longest))
}

// bare leaves the URL out of an error: it may hold an address.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// redacted is a path without what may name somebody.
func redacted(path string) string {
	parts := strings.Split(path, "/")
	for n, p := range parts {
		version := len(p) == 2 && p[0] == 'v' && p[1] >= '0' && p[1] <= '9'
		if !version && strings.ContainsFunc(p, func(c rune) bool { return c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }) {
			parts[n] = "*"
		}
	}
	return strings.Join(parts, "/")
}
