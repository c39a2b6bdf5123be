// Package template reads a synthesized CloudFormation template into plain values: resources with their names, ARNs and
// properties, all references resolved. What it does not know it refuses: a property that is silently ignored would make
// the local cloud differ from AWS where nobody looks.
package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// StageKey is the metadata key under which a function names its stage.
const StageKey = "loophub:stage"

// Stack is a template with every reference resolved, each list in the order of logical ids.
type Stack struct {
	Tables         []Table
	Queues         []Queue
	QueuePolicies  []QueuePolicy
	Buckets        []Bucket
	BucketPolicies []BucketPolicy
	Buses          []Bus
	Rules          []Rule
	Schedules      []Schedule
	LogGroups      []LogGroup
	LogPolicies    []LogPolicy
	Roles          []Role
	Policies       []Policy
	Functions      []Function
	URLs           []FunctionURL
	Permissions    []Permission
	Mappings       []Mapping
	AsyncConfigs   []AsyncConfig
	Parameters     []Parameter

	Topics            []Topic
	TopicPolicies     []TopicPolicy
	Subscriptions     []Subscription
	ConfigurationSets []ConfigurationSet
	EventDestinations []EventDestination

	Outputs map[string]string
}

type rawResource struct {
	Type       string
	Properties map[string]any
	Metadata   map[string]any

	DependsOn           Inert // everything is made at once
	DeletionPolicy      Inert
	UpdateReplacePolicy Inert
}

type document struct {
	Resources  map[string]rawResource
	Parameters map[string]struct {
		Type, Default string

		Description, AllowedValues, NoEcho Inert
	}
	Outputs map[string]struct {
		Value any

		Description, Export Inert
	}

	AWSTemplateFormatVersion Inert
	Description              Inert
	Metadata                 Inert
	Rules                    Inert // the CDK's check of its own bootstrap version
}

// Load reads a template for a stack of the given name. Everything that it refuses is reported at once.
func Load(data []byte, stackName string) (*Stack, error) {
	var doc document
	if err := strict(data, &doc); err != nil {
		return nil, fmt.Errorf("reading template: %w", err)
	}
	if len(doc.Resources) == 0 {
		return nil, errors.New("reading template: it has no resources")
	}
	r := &resolver{stack: stackName, raw: doc.Resources, parameter: map[string]string{}, seen: map[string]bool{}}
	for name, p := range doc.Parameters {
		r.parameter[name] = p.Default
	}
	s := &Stack{Outputs: map[string]string{}}
	var refused []error
	for _, id := range slices.Sorted(maps.Keys(doc.Resources)) {
		if err := s.add(r, id); err != nil {
			refused = append(refused, fmt.Errorf("resource %s (%s): %w", id, doc.Resources[id].Type, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Outputs)) {
		v, err := r.resolve(doc.Outputs[name].Value)
		if err != nil {
			refused = append(refused, fmt.Errorf("output %s: %w", name, err))
		}
		s.Outputs[name] = fmt.Sprint(v)
	}
	if err := errors.Join(refused...); err != nil {
		return nil, fmt.Errorf("reading template: %w", err)
	}
	return s, nil
}

func (s *Stack) add(r *resolver, id string) error {
	raw := r.raw[id]
	if _, ok := identities[raw.Type]; !ok {
		return errors.New("the local cloud does not know this resource type")
	}
	who, _, err := r.ident(id)
	if err != nil {
		return err
	}
	resolved, err := r.resolve(any(raw.Properties))
	if err != nil {
		return err
	}
	properties, err := json.Marshal(resolved)
	if err != nil {
		return err
	}
	named := Named{LogicalID: id, Name: who.name, ARN: who.arn}
	switch raw.Type {
	case "AWS::DynamoDB::Table":
		t := Table{Named: named}
		if raw.Properties["StreamSpecification"] != nil {
			t.StreamARN = streamARN(who)
		}
		return decode(properties, t, &s.Tables)
	case "AWS::SQS::Queue":
		return decode(properties, Queue{Named: named, URL: queueURL(who)}, &s.Queues)
	case "AWS::SQS::QueuePolicy":
		return decode(properties, QueuePolicy{Named: named}, &s.QueuePolicies)
	case "AWS::S3::Bucket":
		return decode(properties, Bucket{Named: named}, &s.Buckets)
	case "AWS::S3::BucketPolicy":
		return decode(properties, BucketPolicy{Named: named}, &s.BucketPolicies)
	case "AWS::Events::EventBus":
		return decode(properties, Bus{Named: named}, &s.Buses)
	case "AWS::Events::Rule":
		return decode(properties, Rule{Named: named}, &s.Rules)
	case "AWS::Scheduler::Schedule":
		return decode(properties, Schedule{Named: named}, &s.Schedules)
	case "AWS::Logs::LogGroup":
		return decode(properties, LogGroup{Named: named}, &s.LogGroups)
	case "AWS::Logs::ResourcePolicy":
		return decode(properties, LogPolicy{Named: named}, &s.LogPolicies)
	}
	return s.addCode(raw, who, named, properties)
}

// addCode adds what concerns roles and functions.
func (s *Stack) addCode(raw rawResource, who ident, named Named, properties []byte) error {
	switch raw.Type {
	case "AWS::IAM::Role":
		return decode(properties, Role{Named: named}, &s.Roles)
	case "AWS::IAM::Policy":
		return decode(properties, Policy{Named: named}, &s.Policies)
	case "AWS::Lambda::Function":
		stage, _ := raw.Metadata[StageKey].(string)
		if stage == "" {
			return fmt.Errorf("it has no metadata %s, so nobody can tell which handler it is", StageKey)
		}
		return decode(properties, Function{Named: named, Stage: stage}, &s.Functions)
	case "AWS::Lambda::Url":
		return decode(properties, FunctionURL{Named: named, URL: functionURL(who)}, &s.URLs)
	case "AWS::Lambda::Permission":
		return decode(properties, Permission{Named: named}, &s.Permissions)
	case "AWS::Lambda::EventSourceMapping":
		named.Name = mappingID(who)
		return decode(properties, Mapping{Named: named}, &s.Mappings)
	case "AWS::Lambda::EventInvokeConfig":
		return decode(properties, AsyncConfig{Named: named}, &s.AsyncConfigs)
	case "AWS::SSM::Parameter":
		return decode(properties, Parameter{Named: named}, &s.Parameters)
	case "AWS::CDK::Metadata":
		return strict(properties, &Metadata{})
	}
	return s.addMail(raw, named, properties)
}

// addMail adds what concerns mail and its events.
func (s *Stack) addMail(raw rawResource, named Named, properties []byte) error {
	switch raw.Type {
	case "AWS::SNS::Topic":
		return decode(properties, Topic{Named: named}, &s.Topics)
	case "AWS::SNS::TopicPolicy":
		return decode(properties, TopicPolicy{Named: named}, &s.TopicPolicies)
	case "AWS::SNS::Subscription":
		return decode(properties, Subscription{Named: named}, &s.Subscriptions)
	case "AWS::SES::ConfigurationSet":
		return decode(properties, ConfigurationSet{Named: named}, &s.ConfigurationSets)
	case "AWS::SES::ConfigurationSetEventDestination":
		return decode(properties, EventDestination{Named: named}, &s.EventDestinations)
	}
	return errors.New("the local cloud names this resource type and does not read it")
}

// decode fills v with the properties and appends it to the list.
func decode[T any](properties []byte, v T, list *[]T) error {
	if err := strict(properties, &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
