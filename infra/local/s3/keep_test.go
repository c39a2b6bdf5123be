package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/s3"
)

// TestEverythingSurvives: objects with what is given back with them, until they expire; neither keys nor headers need be
// UTF-8.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 200, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		c := clock.Stopped(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
		fresh := func() *s3.Service {
			return s3.New(c, func(string, dispatch.Need) bool { return true },
				[]s3.Bucket{{Name: "b", Expire: []s3.Expiry{{Prefix: "old/", Days: 2}}}, {Name: "c"}})
		}
		live := fresh()
		key := func() string {
			return []string{"", "old/"}[r.IntN(2)] + []string{"k", "é", "\xff", "a b"}[r.IntN(4)] + fmt.Sprint(r.IntN(3))
		}
		call := func(operation string, body []byte) error {
			bucket := []string{"b", "c"}[r.IntN(2)]
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+bucket+".s3.us-east-1.amazonaws.com/", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.URL.Path = "/" + key()
			request.Header.Set("Content-Type", "text/plain")
			request.Header["X-Amz-Meta-A"] = []string{"\xe9t\xe9", "two"}
			_, err = live.Serve(context.Background(), dispatch.Call{Operation: operation, Request: request, Body: body})
			return err
		}
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return fresh() }, Now: c.Now,
			Step: func(bool) error {
				switch r.IntN(8) {
				case 0:
					c.AdvanceTo(c.Now().Add(time.Duration(r.IntN(10)) * time.Hour))
					return nil
				case 1, 2:
					return call("DeleteObject", nil)
				case 3:
					return live.Put("b", key(), []byte("{}"))
				}
				return call("PutObject", []byte(strings.Repeat("\x00\xff", r.IntN(20))))
			}}
	})
}

// TestAnotherTemplateIsRefused: objects of a bucket that is gone are not dropped in silence.
func TestAnotherTemplateIsRefused(t *testing.T) {
	var log journaltest.Log
	s := s3.New(clock.Wall(), nil, []s3.Bucket{{Name: "b"}})
	s.Journal = &log
	if err := s.Put("b", "k", nil); err != nil {
		t.Fatal(err)
	}
	if err := s3.New(clock.Wall(), nil, nil).Load(log.Records[0]); err == nil || !strings.Contains(err.Error(), "the template has no bucket b") {
		t.Errorf("got %v", err)
	}
}
