// Package fault answers one question about an error: what may be done about
// it. The place that knows (an adapter, a connector) classifies; everybody
// above only asks.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Class says what may be done about an error.
type Class string

const (
	// Transient errors may be gone at the next attempt: time-outs, 5xx, lost races.
	Transient Class = "transient"
	// Throttled errors are gone after a wait.
	Throttled Class = "throttled"
	// Unauthorised errors stay until a person renews a credential.
	Unauthorised Class = "unauthorised"
	// Permanent errors stay: the same bytes will fail again.
	Permanent Class = "permanent"
)

// Error is an error with its class. Text never holds personal data or a secret.
type Error struct {
	Class Class
	until time.Time
	err   error
}

// New classifies a text.
func New(c Class, format string, args ...any) error {
	return &Error{Class: c, err: fmt.Errorf(format, args...)}
}

// Throttle says that somebody asked to wait until then.
func Throttle(until time.Time, format string, args ...any) error {
	return &Error{Class: Throttled, until: until, err: fmt.Errorf(format, args...)}
}

// Until is the moment to wait for, where somebody named one; else zero.
func Until(err error) time.Time {
	var e *Error
	for errors.As(err, &e) {
		if !e.until.IsZero() {
			return e.until
		}
		err = e.err
	}
	return time.Time{}
}

// As classifies err; nil stays nil.
func As(c Class, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: c, err: err}
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// ClassOf gives the outermost class of err. An error that nobody classified is
// Transient: trying again loses nothing, giving up might.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Transient
}
