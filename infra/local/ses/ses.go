// Package ses is Amazon SES, version 2 of its API: mails of simple content go into an outbox, and what becomes of them
// is published as a configuration set's event destinations ask for it.
package ses

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal"
	"loophub/infra/local/work"
)

// Set is a configuration set.
type Set struct {
	Name         string
	Paused       bool // sending is switched off
	Destinations []Destination
}

// Destination is an event destination of a configuration set.
type Destination struct {
	Types []string // send, delivery, open, … as the template writes them
	// Publish sends an event on, as the set may.
	Publish func(event []byte) error
}

// EventTypes are the types that a destination may ask for, with their names in events.
var EventTypes = map[string]string{
	"send": "Send", "reject": "Reject", "bounce": "Bounce", "complaint": "Complaint", "delivery": "Delivery", "open": "Open", "click": "Click",
	"renderingFailure": "Rendering Failure", "deliveryDelay": "DeliveryDelay", "subscription": "Subscription",
}

// Config is what the service is made of.
type Config struct {
	Region, Account string
	Clock           clock.Clock
	Tracker         *work.Tracker
	Sets            []Set
	// Lost is told of an event that a destination refused; on AWS nobody hears of it.
	Lost func(err error)
}

// Service takes mails and publishes what becomes of them.
type Service struct {
	// Journal, if not nil, gets mails and what becomes of them. Set it before the first call.
	Journal journal.Journal

	cfg  Config
	sets map[string]Set
	loop *work.Loop

	mu      sync.Mutex
	serial  uint64
	mails   []*Mail
	pending []occurrence
}

// Mail is one mail of the outbox.
type Mail struct {
	ID               string
	At               time.Time
	Caller           string // role that sent it
	From             string // as given: a name in encoded words, and the address
	To, Cc, Bcc      []string
	ReplyTo          []string
	Subject          string
	HTML, Text       string
	Headers          []Header // custom ones, in order
	Tags             []Tag
	ConfigurationSet string
	Fate             Fate // what the receiving side makes of it
}

// Header is a custom header of a mail.
type Header struct{ Name, Value string }

// Tag is a tag of a mail.
type Tag struct{ Name, Value string }

// Tag is the value of a tag, "" without it.
func (m Mail) Tag(name string) string {
	for _, t := range m.Tags {
		if t.Name == name {
			return t.Value
		}
	}
	return ""
}

// Header is the value of a custom header, "" without it.
func (m Mail) Header(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Fate is what becomes of a mail.
type Fate string

// The fates. The addresses of SES's mailbox simulator bring about all but the first; others arrive.
// https://docs.aws.amazon.com/ses/latest/DeveloperGuide/mailbox-simulator.html, read 2026-11.
const (
	Arrives    Fate = "arrives"
	Bounces    Fate = "bounces"    // bounce@: the mailbox does not exist
	Suppressed Fate = "suppressed" // suppressionlist@: bounced before, so SES does not even try
	Away       Fate = "away"       // ooto@: it arrives, and an automatic answer comes back
	Complained Fate = "complained" // complaint@: it arrives, and the reader calls it spam
)

const simulator = "@simulator.amazonses.com"

// fateOf reads the fate off the recipients; bounce+label@ is bounce@.
func fateOf(recipients []string) Fate {
	for _, r := range recipients {
		name, ok := strings.CutSuffix(strings.ToLower(bare(r)), simulator)
		name, _, _ = strings.Cut(name, "+")
		fate := map[string]Fate{"bounce": Bounces, "suppressionlist": Suppressed, "ooto": Away, "complaint": Complained}[name]
		if ok && fate != "" {
			return fate
		}
	}
	return Arrives
}

// New checks the configuration sets.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, sets: map[string]Set{}}
	for _, set := range cfg.Sets {
		for _, d := range set.Destinations {
			if len(d.Types) == 0 {
				return nil, fmt.Errorf("configuration set %s: a destination asks for no events", set.Name)
			}
			for _, t := range d.Types {
				if EventTypes[t] == "" {
					return nil, fmt.Errorf("configuration set %s: there is no event type %q", set.Name, t)
				}
			}
		}
		s.sets[set.Name] = set
	}
	s.loop = work.NewLoop(cfg.Tracker, "ses", s.publishNext)
	return s, nil
}

