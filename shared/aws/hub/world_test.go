package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/profile"
)

// world is the adapter before the local DynamoDB. Every request is looked at on
// its way: each key in it must begin with the workspace.
type world struct {
	*awstest.Cloud
	Workspace
	t    testing.TB
	keys int // seen
	raw  *dynamodb.Client
	// reply, when set, answers instead of the table; nil = the table does.
	reply func(call string, body []byte) []byte
}

func newWorld(t testing.TB) *world {
	w := &world{Cloud: awstest.New(t), t: t}
	c := w.Config()
	w.raw = dynamodb.NewFromConfig(c)
	c.HTTPClient = w
	w.Workspace = New(dynamodb.NewFromConfig(c), awstest.Hub).In("saigon")
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	before := w.keys
	w.look(v)
	if w.keys == before {
		w.t.Errorf("a call without a key: %s", body)
	}
	if w.reply != nil {
		if b := w.reply(r.Header.Get("X-Amz-Target"), body); b != nil {
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(b))}, nil
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.Cloud.Do(r)
}

func (w *world) look(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			w.look(x)
		}
	case map[string]any:
		for name, x := range v {
			if attribute, ok := x.(map[string]any); ok && (name == "pk" || name == ":p") {
				w.keys++
				if s, _ := attribute["S"].(string); !strings.HasPrefix(s, w.id+"#") {
					w.t.Errorf("the key %q does not begin with the workspace", s)
				}
				continue
			}
			w.look(x)
		}
	}
}

// print is everything that the table holds, as text.
func (w *world) print() string {
	w.t.Helper()
	var l []string
	in := &dynamodb.ScanInput{TableName: aws.String(awstest.Hub), ConsistentRead: aws.Bool(true)}
	for {
		out, err := w.raw.Scan(w.t.Context(), in)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range out.Items {
			var b strings.Builder
			for _, name := range slices.Sorted(maps.Keys(item)) {
				switch v := item[name].(type) {
				case *types.AttributeValueMemberB:
					fmt.Fprintf(&b, "%s=%x ", name, v.Value)
				case *types.AttributeValueMemberS:
					fmt.Fprintf(&b, "%s=%q ", name, v.Value)
				case *types.AttributeValueMemberN:
					fmt.Fprintf(&b, "%s=%s ", name, v.Value)
				}
			}
			l = append(l, b.String())
		}
		if out.LastEvaluatedKey == nil {
			slices.Sort(l)
			return strings.Join(l, "\n")
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// item reads an item as it is stored.
func (w *world) item(k key) key {
	w.t.Helper()
	out, err := w.raw.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: aws.String(awstest.Hub), Key: k})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Item
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fragment(id profile.ID) profile.Fragment {
	w.t.Helper()
	f, err := w.Fragment(w.t.Context(), id)
	w.must(err)
	return f
}

// The examples of everything that is stored.

const (
	lan  = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	hoa  = profile.ID("gbbbbbbbbbbbbbbbbbbbbbbbb")
	mail = "email/cccccccccccccccccccccccc"
)

func exampleFact(version int64) events.Fact {
	return events.Fact{Workspace: "saigon", Connection: "shop", Kind: events.Order, Record: "1001", Version: version, At: version, Received: version + 5, Rank: 1,
		Fields: events.Fields{"total": events.Text("1640000"), "first_name": events.Text("<Nguyễn> & \u2028"), "cancelled_at": events.Null, "channel": events.Text("")}}
}

func exampleOrder(at int64) profile.Order {
	return profile.Order{At: at, Record: fmt.Sprint("shop|order|", at), Total: 1_640_000, Refunded: 5, Currency: "VND"}
}

func exampleFragment() profile.Fragment {
	o := exampleOrder(1795249229000)
	r := profile.Register{Version: 1795249229000, At: 1795249229000, Rank: 1, Value: events.Text("Hội An")}
	tags := profile.Register{Version: 5, Value: events.Text(`["vip"]`)}
	return profile.Fragment{ID: lan, Anchor: profile.Source{Connection: "shop", Customer: "7914382061618"},
		Ties: map[profile.ID]profile.Decision{hoa: {At: 5, Split: true}}, Members: []profile.ID{lan, hoa}, Pending: map[string]int64{mail: 3},
		State: profile.State{Orders: 1, Sums: map[string]profile.Sum{"VND": {Orders: 1, Total: 1_640_000, Refunded: 5}}, Recent: []profile.Order{o}, First: &o,
			Traits: map[string]profile.Register{"city": r, "company": {Version: 1, Value: events.Null}}, Snapshot: &tags,
			Tags:    map[string]profile.Register{"new": {Version: 9, Value: events.Text("-")}},
			Consent: map[string]profile.Consent{"email:marketing": {Granted: 5, Withdrawn: 4}},
			Claims:  map[string]profile.Claim{mail: {At: 5, Value: "lan@example.vn"}}, Checkout: &r}}
}

// codedOrder and engagedFragment hold what came since: codes, events, tags of our
// own, and the version of a quiet write.
func codedOrder() profile.Order {
	o := exampleOrder(1795249229000)
	o.Codes = []string{"TEA10"}
	return o
}

func engagedFragment() profile.Fragment {
	f, o := exampleFragment(), codedOrder()
	f.Quiet = 4
	f.State.Recent, f.State.First = []profile.Order{o}, &o
	f.State.Marks = map[string]profile.Register{"won-back": {Version: 9, At: 9, Rank: 1, Value: events.Text("+")}}
	f.State.Events = map[string][]profile.Event{"tasting.booked": {{At: 1795249229000, Record: "operator|event|b-17"}},
		"message.opened": {{At: 1795249230000, Record: "email|message|" + string(lan) + ".m2"}, {At: 1795249229000, Record: "email|message|" + string(lan) + ".m1"}}}
	return f
}

func exampleIdentity() profile.Identity {
	return profile.Identity{ID: mail, Claimants: map[profile.ID]string{lan: "shop", hoa: "web"}, Shared: true,
		Stops: map[string]profile.Consent{"email:marketing": {Withdrawn: 7}}}
}
