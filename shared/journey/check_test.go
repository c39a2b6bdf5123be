package journey_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

func refusals(w workspace.Workspace) (l []string) {
	journey.Checks(w, func(path string, line, column int, reason string) {
		l = append(l, fmt.Sprintf("%s %d:%d %s", strings.TrimPrefix(path, "journeys.come-back."), line, column, reason))
	})
	return l
}

func split(l ...workspace.Variant) workspace.Step { return workspace.Step{Split: l} }

func named(id string, s workspace.Step) workspace.Step {
	s.ID = id
	return s
}

// TestChecks: each mistake is refused where it stands, and nothing else is.
func TestChecks(t *testing.T) {
	deep := list(send("plain"))
	for range 8 {
		deep = list(branch("true", deep, nil))
	}
	var many []workspace.Step
	for range 201 {
		many = append(many, send("plain"))
	}
	for name, c := range map[string]struct {
		change func(*workspace.Journey)
		want   []string
	}{
		"nothing wrong":   {func(*workspace.Journey) {}, nil},
		"no trigger":      {func(j *workspace.Journey) { j.Trigger = workspace.Trigger{} }, []string{"trigger 0:0 say what lets a customer in"}},
		"two triggers":    {func(j *workspace.Journey) { j.Trigger.Event = "viewed" }, []string{"trigger 0:0 one of api, event"}},
		"no such segment": {func(j *workspace.Journey) { j.Trigger = workspace.Trigger{Left: "lots"} }, []string{`trigger.left 0:0 there is no segment "lots"`}},
		"no such trait": {func(j *workspace.Journey) {
			j.Trigger = workspace.Trigger{Date: &workspace.Date{Trait: "birth", At: "09:00"}}
		}, []string{`trigger.date.trait 0:0 there is no trait "birth"`}},
		"no such time": {func(j *workspace.Journey) {
			j.Trigger = workspace.Trigger{Date: &workspace.Date{Trait: "birthday", At: "9:60"}}
		}, []string{"trigger.date.at 0:0 write the time"}},
		"a rule":           {func(j *workspace.Journey) { j.Trigger.When = "orders.count >\n 3 && traits.town == ''" }, []string{`trigger.when 2:13 there is no trait "town"`}},
		"rule of exit":     {func(j *workspace.Journey) { j.Exit = "orders.count" }, []string{"exit 1:7 the rule gives int"}},
		"rule of a branch": {func(j *workspace.Journey) { j.Steps = list(branch("tag", nil, nil)) }, []string{`steps[0].branch.when 1:1 there is no "tag"`}},
		"re-entry":         {func(j *workspace.Journey) { j.ReEntry = workspace.ReEntry{After: 401 * aDay} }, []string{"re_entry.after 0:0 a span"}},
		"re-entry twice":   {func(j *workspace.Journey) { j.ReEntry = workspace.ReEntry{Always: true, After: aDay} }, []string{"re_entry 0:0 either"}},
		"holdout":          {func(j *workspace.Journey) { j.Holdout = 100 }, []string{"holdout 0:0"}},
		"goal":             {func(j *workspace.Journey) { j.Goal = &workspace.Goal{Within: -1} }, []string{"goal.event 0:0", "goal.within 0:0"}},
		"no steps":         {func(j *workspace.Journey) { j.Steps = nil }, []string{"steps 0:0 a journey has at least one"}},
		"an empty step":    {func(j *workspace.Journey) { j.Steps = list(workspace.Step{}) }, []string{"steps[0] 0:0 a step is one of"}},
		"two in one":       {func(j *workspace.Journey) { j.Steps = list(workspace.Step{Send: "plain", Exit: true}) }, []string{"steps[0] 0:0 a step is one of"}},
		"template":         {func(j *workspace.Journey) { j.Steps = list(wait(aDay), send("plan")) }, []string{`steps[1].send 0:0 there is no template "plan"`}},
		"pool":             {func(j *workspace.Journey) { j.Steps = list(voucher("five")) }, []string{`steps[0].voucher 0:0 there is no voucher pool "five"`}},
		"goto":             {func(j *workspace.Journey) { j.Steps = list(wait(aDay), jump("begin")) }, []string{`steps[1].goto 0:0 the outermost list has no step "begin"`}},
		"goto inside": {func(j *workspace.Journey) {
			j.Steps = list(branch("true", list(named("inside", wait(aDay))), nil), jump("inside"))
		}, []string{`steps[1].goto 0:0 the outermost list has no step "inside"`}},
		"a circle":           {func(j *workspace.Journey) { j.Steps = list(send("plain"), jump("1")) }, []string{"steps[1].goto 0:0 this runs in a circle"}},
		"a circle with wait": {func(j *workspace.Journey) { j.Steps = list(send("plain"), wait(aDay), jump("1")) }, nil},
		"a circle past the wait": {func(j *workspace.Journey) {
			j.Steps = list(branch("true", list(wait(aDay)), nil), jump("1"))
		}, []string{"steps[1].goto 0:0 this runs in a circle"}},
		"onto itself":    {func(j *workspace.Journey) { j.Steps = list(named("a", jump("a"))) }, []string{"steps[0].goto 0:0 this runs in a circle"}},
		"after an exit":  {func(j *workspace.Journey) { j.Steps = list(leave, send("plain"), send("plain")) }, []string{"steps[1] 0:0 no way leads"}},
		"both ways exit": {func(j *workspace.Journey) { j.Steps = list(branch("true", list(leave), list(leave)), send("plain")) }, []string{"steps[1] 0:0 no way leads"}},
		"one way exits":  {func(j *workspace.Journey) { j.Steps = list(branch("true", list(leave), nil), send("plain")) }, nil},
		"inside":         {func(j *workspace.Journey) { j.Steps = list(branch("true", list(leave, wait(aDay)), nil)) }, []string{"steps[0].branch.then[1] 0:0 no way leads"}},
		"leapt over, and come to": {func(j *workspace.Journey) {
			j.Steps = list(jump("last"), named("mid", send("plain")), leave, named("last", wait(aDay)), jump("mid"))
		}, nil},
		"shares": {func(j *workspace.Journey) {
			j.Steps = list(split(workspace.Variant{Name: "a", Share: 50}, workspace.Variant{Name: "b", Share: 49}))
		}, []string{"steps[0].split 0:0 the shares make 99"}},
		"names": {func(j *workspace.Journey) {
			j.Steps = list(split(workspace.Variant{Name: "a", Share: 50}, workspace.Variant{Name: "a", Share: 50}))
		}, []string{`steps[0].split[1].name 0:0 there is a variant "a" already`}},
		"holdout's name": {func(j *workspace.Journey) { j.Steps = list(split(workspace.Variant{Name: "holdout", Share: 100})) }, []string{"steps[0].split[0].name 0:0"}},
		"ids":            {func(j *workspace.Journey) { j.Steps = list(named("a", send("plain")), named("a", send("plain"))) }, []string{`steps[1].id 0:0 "a" names steps[0] already`}},
		"an id and a place": {func(j *workspace.Journey) { j.Steps = list(named("2", send("plain")), send("plain")) },
			[]string{`steps[1].id 0:0 "2" names steps[0] already`}},
		"no code":      {func(j *workspace.Journey) { j.Steps = list(send("gift"), voucher("ten")) }, []string{`steps[0].send 0:0 template "gift" names voucher.code`}},
		"code one way": {func(j *workspace.Journey) { j.Steps = list(branch("true", list(voucher("ten")), nil), send("gift")) }, []string{"steps[1].send 0:0 template"}},
		"code two ways": {func(j *workspace.Journey) {
			j.Steps = list(branch("true", list(voucher("ten")), list(voucher("ten"))), send("gift"))
		}, nil},
		"code by another way": {func(j *workspace.Journey) {
			j.Steps = list(jump("give"), named("say", send("gift")), leave, named("give", voucher("ten")), wait(aDay), jump("say"))
		}, nil},
		"no span":      {func(j *workspace.Journey) { j.Steps = list(wait(-aDay)) }, []string{"steps[0].wait 0:0 a span"}},
		"empty wait":   {func(j *workspace.Journey) { j.Steps = list(wait(0)) }, []string{"steps[0].wait 0:0 say how long"}},
		"long wait":    {func(j *workspace.Journey) { j.Steps = list(wait(401 * aDay)) }, []string{"steps[0].wait 0:0 a span"}},
		"time of day":  {func(j *workspace.Journey) { j.Steps = list(waitUntil("25:00")) }, []string{"steps[0].wait.until 0:0"}},
		"time-out":     {func(j *workspace.Journey) { j.Steps = list(waitFor("", 0, nil, nil)) }, []string{"steps[0].wait_for.event 0:0", "steps[0].wait_for.timeout 0:0"}},
		"tag":          {func(j *workspace.Journey) { j.Steps = list(workspace.Step{Tag: &workspace.Tag{Add: "a", Remove: "b"}}) }, []string{"steps[0].tag 0:0"}},
		"task":         {func(j *workspace.Journey) { j.Steps = list(workspace.Step{Task: &workspace.Task{Title: " "}}) }, []string{"steps[0].task 0:0"}},
		"too deep":     {func(j *workspace.Journey) { j.Steps = deep }, []string{"steps[0].branch.then[0].branch.then[0].branch.then[0].branch.then[0].branch.then[0].branch.then[0].branch.then[0].branch.then 0:0 steps stand"}},
		"deep enough":  {func(j *workspace.Journey) { j.Steps = deep[0].Branch.Then }, nil},
		"too many":     {func(j *workspace.Journey) { j.Steps = many }, []string{"steps 0:0 there are 201 steps"}},
		"just as many": {func(j *workspace.Journey) { j.Steps = many[:200] }, nil},
		"event's name": {func(j *workspace.Journey) { j.Trigger = workspace.Trigger{Event: "a|b"} }, []string{"trigger.event 0:0 name an event"}},
		"before a year": {func(j *workspace.Journey) {
			j.Trigger = workspace.Trigger{Date: &workspace.Date{Trait: "birthday", At: "09:00", Before: -1}}
		}, []string{"trigger.date.before 0:0"}},
	} {
		def := workspace.Journey{Trigger: workspace.Trigger{API: true}, Steps: list(voucher("ten"), send("gift"))}
		c.change(&def)
		got := refusals(shop(def))
		ok := len(got) == len(c.want)
		for n := range min(len(got), len(c.want)) {
			ok = ok && strings.HasPrefix(got[n], c.want[n])
		}
		if !ok {
			t.Errorf("%s: want %q, got %q", name, c.want, got)
		}
	}
}

