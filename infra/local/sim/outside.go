package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"loophub/infra/local/dispatch"
)

// transport carries the functions' requests to the systems outside, which stand in the same process.
type transport struct{ w *World }

// maxOutside bounds a request to a system outside.
const maxOutside = 16 << 20

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	to := t.w.cfg.Outside[r.URL.Host]
	if to == nil {
		return nil, fmt.Errorf("dialling %s: the world has no such system", r.URL.Host)
	}
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxOutside)); err != nil {
			return nil, fmt.Errorf("reading request: %w", err)
		}
	}
	i := dispatch.InvocationOf(r.Context())
	at := t.w.here()
	p := Point{Function: t.w.stage(i.Function), Invocation: i.ID, Service: r.URL.Host, Operation: r.Method + " " + pattern(r.URL.Path), Site: at.site, Caller: at.caller}
	var reply *http.Response
	serve := func() []byte {
		rec := httptest.NewRecorder()
		copied := r.Clone(r.Context())
		copied.Body, copied.ContentLength, copied.RequestURI = io.NopCloser(bytes.NewReader(body)), int64(len(body)), r.URL.RequestURI()
		if aborted(to, rec, copied) {
			return nil
		}
		got := rec.Body.Bytes()
		if reply == nil {
			reply = rec.Result()
			reply.Request = r
		}
		return got
	}
	err := t.w.pass(r.Context(), i, p, call{request: body, serve: serve, partly: serve, refuse: func(k Kind) {
		reply = &http.Response{StatusCode: http.StatusServiceUnavailable, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: http.NoBody, Request: r}
		if k == Throttle {
			reply.StatusCode = http.StatusTooManyRequests
			reply.Header.Set("Retry-After", "2")
		}
	}})
	if err != nil {
		return nil, err
	}
	if reply == nil {
		return nil, fmt.Errorf("reading from %s: the connection broke", r.URL.Host)
	}
	return reply, nil
}

// aborted lets a system answer, and tells whether it broke the connection instead, as handlers of net/http do.
func aborted(to http.Handler, w http.ResponseWriter, r *http.Request) (broke bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
				panic(p)
			}
			broke = true
		}
	}()
	to.ServeHTTP(w, r)
	return false
}

// pattern is a path with stars for what may name a record.
func pattern(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.ContainsAny(p, "0123456789@%") && len(p) > 2 {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
