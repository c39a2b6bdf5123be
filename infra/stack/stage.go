package stack

import (
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"
)

// stageKey is the metadata by which the local cloud finds the code that a function runs.
const stageKey = "loophub:stage"

// stage says what one function is called, how large it is, what it is told and what it may do. Its environment and its
// permissions stand side by side: a stage is told of nothing that it may not use.
type stage struct {
	name     string // the folder below functions/, and below the build folder
	id       string // prefix of the logical ids
	about    string
	memoryMB float64
	seconds  float64
	env      map[string]*string
	may      []awsiam.PolicyStatement
}

// newStage makes a function with a role and a log group of its own.
//
// It has no reserved concurrency, ever: a sender answered 429 may stop sending for good.
func newStage(s awscdk.Stack, p Props, g stage) awslambda.Function {
	log := newLog(s, g.id+"Log", g.name, awslogs.RetentionDays_ONE_MONTH)
	g.may = append(g.may, allow(log.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"))
	f := awslambda.NewFunction(s, jsii.String(g.id+"Function"), &awslambda.FunctionProps{
		Description:      jsii.String(g.about),
		Architecture:     awslambda.Architecture_ARM_64(),
		Runtime:          awslambda.Runtime_PROVIDED_AL2023(),
		Handler:          jsii.String("bootstrap"),
		Code:             awslambda.Code_FromAsset(jsii.String(filepath.Join(p.Build, g.name)), nil),
		MemorySize:       jsii.Number(g.memoryMB),
		Timeout:          awscdk.Duration_Seconds(jsii.Number(g.seconds)),
		Environment:      &g.env,
		Role:             newRole(s, g.id+"Role", awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil), g.may...),
		LogGroup:         log,
		LoggingFormat:    awslambda.LoggingFormat_JSON,
		SystemLogLevelV2: awslambda.SystemLogLevel_WARN,
	})
	named(f, g.id+"Function")
	f.Node().DefaultChild().(awslambda.CfnFunction).AddMetadata(jsii.String(stageKey), jsii.String(g.name))
	return f
}

// openURL gives a function its public address. Since October 2025 an address without AWS authentication needs both
// permissions; callers are told apart by what they sign and by tokens, which the stage checks.
func openURL(s awscdk.Stack, id string, f awslambda.Function) *string {
	u := awslambda.NewCfnUrl(s, jsii.String(id+"Url"), &awslambda.CfnUrlProps{
		AuthType: jsii.String("NONE"), TargetFunctionArn: f.FunctionArn(),
	})
	// Settings at the merchants' vendors name this address.
	u.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	awslambda.NewCfnPermission(s, jsii.String(id+"UrlPermission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunctionUrl"), FunctionName: f.FunctionArn(), Principal: jsii.String("*"),
		FunctionUrlAuthType: jsii.String("NONE"),
	})
	awslambda.NewCfnPermission(s, jsii.String(id+"InvokePermission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: f.FunctionArn(), Principal: jsii.String("*"),
		InvokedViaFunctionUrl: jsii.Bool(true),
	})
	return u.AttrFunctionUrl()
}
