package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/eventbridge"
	"loophub/infra/local/iam"
	"loophub/infra/local/lambda"
	"loophub/infra/local/logs"
	"loophub/infra/local/retry"
	"loophub/infra/local/s3"
	"loophub/infra/local/sqs"
	"loophub/infra/local/ssm"
	"loophub/infra/local/template"
)

// buildStores makes what keeps data, and the dispatcher in front of it.
func (c *Cloud) buildStores() error {
	c.dispatcher = dispatch.New(c.policies)
	if c.options.Asked != nil {
		c.dispatcher.Watch = func(principal string, n dispatch.Need, err error) {
			c.options.Asked(Asked{Request: iam.Request{Principal: principal, Action: n.Action, Resource: n.Resource}, Err: err})
		}
	}
	if c.options.Driver != nil {
		c.dispatcher.Guard(c.options.Driver)
	}
	var err error
	if c.tables, err = newTables(c.clock, c.stack.Tables); err != nil {
		return err
	}
	var queues []sqs.Queue
	for _, q := range c.stack.Queues {
		d, err := c.describeQueue(q)
		if err != nil {
			return fmt.Errorf("queue %s: %w", q.LogicalID, err)
		}
		queues = append(queues, d)
	}
	if c.queues, err = sqs.New(c.clock, queues); err != nil {
		return err
	}
	if c.options.Driver != nil {
		c.queues.Pick = c.options.Driver.Pick
	}
	c.parameters = ssm.New(c.clock, template.Region, template.Account)
	for _, b := range c.stack.Buckets {
		if err := sealed(b); err != nil {
			return err
		}
	}
	c.objects = s3.New(c.clock, func(principal string, n dispatch.Need) bool {
		return c.policies.Authorise(principal, n) == nil
	}, describeBuckets(c.stack.Buckets))
	var groups []string
	for _, g := range c.stack.LogGroups {
		groups = append(groups, g.Name)
	}
	c.logs = logs.New(groups)
	c.dispatcher.Register("dynamodb", c.tables)
	c.dispatcher.Register("sqs", c.queues)
	c.dispatcher.Register("ssm", c.parameters)
	c.dispatcher.Register("s3", c.objects)
	for _, r := range c.stack.Roles {
		c.dispatcher.Admit(r.ARN)
	}
	return nil
}

func (c *Cloud) describeQueue(q template.Queue) (sqs.Queue, error) {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	out := sqs.Queue{Name: q.Name, ARN: q.ARN, URL: q.URL, Visibility: sqs.DefaultVisibility, Retention: sqs.DefaultRetention,
		Delay: seconds(q.DelaySeconds), Wait: seconds(q.ReceiveMessageWaitTimeSeconds), MaxBytes: sqs.MaxBytes}
	if q.VisibilityTimeout != nil {
		out.Visibility = seconds(*q.VisibilityTimeout)
	}
	if q.MessageRetentionPeriod != 0 {
		out.Retention = seconds(q.MessageRetentionPeriod)
	}
	if q.MaximumMessageSize != 0 {
		out.MaxBytes = q.MaximumMessageSize
	}
	if q.RedrivePolicy != nil {
		out.DeadLetter, out.MaxReceive = q.RedrivePolicy.DeadLetterTargetArn, q.RedrivePolicy.MaxReceiveCount
	}
	for _, p := range c.stack.QueuePolicies {
		if slices.Contains(p.Queues, q.URL) {
			out.Policy = string(p.PolicyDocument)
		}
	}
	if q.RedriveAllowPolicy == nil {
		return out, nil
	}
	switch permission := q.RedriveAllowPolicy.RedrivePermission; permission {
	case "", "allowAll":
	case "denyAll":
		out.Sources = []string{}
	case "byQueue":
		out.Sources = q.RedriveAllowPolicy.SourceQueueArns
	default:
		return out, fmt.Errorf("unknown redrivePermission %q", permission)
	}
	return out, nil
}

func describeBuckets(buckets []template.Bucket) []s3.Bucket {
	var out []s3.Bucket
	for _, b := range buckets {
		d := s3.Bucket{Name: b.Name}
		if b.LifecycleConfiguration != nil {
			for _, r := range b.LifecycleConfiguration.Rules {
				if r.Status == "Enabled" && r.ExpirationInDays > 0 {
					d.Expire = append(d.Expire, s3.Expiry{Prefix: r.Prefix, Days: r.ExpirationInDays})
				}
			}
		}
		out = append(out, d)
	}
	return out
}

// sealed refuses an encryption whose keys would need permissions of their own.
func sealed(b template.Bucket) error {
	if b.BucketEncryption == nil {
		return nil
	}
	for _, r := range b.BucketEncryption.ServerSideEncryptionConfiguration {
		if a := r.ServerSideEncryptionByDefault.SSEAlgorithm; a != "AES256" {
			return fmt.Errorf("bucket %s: the local cloud knows no encryption %s", b.LogicalID, a)
		}
	}
	return nil
}