// Stop ends publishing after the event at hand.
func (s *Service) Stop() { s.loop.Stop() }

// Mails are all mails so far, oldest first.
func (s *Service) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Mail, len(s.mails))
	for i, m := range s.mails {
		out[i] = *m
	}
	return out
}

// take puts a mail into the outbox and lets its first events follow.
func (s *Service) take(m Mail) (id string, err error) {
	s.mu.Lock()
	m.At = s.cfg.Clock.Now()
	m.ID = fmt.Sprintf("0100%012x-10ca1000-0000-4000-8006-%012x-000000", m.At.UnixMilli(), s.serial+1)
	m.Fate = fateOf(slices.Concat(m.To, m.Cc, m.Bcc))
	told := []occurrence{s.tell(m, "send", map[string]any{})}
	switch m.Fate {
	case Bounces:
		told = append(told, s.tell(m, "bounce", s.bounce(m, "Permanent", "General")))
	case Suppressed:
		told = append(told, s.tell(m, "bounce", s.bounce(m, "Permanent", "Suppressed")))
	default:
		told = append(told, s.tell(m, "delivery", s.delivery(m)))
	}
	switch m.Fate {
	case Away:
		told = append(told, s.tell(m, "bounce", s.bounce(m, "Transient", "General")))
	case Complained:
		told = append(told, s.tell(m, "complaint", s.complaint(m)))
	}
	err = s.do(effect{Mail: &m, Serial: s.serial + 1, Told: told})
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	s.loop.Wake()
	return m.ID, nil
}

// Open lets a recipient open a mail. Like SES, it can only see that of a mail with an HTML part, that arrived, and of a
// set that publishes it.
func (s *Service) Open(id string) error {
	return s.happen(id, "open", func(m Mail) (map[string]any, error) {
		if m.HTML == "" {
			return nil, fmt.Errorf("mail %s has no HTML part, so nothing tells that it is opened", id)
		}
		return map[string]any{"ipAddress": "192.0.2.24", "timestamp": s.now(), "userAgent": reader}, nil
	})
}

// Click lets a recipient follow a link of a mail, as SES's own click tracking sees it.
func (s *Service) Click(id, link string) error {
	return s.happen(id, "click", func(m Mail) (map[string]any, error) {
		if link == "" || !strings.Contains(m.HTML+m.Text, link) {
			return nil, fmt.Errorf("mail %s has no link %s", id, link)
		}
		return map[string]any{"ipAddress": "192.0.2.24", "timestamp": s.now(), "userAgent": reader, "link": link, "linkTags": nil}, nil
	})
}

// Complain lets a recipient call a mail spam.
func (s *Service) Complain(id string) error {
	return s.happen(id, "complaint", func(m Mail) (map[string]any, error) { return s.complaint(m), nil })
}

// Bounce returns a mail that had arrived at first, for good or for now.
func (s *Service) Bounce(id string, permanent bool) error {
	return s.happen(id, "bounce", func(m Mail) (map[string]any, error) {
		if permanent {
			return s.bounce(m, "Permanent", "General"), nil
		}
		return s.bounce(m, "Transient", "MailboxFull"), nil
	})
}

func (s *Service) happen(id, kind string, detail func(Mail) (map[string]any, error)) error {
	s.mu.Lock()
	i := slices.IndexFunc(s.mails, func(m *Mail) bool { return m.ID == id })
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("there is no mail %s in the outbox", id)
	}
	err := s.befall(*s.mails[i], kind, detail)
	s.mu.Unlock()
	s.loop.Wake()
	return err
}

// befall tells an event of a mail, if SES could see it. The caller holds the lock.
func (s *Service) befall(m Mail, kind string, detail func(Mail) (map[string]any, error)) error {
	if m.Fate == Bounces || m.Fate == Suppressed {
		return fmt.Errorf("mail %s never arrived", m.ID)
	}
	if !slices.ContainsFunc(s.sets[m.ConfigurationSet].Destinations, func(d Destination) bool { return slices.Contains(d.Types, kind) }) {
		return fmt.Errorf("the configuration set %q publishes no events of type %s", m.ConfigurationSet, kind)
	}
	d, err := detail(m)
	if err != nil {
		return err
	}
	return s.do(effect{Told: []occurrence{s.tell(m, kind, d)}})
}
