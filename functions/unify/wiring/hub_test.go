package wiring_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/functions/unify"
	"loophub/functions/unify/unifytest"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
)

// TestHistoriesOnTheTable runs random histories over the real adapter and the
// local DynamoDB, with calls that fail before or after they took effect, and
// compares what the table holds with a plain computation over the facts.
func TestHistoriesOnTheTable(t *testing.T) {
	const histories = 60
	faults := 0
	for h := range uint64(histories) {
		r := rand.New(rand.NewPCG(h, 11))
		cloud := awstest.New(t)
		db := dynamodb.NewFromConfig(cloud.Config())
		rules := unifytest.Rules()
		u := unify.Unifier{Hub: hub.New(db, awstest.Hub).In("w"), Rules: rules, Pause: func(context.Context, int) error { return nil }}
		facts := unifytest.History(r, []unifytest.Focus{unifytest.Anything, unifytest.OnOrders, unifytest.OnLinks}[h%3])
		share := []float64{0, .01, .04}[r.IntN(3)]
		cloud.Fault = func(string) *awstest.Fault {
			if r.Float64() >= share {
				return nil
			}
			faults++
			return &awstest.Fault{Status: 500, Code: "InternalServerError", After: r.IntN(3) > 0}
		}
		for batches := unifytest.Deliveries(r, facts); len(batches) > 0; {
			batch := batches[0]
			batches = batches[1:]
			var again []events.Fact
			failed := u.Process(t.Context(), batch)
			for _, n := range slices.Sorted(maps.Keys(failed)) {
				again = append(again, batch[n])
			}
			if len(again) > 0 { // delivered again, some time later
				batches = slices.Insert(batches, r.IntN(len(batches)+1), again)
			}
		}
		cloud.Fault = nil
		got := read(t, db, hub.New(db, awstest.Hub).In("w"))
		for id, f := range got.Fragments {
			if len(f.Pending) > 0 {
				t.Errorf("history %d: links of %s are still pending", h, id)
			}
		}
		if diff := cmp.Diff(unifytest.Batch(rules, facts).Print(rules), got.Print(rules)); diff != "" {
			t.Fatalf("history %d, %d facts\n%s", h, len(facts), diff)
		}
	}
	if faults < histories {
		t.Errorf("%d faults in all: the test shows little", faults)
	}
	t.Logf("%d faults", faults)
}

// read finds everything by a scan, and reads it as the stages do.
func read(t *testing.T, db *dynamodb.Client, w hub.Workspace) unifytest.Rest {
	t.Helper()
	r := unifytest.NewRest()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: aws.String(awstest.Hub), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(err)
		for _, item := range page.Items {
			sk := item["sk"].(*types.AttributeValueMemberS).Value
			p := strings.SplitN(item["pk"].(*types.AttributeValueMemberS).Value, "#", 3)
			id := profile.ID(p[2])
			switch place := strings.SplitN(sk, "#", 3); {
			case p[1] == "g" && sk == "STATE":
				r.Fragments[id], err = w.Fragment(t.Context(), id)
				must(err)
			case p[1] == "g":
				at, err := strconv.ParseInt(place[1], 10, 64)
				must(err)
				l := profile.Lookup{At: at, Record: place[2]}
				o, err := w.Older(t.Context(), id, []profile.Lookup{l}, false)
				must(err)
				if r.Older[id] == nil {
					r.Older[id] = map[profile.Lookup]profile.Order{}
				}
				r.Older[id][l] = *o.Own
			case p[1] == "x":
				if r.Index[id] == nil {
					r.Index[id] = map[string]bool{}
				}
				r.Index[id][place[1]] = true
			case p[1] == "i":
				r.Identities[p[2]], err = w.Identity(t.Context(), p[2])
				must(err)
			}
		}
	}
	return r
}
