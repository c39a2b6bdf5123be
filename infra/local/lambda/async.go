package lambda

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

// Async is how a function deals with events that nobody waits for.
type Async struct {
	Retries int           // 0 to 2
	MaxAge  time.Duration // of an event, for retries
	// Failure takes the record of an event that was given up; nil drops it.
	Failure func(record []byte) error
}

// MaxAsyncPayload is the limit of an asynchronous event, 1 MB since 2025.
const MaxAsyncPayload = 1 << 20

// DefaultAsync is what a function does unless it is told otherwise.
func DefaultAsync() Async { return Async{Retries: 2, MaxAge: 6 * time.Hour} }

// InvokeAsync takes an event and returns; the function runs on its own time.
func (s *Service) InvokeAsync(name string, payload []byte) error {
	f := s.functions[name]
	if f == nil {
		return &dispatch.Error{Status: http.StatusNotFound, Code: "ResourceNotFoundException",
			Message: "Function not found: " + name}
	}
	if len(payload) > MaxAsyncPayload {
		return &dispatch.Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLargeException",
			Message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxAsyncPayload)}
	}
	e := &event{function: f, ID: s.requestID(), Function: f.ARN, Payload: payload, Arrived: s.cfg.Timers.Now()}
	if err := s.do(effect{Event: e}); err != nil {
		return err
	}
	e.start()
	return nil
}

// event is an asynchronous invocation with its attempts.
type event struct {
	ID        string // the same for every attempt
	Function  string // ARN
	Payload   []byte
	Arrived   time.Time
	Attempts  int       `json:",omitempty"` // that ran, and failed
	Throttles int       `json:",omitempty"` // attempts that no instance was free for
	Next      time.Time `json:",omitzero"`  // attempt; zero: the first

	function *function
	asleep   bool // read from the journal and not yet resumed
}

func (e *event) start() {
	e.function.service.cfg.Tracker.Go("event "+e.ID+" → "+e.function.Name, e.attempt)
}

// attempt runs the function; a failure is tried again after one minute, the next after two. An attempt that no instance
// was free for doesn't count, and is made again after a second, two, four, up to five minutes.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html, read 2026-11.
func (e *event) attempt() {
	f := e.function
	s := f.service
	if s.life.Err() != nil {
		return
	}
	now := s.cfg.Timers.Now()
	r, err := f.invoke(e.ID, e.Payload)
	switch {
	case err != nil && *f.Reserved == 0: // switched off: there is no use in waiting
		e.giveUp("ZeroReservedConcurrency", nil)
	case err != nil:
		wait := retry.Doubling(e.Throttles, 5*time.Minute)
		e.Throttles++
		e.again(now, wait, nil)
	case !r.Failed:
		s.note(f, effect{Ended: e.ID})
	case s.life.Err() != nil:
		// It was not the function that failed. Where the event is kept it comes again.
	default:
		e.Attempts++
		now = s.cfg.Timers.Now()
		if e.Attempts > f.Async.Retries {
			e.giveUp("RetriesExhausted", &r)
		} else {
			e.again(now, time.Duration(e.Attempts)*time.Minute, &r)
		}
	}
}

// again makes the next attempt, unless the event is too old by then.
func (e *event) again(now time.Time, wait time.Duration, last *Result) {
	next := now.Add(wait)
	if next.Sub(e.Arrived) > e.function.Async.MaxAge {
		e.giveUp("EventAgeExceeded", last)
		return
	}
	s := e.function.service
	s.note(e.function, effect{Failed: e.ID, Attempts: e.Attempts, Throttles: e.Throttles, Next: next})
	s.cfg.Timers.At(next, e.start)
}

// giveUp sends the record of an event to its destination. last is how the last attempt ended, nil if none has run.
func (e *event) giveUp(condition string, last *Result) {
	f := e.function
	defer f.service.note(f, effect{Ended: e.ID}) // after it is buried: who dies in between buries it twice
	if f.Async.Failure == nil {
		return
	}
	record := map[string]any{
		"version":   "1.0",
		"timestamp": f.service.cfg.Timers.Now().Format(timestamp),
		"requestContext": requestContext{RequestID: e.ID, FunctionARN: f.ARN + ":" + version, Condition: condition,
			Invocations: e.Attempts},
		"requestPayload": json.RawMessage(e.Payload),
	}
	if last != nil {
		record["responseContext"] = responseContext{StatusCode: http.StatusOK, Version: version, Error: "Unhandled"}
		record["responsePayload"] = json.RawMessage(last.Payload)
	}
	body, err := json.Marshal(record)
	if err == nil {
		err = f.Async.Failure(body)
	}
	if err != nil {
		f.Log(fmt.Sprintf("sending a failed event of %s to its destination: %v", f.Name, err))
	}
}

// timestamp is how Lambda writes moments in failure records.
const timestamp = "2006-01-02T15:04:05.000Z"

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Invocations int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode int    `json:"statusCode"`
	Version    string `json:"executedVersion"`
	Error      string `json:"functionError"`
}
