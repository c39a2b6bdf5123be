package retry

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
)

// All of a day's retries take about a day, and the two limits meet.
func TestTheWaitsOfADay(t *testing.T) {
	since := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	now, n := since, 0
	for {
		next, exhausted := Default().Next(n, since, now)
		if exhausted != "" {
			if exhausted != "MaximumRetryAttempts" {
				t.Errorf("ends by %s", exhausted)
			}
			break
		}
		now, n = next, n+1
	}
	if took := now.Sub(since); n != 185 || took < 23*time.Hour || took > 24*time.Hour {
		t.Errorf("%d retries in %v", n, took)
	}
}

func TestGiven(t *testing.T) {
	n := func(v int) *int { return &v }
	for _, test := range []struct {
		attempts, seconds *int
		want              Policy
		refused           bool
	}{
		{nil, nil, Default(), false},
		{n(0), nil, Policy{0, 24 * time.Hour}, false},
		{n(3), n(60), Policy{3, time.Minute}, false},
		{n(-1), nil, Policy{}, true},
		{n(186), nil, Policy{}, true},
		{nil, n(59), Policy{}, true},
		{nil, n(86401), Policy{}, true},
	} {
		p, err := Given(test.attempts, test.seconds)
		if (err != nil) != test.refused || err == nil && p != test.want {
			t.Errorf("%+v: %+v %v", test, p, err)
		}
	}
}

func TestPassing(t *testing.T) {
	for _, test := range []struct {
		err                                error
		passing, denied, absent, throttled bool
	}{
		{err: errors.New("no answer"), passing: true},
		{err: &dispatch.Error{Status: http.StatusServiceUnavailable}, passing: true},
		{err: &dispatch.Error{Status: http.StatusTooManyRequests}, passing: true, throttled: true},
		{err: &dispatch.Error{Status: http.StatusBadRequest, Code: "ThrottlingException"}, passing: true, throttled: true},
		{err: &dispatch.Error{Code: "AccessDeniedException"}, denied: true},
		{err: &dispatch.Error{Code: "QueueDoesNotExist"}, absent: true},
		{err: &dispatch.Error{Status: http.StatusNotFound, Code: "NotFound"}, absent: true},
		{err: &dispatch.Error{Status: http.StatusBadRequest, Code: "ValidationException"}},
	} {
		if Passing(test.err) != test.passing || Denied(test.err) != test.denied || Absent(test.err) != test.absent || Throttled(test.err) != test.throttled {
			t.Errorf("%v is taken for something else", test.err)
		}
	}
}
