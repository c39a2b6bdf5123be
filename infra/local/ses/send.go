package ses

import (
	"context"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"

	"loophub/infra/local/dispatch"
)

const (
	sendEmail     = "SendEmail"
	maxRecipients = 50
	maxHeaders    = 15
	maxTags       = 50
	maxTag        = 256
	maxHeaderName = 126
	maxHeader     = 995
	maxBytes      = 40 << 20 // of the whole message, encoded
	unverified    = ".invalid"
)

// Operations lists what is implemented.
func Operations() []string { return []string{sendEmail} }

type content struct{ Data, Charset string }

// request is SendEmail with simple content. What else there is (templates, raw messages, list management, tenants) is
// refused by its name.
type request struct {
	FromEmailAddress     string
	Destination          struct{ ToAddresses, CcAddresses, BccAddresses []string }
	ReplyToAddresses     []string
	ConfigurationSetName string
	EmailTags            []Tag
	Content              struct {
		Simple *struct {
			Subject *content
			Body    struct{ Html, Text *content }
			Headers []Header
		}
	}
}

// Serve implements dispatch.Service.
func (s *Service) Serve(_ context.Context, c dispatch.Call) (dispatch.Reply, error) {
	in, err := read(c)
	if err != nil {
		return dispatch.Reply{}, err
	}
	for _, check := range []func(request) error{checkContent, checkAddresses, checkHeaders, checkTags, s.checkSending} {
		if err := check(in); err != nil {
			return dispatch.Reply{}, err
		}
	}
	simple := in.Content.Simple
	m := Mail{Caller: c.Principal, From: in.FromEmailAddress, To: in.Destination.ToAddresses, Cc: in.Destination.CcAddresses,
		Bcc: in.Destination.BccAddresses, ReplyTo: in.ReplyToAddresses, Subject: simple.Subject.Data, Headers: simple.Headers,
		Tags: in.EmailTags, ConfigurationSet: in.ConfigurationSetName}
	if simple.Body.Html != nil {
		m.HTML = simple.Body.Html.Data
	}
	if simple.Body.Text != nil {
		m.Text = simple.Body.Text.Data
	}
	id, err := s.take(m)
	if err != nil {
		return dispatch.Reply{}, err
	}
	return dispatch.JSON(http.StatusOK, map[string]string{"MessageId": id})
}

// Needs implements dispatch.Service: the sender's identity, which here is always its domain's, and the configuration
// set where one is named.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	in, err := read(c)
	if err != nil {
		return nil, err
	}
	needs := []dispatch.Need{{Action: "ses:SendEmail", Resource: s.identityARN(in.FromEmailAddress)}}
	if in.ConfigurationSetName != "" {
		needs = append(needs, dispatch.Need{Action: "ses:SendEmail", Resource: s.arn("configuration-set/" + in.ConfigurationSetName)})
	}
	return needs, nil
}

func read(c dispatch.Call) (request, error) {
	var in request
	if c.Operation != sendEmail {
		return in, dispatch.Unimplemented(c)
	}
	return in, dispatch.Decode(c.Body, &in)
}

func (s *Service) arn(resource string) string {
	return fmt.Sprintf("arn:aws:ses:%s:%s:%s", s.cfg.Region, s.cfg.Account, resource)
}

func (s *Service) identityARN(from string) string { return s.arn("identity/" + domainOf(from)) }

// bare is the address of "Name <address>".
func bare(s string) string {
	if a, err := mail.ParseAddress(s); err == nil {
		return a.Address
	}
	return s
}

func domainOf(s string) string {
	_, domain, _ := strings.Cut(bare(s), "@")
	return strings.ToLower(domain)
}

func checkContent(in request) error {
	simple := in.Content.Simple
	if simple == nil {
		return bad("Content must hold Simple: the local cloud knows no other")
	}
	if simple.Subject == nil || simple.Subject.Data == "" {
		return bad("Missing required parameter: Content.Simple.Subject")
	}
	if simple.Body.Html == nil && simple.Body.Text == nil {
		return bad("Missing required parameter: Content.Simple.Body")
	}
	size := 0
	for _, p := range []struct {
		name string
		*content
	}{{"Subject", simple.Subject}, {"Html", simple.Body.Html}, {"Text", simple.Body.Text}} {
		name, part := p.name, p.content
		if part == nil {
			continue
		}
		if part.Charset == "" && strings.ContainsFunc(part.Data, func(r rune) bool { return r > '~' }) {
			return bad("%s holds characters outside ASCII and names no Charset: SES would send question marks", name)
		}
		if part.Charset != "" && !strings.EqualFold(part.Charset, "UTF-8") {
			return bad("%s: the local cloud knows the Charset UTF-8 only", name)
		}
		size += (len(part.Data) + 2) / 3 * 4 // Base64
	}
	if strings.ContainsAny(simple.Subject.Data, "\r\n") {
		return bad("The subject holds a line break")
	}
	if size > maxBytes {
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "MessageRejected",
			Message: fmt.Sprintf("Message length is more than %d bytes long", maxBytes)}
	}
	return nil
}

