package local

import (
	"encoding/json"
	"fmt"
	"slices"

	"loophub/infra/local/ses"
	"loophub/infra/local/sns"
	"loophub/infra/local/template"
)

// buildMail makes topics with their subscriptions, then the configuration sets whose events they carry.
func (c *Cloud) buildMail() error {
	cfg := sns.Config{Region: template.Region, Account: template.Account, Timers: c.clock, Tracker: c.tracker}
	for _, t := range c.stack.Topics {
		topic := sns.Topic{Name: t.Name, ARN: t.ARN}
		for _, sub := range c.stack.Subscriptions {
			if sub.TopicArn != t.ARN {
				continue
			}
			to, err := c.describeSubscription(sub)
			if err != nil {
				return fmt.Errorf("subscription %s: %w", sub.LogicalID, err)
			}
			topic.Subscriptions = append(topic.Subscriptions, to)
		}
		cfg.Topics = append(cfg.Topics, topic)
	}
	for _, sub := range c.stack.Subscriptions {
		if err := c.topicExists(sub.TopicArn); err != nil {
			return fmt.Errorf("subscription %s: %w", sub.LogicalID, err)
		}
	}
	c.topics = sns.New(cfg)
	sets, err := c.configurationSets()
	if err != nil {
		return err
	}
	c.mails, err = ses.New(ses.Config{Region: template.Region, Account: template.Account, Clock: c.clock, Tracker: c.tracker, Sets: sets,
		Lost: func(err error) {
			text, _ := json.Marshal(map[string]string{"level": "ERROR", "msg": err.Error()}) // texts always marshal
			c.options.Tail(Line{Time: c.clock.Now(), Source: "ses", Text: string(text)})
		}})
	if err != nil {
		return err
	}
	c.dispatcher.Register("sns", c.topics)
	c.dispatcher.Register("ses", c.mails)
	return nil
}

func (c *Cloud) topicExists(arn string) error {
	if !slices.ContainsFunc(c.stack.Topics, func(t template.Topic) bool { return t.ARN == arn }) {
		return fmt.Errorf("there is no topic %s", arn)
	}
	return nil
}

// describeSubscription delivers as SNS does: under the function's own policy, with the topic as the source.
func (c *Cloud) describeSubscription(sub template.Subscription) (sns.Subscription, error) {
	out := sns.Subscription{ARN: sub.ARN, Endpoint: sub.Endpoint}
	if sub.Protocol != "lambda" {
		return out, fmt.Errorf("the local cloud knows subscriptions of the protocol lambda only, not %q", sub.Protocol)
	}
	f, err := c.function(sub.Endpoint)
	if err != nil {
		return out, err
	}
	out.Deliver = func(event []byte) error {
		if err := c.serviceMay(topicService, "lambda:InvokeFunction", f.ARN, sub.TopicArn); err != nil {
			return err
		}
		return c.functions.InvokeAsync(f.ARN, event)
	}
	if sub.RedrivePolicy != nil {
		dead := sub.RedrivePolicy.DeadLetterTargetArn
		if serviceOf(dead) != "sqs" {
			return out, fmt.Errorf("its dead-letter queue is no queue: %s", dead)
		}
		out.Bury = func(message string) error { return c.sendFor(topicService, sub.TopicArn, dead, message, nil) }
	}
	return out, nil
}

// configurationSets joins sets and event destinations. A destination that could not publish is refused here, as AWS
// refuses to make it.
func (c *Cloud) configurationSets() ([]ses.Set, error) {
	var sets []ses.Set
	for _, d := range c.stack.ConfigurationSets {
		set := ses.Set{Name: d.Name, Paused: d.SendingOptions != nil && d.SendingOptions.SendingEnabled != nil && !*d.SendingOptions.SendingEnabled}
		for _, e := range c.stack.EventDestinations {
			if e.ConfigurationSetName != d.Name {
				continue
			}
			if e.EventDestination.Enabled == nil || !*e.EventDestination.Enabled {
				continue
			}
			if e.EventDestination.SnsDestination == nil {
				return nil, fmt.Errorf("event destination %s: it has no topic", e.LogicalID)
			}
			to, err := c.eventDestination(d, e)
			if err != nil {
				return nil, fmt.Errorf("event destination %s: %w", e.LogicalID, err)
			}
			set.Destinations = append(set.Destinations, to)
		}
		sets = append(sets, set)
	}
	for _, e := range c.stack.EventDestinations {
		if !slices.ContainsFunc(sets, func(s ses.Set) bool { return s.Name == e.ConfigurationSetName }) {
			return nil, fmt.Errorf("event destination %s: there is no configuration set %q", e.LogicalID, e.ConfigurationSetName)
		}
	}
	return sets, nil
}

func (c *Cloud) eventDestination(set template.ConfigurationSet, e template.EventDestination) (ses.Destination, error) {
	topic := e.EventDestination.SnsDestination.TopicARN
	if err := c.topicExists(topic); err != nil {
		return ses.Destination{}, err
	}
	may := func() error { return c.serviceMay(mailService, "sns:Publish", topic, set.ARN) }
	if err := may(); err != nil {
		return ses.Destination{}, fmt.Errorf("could not publish to its topic: %w", err)
	}
	return ses.Destination{Types: e.EventDestination.MatchingEventTypes, Publish: func(event []byte) error {
		if err := may(); err != nil {
			return err
		}
		_, err := c.topics.Publish(topic, "Amazon SES Email Event Notification", string(event), nil)
		return err
	}}, nil
}
