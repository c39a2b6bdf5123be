package local

import "fmt"

// restore gives every service its journal, and what the store has kept of it. The names stand in the store's files.
func (c *Cloud) restore() error {
	s := c.options.Store
	if s == nil {
		return nil
	}
	c.clock.Journal = s.Attach("clock", c.clock)
	c.tables.Journal = s.Attach("dynamodb", c.tables)
	c.queues.Journal = s.Attach("sqs", c.queues)
	c.parameters.Journal = s.Attach("ssm", c.parameters)
	c.objects.Journal = s.Attach("s3", c.objects)
	c.functions.Journal = s.Attach("lambda", c.functions)
	c.events.Journal = s.Attach("events", c.events)
	c.schedules.Journal = s.Attach("scheduler", c.schedules)
	c.topics.Journal = s.Attach("sns", c.topics)
	c.mails.Journal = s.Attach("ses", c.mails)
	c.sessions.Journal = s.Attach("sts", c.sessions)
	c.functions.Requests.Journal = s.Attach("invocations", &c.functions.Requests)
	c.dispatcher.Requests.Journal = s.Attach("requests", &c.dispatcher.Requests)
	return s.Start()
}

// declareParameters puts the template's parameters. What was put into one since then stays, as in a deployment that does
// not change them.
func (c *Cloud) declareParameters() error {
	for _, p := range c.stack.Parameters {
		if err := c.parameters.Declare(p.Name, p.Type, p.Value, p.Tier); err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
	}
	return nil
}

// resume goes on with what was under way.
func (c *Cloud) resume() {
	c.queues.Resume()
	c.events.Resume()
	c.mails.Resume()
	c.topics.Resume()
	c.functions.Resume()
}
