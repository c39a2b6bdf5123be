package template

import "encoding/json"

// This file is the whole list of what the local cloud knows of CloudFormation: one struct per resource type, one field
// per property. A type or a property that is not here is refused when the template is loaded. Fields of type Inert are
// accepted without effect, each for a reason that stands in inert.go.

// Named is what every resource has.
type Named struct {
	LogicalID string `json:"-"`
	Name      string `json:"-"` // physical name
	ARN       string `json:"-"`
}

// Table is AWS::DynamoDB::Table.
type Table struct {
	Named
	StreamARN string `json:"-"` // "" without a stream

	AttributeDefinitions    []struct{ AttributeName, AttributeType string }
	KeySchema               []KeyElement
	BillingMode             string
	StreamSpecification     *struct{ StreamViewType string }
	TimeToLiveSpecification *struct {
		AttributeName string
		Enabled       bool
	}
	GlobalSecondaryIndexes []Index

	TableName                        Inert
	DeletionProtectionEnabled        Inert
	PointInTimeRecoverySpecification Inert
}

// KeyElement is one attribute of a primary key; KeyType is HASH or RANGE.
type KeyElement struct{ AttributeName, KeyType string }

// Index is a global secondary index.
type Index struct {
	IndexName  string
	KeySchema  []KeyElement
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string
	}
}

// Queue is AWS::SQS::Queue, a standard one: FIFO queues are refused by their property.
type Queue struct {
	Named
	URL string `json:"-"`

	DelaySeconds                  int
	MaximumMessageSize            int // bytes, 0: the service's default
	MessageRetentionPeriod        int // seconds, 0: the service's default
	ReceiveMessageWaitTimeSeconds int
	VisibilityTimeout             *int
	RedrivePolicy                 *struct {
		DeadLetterTargetArn string `json:"deadLetterTargetArn"`
		MaxReceiveCount     int    `json:"maxReceiveCount"`
	}

	RedriveAllowPolicy *struct {
		RedrivePermission string   `json:"redrivePermission"` // allowAll, denyAll, byQueue
		SourceQueueArns   []string `json:"sourceQueueArns"`
	}

	QueueName            Inert
	SqsManagedSseEnabled Inert
}

// QueuePolicy is AWS::SQS::QueuePolicy.
type QueuePolicy struct {
	Named
	PolicyDocument json.RawMessage
	Queues         []string // URLs
}

// Bucket is AWS::S3::Bucket.
type Bucket struct {
	Named
	LifecycleConfiguration *struct {
		Rules []LifecycleRule
	}

	BucketEncryption *struct {
		ServerSideEncryptionConfiguration []struct{ ServerSideEncryptionByDefault struct{ SSEAlgorithm string } }
	}

	BucketName                     Inert
	PublicAccessBlockConfiguration Inert
	OwnershipControls              Inert
}

// LifecycleRule expires objects.
type LifecycleRule struct {
	Status           string
	Prefix           string
	ExpirationInDays int

	Id                             Inert
	AbortIncompleteMultipartUpload Inert
}

// BucketPolicy is AWS::S3::BucketPolicy.
type BucketPolicy struct {
	Named
	Bucket         string
	PolicyDocument json.RawMessage
}

// Bus is AWS::Events::EventBus.
type Bus struct {
	Named

	GivenName   Inert `json:"Name"` // resolved into Named.Name
	Description Inert
}

// Rule is AWS::Events::Rule with a pattern; scheduled rules are the Scheduler's.
type Rule struct {
	Named
	EventBusName string
	EventPattern json.RawMessage
	State        string
	Targets      []Target

	GivenName   Inert `json:"Name"`
	Description Inert
}

// Target is where a rule or a schedule sends.
type Target struct {
	Arn              string
	Id               string
	Input            string
	RoleArn          string
	DeadLetterConfig *struct{ Arn string }
	RetryPolicy      *struct {
		MaximumEventAgeInSeconds *int
		MaximumRetryAttempts     *int
	}
}

