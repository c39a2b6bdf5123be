package dispatch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxRequest bounds what a door reads. The largest legal request of a JSON service is DynamoDB's 16 MB.
const maxRequest = 64 << 20

// Client is the in-process door: an HTTP client whose every request is a call of principal. It opens no socket and
// starts no goroutine; the call runs on the caller's own.
func (d *Dispatcher) Client(principal string) aws.HTTPClient {
	return client{d: d, principal: principal}
}

type client struct {
	d         *Dispatcher
	principal string
}

// Do implements aws.HTTPClient.
func (c client) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	reply, err := c.d.call(r.Context(), r, func(scope) (string, *Error) { return c.principal, nil })
	if err != nil {
		return nil, err
	}
	// A caller that gave up while the call ran never learns how it ended, as over a network.
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	length, body := int64(len(reply.Body)), reply.Body
	if r.Method == http.MethodHead {
		length, body = headLength(reply), nil
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", reply.Status, http.StatusText(reply.Status)),
		StatusCode:    reply.Status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        reply.Header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: length,
		Request:       r,
	}, nil
}

// Endpoint is the loopback door: the principal is the one whose access key signed. The signature itself is not checked.
func (d *Dispatcher) Endpoint() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, err := d.call(r.Context(), r, d.holder)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		maps.Copy(w.Header(), reply.Header)
		if r.Method != http.MethodHead {
			w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
		}
		w.WriteHeader(reply.Status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(reply.Body) // the caller hung up; the call has taken effect all the same
		}
	})
}

// holder finds the principal of an access key.
func (d *Dispatcher) holder(s scope) (string, *Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.keys[s.key]
	if !ok {
		return "", errUnknownKey
	}
	if p.expired != nil && p.expired() {
		delete(d.keys, s.key)
		return "", errExpired
	}
	return p.principal, nil
}

// How a door turns a caller away who shows no valid access key.
var (
	errUnknownKey = &Error{Status: http.StatusForbidden, Code: "UnrecognizedClientException",
		Message: "The security token included in the request is invalid."}
	errExpired = &Error{Status: http.StatusForbidden, Code: "ExpiredTokenException",
		Message: "The security token included in the request is expired"}
)

// AccessKey is the access key that signed a request, "" for none.
func AccessKey(r *http.Request) string { return credential(r).key }

// call reads a request and serves it. The error is the transport's: a body that could not be read, a reply
// that a gate has lost.
func (d *Dispatcher) call(ctx context.Context, r *http.Request, who func(scope) (string, *Error)) (Reply, error) {
	p, operation, unknown := recognise(r)
	body, trailer, err := readBody(r)
	if err != nil {
		return Reply{}, err
	}
	refusal := unknown
	if p.form && refusal == nil {
		operation, refusal = operationOf(body)
	}
	var principal string
	if refusal == nil {
		principal, refusal = who(credential(r))
	}
	if refusal != nil {
		reply := p.refuse(p.turnedAway(refusal))
		p.finish(&reply, d.requestID())
		return reply, nil
	}
	c := Call{Service: p.service, Operation: operation, Principal: principal, Body: body,
		Request: withTrailer(r, trailer)}
	return d.serve(ctx, c, p)
}

func readBody(r *http.Request) (body []byte, trailer http.Header, err error) {
	if r.Body == nil {
		return nil, nil, nil
	}
	defer r.Body.Close()
	body, err = io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading request: %w", err)
	}
	if len(body) > maxRequest {
		return nil, nil, fmt.Errorf("reading request: larger than %d bytes", maxRequest)
	}
	if !chunked(r.Header) {
		return body, nil, nil
	}
	body, trailer, err = unchunk(body)
	if err != nil {
		return nil, nil, fmt.Errorf("reading request: %w", err)
	}
	return body, trailer, nil
}

// withTrailer returns the request with its trailer among the headers: a checksum may come before or after the body, and
// services look in one place. The caller's request stays as it is, since an SDK may send it again.
func withTrailer(r *http.Request, trailer http.Header) *http.Request {
	if len(trailer) == 0 {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	maps.Copy(r.Header, trailer)
	return r
}

func headLength(r Reply) int64 {
	n, err := strconv.ParseInt(r.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