// random makes definitions, sensible and not.
type random struct{ *rand.Rand }

func (r random) steps(depth int) []workspace.Step {
	var l []workspace.Step
	for range r.IntN(5) {
		s := r.step(depth)
		if depth == 0 && r.IntN(2) == 0 {
			s.ID = string(rune('a' + r.IntN(6)))
		}
		l = append(l, s)
	}
	return l
}

func (r random) step(depth int) workspace.Step {
	inner := func() []workspace.Step {
		if depth > 2 {
			return nil
		}
		return r.steps(depth + 1)
	}
	switch r.IntN(12) {
	case 0, 1:
		return wait(time.Duration(1+r.IntN(5_000)) * time.Minute)
	case 2:
		return workspace.Step{Wait: &workspace.Wait{For: time.Duration(r.IntN(2)) * aDay, Until: "09:00"}}
	case 3, 4:
		return waitFor(string(rune('x'+r.IntN(2))), time.Duration(1+r.IntN(3_000))*time.Minute, inner(), inner())
	case 5:
		return branch([]string{"orders.count > 3", `"vip" in tags`, "true"}[r.IntN(3)], inner(), inner())
	case 6:
		return split(workspace.Variant{Name: "a", Share: 40, Steps: inner()}, workspace.Variant{Name: "b", Share: 60, Steps: inner()})
	case 7:
		return voucher("ten")
	case 8, 9:
		return jump(string(rune('a' + r.IntN(6))))
	case 10:
		return leave
	}
	return send([]string{"plain", "gift"}[r.IntN(2)])
}