// buildFunctions joins the template's functions with their handlers.
func (c *Cloud) buildFunctions() error {
	missing := maps.Clone(c.options.Handlers)
	var functions []lambda.Function
	for _, f := range c.stack.Functions {
		factory := c.options.Handlers[f.Stage]
		if factory == nil {
			return fmt.Errorf("function %s: nobody gave a handler for stage %q", f.LogicalID, f.Stage)
		}
		delete(missing, f.Stage)
		if !c.policies.Trusts(f.Role, lambdaService) {
			return fmt.Errorf("function %s: its role %s does not let %s assume it", f.LogicalID, f.Role, lambdaService)
		}
		d, err := c.describeFunction(f, factory)
		if err != nil {
			return fmt.Errorf("function %s: %w", f.LogicalID, err)
		}
		functions = append(functions, d)
	}
	if len(missing) > 0 {
		return fmt.Errorf("handlers without a function in the template: %v", slices.Sorted(maps.Keys(missing)))
	}
	cfg := lambda.Config{Region: template.Region, Timers: c.clock, Tracker: c.tracker,
		SDK: func(role string) aws.Config { return c.Config(role) }, Functions: functions}
	if c.options.Driver != nil {
		cfg.Adapt, cfg.Ended = c.options.Driver.Adapt, c.options.Driver.Ended
	}
	var err error
	c.functions, err = lambda.New(cfg)
	return err
}