// Schedule is AWS::Scheduler::Schedule.
type Schedule struct {
	Named
	ScheduleExpression string
	State              string
	FlexibleTimeWindow struct {
		Mode string
	}
	Target Target

	GivenName   Inert `json:"Name"`
	Description Inert
}

// LogGroup is AWS::Logs::LogGroup.
type LogGroup struct {
	Named

	LogGroupName    Inert
	RetentionInDays Inert
}

// LogPolicy is AWS::Logs::ResourcePolicy.
type LogPolicy struct {
	Named
	PolicyDocument string

	PolicyName Inert
}

// Role is AWS::IAM::Role. Managed policies are refused: their text is not in the template.
type Role struct {
	Named
	AssumeRolePolicyDocument json.RawMessage
	Policies                 []InlinePolicy
	MaxSessionDuration       int // seconds, 0: the service's default

	RoleName    Inert
	Description Inert
}

// InlinePolicy is one policy of a role.
type InlinePolicy struct {
	PolicyName     string
	PolicyDocument json.RawMessage
}

// Policy is AWS::IAM::Policy.
type Policy struct {
	Named
	PolicyName     string
	PolicyDocument json.RawMessage
	Roles          []string // names
}

// Function is AWS::Lambda::Function.
type Function struct {
	Named
	Stage string `json:"-"` // Metadata loophub:stage

	Role        string // ARN
	MemorySize  int    // MB, 0: the service's default
	Timeout     int    // seconds, 0: the service's default
	Environment *struct{ Variables map[string]string }

	ReservedConcurrentExecutions *int

	LoggingConfig *struct {
		LogGroup       string
		LogFormat      string
		SystemLogLevel string
	}

	FunctionName  Inert
	Description   Inert
	Code          Inert
	Handler       Inert
	Runtime       Inert
	Architectures Inert
}

// FunctionURL is AWS::Lambda::Url.
type FunctionURL struct {
	Named
	URL string `json:"-"` // https://<id>.lambda-url.<region>.on.aws/

	TargetFunctionArn string
	AuthType          string
	InvokeMode        string
}

// Permission is AWS::Lambda::Permission.
type Permission struct {
	Named
	Action                string
	FunctionName          string // name or ARN
	Principal             string
	SourceArn             string
	SourceAccount         string
	FunctionUrlAuthType   string
	InvokedViaFunctionUrl *bool
}

// Mapping is AWS::Lambda::EventSourceMapping. Tumbling windows and parallelisation are refused by their properties.
type Mapping struct {
	Named
	FunctionName                   string // name or ARN
	EventSourceArn                 string
	BatchSize                      int
	StartingPosition               string
	Enabled                        *bool
	BisectBatchOnFunctionError     bool
	MaximumRetryAttempts           *int
	MaximumRecordAgeInSeconds      *int
	MaximumBatchingWindowInSeconds int
	FunctionResponseTypes          []string
	FilterCriteria                 *struct{ Filters []struct{ Pattern string } }
	DestinationConfig              *struct {
		OnFailure *struct{ Destination string }
	}
	ScalingConfig *struct{ MaximumConcurrency int }
}

// AsyncConfig is AWS::Lambda::EventInvokeConfig.
type AsyncConfig struct {
	Named
	FunctionName             string
	Qualifier                string
	MaximumRetryAttempts     *int
	MaximumEventAgeInSeconds *int
	DestinationConfig        *struct {
		OnFailure *struct{ Destination string }
	}
}

// Parameter is AWS::SSM::Parameter; CloudFormation can make String and StringList only.
type Parameter struct {
	Named
	Type  string
	Value string
	Tier  string

	GivenName   Inert `json:"Name"`
	Description Inert
}

// Metadata is AWS::CDK::Metadata, the CDK's usage report.
type Metadata struct {
	Named
	Analytics Inert
}