// TestAcceptedDefinitionsWaitOrEnd: whatever Checks accepts never runs in a circle:
// after every call the entry is over or waits for a moment to come, whatever happens
// meanwhile, and no template lacks its code.
func TestAcceptedDefinitionsWaitOrEnd(t *testing.T) {
	accepted, circles := 0, 0
	for seed := range uint64(5_000) {
		r := random{rand.New(rand.NewPCG(seed, 1))}
		def := workspace.Journey{Trigger: workspace.Trigger{API: true}, Steps: r.steps(0), ReEntry: workspace.ReEntry{Always: true}}
		if r.IntN(3) == 0 {
			def.Exit = `"gone" in tags`
		}
		if len(def.Steps) > 0 && r.IntN(2) == 0 {
			def.Steps[0].ID = "again"
			def.Steps = append(def.Steps, jump("again"))
		}
		if len(refusals(shop(def))) > 0 {
			continue
		}
		accepted++
		circles += live(t, seed, r, def)
	}
	if accepted < 300 || circles < 20 {
		t.Errorf("%d accepted, %d of them went in circles: too few to show anything", accepted, circles)
	}
}

// live takes one person through a definition, at random moments.
func live(t *testing.T, seed uint64, r random, def workspace.Journey) (circled int) {
	t.Helper()
	j := compile(t, def)
	now := noon
	e := j.Enter(journey.Cause{Way: journey.ByAPI, At: now.UnixMilli()}, []profile.ID{lan}, nil, nil, now)
	v := segment.View{View: profile.View{Orders: int64(r.IntN(6))}}
	given := journey.Given{View: v, Codes: map[string]string{}}
	for n := 0; n < 60 && e.Open(); n++ {
		given.Now, given.Occurred = now, nil
		for range r.IntN(3) {
			at := now.Add(time.Duration(r.IntN(4_000)-2_000) * time.Minute)
			given.Occurred = append(given.Occurred, came(string(rune('x'+r.IntN(2))), fmt.Sprint("web|event|", r.IntN(40)), at))
		}
		out, err := j.Step(e, given)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if out.Code != nil {
			given.Codes[out.Code.Cause] = []string{"", "AAA"}[r.IntN(2)]
			continue
		}
		for _, m := range out.Messages {
			if m.Template == "gift" && m.Voucher.Code == "" {
				t.Fatalf("seed %d: a gift without its code", seed)
			}
		}
		e = out.Entry
		if e.Open() && e.Due <= now.UnixMilli() {
			t.Fatalf("seed %d: it goes on for ever: %+v", seed, e)
		}
		for n, s := range e.Steps[1:] {
			if slices.ContainsFunc(e.Steps[n+2:], func(o journey.Taken) bool { return o.Step == s.Step && o.What == s.What }) {
				circled = 1
			}
		}
		if len(e.Steps) > 60 || len(e.Used) > 24 {
			t.Fatalf("seed %d: it grows: %d steps, %d used", seed, len(e.Steps), len(e.Used))
		}
		now = now.Add(time.Duration(r.IntN(3_000)) * time.Minute)
	}
	return circled
}

