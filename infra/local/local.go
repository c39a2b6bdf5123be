// Package local runs the synthesized CloudFormation template of Loophub in one process: tables with streams, queues,
// bus, schedules, parameters, objects, and the functions with what triggers them. The stages talk to it through the real
// AWS SDK, under the roles of the template.
package local

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb"
	"loophub/infra/local/eventbridge"
	"loophub/infra/local/iam"
	"loophub/infra/local/lambda"
	"loophub/infra/local/logs"
	"loophub/infra/local/s3"
	"loophub/infra/local/scheduler"
	"loophub/infra/local/ses"
	"loophub/infra/local/sns"
	"loophub/infra/local/sqs"
	"loophub/infra/local/ssm"
	"loophub/infra/local/store"
	"loophub/infra/local/sts"
	"loophub/infra/local/template"
	"loophub/infra/local/work"
)

// Options say what a cloud is made of beside its template.
type Options struct {
	// Handlers start the functions, by stage. Every function of the template needs one, and every one its function.
	Handlers map[string]lambda.Factory
	// Clock is the cloud's own from New on; nil follows the wall.
	Clock *clock.Offset
	// StackName is part of the names of what the template does not name; "" is "Loophub".
	StackName string
	// Front, if not "", is where FrontDoor will be served, ending in a slash: what functions are told of each other's
	// addresses is this one then, so that a browser can follow a link from a message.
	Front string
	// Store, if not nil, keeps everything that the cloud holds; what it has kept is there again after New. It must not
	// have been started, and is closed after the cloud's end by whoever opened it.
	Store *store.Store
	// Driver decides what happens when; nil is Live: everything as soon as it can, on the clock given.
	Driver Driver
	// Shards is how many shards each stream has; 0 is one. The records of one item stay in order, those of two shards don't.
	Shards int
	// Tail, if not nil, sees every event of a bus and every line of a function. It must not block.
	Tail func(Line)
	// Asked, if not nil, is told of every permission that somebody needed. It must not block.
	Asked func(Asked)
}

// Asked is a permission that somebody needed, and what came of it.
type Asked struct {
	iam.Request
	// Platform is true where no call needed it: a service asked on its own behalf, or in a role's name.
	Platform bool
	// Err is why it was refused; of a call that was allowed, how that ended.
	Err error
}

// Line is something to show while the cloud runs.
type Line struct {
	Time   time.Time
	Source string // the name of a bus, or a stage
	Event  bool   // an event on the bus; else a line that a function wrote
	Text   string // JSON
}

// Driver decides what happens when, and what goes wrong.
type Driver interface {
	dispatch.Gate
	// Turn returns when a piece of work that nobody waits for may go on: a poll, a delivery, an asynchronous event.
	Turn(name string)
	// Adapt changes what an instance of a function finds before it starts.
	Adapt(instance string, e *lambda.Environment)
	// Ended is asked at the end of every invocation of a function, before its caller hears of it, what the caller shall
	// hear: r, if nothing is to go wrong.
	Ended(i dispatch.Invocation, payload []byte, r lambda.Result) lambda.Result
	// Pick chooses one of n visible messages of a queue: no order is promised among them.
	Pick(n int) int
}

// Cloud is one template at work.
type Cloud struct {
	options Options
	clock   *clock.Offset
	tracker *work.Tracker
	stack   *template.Stack

	policies   *iam.Engine
	dispatcher *dispatch.Dispatcher
	tables     *dynamodb.Service
	queues     *sqs.Service
	events     *eventbridge.Service
	parameters *ssm.Service
	objects    *s3.Service
	functions  *lambda.Service
	schedules  *scheduler.Scheduler
	topics     *sns.Service
	mails      *ses.Service
	sessions   *sts.Service
	logs       *logs.Sink
}

// New reads the template and builds everything in it. Nothing runs before Start; calls can be made at once.
func New(synthesized []byte, o Options) (*Cloud, error) {
	if o.StackName == "" {
		o.StackName = "Loophub"
	}
	if o.Clock == nil {
		o.Clock = clock.Wall()
	}
	if o.Tail == nil {
		o.Tail = func(Line) {}
	}
	stack, err := template.Load(synthesized, o.StackName)
	if err != nil {
		return nil, err
	}
	c := &Cloud{options: o, clock: o.Clock, tracker: &work.Tracker{}, stack: stack}
	if o.Driver != nil {
		c.tracker.Turn = o.Driver.Turn
	}
	for _, build := range []func() error{c.buildPolicies, c.buildStores, c.buildTokens, c.buildFunctions, c.buildEvents, c.buildSchedules, c.buildMail,
		c.restore, c.declareParameters} {
		if err := build(); err != nil {
			return nil, fmt.Errorf("building the local cloud: %w", err)
		}
	}
	return c, nil
}

