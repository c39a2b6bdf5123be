package ssm_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/ssm"
)

// TestEverythingSurvives: parameters with their hundred newest versions.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 400, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		c := clock.Stopped(noon)
		fresh := func() *ssm.Service { return ssm.New(c, "us-east-1", "000000000000") }
		live := fresh()
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return fresh() }, Now: c.Now,
			Step: func(bool) error {
				c.AdvanceTo(c.Now().Add(time.Duration(r.IntN(2)) * time.Second))
				body := fmt.Sprintf(`{"Name":"/a/%d","Value":"<v> é %d","Type":%q,"Tier":%q,"Overwrite":%v}`, r.IntN(3), r.IntN(5),
					[]string{"String", "SecureString", "", "Odd"}[r.IntN(4)], []string{"", "Advanced"}[r.IntN(2)], r.IntN(4) > 0)
				_, err := live.Serve(t.Context(), dispatch.Call{Operation: "PutParameter", Body: []byte(body)})
				return err
			}}
	})
}

// TestDeclare: what somebody put stays, until the template says something new.
func TestDeclare(t *testing.T) {
	s := ssm.New(clock.Stopped(noon), "us-east-1", "000000000000")
	declare := func(value, want string) {
		t.Helper()
		if err := s.Declare("/a", "String", value, ""); err != nil {
			t.Fatal(err)
		}
		reply, err := s.Serve(t.Context(), dispatch.Call{Operation: "GetParameter", Body: []byte(`{"Name":"/a"}`)})
		var got struct{ Parameter struct{ Value string } }
		if err == nil {
			err = json.Unmarshal(reply.Body, &got)
		}
		if err != nil || got.Parameter.Value != want {
			t.Errorf("%v %v, want %s", got, err, want)
		}
	}
	declare("one", "one")
	if _, _, err := s.Put("/a", "", "mine", "", true); err != nil {
		t.Fatal(err)
	}
	declare("one", "mine")
	declare("two", "two")
}
