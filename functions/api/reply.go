package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"loophub/shared/fault"
	"loophub/shared/telemetry"
)

// problem is what a caller can do something about. Its texts say what, and repeat
// nothing that was sent.
type problem struct {
	status        int
	code, message string
	header        map[string]string
}

func (p *problem) Error() string { return p.message }

func badRequest(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, code: "invalid_request", message: fmt.Sprintf(format, args...)}
}

func notFound(message string) error {
	return &problem{status: http.StatusNotFound, code: "not_found", message: message}
}

func conflict(format string, args ...any) error {
	return &problem{status: http.StatusConflict, code: "conflict", message: fmt.Sprintf(format, args...)}
}

func unauthorized(message, challenge string) error {
	return &problem{status: http.StatusUnauthorized, code: "unauthorized", message: message, header: map[string]string{"WWW-Authenticate": challenge}}
}

// answer writes what was asked for.
func (h *handling) answer(status int, v any) events.LambdaFunctionURLResponse {
	h.line.Outcome = answered
	if text, ok := v.(yaml); ok {
		return reply(status, "application/yaml", string(text))
	}
	body, err := encode(v)
	if err != nil {
		return h.fail(fault.As(fault.Permanent, fmt.Errorf("encoding the answer: %w", err)))
	}
	if len(body) > maxReply {
		return h.refuse(&problem{status: http.StatusInternalServerError, code: "too_large",
			message: "the answer is larger than 2.9 MB; ask for less: one profile by id=, or a smaller limit"})
	}
	return reply(status, "application/json", string(body))
}

// refuse answers with an error: the caller's, or else ours.
func (h *handling) refuse(err error) events.LambdaFunctionURLResponse {
	var p *problem
	if !errors.As(err, &p) {
		return h.fail(err)
	}
	switch {
	case p.status == http.StatusUnauthorized:
		h.line.Outcome = refused
		h.count(telemetry.Refused)
	case p.status >= http.StatusInternalServerError:
		h.line.Outcome = failed
		h.count(telemetry.Failures)
	default:
		h.line.Outcome = invalid
	}
	r := reply(p.status, "application/json", errorBody(p.code, p.message))
	maps.Copy(r.Headers, p.header)
	return r
}

// fail answers what is not the caller's doing. What it was stands in the log.
func (h *handling) fail(err error) events.LambdaFunctionURLResponse {
	h.line.Outcome, h.line.Err = failed, err
	h.count(telemetry.Failures)
	if c := fault.ClassOf(err); c == fault.Permanent || c == fault.Unauthorised {
		return reply(http.StatusInternalServerError, "application/json",
			errorBody("internal", "the request could not be served, and trying again will not help; the function's log says why"))
	}
	r := reply(http.StatusServiceUnavailable, "application/json", errorBody("unavailable", "the request could not be served now; try again"))
	r.Headers["Retry-After"] = "1"
	return r
}

func (h *handling) count(m telemetry.Metric) {
	h.line.Counts = append(h.line.Counts, telemetry.Count{Metric: m, N: 1})
}

func errorBody(code, message string) string {
	body, err := encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
	if err != nil {
		panic(err) // texts always encode
	}
	return string(body)
}

// reply is never kept by anybody on the way: what it says is personal.
func reply(status int, kind, body string) events.LambdaFunctionURLResponse {
	return events.LambdaFunctionURLResponse{StatusCode: status, Body: body, Headers: map[string]string{
		"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}}
}

// encode is json.Marshal without HTML escapes, so that texts stay readable.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
