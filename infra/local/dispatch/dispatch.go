// Package dispatch carries AWS API calls to the services of the local cloud. A call comes in by one of two doors (an
// http.Client bound to a role, a loopback endpoint), is recognised, authorised, counted and served.
package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Call is one AWS API call as it arrived by either door.
type Call struct {
	Service   string        // "dynamodb", "sqs", "events", "ssm", "s3", ...
	Operation string        // "PutItem"; for S3 the method and kind, e.g. "PutObject"
	Principal string        // role ARN of the caller, "" = the account itself (unrestricted)
	Body      []byte        // request body, decoded of transfer framing
	Request   *http.Request // for headers, path and query (S3)
	// Partial asks a service to fail a part of a batch's entries, in the operation's own words; operations without
	// entries take no notice. No caller can ask for it: it is a fault.
	Partial bool
}

// Spared is how many of n entries of a batch are carried out, from the first on: all, unless a part of them is to fail.
// Then it is the smaller half.
func (c Call) Spared(n int) int {
	if c.Partial {
		return n / 2
	}
	return n
}

// Reply is what a service answers.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Service is one AWS service.
type Service interface {
	// Serve carries the call out; an *Error becomes the protocol's error reply.
	Serve(ctx context.Context, c Call) (Reply, error)
	// Needs names what the caller must be allowed to do for this call.
	Needs(c Call) ([]Need, error)
}

// Gate stands before every call. It may hold a call back, carry it out more than once, refuse it by an error of AWS, or
// lose the reply: then its own error is what the caller's transport reports. A gate that does nothing returns serve(c), nil.
type Gate interface {
	Pass(ctx context.Context, c Call, serve func(Call) Reply, refuse func(*Error) Reply) (Reply, error)
}

// Invocation is the run of a function that a call belongs to.
type Invocation struct {
	Function string
	ID       string
	// Kill ends it at once: whatever it still asks for does not happen, and nobody hears its result.
	Kill func()
}

type invocationKey struct{}

// WithInvocation returns the context of an invocation.
func WithInvocation(ctx context.Context, i Invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

// InvocationOf is the invocation that a context belongs to; the zero one is a caller from outside.
func InvocationOf(ctx context.Context) Invocation {
	i, _ := ctx.Value(invocationKey{}).(Invocation)
	return i
}

// Need is one permission: an action such as "dynamodb:PutItem" and the ARN that it acts upon.
type Need struct {
	Action   string
	Resource string
}

// Error is an AWS error. Code is the name without namespace, for example "ConditionalCheckFailedException"; Extra holds
// the further members of the error's shape.
type Error struct {
	Status  int
	Code    string
	Message string
	Extra   map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Decode reads a JSON request. A member that v does not know is refused: an emulator that ignores it would lie.
func Decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return &Error{Status: http.StatusBadRequest, Code: "SerializationException",
			Message: fmt.Sprintf("the local cloud cannot read this request: %v", err)}
	}
	return nil
}

// JSON is a reply whose body is v in JSON.
func JSON(status int, v any) (Reply, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Reply{}, fmt.Errorf("encoding reply: %w", err)
	}
	return Reply{Status: status, Header: http.Header{}, Body: body}, nil
}
