package sqs_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/sqs"
)

// bury sends messages and has each received too often.
func (b *bench) bury(bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		b.send(body)
	}
	for range 3 { // the third receive moves what was received twice
		b.receive(b.url)
		b.pass(31 * time.Second)
	}
	if visible, _, _ := b.service.Depth("arn:dead"); visible < len(bodies) {
		b.t.Fatalf("%d dead letters", visible)
	}
}

func (b *bench) start(in client.StartMessageMoveTaskInput) *string {
	b.t.Helper()
	if in.SourceArn == nil {
		in.SourceArn = aws.String("arn:dead")
	}
	out, err := b.StartMessageMoveTask(b.t.Context(), &in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out.TaskHandle
}

func (b *bench) tasks(most int32) []types.ListMessageMoveTasksResultEntry {
	b.t.Helper()
	out, err := b.ListMessageMoveTasks(b.t.Context(), &client.ListMessageMoveTasksInput{SourceArn: aws.String("arn:dead"), MaxResults: &most})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.Results
}

func TestDeadLettersGoBack(t *testing.T) {
	run(t, func(b *bench) {
		b.bury("one", "two")
		handle := b.start(client.StartMessageMoveTaskInput{})
		at := b.clock.Now()
		task := b.tasks(1)[0]
		if *task.Status != "RUNNING" || *task.TaskHandle != *handle || *task.ApproximateNumberOfMessagesToMove != 2 ||
			task.ApproximateNumberOfMessagesMoved != 0 || task.StartedTimestamp != at.UnixMilli() || task.DestinationArn != nil {
			b.t.Errorf("at the start %+v", task)
		}
		_, err := b.StartMessageMoveTask(b.t.Context(), &client.StartMessageMoveTaskInput{SourceArn: aws.String("arn:dead")})
		b.refused(err, "AWS.SimpleQueueService.UnsupportedOperation")
		b.pass(time.Second)
		if task = b.tasks(1)[0]; *task.Status != "COMPLETED" || task.TaskHandle != nil || task.ApproximateNumberOfMessagesMoved != 2 {
			b.t.Errorf("at the end %+v", task)
		}
		_, err = b.CancelMessageMoveTask(b.t.Context(), &client.CancelMessageMoveTaskInput{TaskHandle: handle})
		b.refused(err, "AWS.SimpleQueueService.UnsupportedOperation")
		got := b.receive(b.url)
		if visible, _, _ := b.service.Depth("arn:dead"); len(got) != 2 || *got[0].Body != "one" || visible != 0 {
			b.t.Fatalf("%d messages came back, %d stay", len(got), visible)
		}
		// What comes back is new: nobody counts its earlier receives.
		if a := got[0].Attributes; a["ApproximateReceiveCount"] != "1" || a["SentTimestamp"] != fmt.Sprint(at.Add(time.Second).UnixMilli()) ||
			a["DeadLetterQueueSourceArn"] != "" {
			b.t.Errorf("it came back with %v", a)
		}
	})
}

func TestDeadLettersGoElsewhereByRate(t *testing.T) {
	run(t, func(b *bench) {
		b.bury("1", "2", "3", "4", "5")
		handle := b.start(client.StartMessageMoveTaskInput{DestinationArn: aws.String("arn:other"), MaxNumberOfMessagesPerSecond: aws.Int32(2)})
		b.pass(time.Second)
		if task := b.tasks(1)[0]; task.ApproximateNumberOfMessagesMoved != 2 || *task.MaxNumberOfMessagesPerSecond != 2 || *task.DestinationArn != "arn:other" {
			b.t.Errorf("after a second %+v", task)
		}
		b.pass(time.Second)
		out, err := b.CancelMessageMoveTask(b.t.Context(), &client.CancelMessageMoveTaskInput{TaskHandle: handle})
		if err != nil || out.ApproximateNumberOfMessagesMoved != 4 {
			b.t.Errorf("cancelled after %d: %v", out.ApproximateNumberOfMessagesMoved, err)
		}
		b.pass(time.Minute)
		if got := b.service.Bodies("arn:other"); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			b.t.Errorf("moved %q", got)
		}
		b.start(client.StartMessageMoveTaskInput{})
		b.pass(time.Second)
		if l := b.tasks(10); len(l) != 2 || *l[0].Status != "COMPLETED" || *l[1].Status != "CANCELLED" || len(b.service.Bodies("arn:work")) != 1 {
			b.t.Errorf("tasks %+v", l)
		}
	})
}

