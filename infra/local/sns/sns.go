// Package sns is Amazon SNS: standard topics whose subscribers are functions.
package sns

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/retry"
	"loophub/infra/local/work"
)

// Topic sends what is published to it to its subscriptions.
type Topic struct {
	Name, ARN     string
	Subscriptions []Subscription
}

// Subscription is one receiver of a topic, a function.
type Subscription struct {
	ARN      string
	Endpoint string // ARN of the function
	// Deliver hands an event over. The function runs on its own time; what it answers is Lambda's business.
	Deliver func(event []byte) error
	// Bury takes the message that could not be handed over, as the dead-letter queue gets it. Nil: it is lost, as on AWS.
	Bury func(message string) error
}

// Config is what the service is made of.
type Config struct {
	Region, Account string
	Timers          clock.Timers
	Tracker         *work.Tracker
	Topics          []Topic
}

// Service accepts messages and delivers them, one after the other, on a goroutine of its own.
type Service struct {
	// Journal, if not nil, gets what was published and what was delivered. Set it before the first call.
	Journal journal.Journal

	cfg    Config
	topics map[string]Topic // by ARN
	loop   *work.Loop

	mu      sync.Mutex
	serial  uint64
	stopped bool
	open    []*attempt // all that are under way
	pending []*attempt // those that may be made now
}

// attempt is one message on its way to one subscription.
type attempt struct {
	To      string // ARN of the subscription
	Message Message
	Tries   int       `json:",omitempty"` // so far
	Due     time.Time `json:",omitzero"`  // of the next; zero: now

	to     Subscription
	asleep bool // read from the journal and not yet resumed
}

// Message is what is published.
type Message struct {
	Serial                   uint64
	ID, Topic, Subject, Text string
	Attributes               map[string]Attribute
	At                       time.Time
}

// Attribute is a message attribute as subscribers see it.
type Attribute struct{ Type, Value string }

// New makes the topics.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, topics: map[string]Topic{}}
	for _, t := range cfg.Topics {
		s.topics[t.ARN] = t
	}
	s.loop = work.NewLoop(cfg.Tracker, "sns", s.deliverNext)
	return s
}

// Stop ends delivery after the message at hand.
func (s *Service) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.loop.Stop()
}

// Publish takes a message for a topic; its subscribers get it afterwards.
func (s *Service) Publish(topic, subject, text string, attributes map[string]Attribute) (id string, err error) {
	t, ok := s.topics[topic]
	if !ok {
		return "", &dispatch.Error{Status: http.StatusNotFound, Code: "NotFound", Message: "Topic does not exist"}
	}
	if err := check(subject, text, attributes); err != nil {
		return "", err
	}
	s.mu.Lock()
	n := s.serial + 1
	m := Message{Serial: n, ID: fmt.Sprintf("10ca1000-0000-4000-8005-%012x", n), Topic: topic, Subject: subject, Text: text,
		Attributes: attributes, At: s.cfg.Timers.Now()}
	e := effect{Serial: n}
	for _, to := range t.Subscriptions {
		e.Published = append(e.Published, &attempt{To: to.ARN, Message: m})
	}
	err = s.do(e)
	if err == nil {
		s.pending = append(s.pending, e.Published...)
	}
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	s.loop.Wake()
	return m.ID, nil
}

func (s *Service) deliverNext() bool {
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return false
	}
	a := s.pending[0]
	s.pending = s.pending[1:]
	s.mu.Unlock()
	event, err := lambdaEvent(a.to, a.Message)
	if err == nil {
		err = a.to.Deliver(event)
	}
	if err == nil {
		s.over(a)
		return true
	}
	wait, again := backoff(a.Tries)
	if !again || !retry.Passing(err) {
		s.bury(a)
		s.over(a)
		return true
	}
	s.failed(a, wait)
	if wait == 0 {
		s.again(a)
		return true
	}
	s.cfg.Timers.At(a.Due, func() { s.again(a) })
	return true
}

func (s *Service) again(a *attempt) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.pending = append(s.pending, a)
	s.mu.Unlock()
	s.loop.Wake()
}

// backoff says how long to wait after the given number of attempts, if at all: the policy for endpoints that AWS
// manages. https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html, read 2026-11.
func backoff(tries int) (time.Duration, bool) {
	const immediate, pre, rising, all = 3, 2, 10, 100_015
	switch {
	case tries < immediate:
		return 0, true
	case tries < immediate+pre:
		return time.Second, true
	case tries < immediate+pre+rising:
		return min(20*time.Second, time.Second<<(tries-immediate-pre)), true
	}
	return 20 * time.Second, tries < all
}

func (s *Service) bury(a *attempt) {
	if a.to.Bury == nil {
		return
	}
	text, err := json.Marshal(a.Message.notification())
	if err != nil { // texts always marshal
		panic(err)
	}
	// A dead-letter queue that refuses too loses the message, as on AWS.
	_ = a.to.Bury(string(text))
}

// notification is the envelope of a message. Signatures are not made: what reads an event of Lambda trusts Lambda.
func (m Message) notification() map[string]any {
	attributes := map[string]any{}
	for name, a := range m.Attributes {
		attributes[name] = map[string]string{"Type": a.Type, "Value": a.Value}
	}
	out := map[string]any{
		"Type": "Notification", "MessageId": m.ID, "TopicArn": m.Topic, "Message": m.Text,
		"Timestamp": m.At.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1", "Signature": "bm90IHNpZ25lZA==",
		"SigningCertUrl": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-local.pem",
		"UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe", "MessageAttributes": attributes,
		"Subject": nil,
	}
	if m.Subject != "" {
		out["Subject"] = m.Subject
	}
	return out
}

// lambdaEvent is how a function gets a message: always one at a time.
func lambdaEvent(to Subscription, m Message) ([]byte, error) {
	return json.Marshal(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": to.ARN, "Sns": m.notification(),
	}}})
}

// nameOf is the last part of a topic's ARN.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
