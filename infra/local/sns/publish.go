package sns

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"loophub/infra/local/dispatch"
)

const (
	publish  = "Publish"
	maxBytes = 256 << 10 // message and attributes together
)

// Operations lists what is implemented.
func Operations() []string { return []string{publish} }

type result struct {
	XMLName xml.Name `xml:"PublishResponse"`
	Space   string   `xml:"xmlns,attr"`
	ID      string   `xml:"PublishResult>MessageId"`
}

// Serve implements dispatch.Service.
func (s *Service) Serve(_ context.Context, c dispatch.Call) (dispatch.Reply, error) {
	in, err := read(c)
	if err != nil {
		return dispatch.Reply{}, err
	}
	id, err := s.Publish(in.topic, in.subject, in.text, in.attributes)
	if err != nil {
		return dispatch.Reply{}, err
	}
	body, err := xml.Marshal(result{Space: "http://sns.amazonaws.com/doc/2010-03-31/", ID: id})
	if err != nil {
		return dispatch.Reply{}, fmt.Errorf("encoding reply: %w", err)
	}
	return dispatch.Reply{Status: http.StatusOK, Header: http.Header{}, Body: body}, nil
}

// Needs implements dispatch.Service.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	in, err := read(c)
	if err != nil {
		return nil, err
	}
	return []dispatch.Need{{Action: "sns:Publish",
		Resource: fmt.Sprintf("arn:aws:sns:%s:%s:%s", s.cfg.Region, s.cfg.Account, nameOf(in.topic))}}, nil
}

type request struct {
	topic, subject, text string
	attributes           map[string]Attribute
}

// read takes the form of Publish; a parameter that is not known is refused.
func read(c dispatch.Call) (request, error) {
	if c.Operation != publish {
		return request{}, dispatch.Unimplemented(c)
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return request{}, invalid("the request is no form: %v", err)
	}
	in := request{attributes: map[string]Attribute{}}
	entries := map[string]map[string]string{} // by number
	for name, values := range form {
		v := values[0]
		if !utf8.ValidString(name + v) {
			return in, invalid("Invalid parameter: %q is no UTF-8", name)
		}
		switch name {
		case "Action", "Version":
		case "TopicArn":
			in.topic = v
		case "Subject":
			in.subject = v
			if v == "" {
				return in, invalid("Invalid parameter: Subject")
			}
		case "Message":
			in.text = v
		default:
			number, member, ok := strings.Cut(strings.TrimPrefix(name, "MessageAttributes.entry."), ".")
			if !ok || !strings.HasPrefix(name, "MessageAttributes.entry.") {
				return in, invalid("the local cloud knows TopicArn, Subject, Message and MessageAttributes, not %s", name)
			}
			if entries[number] == nil {
				entries[number] = map[string]string{}
			}
			entries[number][member] = v
		}
	}
	if in.topic == "" {
		return in, invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
	}
	for _, e := range entries {
		a, err := attribute(e)
		if err != nil {
			return in, err
		}
		in.attributes[e["Name"]] = a
	}
	return in, nil
}

func attribute(e map[string]string) (Attribute, error) {
	a := Attribute{Type: e["Value.DataType"], Value: e["Value.StringValue"]}
	switch kind, _, _ := strings.Cut(a.Type, "."); kind {
	case "String", "Number":
	case "Binary":
		a.Value = e["Value.BinaryValue"]
		if _, err := base64.StdEncoding.DecodeString(a.Value); err != nil {
			return a, invalid("The message attribute '%s' is no base64.", e["Name"])
		}
	default:
		return a, invalid("The message attribute '%s' has an invalid message attribute type, the set of supported type "+
			"prefixes is Binary, Number, and String.", e["Name"])
	}
	if a.Value == "" || e["Name"] == "" {
		return a, invalid("The message attribute '%s' must contain non-empty message attribute value.", e["Name"])
	}
	return a, nil
}

func check(subject, text string, attributes map[string]Attribute) error {
	size := len(text)
	for name, a := range attributes {
		size += len(name) + len(a.Type) + len(a.Value)
	}
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	switch {
	case text == "":
		return invalid("Invalid parameter: Empty message")
	case size > maxBytes || !utf8.ValidString(text):
		return invalid("Invalid parameter: Message too long")
	case len(subject) > 100 || strings.ContainsFunc(subject, odd):
		return invalid("Invalid parameter: Subject")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "InvalidParameter", Message: fmt.Sprintf(format, args...)}
}
