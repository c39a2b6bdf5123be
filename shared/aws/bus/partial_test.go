package bus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/bus"
)

// TestTheFailedPartGoesOnceMore: what the bus did not take is named, so that a second try of it alone puts each event once.
func TestTheFailedPartGoesOnceMore(t *testing.T) {
	c := awstest.New(t)
	b := bus.New(eventbridge.NewFromConfig(c.Config()), awstest.Bus)
	var l []events.Envelope
	for n := range 13 {
		e, err := events.NewProfileChanged("saigon", c.Now(), []events.ProfileChange{{Fragment: fmt.Sprintf("c%02d", n), Version: 1, Profile: "p", Parts: []string{"orders"}}})
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, e)
	}
	c.Fault = func(string) *awstest.Fault { return &awstest.Fault{Partial: true} }
	failed, err := b.Put(t.Context(), l)
	if want := []int{5, 6, 7, 8, 9, 11, 12}; err != nil || !slices.Equal(failed, want) {
		t.Fatalf("failed %v, want %v: %v", failed, want, err)
	}
	c.Fault = nil
	var again []events.Envelope
	for _, n := range failed {
		again = append(again, l[n])
	}
	if failed, err = b.Put(t.Context(), again); err != nil || len(failed) != 0 {
		t.Fatal(failed, err)
	}
	taken := strings.Join(c.Events(t), "\n")
	for n := range l {
		if got := strings.Count(taken, fmt.Sprintf(`"c%02d"`, n)); got != 1 {
			t.Errorf("event %d was taken %d times", n, got)
		}
	}
}
