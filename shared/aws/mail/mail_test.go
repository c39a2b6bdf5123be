package mail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"loophub/shared/fault"
	"loophub/shared/message"
)

// ses answers as Amazon SES would, and notes what it was asked.
type ses struct {
	calls  int
	body   map[string]any
	status int
	answer string
	err    error
}

func (s *ses) Do(r *http.Request) (*http.Response, error) {
	s.calls++
	if s.err != nil {
		return nil, s.err
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.body = nil
	if err := json.Unmarshal(b, &s.body); err != nil {
		return nil, err
	}
	code, text, _ := strings.Cut(s.answer, "|")
	h := http.Header{"Content-Type": {"application/json"}}
	if s.status >= 300 {
		h.Set("X-Amzn-Errortype", code)
		text = `{"message":"no"}`
	}
	return &http.Response{StatusCode: s.status, Header: h, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func mailer(s *ses) *Mailer {
	return New(aws.Config{Region: "us-east-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, "loophub")
}

var example = message.Mail{Workspace: "saigon", Connection: "email", Fragment: "caaaaaaaaaaaaaaaaaaaaaaaa", Message: "m-1",
	From: "Trà Sen <chao@tra-sen.example>", ReplyTo: "hoi@tra-sen.example", To: "lan@example.vn", Subject: "Chào Lan, trà mới về", HTML: "<p>Chào</p>", Text: "Chào",
	Headers: []message.Header{{Name: "List-Unsubscribe", Value: "<https://links.example/u/x>"}}}

func TestSend(t *testing.T) {
	s := &ses{status: 200, answer: `|{"MessageId":"0100-7"}`}
	for range 2 {
		id, err := mailer(s).Send(t.Context(), example)
		if err != nil || id != "0100-7" {
			t.Fatal(id, err)
		}
	}
	text := func(v string) any { return map[string]any{"Data": v, "Charset": "UTF-8"} }
	pair := func(name, v string) any { return map[string]any{"Name": name, "Value": v} }
	want := map[string]any{
		"FromEmailAddress": "=?utf-8?q?Tr=C3=A0_Sen?= <chao@tra-sen.example>", "ReplyToAddresses": []any{"<hoi@tra-sen.example>"}, "ConfigurationSetName": "loophub",
		"Destination": map[string]any{"ToAddresses": []any{"lan@example.vn"}},
		"EmailTags": []any{pair("loophub-workspace", "saigon"), pair("loophub-connection", "email"),
			pair("loophub-fragment", "caaaaaaaaaaaaaaaaaaaaaaaa"), pair("loophub-message", "m-1")},
		"Content": map[string]any{"Simple": map[string]any{
			"Subject": text("Chào Lan, trà mới về"), "Body": map[string]any{"Html": text("<p>Chào</p>"), "Text": text("Chào")},
			"Headers": []any{pair("List-Unsubscribe", "<https://links.example/u/x>")}}},
	}
	if diff := cmp.Diff(want, s.body); diff != "" {
		t.Error(diff)
	}
}

// Each failure says whether SES may have taken the mail, and none is tried again
// here: SES would send it twice.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		answer    string
		err       error
		class     fault.Class
		uncertain bool
	}{
		"throttled":       {status: 429, answer: "TooManyRequestsException", class: fault.Throttled},
		"quota":           {status: 400, answer: "LimitExceededException", class: fault.Throttled},
		"rejected":        {status: 400, answer: "MessageRejected", class: fault.Permanent},
		"suspended":       {status: 400, answer: "AccountSuspendedException", class: fault.Unauthorised},
		"paused":          {status: 400, answer: "SendingPausedException", class: fault.Unauthorised},
		"not verified":    {status: 400, answer: "MailFromDomainNotVerifiedException", class: fault.Unauthorised},
		"not allowed":     {status: 403, answer: "AccessDeniedException", class: fault.Unauthorised},
		"a new refusal":   {status: 409, answer: "ConflictOfSomeKind", class: fault.Transient},
		"its own failure": {status: 500, answer: "InternalServiceErrorException", class: fault.Transient, uncertain: true},
		"a proxy's":       {status: 504, answer: "", class: fault.Transient, uncertain: true},
		"no answer":       {err: context.DeadlineExceeded, class: fault.Transient, uncertain: true},
		"cut off":         {err: &net.OpError{Op: "read", Err: errors.New("reset")}, class: fault.Transient, uncertain: true},
		"never connected": {err: &net.OpError{Op: "dial", Err: errors.New("refused")}, class: fault.Transient},
	} {
		s := &ses{status: c.status, answer: c.answer, err: c.err}
		id, err := mailer(s).Send(t.Context(), example)
		if err == nil || id != "" || fault.ClassOf(err) != c.class || errors.Is(err, message.ErrUncertain) != c.uncertain {
			t.Errorf("%s: %s, %v", name, fault.ClassOf(err), err)
		}
		if s.calls != 1 {
			t.Errorf("%s: %d calls", name, s.calls)
		}
		if err != nil && strings.Contains(err.Error(), "lan@") {
			t.Errorf("%s: the error names the address", name)
		}
	}
}

// What is no address reaches nobody, and is not told to anybody either.
func TestAddressesThatAreNone(t *testing.T) {
	for _, spoil := range []func(m *message.Mail){func(m *message.Mail) { m.From = "Lan lan@" }, func(m *message.Mail) { m.ReplyTo = "Lan lan@" }} {
		s, m := &ses{status: 200, answer: "|{}"}, example
		spoil(&m)
		if _, err := mailer(s).Send(t.Context(), m); err == nil || fault.ClassOf(err) != fault.Permanent || s.calls != 0 || strings.Contains(err.Error(), "lan@") {
			t.Errorf("%d calls, %v", s.calls, err)
		}
	}
}
