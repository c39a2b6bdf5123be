package local

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"loophub/infra/local/meter"
	"loophub/infra/local/scheduler"
	"loophub/infra/local/sqs"
	"loophub/infra/local/template"
)

// buildSchedules makes the schedules, each under its own role.
func (c *Cloud) buildSchedules() error {
	var schedules []scheduler.Schedule
	for _, d := range c.stack.Schedules {
		switch d.State {
		case "", "ENABLED":
		case "DISABLED":
			continue
		default:
			return fmt.Errorf("schedule %s: the local cloud knows no state %s", d.LogicalID, d.State)
		}
		s, err := c.describeSchedule(d)
		if err != nil {
			return fmt.Errorf("schedule %s: %w", d.LogicalID, err)
		}
		schedules = append(schedules, s)
	}
	var err error
	c.schedules, err = scheduler.New(c.clock, schedules)
	return err
}

func (c *Cloud) describeSchedule(d template.Schedule) (scheduler.Schedule, error) {
	if serviceOf(d.Target.Arn) != "lambda" || d.FlexibleTimeWindow.Mode != "OFF" || strings.Contains(d.Target.Input, "<aws.") {
		return scheduler.Schedule{}, fmt.Errorf("the local cloud knows functions as targets only, without a flexible window, " +
			"with a constant input")
	}
	if !c.policies.Trusts(d.Target.RoleArn, schedulerService) {
		return scheduler.Schedule{}, fmt.Errorf("its role does not let %s assume it", schedulerService)
	}
	policy, err := retryPolicy(d.Target)
	if err != nil {
		return scheduler.Schedule{}, err
	}
	out := scheduler.Schedule{Name: d.Name, ARN: d.ARN, Target: d.Target.Arn, Expression: d.ScheduleExpression, Retry: policy,
		Invoke: func(at time.Time) error {
			if f, known := c.function(d.Target.Arn); known == nil {
				c.bill(f.Role, meter.Scheduled, "invocation", meter.Use{})
			}
			if err := c.roleMay(d.Target.RoleArn, d.Target.Arn, "lambda:InvokeFunction"); err != nil {
				return err
			}
			return c.functions.InvokeAsync(d.Target.Arn, scheduledEvent(d, at))
		}}
	if d.Target.DeadLetterConfig != nil {
		out.Bury = func(at time.Time, about map[string]string) error { return c.buryRun(d, at, about) }
	}
	return out, nil
}

// scheduledEvent is what a run hands to the function.
func scheduledEvent(d template.Schedule, at time.Time) []byte {
	if d.Target.Input != "" {
		return []byte(d.Target.Input)
	}
	event, err := json.Marshal(map[string]any{"version": "0", "id": fmt.Sprintf("%s-%d", d.Name, at.Unix()),
		"detail-type": "Scheduled Event", "source": "aws.scheduler", "account": template.Account,
		"time": at.Format(time.RFC3339), "region": template.Region, "resources": []string{d.ARN}, "detail": "{}"})
	if err != nil { // texts always marshal
		panic(err)
	}
	return event
}

// buryRun sends a run that could not be started to the dead letters, under the schedule's role.
func (c *Cloud) buryRun(d template.Schedule, at time.Time, about map[string]string) error {
	dead := d.Target.DeadLetterConfig.Arn
	if err := c.roleMay(d.Target.RoleArn, dead, "sqs:SendMessage"); err != nil {
		return err
	}
	return c.queues.Send(dead, string(scheduledEvent(d, at)), textAttributes(about))
}

func textAttributes(values map[string]string) map[string]sqs.Attribute {
	out := map[string]sqs.Attribute{}
	for name, v := range values {
		out[name] = sqs.Attribute{DataType: "String", StringValue: &v}
	}
	return out
}