func checkAddresses(in request) error {
	d := in.Destination
	all := slices.Concat(d.ToAddresses, d.CcAddresses, d.BccAddresses)
	switch {
	case in.FromEmailAddress == "":
		return bad("Missing required parameter: FromEmailAddress")
	case len(all) == 0:
		return bad("The destination must hold at least one recipient")
	case len(all) > maxRecipients:
		return bad("Recipient count exceeds %d.", maxRecipients)
	}
	for _, a := range slices.Concat([]string{in.FromEmailAddress}, all, in.ReplyToAddresses) {
		if err := checkAddress(a); err != nil {
			return err
		}
	}
	return nil
}

// checkAddress wants ASCII: names in encoded words, domains in Punycode, and no other letters before the @ at all.
func checkAddress(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return bad("An address holds characters outside ASCII: a name must be written in encoded words (RFC 2047), a domain in Punycode")
	}
	if !strings.Contains(s, "@") {
		return bad("Missing final '@domain'")
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return bad("Illegal address")
	}
	if _, domain, _ := strings.Cut(a.Address, "@"); !strings.Contains(domain, ".") {
		return bad("Domain contains dot-less name")
	}
	return nil
}

// reserved are the headers that SES writes itself, and so refuses from callers; its page says so and this is our list.
// https://docs.aws.amazon.com/ses/latest/dg/header-fields.html, read 2026-11.
var reserved = []string{"bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id", "mime-version", "reply-to",
	"return-path", "subject", "to"}

func checkHeaders(in request) error {
	seen := map[string]bool{}
	headers := in.Content.Simple.Headers
	if len(headers) > maxHeaders {
		return bad("At most %d headers can be given.", maxHeaders)
	}
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		switch {
		case name == "" || len(name) > maxHeaderName || strings.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' || r == ':' }):
			return bad("Invalid header name")
		case h.Value == "" || len(h.Value) > maxHeader || len(h.Name)+len(h.Value) > maxHeader+1 ||
			strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' || r > '~' }):
			return bad("Invalid header value for header %s", h.Name)
		case slices.Contains(reserved, name):
			return bad("Header %s is set by SES and can't be given", h.Name)
		case seen[name]:
			return bad("Duplicate header %s", h.Name)
		}
		seen[name] = true
	}
	return nil
}

func checkTags(in request) error {
	seen := map[string]bool{}
	if len(in.EmailTags) > maxTags {
		return bad("At most %d tags can be given.", maxTags)
	}
	for _, t := range in.EmailTags {
		switch {
		case !tagged(t.Name):
			return bad("Invalid email tag name: only ASCII letters, digits, '-' and '_' are allowed, at most %d", maxTag)
		case !tagged(t.Value):
			return bad("Invalid email tag value of %s: only ASCII letters, digits, '-' and '_' are allowed, at most %d", t.Name, maxTag)
		case seen[t.Name]:
			return bad("Duplicate email tag: %s", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

func tagged(s string) bool { return s != "" && len(s) <= maxTag && strings.Trim(s, tagLetters) == "" }

const tagLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// checkSending looks at the configuration set and at who sends. The template has no identities, so every domain counts
// as verified but those below .invalid, which RFC 2606 keeps for names that are not.
func (s *Service) checkSending(in request) error {
	if in.ConfigurationSetName != "" {
		set, ok := s.sets[in.ConfigurationSetName]
		if !ok {
			return &dispatch.Error{Status: http.StatusNotFound, Code: "NotFoundException",
				Message: fmt.Sprintf("Configuration set <%s> does not exist.", in.ConfigurationSetName)}
		}
		if set.Paused {
			return &dispatch.Error{Status: http.StatusBadRequest, Code: "SendingPausedException",
				Message: fmt.Sprintf("Email sending is disabled for configuration set <%s>.", in.ConfigurationSetName)}
		}
	}
	if strings.HasSuffix(domainOf(in.FromEmailAddress), unverified) {
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "MessageRejected",
			Message: fmt.Sprintf("Email address is not verified. The following identities failed the check in region %s: %s",
				strings.ToUpper(s.cfg.Region), bare(in.FromEmailAddress))}
	}
	return nil
}

func bad(format string, args ...any) error {
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "BadRequestException", Message: fmt.Sprintf(format, args...)}
}
