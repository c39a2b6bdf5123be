package ses

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The shapes of events:
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html, read 2026-11.

const reader = "Mozilla/5.0 (Linux; Android 15) local simulator"

// occurrence is an event on its way to its destinations.
type occurrence struct {
	Set, Kind string
	Event     json.RawMessage
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Service) now() string { return stamp(s.cfg.Clock.Now()) }

// tell makes an event; of a mail without a set nobody will hear. The caller holds the lock.
func (s *Service) tell(m Mail, kind string, detail map[string]any) occurrence {
	event, err := json.Marshal(map[string]any{"eventType": EventTypes[kind], "mail": s.mail(m), memberOf(kind): detail})
	if err != nil { // texts and lists always marshal
		panic(err)
	}
	return occurrence{m.ConfigurationSet, kind, event}
}

// memberOf is where an event's detail stands.
func memberOf(kind string) string {
	if kind == "renderingFailure" {
		return "failure"
	}
	return kind
}

func (s *Service) publishNext() bool {
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return false
	}
	o := s.pending[0] // it stays there until it is published
	s.mu.Unlock()
	for _, d := range s.sets[o.Set].Destinations {
		if !slices.Contains(d.Types, o.Kind) {
			continue
		}
		if err := d.Publish(o.Event); err != nil && s.cfg.Lost != nil {
			s.cfg.Lost(fmt.Errorf("publishing %s of configuration set %s: %w", o.Kind, o.Set, err))
		}
	}
	s.published()
	return true
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// mail is the part that all events share.
func (s *Service) mail(m Mail) map[string]any {
	domain := domainOf(m.From)
	tags := map[string][]string{"ses:operation": {"SendEmail"}, "ses:configuration-set": {m.ConfigurationSet},
		"ses:source-ip": {"127.0.0.1"}, "ses:from-domain": {domain},
		"ses:caller-identity": {m.Caller[strings.LastIndexByte(m.Caller, '/')+1:]}}
	for _, t := range m.Tags {
		tags[t.Name] = []string{t.Value}
	}
	headers := []header{{"From", m.From}}
	for _, list := range []struct {
		name string
		all  []string
	}{{"Reply-To", m.ReplyTo}, {"To", m.To}, {"Cc", m.Cc}} {
		if len(list.all) > 0 {
			headers = append(headers, header{list.name, strings.Join(list.all, ", ")})
		}
	}
	headers = append(headers, header{"Subject", m.Subject}, header{"MIME-Version", "1.0"})
	for _, h := range m.Headers {
		headers = append(headers, header(h))
	}
	return map[string]any{
		"timestamp": stamp(m.At), "source": m.From, "sourceArn": s.identityARN(m.From), "sendingAccountId": s.cfg.Account,
		"messageId": m.ID, "destination": slices.Concat(m.To, m.Cc, m.Bcc), "headersTruncated": false, "headers": headers,
		"commonHeaders": map[string]any{"from": []string{m.From}, "to": m.To, "messageId": m.ID, "subject": m.Subject}, "tags": tags,
	}
}

func (s *Service) delivery(m Mail) map[string]any {
	return map[string]any{"timestamp": s.now(), "processingTimeMillis": 0, "recipients": slices.Concat(m.To, m.Cc, m.Bcc),
		"smtpResponse": "250 2.6.0 Message received", "reportingMTA": "a1-local.smtp-out.amazonses.com", "remoteMtaIp": "192.0.2.25"}
}

func (s *Service) bounce(m Mail, kind, sub string) map[string]any {
	status, code := "5.1.1", "smtp; 550 5.1.1 user unknown"
	if kind == "Transient" {
		status, code = "4.2.2", "smtp; 452 4.2.2 try again later"
	}
	var recipients []map[string]string
	for _, r := range slices.Concat(m.To, m.Cc, m.Bcc) {
		recipients = append(recipients, map[string]string{"emailAddress": bare(r), "action": "failed", "status": status, "diagnosticCode": code})
	}
	return map[string]any{"feedbackId": m.ID, "bounceType": kind, "bounceSubType": sub, "bouncedRecipients": recipients, "timestamp": s.now(),
		"reportingMTA": "dns; a1-local.smtp-out.amazonses.com"}
}

func (s *Service) complaint(m Mail) map[string]any {
	var recipients []map[string]string
	for _, r := range slices.Concat(m.To, m.Cc, m.Bcc) {
		recipients = append(recipients, map[string]string{"emailAddress": bare(r)})
	}
	return map[string]any{"feedbackId": m.ID, "complaintSubType": nil, "complainedRecipients": recipients, "timestamp": s.now(),
		"userAgent": "Amazon SES Mailbox Simulator", "complaintFeedbackType": "abuse", "arrivalDate": s.now()}
}