// Start sets pollers and schedules going, and goes on with what a store says was under way. They, and whatever runs, end
// with ctx.
func (c *Cloud) Start(ctx context.Context) error {
	for _, m := range c.stack.Mappings {
		if err := c.startMapping(m); err != nil {
			return fmt.Errorf("starting mapping %s: %w", m.LogicalID, err)
		}
	}
	if err := c.schedules.Start(); err != nil {
		return fmt.Errorf("starting schedules: %w", err)
	}
	c.resume()
	c.expire(ctx)
	context.AfterFunc(ctx, func() { c.stop(context.Cause(ctx)) })
	return nil
}

func (c *Cloud) stop(cause error) {
	c.schedules.Stop()
	c.clock.Stop()
	c.functions.Stop(cause)
	c.events.Stop()
	c.mails.Stop()
	c.topics.Stop()
}

// Config is the SDK's configuration for calls by the in-process door; the principal is a role's ARN, or "" for the
// account, which may do everything.
func (c *Cloud) Config(principal string) aws.Config {
	return aws.Config{
		Region:      template.Region,
		Credentials: c.Credentials(principal),
		HTTPClient:  c.dispatcher.Client(principal),
	}
}

// Credentials are the access key of a principal, by which the loopback door knows it.
func (c *Cloud) Credentials(principal string) aws.CredentialsProvider {
	id := c.dispatcher.Admit(principal)
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: "local", Source: "infra/local", AccountID: template.Account}, nil
	})
}

// Endpoint is the loopback door: an endpoint for any AWS SDK or command line.
func (c *Cloud) Endpoint() http.Handler { return c.dispatcher.Endpoint() }

// Role is the ARN of a stage's role.
func (c *Cloud) Role(stage string) (string, error) {
	f, err := c.stage(stage)
	return f.Role, err
}

func (c *Cloud) stage(name string) (template.Function, error) {
	for _, f := range c.stack.Functions {
		if f.Stage == name {
			return f, nil
		}
	}
	return template.Function{}, fmt.Errorf("the template has no stage %q", name)
}

// Stack is the template as the cloud read it: names, ARNs and URLs for programs that look behind the doors.
func (c *Cloud) Stack() *template.Stack { return c.stack }

// Invoke runs a stage's function once and waits for it.
func (c *Cloud) Invoke(stage string, payload []byte) (lambda.Result, error) {
	f, err := c.stage(stage)
	if err != nil {
		return lambda.Result{}, err
	}
	return c.functions.Invoke(f.Name, payload)
}

// Idle waits until nothing is in flight: streams read to their end, mapped queues without visible messages, events
// delivered, no invocation running. What a timer will bring, a retry or a message in hiding, is not in flight.
func (c *Cloud) Idle(ctx context.Context) error { return c.tracker.Idle(ctx) }

// Advance lets d pass: the clock jumps from one timer to the next, and each time what it sets off comes to rest first.
func (c *Cloud) Advance(ctx context.Context, d time.Duration) error {
	target := c.clock.Now().Add(d)
	for {
		if err := c.Idle(ctx); err != nil {
			return err
		}
		next, ok := c.clock.Next()
		if !ok || next.After(target) {
			c.clock.AdvanceTo(target)
			return c.Idle(ctx)
		}
		c.clock.AdvanceTo(next)
	}
}

// Skip lets time pass up to target like Advance, without the runs of schedules in between but for those after the moments
// that wake names, each in its turn. It is for whoever knows that all other runs would find nothing to do.
func (c *Cloud) Skip(ctx context.Context, target time.Time, wake func() (time.Time, bool)) error {
	c.schedules.Suspend()
	defer c.schedules.Resume()
	for {
		if err := c.Idle(ctx); err != nil {
			return err
		}
		if t, ok := wake(); ok {
			c.schedules.Wake(t)
		}
		next, ok := c.clock.Next()
		if !ok || next.After(target) {
			c.clock.AdvanceTo(target)
			return c.Idle(ctx)
		}
		c.clock.AdvanceTo(next)
	}
}

// Schedules are the template's, for whoever lets time pass in a way of its own.
func (c *Cloud) Schedules() *scheduler.Scheduler { return c.schedules }

// Table is a table by its logical id, to look behind the doors; nil if there is none.
func (c *Cloud) Table(logicalID string) *dynamodb.Table {
	for _, t := range c.stack.Tables {
		if t.LogicalID == logicalID {
			return c.tables.Table(t.Name)
		}
	}
	return nil
}

// Outbox holds the mails that were sent, and lets their recipients open, follow, return or denounce them.
func (c *Cloud) Outbox() *ses.Service { return c.mails }

// Lines are the newest log events of a log group, oldest first, at most n.
func (c *Cloud) Lines(group string, n int) []logs.Line { return c.logs.Lines(group, n) }

// Depth counts the messages of a queue, by logical id: visible, in flight, delayed.
func (c *Cloud) Depth(queue string) (visible, inFlight, delayed int, err error) {
	for _, q := range c.stack.Queues {
		if q.LogicalID == queue {
			visible, inFlight, delayed = c.queues.Depth(q.ARN)
			return visible, inFlight, delayed, nil
		}
	}
	return 0, 0, 0, fmt.Errorf("the template has no queue %q", queue)
}
