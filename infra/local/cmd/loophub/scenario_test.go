package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/events"
	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/lambda"
)

// scenario is something that happens to a whole hub. Together they do all that a permission is needed for.
type scenario struct {
	name  string
	file  []string // of the demo shop's workspace file, what is replaced by what
	lacks []string // grants that the template lacks from the outset
	storm bool     // calls may fail, see weather
	play  func(v *visit) error
}

var scenarios = []scenario{
	{name: "story", play: (*visit).story},
	{name: "operators", file: firstOrder, play: (*visit).operators},
	{name: "regular", file: []string{"  first-time:", frequent + "  first-time:", "{entered: once-last-month}", "{api: true}",
		"      email: traits.email", "      email: traits.email\n      loophub_frequent: 'orders.within(\"400d\").count'"}, play: (*visit).regular},
	{name: "weather", file: firstOrder, storm: true, play: (*visit).weathered},
	{name: "minutes", play: (*visit).minutes},
	{name: "lost minutes", lacks: []string{minute}, play: (*visit).minutes},
}

// minute is the grant by which each minute's sweep begins.
const minute = "SweepScheduleRole lambda:InvokeFunction on function:SweepFunction"

var firstOrder = []string{"{entered: once-last-month}", "{entered: first-time}"}

const frequent = "  frequent:\n    about: Many orders\n    when: 'orders.within(\"400d\").count >= 13'\n"

// visit is a hub in a scenario.
type visit struct {
	*hub
	*weather
	ctx   context.Context //nolint:containedctx // a visit is one run
	tale  tale
	first []step // Lan's account, her consent, her order
	n     int
}

// template is the committed one but for what the scenario lacks, and what is missing besides.
func (s scenario) template(t *testing.T, missing ...grant) []byte {
	t.Helper()
	for _, name := range s.lacks {
		missing = append(missing, find(t, name))
	}
	return without(t, missing...)
}

// refuses tells whether a scenario is about that being refused.
func (s scenario) refuses(a asked) bool {
	return len(s.lacks) > 0 && a.action == "lambda:InvokeFunction"
}

// run plays a scenario on a template; change says what else the hub is made of. The error is the first step that
// failed, or the check that differs.
func (s scenario) run(ctx context.Context, t *testing.T, template []byte, change func(*local.Options)) error {
	t.Helper()
	b, err := os.ReadFile(demo().workspace)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "workspace.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(s.file...).Replace(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &visit{ctx: ctx, weather: &weather{}}
	if v.tale, err = readStory(demo().story); err != nil {
		t.Fatal(err)
	}
	v.first = v.tale.Acts[0].Steps[:3]
	o := options{workspace: file, template: template, change: func(o *local.Options) {
		change(o)
		if s.storm {
			o.Driver = v.weather
		}
	}}
	if v.hub, err = start(ctx, o, clock.Stopped(v.tale.Begins)); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	defer func() { v.stop() }()
	return s.play(v)
}

// story is the demo's, with all its checks.
func (v *visit) story() error {
	wrong, err := v.tell(v.ctx, v.tale, true, io.Discard)
	if err == nil && wrong > 0 {
		err = fmt.Errorf("%d checks of the story differ", wrong)
	}
	return err
}

// steps does steps one after the other, and lets a few minutes pass.
func (v *visit) steps(l ...step) error {
	for _, one := range l {
		v.n++
		if one.ID == "" {
			one.ID = fmt.Sprintf("step-%d", v.n)
		}
		if _, err := v.do(v.ctx, one); err != nil {
			return fmt.Errorf("%s%s%s: %w", one.Say, one.Method, one.Path, err)
		}
		if err := v.rest(v.ctx); err != nil {
			return err
		}
	}
	return v.wait(4 * time.Minute)
}

func (v *visit) wait(d time.Duration) error { return v.pass(v.ctx, v.clock.Now().Add(d)) }

// sees compares with what the API says.
func (v *visit) sees(path string, want any) error {
	differ, err := v.check(v.ctx, step{Get: path, Want: want})
	if err == nil && len(differ) > 0 {
		err = fmt.Errorf("GET %s: %s", path, strings.Join(differ, ", "))
	}
	return err
}

