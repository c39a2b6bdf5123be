package local

import (
	"loophub/infra/local/meter"
	"loophub/infra/local/template"
)

// Used is what was used so far, by stage: Who is a stage, Bus, or "" for the account's own calls. Beside the calls that stages
// make it holds what AWS does in their name and bills: invocations, with the bytes of their events; lines and their bytes;
// what pollers of queues receive and delete, and what rules send into the queue of a stage. Receives that found nothing are
// not in it: how often pollers ask in vain hangs on time alone, and belongs to the price of standing still.
func (c *Cloud) Used() meter.Sheet {
	names := map[string]string{}
	for _, f := range c.stack.Functions {
		names[f.Role] = f.Stage
	}
	out := meter.Sheet{}
	for k, u := range c.dispatcher.Meter().Sheet() {
		if stage, ok := names[k.Who]; ok {
			k.Who = stage
		}
		out[k] = out[k].Plus(u)
	}
	return out
}

// Stored is how many bytes each table holds, as storage is billed, by logical id.
func (c *Cloud) Stored() map[string]int {
	out := map[string]int{}
	for _, t := range c.stack.Tables {
		out[t.LogicalID] = c.tables.Table(t.Name).Bytes()
	}
	return out
}

// Bus is who uses what rules send to log groups.
const Bus = "bus"

// lineBytes is what a log group counts of an event beside its text.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html, read 2026-11.
const lineBytes = 26

// bill meters what AWS does in somebody's name.
func (c *Cloud) bill(who, service, operation string, u meter.Use) {
	u.Calls, u.Billed = max(u.Calls, 1), max(u.Billed, 1)
	c.dispatcher.Meter().Add(meter.Key{Who: who, Service: service, Operation: operation}, u)
}

// reader is the role of the function that a queue feeds, "" if there is none.
func (c *Cloud) reader(queue string) string {
	for _, m := range c.stack.Mappings {
		if m.EventSourceArn != queue {
			continue
		}
		if f, err := c.function(m.FunctionName); err == nil {
			return f.Role
		}
	}
	return ""
}

// queueCall meters a poller's call, or one that a rule makes.
func (c *Cloud) queueCall(queue, operation string, bytes int) {
	c.bill(c.reader(queue), meter.Polled, operation, meter.Use{Billed: meter.Chunks(bytes)})
}

func (c *Cloud) lineCall(who, text string) {
	c.bill(who, meter.Logged, "line", meter.Use{Bytes: len(text) + lineBytes})
}

// invocation meters a run of a function.
func (c *Cloud) invocation(f template.Function, event []byte) {
	c.bill(f.Role, meter.Invoked, "invocation", meter.Use{Bytes: len(event)})
}
