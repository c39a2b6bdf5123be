package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsscheduler"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// tick starts the sweep each minute. A sweep that fails is not retried: it works from what is stored, so the next
// minute's does the same work, and two at a time would only compete.
func tick(s awscdk.Stack, sweep awslambda.Function, dead awssqs.Queue) {
	// The condition keeps a schedule of another account from borrowing the role.
	scheduler := awsiam.NewServicePrincipal(jsii.String("scheduler.amazonaws.com"), &awsiam.ServicePrincipalOpts{
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": s.Account()}},
	})
	role := newRole(s, "SweepScheduleRole", scheduler,
		allow(sweep.FunctionArn(), "lambda:InvokeFunction"),
		allow(dead.QueueArn(), "sqs:SendMessage"),
	)
	awsscheduler.NewCfnSchedule(s, jsii.String("SweepSchedule"), &awsscheduler.CfnScheduleProps{
		Description:        jsii.String("Sweeps each minute"),
		ScheduleExpression: jsii.String("rate(1 minute)"),
		FlexibleTimeWindow: &awsscheduler.CfnSchedule_FlexibleTimeWindowProperty{Mode: jsii.String("OFF")},
		Target: &awsscheduler.CfnSchedule_TargetProperty{
			Arn:              sweep.FunctionArn(),
			RoleArn:          role.RoleArn(),
			DeadLetterConfig: &awsscheduler.CfnSchedule_DeadLetterConfigProperty{Arn: dead.QueueArn()},
			RetryPolicy: &awsscheduler.CfnSchedule_RetryPolicyProperty{
				MaximumEventAgeInSeconds: jsii.Number(60), MaximumRetryAttempts: jsii.Number(0),
			},
		},
	})
	awslambda.NewCfnEventInvokeConfig(s, jsii.String("SweepInvokeConfig"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName: sweep.FunctionName(), Qualifier: jsii.String("$LATEST"),
		MaximumEventAgeInSeconds: jsii.Number(60), MaximumRetryAttempts: jsii.Number(0),
	})
}