// inTurn does things until one fails.
func inTurn(l ...func() error) error {
	for _, do := range l {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (v *visit) doing(l ...step) func() error { return func() error { return v.steps(l...) } }

func (v *visit) seeing(path string, want any) func() error {
	return func() error { return v.sees(path, want) }
}

func put(path string, body any) step { return step{Method: http.MethodPut, Path: path, Body: body} }

var (
	vouchers   = step{Path: "/v1/vouchers/come-back-10/codes", Body: object{"codes": list{"SEN-1", "SEN-2", "SEN-3"}}}
	oneProfile = object{"profiles": list{object{}}}
)

// operators stops and lets go on each thing that can be stopped, and looks deliveries up.
func (v *visit) operators() error {
	control := func(name string, off bool) step {
		key := "paused"
		if name == "sends" {
			key = "stopped"
		}
		return put("/v1/controls/"+name, object{key: off})
	}
	return inTurn(
		v.doing(vouchers, control("connections/shop", true), v.first[0]),
		v.seeing("/v1/deliveries?connection=shop&status=parked", object{"deliveries": list{object{"faults": list{object{"class": "paused"}}}}}),
		v.doing(control("connections/shop", false)),
		v.seeing("/v1/deliveries?connection=shop&status=received", object{"deliveries": list{object{}}}),
		v.seeing(lansProfile, oneProfile),
		v.doing(v.first[1], control("journeys/win-back", true), control("sends", true), control("destinations/crm", true), v.first[2]),
		v.doing(control("journeys/win-back", false)),
		v.doing(control("destinations/crm", false)),
		v.seeing("/outbox?to=lan.nguyen@example.vn", object{"mails": list{}}),
		v.doing(control("sends", false)),
		v.seeing("/outbox?to=lan.nguyen@example.vn", object{"mails": list{object{}}}),
		v.seeing("/simulators/hubspot/contacts/lan.nguyen@example.vn", object{"properties": object{"firstname": "Lan"}}),
		v.doing(step{Connection: "shop", Topic: "locations/create", Body: object{"id": 1}},
			step{Path: "/v1/deliveries/replay", Body: object{"connection": "shop"}, Answer: http.StatusAccepted}),
	)
}

// lan is Lan's one profile: its id and those of its members.
func (v *visit) lan() (id string, members []string, err error) {
	got, err := v.get(v.ctx, lansProfile)
	if err != nil {
		return "", nil, err
	}
	found, _ := got.(object)["profiles"].(list)
	if len(found) != 1 {
		return "", nil, fmt.Errorf("Lan is %d profiles", len(found))
	}
	one := found[0].(object)
	l, _ := one["members"].(list)
	for _, m := range l {
		members = append(members, fmt.Sprint(m))
	}
	return fmt.Sprint(one["id"]), members, nil
}

// cut takes one fragment off Lan's profile and gives its id.
func (v *visit) cut() (string, error) {
	id, members, err := v.lan()
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m != id {
			path := "/v1/profiles/" + url.PathEscape(id) + "/unmerge"
			return m, v.steps(step{Path: path, Body: object{"fragments": list{m}}, Answer: http.StatusAccepted})
		}
	}
	return "", fmt.Errorf("Lan's profile has the members %v", members)
}

// enter wants Lan in the journey.
func (v *visit) enter() error {
	id, _, err := v.lan()
	if err != nil {
		return err
	}
	return v.steps(step{Path: "/v1/journeys/win-back/entries", Body: object{"profile": id, "id": "invitation-1"}, Answer: http.StatusAccepted})
}

// hearFirst brings segment the news of one fragment before all others: queues keep no order.
func (v *visit) hearFirst(fragment string) error {
	for _, l := range v.taken() {
		var e struct {
			Detail events.Envelope `json:"detail"`
		}
		var all, mine events.ProfileChanges
		if !l.Event || json.Unmarshal([]byte(l.Text), &e) != nil || e.Detail.Type != events.ProfileChanged ||
			json.Unmarshal(e.Detail.Data, &all) != nil {
			continue
		}
		for _, c := range all.Changes {
			if c.Fragment == fragment {
				mine.Changes = append(mine.Changes, c)
			}
		}
		if len(mine.Changes) == 0 {
			continue
		}
		var err error
		if e.Detail.Data, err = json.Marshal(mine); err != nil {
			return err
		}
		body, err := json.Marshal(e)
		if err != nil {
			return err
		}
		payload, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "first", Body: string(body)}}})
		if err != nil {
			return err
		}
		if r, err := v.cloud.Invoke("segment", payload); err != nil || r.Failed {
			return fmt.Errorf("segment: %s %w", r.Payload, err)
		}
		return nil
	}
	return fmt.Errorf("nothing was said of %s", fragment)
}

// minutes lets two of them pass.
func (v *visit) minutes() error { return v.cloud.Advance(v.ctx, 2*time.Minute) }