func (c *Cloud) describeFunction(f template.Function, factory lambda.Factory) (lambda.Function, error) {
	out := lambda.Function{Name: f.Name, ARN: f.ARN, Role: f.Role, MemoryMB: f.MemorySize,
		Timeout: time.Duration(f.Timeout) * time.Second, Factory: factory, Async: lambda.DefaultAsync(),
		Invoked: func(event []byte) { c.invocation(f, event) }, Reserved: f.ReservedConcurrentExecutions}
	if out.MemoryMB == 0 {
		out.MemoryMB = 128
	}
	if out.Timeout == 0 {
		out.Timeout = 3 * time.Second
	}
	if f.Environment != nil {
		out.Variables = c.fronted(f.Environment.Variables)
	}
	group := "/aws/lambda/" + f.Name
	if l := f.LoggingConfig; l != nil {
		if l.LogFormat != "" && l.LogFormat != "JSON" || l.SystemLogLevel != "" && l.SystemLogLevel != "WARN" {
			return out, fmt.Errorf("the platform writes JSON at WARN here, not %s at %s", l.LogFormat, l.SystemLogLevel)
		}
		if l.LogGroup != "" {
			group = l.LogGroup
		}
	}
	if !slices.ContainsFunc(c.stack.LogGroups, func(g template.LogGroup) bool { return g.Name == group }) {
		return out, fmt.Errorf("its log group %s is not in the template", group)
	}
	if err := c.roleMay(f.Role, logStream(group), "logs:CreateLogStream", "logs:PutLogEvents"); err != nil {
		return out, fmt.Errorf("its lines would be lost: %w", err)
	}
	out.Log = func(line string) {
		now := c.clock.Now()
		c.lineCall(f.Role, line)
		c.logs.Append(logs.Line{Group: group, Time: now, Text: line})
		c.options.Tail(Line{Time: now, Source: f.Stage, Text: line})
	}
	for _, a := range c.stack.AsyncConfigs {
		if target, err := c.function(a.FunctionName); err != nil {
			return out, err
		} else if target.Name == f.Name {
			if err := c.describeAsync(f, a, &out.Async); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// fronted are variables with the front door in the place of function URLs, which no browser on this machine can reach.
func (c *Cloud) fronted(variables map[string]string) map[string]string {
	if c.options.Front == "" {
		return variables
	}
	out := maps.Clone(variables)
	for name, value := range out {
		for _, u := range c.stack.URLs {
			value = strings.ReplaceAll(value, u.URL, c.options.Front)
		}
		out[name] = value
	}
	return out
}

func (c *Cloud) describeAsync(f template.Function, a template.AsyncConfig, out *lambda.Async) error {
	if a.Qualifier != "$LATEST" {
		return fmt.Errorf("the local cloud knows no version or alias %q", a.Qualifier)
	}
	if n := a.MaximumRetryAttempts; n != nil && (*n < 0 || *n > 2) {
		return fmt.Errorf("MaximumRetryAttempts is %d, not from 0 to 2", *n)
	}
	if n := a.MaximumEventAgeInSeconds; n != nil && (*n < 60 || *n > 21600) {
		return fmt.Errorf("MaximumEventAgeInSeconds is %d, not from 60 to 21600", *n)
	}
	if a.MaximumRetryAttempts != nil {
		out.Retries = *a.MaximumRetryAttempts
	}
	if a.MaximumEventAgeInSeconds != nil {
		out.MaxAge = time.Duration(*a.MaximumEventAgeInSeconds) * time.Second
	}
	if a.DestinationConfig == nil || a.DestinationConfig.OnFailure == nil {
		return nil
	}
	arn := a.DestinationConfig.OnFailure.Destination
	if serviceOf(arn) != "sqs" {
		return fmt.Errorf("the local cloud knows no failure destination for events but SQS: %s", arn)
	}
	out.Failure = func(record []byte) error {
		if err := c.roleMay(f.Role, arn, "sqs:SendMessage"); err != nil {
			return err
		}
		return c.queues.Send(arn, string(record), nil)
	}
	return nil
}

// buildEvents makes buses, rules and their targets.
func (c *Cloud) buildEvents() error {
	cfg := eventbridge.Config{Region: template.Region, Account: template.Account, Timers: c.clock, Tracker: c.tracker,
		Buses: []eventbridge.Bus{{Name: "default"}},
		Seen: func(bus string, event []byte) {
			c.options.Tail(Line{Time: c.clock.Now(), Source: bus, Event: true, Text: string(event)})
		}}
	for _, b := range c.stack.Buses {
		cfg.Buses = append(cfg.Buses, eventbridge.Bus{Name: b.Name, ARN: b.ARN})
	}
	for _, r := range c.stack.Rules {
		switch r.State {
		case "", "ENABLED":
		case "DISABLED":
			continue
		default:
			return fmt.Errorf("rule %s: the local cloud knows no state %s", r.LogicalID, r.State)
		}
		rule := eventbridge.Rule{ARN: r.ARN, Bus: r.EventBusName[strings.LastIndexByte(r.EventBusName, '/')+1:], Pattern: r.EventPattern}
		if rule.Bus == "" {
			rule.Bus = "default"
		}
		for _, t := range r.Targets {
			target, err := c.ruleTarget(r, t)
			if err != nil {
				return fmt.Errorf("rule %s, target %s: %w", r.LogicalID, t.Id, err)
			}
			rule.Targets = append(rule.Targets, target)
		}
		cfg.Rules = append(cfg.Rules, rule)
	}
	var err error
	if c.events, err = eventbridge.New(cfg); err != nil {
		return err
	}
	c.dispatcher.Register("events", c.events)
	return nil
}

// ruleTarget delivers as EventBridge does: under the resource's own policy, with the rule as the source.
func (c *Cloud) ruleTarget(r template.Rule, t template.Target) (eventbridge.Target, error) {
	policy, err := retryPolicy(t)
	if err != nil {
		return eventbridge.Target{}, err
	}
	out := eventbridge.Target{ARN: t.Arn, Input: t.Input, Retry: policy}
	if t.RoleArn != "" {
		return out, fmt.Errorf("the local cloud knows no rule targets with roles")
	}
	switch serviceOf(t.Arn) {
	case "sqs":
		out.Deliver = func(event []byte) error { return c.sendFor(eventsService, r.ARN, t.Arn, string(event), nil) }
	case "logs":
		_, group, _ := strings.Cut(t.Arn, ":log-group:")
		group = strings.TrimSuffix(group, ":*")
		out.Deliver = func(event []byte) error { return c.logFor(r.ARN, group, event) }
	case "lambda":
		out.Deliver = func(event []byte) error {
			if err := c.serviceMay(eventsService, "lambda:InvokeFunction", t.Arn, r.ARN); err != nil {
				return err
			}
			return c.functions.InvokeAsync(t.Arn, event)
		}
	default:
		return out, fmt.Errorf("the local cloud knows no rule target %s", t.Arn)
	}
	if t.DeadLetterConfig != nil {
		dead := t.DeadLetterConfig.Arn
		out.Bury = func(event []byte, about map[string]string) error {
			return c.sendFor(eventsService, r.ARN, dead, string(event), textAttributes(about))
		}
	}
	return out, nil
}

func (c *Cloud) sendFor(service, source, queue, body string, attributes map[string]sqs.Attribute) error {
	if err := c.serviceMay(service, "sqs:SendMessage", queue, source); err != nil {
		return err
	}
	c.queueCall(queue, "SendMessage", len(body))
	return c.queues.Send(queue, body, attributes)
}

func (c *Cloud) logFor(rule, group string, event []byte) error {
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		if err := c.serviceMay(eventsService, action, logStream(group), rule); err != nil {
			return err
		}
	}
	c.lineCall(Bus, string(event))
	if !c.logs.Append(logs.Line{Group: group, Time: c.clock.Now(), Text: string(event)}) {
		return &dispatch.Error{Code: "ResourceNotFoundException", Message: "The specified log group does not exist: " + group}
	}
	return nil
}

// retryPolicy reads a target's; without one it is AWS's default.
func retryPolicy(t template.Target) (retry.Policy, error) {
	if t.RetryPolicy == nil {
		return retry.Default(), nil
	}
	return retry.Given(t.RetryPolicy.MaximumRetryAttempts, t.RetryPolicy.MaximumEventAgeInSeconds)
}

// serviceOf is the service part of an ARN.
func serviceOf(arn string) string {
	parts := strings.SplitN(arn, ":", 4)
	if len(parts) < 4 {
		return ""
	}
	return parts[2]
}
