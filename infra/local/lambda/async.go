package lambda

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"loophub/infra/local/dispatch"
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
	ID       string // the same for every attempt
	Function string // ARN
	Payload  []byte
	Arrived  time.Time
	Attempts int       `json:",omitempty"` // that failed
	Next     time.Time `json:",omitzero"`  // attempt; zero: the first

	function *function
	asleep   bool // read from the journal and not yet resumed
}

func (e *event) start() {
	e.function.service.cfg.Tracker.Go("event "+e.ID+" → "+e.function.Name, e.attempt)
}

// attempt runs the function; a failure is tried again after one minute, the next after two.
func (e *event) attempt() {
	s := e.function.service
	if s.life.Err() != nil {
		return
	}
	r := e.function.invoke(e.ID, e.Payload)
	if !r.Failed {
		s.note(e.function, effect{Ended: e.ID})
		return
	}
	if s.life.Err() != nil {
		return // it was not the function that failed; where the event is kept it comes again
	}
	attempts, now := e.Attempts+1, s.cfg.Timers.Now()
	next := now.Add(time.Duration(attempts) * time.Minute)
	switch policy := e.function.Async; {
	case attempts > policy.Retries:
		e.giveUp("RetriesExhausted", now, r, attempts)
	case next.Sub(e.Arrived) > policy.MaxAge:
		e.giveUp("EventAgeExceeded", now, r, attempts)
	default:
		s.note(e.function, effect{Failed: e.ID, Attempts: attempts, Next: next})
		s.cfg.Timers.At(next, e.start)
	}
}

func (e *event) giveUp(condition string, now time.Time, last Result, attempts int) {
	f := e.function
	defer f.service.note(f, effect{Ended: e.ID}) // after it is buried: who dies in between buries it twice
	if f.Async.Failure == nil {
		return
	}
	record, err := json.Marshal(map[string]any{
		"version":   "1.0",
		"timestamp": now.Format(timestamp),
		"requestContext": requestContext{RequestID: e.ID, FunctionARN: f.ARN + ":" + version, Condition: condition,
			Invocations: attempts},
		"requestPayload":  json.RawMessage(e.Payload),
		"responseContext": responseContext{StatusCode: http.StatusOK, Version: version, Error: "Unhandled"},
		"responsePayload": json.RawMessage(last.Payload),
	})
	if err == nil {
		err = f.Async.Failure(record)
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