// regular lets Lan order more often than a fragment remembers by itself, and takes an order back.
func (v *visit) regular() error {
	var orders []step
	for n := range 14 {
		orders = append(orders, v.order(n, nil))
	}
	return inTurn(
		v.doing(vouchers), v.doing(v.first[:2]...),
		v.enter,
		v.seeing("/outbox?to=lan.nguyen@example.vn", object{"mails": list{object{}}}),
		v.doing(orders...),
		v.seeing(lansProfile, object{"profiles": list{object{"orders": object{"count": 14}}}}),
		v.seeing("/simulators/hubspot/contacts/lan.nguyen@example.vn", object{"properties": object{"loophub_frequent": "14"}}),
		v.doing(v.order(13, object{"cancelled_at": "2026-10-24T20:00:00+07:00"})),
		v.seeing(lansProfile, object{"profiles": list{object{"orders": object{"count": 13}}}}),
	)
}

// order is one of many orders of Lan's.
func (v *visit) order(n int, more object) step {
	s := v.first[2]
	body := maps.Clone(s.Body.(object))
	body["id"], body["name"] = 5901274050000+n, fmt.Sprintf("#2%03d", n)
	day := fmt.Sprintf("2026-10-%02dT20:01:10+07:00", n+6)
	body["created_at"], body["processed_at"], body["updated_at"] = day, day, day
	if more != nil {
		body["updated_at"] = "2026-10-24T20:00:00+07:00"
	}
	maps.Copy(body, more)
	s.Body, s.ID = body, ""
	return s
}

// weather is a driver under which calls of stages fail: no stage tries one again by itself.
type weather struct {
	down atomic.Pointer[func(role string, c dispatch.Call) bool]
}

// fails says which calls fail from now on.
func (w *weather) fails(which func(role string, c dispatch.Call) bool) { w.down.Store(&which) }

func (w *weather) clears() { w.down.Store(nil) }

func (w *weather) Pass(_ context.Context, c dispatch.Call, serve func(dispatch.Call) dispatch.Reply,
	refuse func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	role := c.Principal[strings.LastIndexByte(c.Principal, '-')+1:]
	if down := w.down.Load(); down != nil && (*down)(role, c) {
		return refuse(&dispatch.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "bad weather"}), nil
	}
	return serve(c), nil
}

func (w *weather) Turn(string)  {}
func (w *weather) Pick(int) int { return 0 }
func (w *weather) Adapt(_ string, e *lambda.Environment) {
	e.Config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
}

func (w *weather) Ended(_ dispatch.Invocation, _ []byte, r lambda.Result) lambda.Result { return r }

// weathered sends what is large, and lets stages meet tables and services that are out of reach for a while.
func (v *visit) weathered() error {
	noise := make([]byte, 600<<10)
	for r, n := rand.New(rand.NewPCG(1, 2)), 0; n < len(noise); n++ {
		noise[n] = byte(r.Uint32())
	}
	large := v.first[0]
	body := maps.Clone(large.Body.(object))
	body["note"] = base64.StdEncoding.EncodeToString(noise)
	large.Body = body
	during := func(which func(role string, c dispatch.Call) bool, do func() error) func() error {
		return func() error {
			v.fails(which)
			defer v.clears()
			return do()
		}
	}
	writes := func(c dispatch.Call) bool { return c.Operation == "PutItem" || c.Operation == "TransactWriteItems" }
	var sent atomic.Bool
	var off string
	return inTurn(
		v.doing(vouchers, large),
		v.seeing(lansProfile, oneProfile),
		// The Inbox takes nothing: the delivery waits in the spill queue.
		during(func(role string, c dispatch.Call) bool { return role == "IngestRole" && writes(c) }, v.doing(v.first[1])),
		v.minutes, // whose sweeps are left out otherwise, where nothing is due
		// The Hub takes nothing: the delivery waits in the retry queue.
		during(func(role string, c dispatch.Call) bool { return role == "UnifyRole" && c.Service == "dynamodb" },
			func() error {
				if _, err := v.do(v.ctx, v.first[2]); err != nil {
					return err
				}
				return v.rest(v.ctx)
			}),
		// message dies after SES took the mail; somebody else finds it claimed. What SES tells can't be stored either.
		during(func(role string, c dispatch.Call) bool {
			sent.CompareAndSwap(false, c.Service == "ses")
			mine := writes(c) && bytes.Contains(c.Body, []byte("#email#")) || c.Service == "sqs"
			return sent.Load() && (role == "MessageRole" && writes(c) || role == "IngestRole" && mine)
		}, func() error { return v.wait(11 * time.Minute) }),
		func() error { return v.wait(30 * time.Minute) },
		// A profile is cut apart, and segment hears first of the part that its memberships don't lie under.
		v.doing(v.tale.Acts[0].Steps[7]), // a form that is Lan's too
		func() error { v.taken(); return nil },
		during(func(role string, c dispatch.Call) bool { return role == "SegmentRole" },
			func() (err error) { off, err = v.cut(); return err }),
		func() error { return v.hearFirst(off) },
		func() error { return v.wait(10 * time.Minute) },
		v.seeing(lansProfile, object{"profiles": list{object{}, object{}}}),
	)
}
