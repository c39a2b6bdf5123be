package local

import (
	"fmt"
	"strings"
	"time"

	"loophub/infra/local/iam"
	"loophub/infra/local/sts"
	"loophub/infra/local/template"
)

// Service principals of the template.
const (
	lambdaService    = "lambda.amazonaws.com"
	eventsService    = "events.amazonaws.com"
	schedulerService = "scheduler.amazonaws.com"
	topicService     = "sns.amazonaws.com"
	mailService      = "ses.amazonaws.com"
)

// buildPolicies hands every policy of the template to the engine.
func (c *Cloud) buildPolicies() error {
	c.policies = iam.New(template.Account)
	if c.options.Asked != nil {
		c.policies.Watch = func(q iam.Request, err error) { c.options.Asked(Asked{Request: q, Platform: true, Err: err}) }
	}
	for _, r := range c.stack.Roles {
		if err := c.addRole(r); err != nil {
			return fmt.Errorf("role %s: %w", r.LogicalID, err)
		}
	}
	for _, p := range c.stack.QueuePolicies {
		var scope []string
		for _, q := range c.stack.Queues {
			for _, url := range p.Queues {
				if q.URL == url {
					scope = append(scope, q.ARN)
				}
			}
		}
		if len(scope) < len(p.Queues) {
			return fmt.Errorf("queue policy %s: not all of its queues are in the template: %v", p.LogicalID, p.Queues)
		}
		if err := c.attach(p.PolicyDocument, scope...); err != nil {
			return fmt.Errorf("queue policy %s: %w", p.LogicalID, err)
		}
	}
	for _, p := range c.stack.BucketPolicies {
		arn := "arn:aws:s3:::" + p.Bucket
		if err := c.attach(p.PolicyDocument, arn, arn+"/*"); err != nil {
			return fmt.Errorf("bucket policy %s: %w", p.LogicalID, err)
		}
	}
	for _, p := range c.stack.TopicPolicies {
		if err := c.attach(p.PolicyDocument, p.Topics...); err != nil {
			return fmt.Errorf("topic policy %s: %w", p.LogicalID, err)
		}
	}
	for _, p := range c.stack.LogPolicies {
		if err := c.attach([]byte(p.PolicyDocument), "arn:aws:logs:*"); err != nil {
			return fmt.Errorf("log policy %s: %w", p.LogicalID, err)
		}
	}
	for _, p := range c.stack.Permissions {
		if err := c.permit(p); err != nil {
			return fmt.Errorf("permission %s: %w", p.LogicalID, err)
		}
	}
	return nil
}

func (c *Cloud) addRole(r template.Role) error {
	role := iam.Role{ARN: r.ARN, Name: r.Name, Session: c.session(r), Account: template.Account}
	var err error
	if role.Trust, err = iam.Parse(iam.Trust, r.AssumeRolePolicyDocument); err != nil {
		return err
	}
	inline := r.Policies
	for _, p := range c.stack.Policies {
		for _, name := range p.Roles {
			if name == r.Name {
				inline = append(inline, template.InlinePolicy{PolicyName: p.PolicyName, PolicyDocument: p.PolicyDocument})
			}
		}
	}
	for _, p := range inline {
		doc, err := iam.Parse(iam.Identity, p.PolicyDocument)
		if err != nil {
			return fmt.Errorf("policy %s: %w", p.PolicyName, err)
		}
		role.Policies = append(role.Policies, doc)
	}
	c.policies.AddRole(role)
	return nil
}

// session is the name under which the platform wears a role: the function's.
func (c *Cloud) session(r template.Role) string {
	for _, f := range c.stack.Functions {
		if f.Role == r.ARN {
			return f.Name
		}
	}
	return r.Name
}

// buildTokens lets callers ask who they are, and become a role whose trust policy lets them.
func (c *Cloud) buildTokens() error {
	cfg := sts.Config{Account: template.Account, Clock: c.clock, Roles: map[string]sts.Role{}, Assume: c.policies.Assume, Admit: c.dispatcher.AdmitFor}
	for _, r := range c.stack.Roles {
		if n := r.MaxSessionDuration; n != 0 && (n < 3600 || n > 43200) {
			return fmt.Errorf("role %s: MaxSessionDuration is %d, not from 3600 to 43200", r.LogicalID, n)
		}
		cfg.Roles[r.ARN] = sts.Role{Session: c.session(r), Longest: time.Duration(r.MaxSessionDuration) * time.Second}
	}
	c.sessions = sts.New(cfg)
	c.dispatcher.Register("sts", c.sessions)
	return nil
}

func (c *Cloud) attach(document []byte, scope ...string) error {
	doc, err := iam.Parse(iam.Resource, document)
	if err != nil {
		return err
	}
	c.policies.Attach(doc, scope...)
	return nil
}

// permit turns a Lambda permission into the statement that Lambda makes of it.
func (c *Cloud) permit(p template.Permission) error {
	f, err := c.function(p.FunctionName)
	if err != nil {
		return err
	}
	equals := map[string]string{}
	add := func(key, value string) {
		if value != "" {
			equals[key] = value
		}
	}
	add("aws:sourcearn", p.SourceArn)
	add("aws:sourceaccount", p.SourceAccount)
	add("lambda:functionurlauthtype", p.FunctionUrlAuthType)
	if p.InvokedViaFunctionUrl != nil {
		add("lambda:invokedviafunctionurl", fmt.Sprint(*p.InvokedViaFunctionUrl))
	}
	c.policies.Allow(p.Principal, p.Action, f.ARN, equals)
	return nil
}

// function finds a function by name or ARN.
func (c *Cloud) function(nameOrARN string) (template.Function, error) {
	for _, f := range c.stack.Functions {
		if f.Name == nameOrARN || f.ARN == nameOrARN {
			return f, nil
		}
	}
	return template.Function{}, fmt.Errorf("there is no function %s", nameOrARN)
}

// mayOpen tells whether anybody may call a function through its URL. AWS asks for both permissions since October 2025.
func (c *Cloud) mayOpen(function string) error {
	q := iam.Request{Public: true, Resource: function, Action: "lambda:InvokeFunctionUrl",
		Context: map[string]string{"lambda:functionurlauthtype": "NONE"}}
	if err := c.policies.Decide(q); err != nil {
		return err
	}
	q.Action = "lambda:InvokeFunction"
	q.Context = map[string]string{"lambda:invokedviafunctionurl": "true"}
	return c.policies.Decide(q)
}

// serviceMay asks on behalf of an AWS service that acts for a resource of the template.
func (c *Cloud) serviceMay(service, action, resource, source string) error {
	return c.policies.Decide(iam.Request{Service: service, Action: action, Resource: resource,
		Context: map[string]string{"aws:sourcearn": source, "aws:sourceaccount": template.Account}})
}

// roleMay asks for a role that the platform uses on the caller's behalf.
func (c *Cloud) roleMay(role, resource string, actions ...string) error {
	for _, a := range actions {
		if err := c.policies.Decide(iam.Request{Principal: role, Action: a, Resource: resource}); err != nil {
			return err
		}
	}
	return nil
}

// logStream is an ARN of a log stream in a group, as a writer of log events names its resource.
func logStream(group string) string {
	return strings.Join([]string{"arn:aws:logs", template.Region, template.Account, "log-group", group, "log-stream", "local"}, ":")
}
