// Package mail sends mails through Amazon SES.
//
// SES has no key that makes a repeated call harmless. So a call is made once: the
// SDK does not retry, and an error says whether SES surely did not take the mail
// (its class says what may be done) or whether nobody knows (message.ErrUncertain).
package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	mailbox "net/mail"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"loophub/shared/fault"
	"loophub/shared/message"
)

// Mailer is SES.
type Mailer struct {
	ses           *sesv2.Client
	configuration string
}

// New sends under a configuration set: by it SES tells what becomes of each mail.
func New(c aws.Config, configuration string) *Mailer {
	return &Mailer{sesv2.NewFromConfig(c, func(o *sesv2.Options) { o.Retryer = aws.NopRetryer{} }), configuration}
}

const utf8 = "UTF-8"

// Send sends a mail and gives SES's id of it.
func (m *Mailer) Send(ctx context.Context, mail message.Mail) (id string, err error) {
	from, err := header(mail.From)
	if err != nil {
		return "", fault.As(fault.Permanent, fmt.Errorf("reading the sender: %w", err))
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress:     &from,
		Destination:          &types.Destination{ToAddresses: []string{mail.To}},
		ConfigurationSetName: &m.configuration,
		EmailTags: []types.MessageTag{tag("loophub-workspace", mail.Workspace), tag("loophub-connection", mail.Connection),
			tag("loophub-fragment", mail.Fragment), tag("loophub-message", mail.Message)},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(mail.Subject), Body: &types.Body{Html: content(mail.HTML), Text: content(mail.Text)}}},
	}
	if mail.ReplyTo != "" {
		reply, err := header(mail.ReplyTo)
		if err != nil {
			return "", fault.As(fault.Permanent, fmt.Errorf("reading where answers go: %w", err))
		}
		in.ReplyToAddresses = []string{reply}
	}
	for _, h := range mail.Headers {
		in.Content.Simple.Headers = append(in.Content.Simple.Headers, types.MessageHeader{Name: &h.Name, Value: &h.Value})
	}
	out, err := m.ses.SendEmail(ctx, in)
	if err != nil {
		return "", classed(err)
	}
	return aws.ToString(out.MessageId), nil
}

// header writes an address as mails have it: letters of a name that are not of
// ASCII in encoded words (RFC 2047), which SES wants of its callers.
func header(address string) (string, error) {
	a, err := mailbox.ParseAddress(address)
	if err != nil {
		return "", errors.New("it is no address") // the parser's own words may quote it
	}
	return a.String(), nil
}

func tag(name, value string) types.MessageTag { return types.MessageTag{Name: &name, Value: &value} }

// content gives the charset, without which SES takes a text for ASCII.
func content(s string) *types.Content {
	if s == "" {
		return nil
	}
	return &types.Content{Data: &s, Charset: aws.String(utf8)}
}

// classes are those of SES's refusals; each says that the mail was not taken.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html, read 2026-11-22.
var classes = map[string]fault.Class{
	"TooManyRequestsException": fault.Throttled,
	"ThrottlingException":      fault.Throttled,
	"Throttling":               fault.Throttled,
	"LimitExceededException":   fault.Throttled, // the day's quota, too

	"MessageRejected":     fault.Permanent, // its content
	"BadRequestException": fault.Permanent,
	"ValidationException": fault.Permanent,

	// What an operator has to mend; the mail itself is sound.
	"MailFromDomainNotVerifiedException": fault.Unauthorised,
	"MailFromDomainNotVerified":          fault.Unauthorised,
	"AccountSuspendedException":          fault.Unauthorised,
	"AccountSuspended":                   fault.Unauthorised,
	"SendingPausedException":             fault.Unauthorised,
	"SendingPaused":                      fault.Unauthorised,
	"NotFoundException":                  fault.Unauthorised, // the configuration set
	"AccessDeniedException":              fault.Unauthorised,
	"AccessDenied":                       fault.Unauthorised,
	"UnrecognizedClientException":        fault.Unauthorised,
	"InvalidClientTokenId":               fault.Unauthorised,
	"ExpiredTokenException":              fault.Unauthorised,
	"ExpiredToken":                       fault.Unauthorised,
	"SignatureDoesNotMatch":              fault.Unauthorised,
}

// classed says what is known of a mail whose sending failed.
func classed(err error) error {
	err = fmt.Errorf("sending a mail: %w", err)
	var api smithy.APIError
	if errors.As(err, &api) {
		if class, known := classes[api.ErrorCode()]; known {
			return fault.As(class, err)
		}
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		if status := answer.HTTPStatusCode(); status >= 400 && status < 500 && status != http.StatusRequestTimeout {
			return fault.As(fault.Transient, err) // refused, for a reason that is new to us
		}
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fault.As(fault.Transient, err) // nothing was sent yet
	}
	var unsent *smithy.SerializationError
	if errors.As(err, &unsent) {
		return fault.As(fault.Transient, err)
	}
	return uncertain(err)
}

func uncertain(err error) error {
	return fault.As(fault.Transient, fmt.Errorf("%w: %w", message.ErrUncertain, err))
}
