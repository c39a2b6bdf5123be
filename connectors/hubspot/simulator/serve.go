package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// answer is a reply before it is sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP answers over a socket.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := s.trip(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body) // whoever asked is gone: nobody is left to be told
}

var errBroken = errors.New("the connection broke")

// trip answers a request, as far as the call's fault lets it.
func (s *Simulator) trip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls++
	call := Call{s.calls, r.URL.Path}
	s.mu.Unlock()
	var f Fault
	if s.Fault != nil {
		f = s.Fault(call)
	}
	if f.Delay > 0 && s.Pause != nil {
		s.Pause(f.Delay)
	}
	a := s.faulty(r, body, f)
	if f.Hang {
		return nil, errBroken
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
		ContentLength: int64(len(a.body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

func (s *Simulator) faulty(r *http.Request, body []byte, f Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (f.Status != 0 || f.Hang) && !f.After {
		return s.broken(f)
	}
	a := s.handle(r, body, f)
	if f.Twice {
		_ = s.handle(r, body, f) // the copy's answer goes nowhere
	}
	if err := s.keep(); err != nil {
		return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", err.Error())
	}
	if f.Status != 0 {
		return s.broken(f)
	}
	return a
}

func (s *Simulator) broken(f Fault) answer {
	category := "INTERNAL_ERROR"
	switch {
	case f.Status == http.StatusTooManyRequests:
		category = "RATE_LIMITS"
	case f.Status == http.StatusConflict:
		category = "CONFLICT"
	case f.Status >= 400 && f.Status < 500:
		category = "VALIDATION_ERROR"
	}
	a := refusal(f.Status, category, "This call was made to fail.")
	if f.Retry > 0 {
		a.header.Set("Retry-After", strconv.Itoa(int(f.Retry/time.Second)))
	}
	return a
}

// handle answers as HubSpot would.
func (s *Simulator) handle(r *http.Request, body []byte, f Fault) answer {
	var in *openapi3filter.RequestValidationInput
	if s.contract != nil {
		var err error
		if in, err = s.contract.request(r, body); err != nil {
			s.problems = append(s.problems, err.Error())
			return refusal(http.StatusBadRequest, "VALIDATION_ERROR", "Invalid input JSON")
		}
	}
	a := s.answer(r, body, f)
	if in != nil {
		if err := s.contract.reply(in, a); err != nil {
			s.problems = append(s.problems, err.Error())
			return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", "The simulator's reply is not as HubSpot's document says: "+err.Error())
		}
	}
	return a
}

// window is the span of the short rate.
const window = 10 * time.Second

func (s *Simulator) answer(r *http.Request, body []byte, f Fault) answer {
	if r.Header.Get("Authorization") != "Bearer "+s.Token {
		return refusal(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
	}
	now := s.Now()
	s.recent = slices.DeleteFunc(s.recent, func(t time.Time) bool { return !t.After(now.Add(-window)) })
	if len(s.recent) >= s.Requests {
		a := refusal(http.StatusTooManyRequests, "RATE_LIMITS", "You have reached your ten_secondly_rolling limit.")
		wait := s.recent[0].Add(window).Sub(now)
		a.header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return s.limits(a)
	}
	s.recent = append(s.recent, now)
	if r.Method != http.MethodPost {
		return s.limits(refusal(http.StatusMethodNotAllowed, "VALIDATION_ERROR", "HTTP 405 Method Not Allowed"))
	}
	handler, known := map[string]func([]byte, Fault) answer{
		"/crm/v3/objects/contacts/batch/upsert": s.upsert,
		"/crm/v3/objects/contacts/batch/update": s.update,
		"/crm/v3/objects/contacts/batch/read":   s.read,
		"/crm/v3/properties/contacts":           s.property,
		"/crm/v3/properties/contacts/groups":    s.group,
	}[r.URL.Path]
	if !known {
		return s.limits(refusal(http.StatusNotFound, "OBJECT_NOT_FOUND", "The simulator does not have this call."))
	}
	return s.limits(handler(body, f))
}

func (s *Simulator) limits(a answer) answer {
	for name, n := range map[string]int{"Max": s.Requests, "Remaining": max(s.Requests-len(s.recent), 0), "Interval-Milliseconds": int(window.Milliseconds()),
		"Daily": 250_000, "Daily-Remaining": max(250_000-s.calls, 0)} {
		a.header.Set("X-HubSpot-RateLimit-"+name, strconv.Itoa(n))
	}
	return a
}

func reply(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", err.Error())
	}
	return answer{status, http.Header{"Content-Type": {"application/json;charset=utf-8"}}, body}
}

// detail is one error within an answer.
type detail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func refusal(status int, category, message string, details ...detail) answer {
	v := map[string]any{"message": message, "category": category, "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"}
	if len(details) > 0 {
		v["errors"] = details
	}
	return reply(status, v)
}

func missing(property string) detail {
	return detail{fmt.Sprintf("Property %q does not exist", property), "PROPERTY_DOESNT_EXIST", map[string][]string{"propertyName": {property}}}
}

// stamp writes a time as HubSpot does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func fold(s string) string { return strings.ToLower(s) }
