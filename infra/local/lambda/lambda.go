// Package lambda is AWS Lambda: functions with their instances, function URLs, asynchronous invocations and event source
// mappings. The handlers are Go values in the same process; what calls them behaves as on AWS.
package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/work"
)

// Environment is what a function finds when its instance starts.
type Environment struct {
	Config aws.Config          // calls carry the function's role and end with the instance
	Getenv func(string) string // the variables of the template and those that Lambda sets
	Now    func() time.Time    // the local cloud's clock
	Log    io.Writer           // lines written here arrive in the function's log group
	Random io.Reader           // nil: the machine's own
	// Transport carries requests to systems outside of AWS; nil: the open internet.
	Transport http.RoundTripper
}

// Factory starts an instance: what a function does before its first invocation.
type Factory func(Environment) (lambda.Handler, error)

// MaxPayload is the limit of a synchronous invocation, in either direction.
const MaxPayload = 6 << 20

// Function describes a function.
type Function struct {
	Name      string
	ARN       string
	Role      string // ARN
	MemoryMB  int
	Timeout   time.Duration
	Variables map[string]string
	Factory   Factory
	Async     Async
	Reserved  *int // invocations at a time; nil: as many as come
	// Log takes a line for the function's log group.
	Log func(line string)
	// Invoked, if not nil, is told of every run before it begins, with its event.
	Invoked func(event []byte)
}

// Config is what the service is made of.
type Config struct {
	Region  string
	Timers  clock.Timers
	Tracker *work.Tracker
	// SDK returns the configuration of the AWS SDK for a role.
	SDK func(role string) aws.Config
	// Adapt, if not nil, changes what an instance finds, before it starts. Its name is the function's and a number.
	Adapt func(instance string, e *Environment)
	// Ended, if not nil, is asked at the end of every invocation what its caller shall hear of it. The function's lines
	// tell what happened all the same.
	Ended     func(i dispatch.Invocation, payload []byte, r Result) Result
	Functions []Function
}

// Service holds the functions.
type Service struct {
	// Journal, if not nil, gets the events that nobody waits for, and how far streams are read. Set it before Start.
	Journal journal.Journal
	// Requests counts the invocations, for their ids.
	Requests journal.Serial

	cfg       Config
	functions map[string]*function // by name and by ARN
	life      context.Context      //nolint:containedctx // the service's own, which invocations end with
	end       context.CancelCauseFunc

	mu     sync.Mutex
	loops  []*work.Loop
	events map[string]*event // not finished, by id
	read   map[string]uint64 // by mapping, the position up to which its stream is done with
}

// function is a function with its idle instances.
type function struct {
	Function
	service *Service
	out     *lineWriter

	mu     sync.Mutex
	idle   []*instance
	starts int
	loans  int // instances at work
}

// New makes the functions; none is started before its first invocation.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, functions: map[string]*function{}, events: map[string]*event{}, read: map[string]uint64{}}
	s.life, s.end = context.WithCancelCause(context.Background())
	for _, def := range cfg.Functions {
		if def.Factory == nil {
			return nil, fmt.Errorf("making function %s: it has no handler", def.Name)
		}
		f := &function{Function: def, service: s, out: &lineWriter{line: def.Log}}
		s.functions[def.Name], s.functions[def.ARN] = f, f
	}
	return s, nil
}

// Stop ends mappings and cancels the invocations that run.
func (s *Service) Stop(cause error) {
	s.mu.Lock()
	for _, l := range s.loops {
		l.Stop()
	}
	s.mu.Unlock()
	s.end(cause)
}

// keep remembers a loop, for Stop.
func (s *Service) keep(l *work.Loop) *work.Loop {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops = append(s.loops, l)
	return l
}

// Result is how an invocation ended.
type Result struct {
	RequestID string
	Payload   []byte // the reply, or the error as Lambda's JSON
	Failed    bool   // a function error
}

// Invoke runs a function and waits for it.
func (s *Service) Invoke(name string, payload []byte) (Result, error) {
	defer s.cfg.Tracker.Begin()()
	return s.invoke(name, payload)
}

// invoke is Invoke within a task that counts already, once.
func (s *Service) invoke(name string, payload []byte) (Result, error) {
	f := s.functions[name]
	if f == nil {
		return Result{}, &dispatch.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "Function not found: " + name}
	}
	if len(payload) > MaxPayload {
		return Result{}, &dispatch.Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException",
			Message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxPayload)}
	}
	if err := context.Cause(s.life); err != nil {
		return Result{}, fmt.Errorf("invoking %s: %w", name, err)
	}
	return f.invoke(s.requestID(), payload)
}

// Instances counts a function's cold starts, and its instances at work and in waiting.
func (s *Service) Instances(name string) (starts, busy, idle int) {
	f := s.functions[name]
	if f == nil {
		return 0, 0, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts, f.loans, len(f.idle)
}

func (s *Service) requestID() string {
	return fmt.Sprintf("10ca1000-0000-4000-8004-%012x", s.Requests.Next())
}

func (f *function) getenv(name string) string {
	if v, ok := f.Variables[name]; ok {
		return v
	}
	switch name {
	case "AWS_REGION", "AWS_DEFAULT_REGION":
		return f.service.cfg.Region
	case "AWS_LAMBDA_FUNCTION_NAME":
		return f.Name
	case "AWS_LAMBDA_FUNCTION_MEMORY_SIZE":
		return strconv.Itoa(f.MemoryMB)
	case "AWS_LAMBDA_FUNCTION_VERSION":
		return version
	case "_HANDLER":
		return "bootstrap"
	}
	return ""
}

const version = "$LATEST"

// platform writes a line as Lambda itself does in JSON format at level WARN: about what went wrong only.
func (f *function) platform(requestID, status, errorType string) {
	line, err := json.Marshal(map[string]any{
		"time":   f.service.cfg.Timers.Now().Format(time.RFC3339Nano),
		"type":   "platform.report",
		"record": map[string]string{"requestId": requestID, "status": status, "errorType": errorType},
	})
	if err != nil { // texts always marshal
		panic(err)
	}
	f.Log(string(line))
}

// lineWriter cuts what instances write into lines.
type lineWriter struct {
	line func(string)

	mu   sync.Mutex
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	var lines []string
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			break
		}
		lines = append(lines, string(w.rest[:i]))
		w.rest = w.rest[i+1:]
	}
	w.mu.Unlock()
	for _, l := range lines {
		w.line(l)
	}
	return len(p), nil
}
