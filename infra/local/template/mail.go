package template

import "encoding/json"

// This file is the part of the list in resource.go that is about mail and its events.

// Topic is AWS::SNS::Topic, a standard one; its subscriptions are resources of their own.
type Topic struct {
	Named

	TopicName Inert
}

// TopicPolicy is AWS::SNS::TopicPolicy.
type TopicPolicy struct {
	Named
	PolicyDocument json.RawMessage
	Topics         []string // ARNs
}

// Subscription is AWS::SNS::Subscription. Filters and raw delivery are refused by their properties.
type Subscription struct {
	Named
	Protocol      string
	Endpoint      string
	TopicArn      string
	RedrivePolicy *struct {
		DeadLetterTargetArn string `json:"deadLetterTargetArn"`
	}
}

// ConfigurationSet is AWS::SES::ConfigurationSet.
type ConfigurationSet struct {
	Named
	SendingOptions *struct{ SendingEnabled *bool }

	GivenName Inert `json:"Name"`
}

// EventDestination is AWS::SES::ConfigurationSetEventDestination with a topic; other destinations are refused by their
// properties.
type EventDestination struct {
	Named
	ConfigurationSetName string
	EventDestination     struct {
		Enabled            *bool
		MatchingEventTypes []string
		SnsDestination     *struct{ TopicARN string }

		Name Inert
	}
}