func FuzzChecks(f *testing.F) {
	f.Add(uint64(1), `"vip" in tags`, "order.placed", "09:00", int64(time.Hour), "a")
	f.Fuzz(func(t *testing.T, seed uint64, when, event, clock string, span int64, id string) {
		r := random{rand.New(rand.NewPCG(seed, 2))}
		def := workspace.Journey{Trigger: workspace.Trigger{Event: event, When: when}, Steps: r.steps(0), Exit: when,
			Goal: &workspace.Goal{Event: event, Within: time.Duration(span)}}
		def.Steps = append(def.Steps, named(id, waitFor(event, time.Duration(span), list(waitUntil(clock)), nil)))
		w := shop(def)
		if len(refusals(w)) > 0 {
			return
		}
		d, _ := journey.Of(w, "come-back")
		j, err := journey.Compile(d)
		if err != nil {
			t.Fatal("accepted, yet: ", err)
		}
		e := j.Enter(journey.Cause{Way: journey.ByEvent, Name: event, Record: "r", At: noon.UnixMilli()}, []profile.ID{lan}, nil, nil, noon)
		for range 3 {
			out, err := j.Step(e, journey.Given{Now: noon, Codes: map[string]string{}, Occurred: []events.Occurrence{came(event, "r", noon), came(event, "s", noon)}})
			if err != nil {
				t.Fatal(err)
			}
			e = out.Entry
		}
		if e.Open() && e.At == "" {
			t.Error("it stands nowhere")
		}
	})
}

// TestVersions: the same definition, the same version; any difference,
// another.
func TestVersions(t *testing.T) {
	seen := map[string]bool{}
	for _, change := range []func(*workspace.Workspace){
		func(*workspace.Workspace) {},
		func(w *workspace.Workspace) { w.Zone = "Europe/Berlin" },
		func(w *workspace.Workspace) {
			w.Templates["plain"] = workspace.Template{Connection: "other", Purpose: workspace.Transactional}
		},
		func(w *workspace.Workspace) {
			j := w.Journeys["come-back"]
			j.Steps = slices.Concat(j.Steps, list(leave))
			w.Journeys["come-back"] = j
		},
	} {
		w := shop(steps(send("plain")))
		change(&w)
		d, _ := journey.Of(w, "come-back")
		v, err := d.Version()
		if err != nil || seen[v] {
			t.Error(v, err)
		}
		seen[v] = true
	}
}