// What a rule or a function put there has no queue to go back to: the task ends, and says so.
func TestDeadLettersOfNoQueue(t *testing.T) {
	run(t, func(b *bench) {
		b.bury("one")
		if err := b.service.Send("arn:dead", "an event", nil); err != nil {
			b.t.Fatal(err)
		}
		b.start(client.StartMessageMoveTaskInput{})
		b.pass(time.Second)
		if task := b.tasks(1)[0]; *task.Status != "FAILED" || *task.FailureReason != "CouldNotDetermineMessageSource" || task.ApproximateNumberOfMessagesMoved != 1 {
			b.t.Errorf("%+v", task)
		}
		if got := b.service.Bodies("arn:dead"); !slices.Equal(got, []string{"an event"}) {
			b.t.Errorf("left %q", got)
		}
	})
}

func TestMovesThatAreRefused(t *testing.T) {
	run(t, func(b *bench) {
		for code, in := range map[string]*client.StartMessageMoveTaskInput{
			"ResourceNotFoundException": {SourceArn: aws.String("arn:none")},
			"InvalidParameterValue":     {SourceArn: aws.String("arn:work")},
		} {
			_, err := b.StartMessageMoveTask(b.t.Context(), in)
			b.refused(err, code)
		}
		_, err := b.StartMessageMoveTask(b.t.Context(), &client.StartMessageMoveTaskInput{SourceArn: aws.String("arn:dead"), DestinationArn: aws.String("arn:dead")})
		b.refused(err, "InvalidParameterValue")
		_, err = b.StartMessageMoveTask(b.t.Context(), &client.StartMessageMoveTaskInput{SourceArn: aws.String("arn:dead"), MaxNumberOfMessagesPerSecond: aws.Int32(501)})
		b.refused(err, "InvalidParameterValue")
		_, err = b.CancelMessageMoveTask(b.t.Context(), &client.CancelMessageMoveTaskInput{TaskHandle: aws.String("eyJ0YXNrSWQiOiJ4Iiwic291cmNlQXJuIjoieSJ9")})
		b.refused(err, "ResourceNotFoundException")
	})
}

// Who starts a task needs the permission for all that it does.
func TestMovesNeed(t *testing.T) {
	s, err := sqs.New(clock.Stopped(noon), queues())
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"SourceArn":"arn:dead"}`: "sqs:StartMessageMoveTask arn:dead, sqs:ReceiveMessage arn:dead, sqs:DeleteMessage arn:dead, " +
			"sqs:GetQueueAttributes arn:dead, sqs:SendMessage arn:work",
		`{"SourceArn":"arn:dead","DestinationArn":"arn:other"}`: "sqs:StartMessageMoveTask arn:dead, sqs:ReceiveMessage arn:dead, " +
			"sqs:DeleteMessage arn:dead, sqs:GetQueueAttributes arn:dead, sqs:SendMessage arn:other",
	} {
		needs, err := s.Needs(dispatch.Call{Service: "sqs", Operation: "StartMessageMoveTask", Body: []byte(body)})
		var got []string
		for _, n := range needs {
			got = append(got, n.Action+" "+n.Resource)
		}
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("%s: %v %v", body, got, err)
		}
	}
	handle, err := json.Marshal(map[string][]byte{"TaskHandle": []byte(`{"taskId":"x","sourceArn":"arn:dead"}`)})
	if err != nil {
		t.Fatal(err)
	}
	needs, err := s.Needs(dispatch.Call{Service: "sqs", Operation: "CancelMessageMoveTask", Body: handle})
	if err != nil || len(needs) != 1 || needs[0] != (dispatch.Need{Action: "sqs:CancelMessageMoveTask", Resource: "arn:dead"}) {
		t.Errorf("cancelling needs %v: %v", needs, err)
	}
}
