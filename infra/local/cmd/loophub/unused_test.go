package main

import (
	"slices"
	"strings"
	"testing"

	"loophub/infra/local/stage"
)

// everyStage stands for the role of each stage.
const everyStage = "every stage"

// What a poller does.
const (
	pollStream = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator dynamodb:ListStreams"
	pollQueue  = "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes"
)

// platform lists what no stage asks for itself: roles, actions, what on ({stage} is the role's), and why they are granted
// all the same. What Lambda and the scheduler do they do in a role's name, by the permissions of that role.
var platform = []struct{ roles, actions, on, why string }{
	{everyStage, "logs:CreateLogStream logs:PutLogEvents", "log-group:/loophub/{stage}:*", "Lambda writes down what a function prints"},
	{"UnifyRole", pollStream, "table/InboxTable/stream/*", "Lambda polls the stream"},
	{"PublishRole", pollStream, "table/HubTable/stream/*", "Lambda polls the stream"},
	{"UnifyRole PublishRole", "s3:PutObject", "loophub-overflowbucket/aws/lambda/*", "Lambda keeps a batch that it gave up"},
	{"UnifyRole PublishRole", "s3:ListBucket", "loophub-overflowbucket", "Lambda looks whether the bucket for such batches is there"},
	{"UnifyRole", pollQueue, "RetryQueue", "Lambda polls the queue"},
	{"SegmentRole", pollQueue, "SegmentQueue", "Lambda polls the queue"},
	{"JourneyRole", pollQueue, "JourneyQueue", "Lambda polls the queue"},
	{"MessageRole", pollQueue, "MessageQueue", "Lambda polls the queue"},
	{"AttributionRole", pollQueue, "AttributionQueue", "Lambda polls the queue"},
	{"WritebackRole", pollQueue, "WritebackQueue", "Lambda polls the queue"},
	{"IngestRole", "sqs:SendMessage", "DeadQueue", "Lambda keeps a notification of SES that it gave up"},
	{"SweepScheduleRole", "lambda:InvokeFunction", "function:SweepFunction", "the scheduler begins a sweep"},
	{"SweepScheduleRole", "sqs:SendMessage", "DeadQueue", "the scheduler keeps a minute that it could not begin"},
}

// byPlatform gives the listed grants with their reasons.
func byPlatform() map[string]string {
	all := map[string]string{}
	for _, p := range platform {
		roles := strings.Fields(p.roles)
		if p.roles == everyStage {
			roles = nil
			for _, name := range stage.Names() {
				roles = append(roles, strings.ToUpper(name[:1])+name[1:]+"Role")
			}
		}
		for _, role := range roles {
			on := strings.ReplaceAll(p.on, "{stage}", strings.ToLower(strings.TrimSuffix(role, "Role")))
			for _, action := range strings.Fields(p.actions) {
				all[role+" "+action+" on "+on] = p.why
			}
		}
	}
	return all
}

// TestUnusedGrants: what a role is granted, a call of its stage has used with success in one of the scenarios, or it stands
// in the list above and the platform asked for it. What the list names beyond that has to go from it.
func TestUnusedGrants(t *testing.T) {
	listed := byPlatform()
	for _, g := range granted(t) {
		called, needed := false, false
		for _, r := range used(t) {
			for a := range r.done {
				if g.covers(a) {
					called, needed = called || !a.platform, needed || a.platform
				}
			}
		}
		_, known := listed[g.String()]
		switch {
		case called && known:
			t.Errorf("%s: a call uses it; take it off the list", g)
		case !called && !known:
			t.Errorf("%s: nothing uses it; take it out of infra/stack, or let a scenario use it", g)
		case !called && !needed:
			t.Errorf("%s: the platform is said to need it, and did not ask for it", g)
		}
		delete(listed, g.String())
	}
	for name := range listed {
		t.Errorf("%s: it is listed and not granted", name)
	}
}

// TestEveryAllowIsUsed: each line of a policy of a queue, a topic, a log group or a function lets somebody in, in one of the
// scenarios; those of the dead-letter queue do in TestHoles, where what they are for happens.
func TestEveryAllowIsUsed(t *testing.T) {
	for _, h := range holes(t) {
		if h.dead() || slices.Contains(unasked, h.name) {
			continue
		}
		if _, ok := scene(t, h.allows); !ok {
			t.Errorf("%s: nobody needs it", h.name)
		}
	}
}
