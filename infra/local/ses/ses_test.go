package ses_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/ses"
	"loophub/infra/local/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// bench has a set that publishes all there is, one that publishes bounces alone, and one that is paused.
type bench struct {
	*client.Client
	*ses.Service
	t            *testing.T
	clock        *clock.Offset
	tracker      work.Tracker
	all, bounces []string
	lost         []error
}

func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	var b *bench
	dispatchtest.Run(t, "ses", func(t *testing.T) dispatch.Service {
		b = &bench{clock: clock.Stopped(noon)}
		var every []string
		for kind := range ses.EventTypes {
			every = append(every, kind)
		}
		into := func(list *[]string) func([]byte) error {
			return func(e []byte) error { *list = append(*list, string(e)); return nil }
		}
		s, err := ses.New(ses.Config{Region: "us-east-1", Account: "1", Clock: b.clock, Tracker: &b.tracker,
			Lost: func(err error) { b.lost = append(b.lost, err) },
			Sets: []ses.Set{
				{Name: "hub", Destinations: []ses.Destination{{Types: every, Publish: into(&b.all)}, {Types: []string{"bounce"}, Publish: into(&b.bounces)}}},
				{Name: "quiet", Destinations: []ses.Destination{{Types: []string{"delivery"}, Publish: func([]byte) error { return errors.New("no") }}}},
				{Name: "paused", Paused: true},
			}})
		if err != nil {
			t.Fatal(err)
		}
		b.Service = s
		return s
	}, func(t *testing.T, cfg aws.Config) {
		b.t, b.Client = t, client.NewFromConfig(cfg)
		test(b)
	})
}

func utf(s string) *types.Content {
	return &types.Content{Data: aws.String(s), Charset: aws.String("UTF-8")}
}

func letter(to ...string) *client.SendEmailInput {
	return &client.SendEmailInput{
		FromEmailAddress: aws.String("=?utf-8?q?Tr=C3=A0_Sen?= <chao@tra-sen.example>"), ConfigurationSetName: aws.String("hub"),
		Destination:      &types.Destination{ToAddresses: to},
		ReplyToAddresses: []string{"hoi@tra-sen.example"},
		EmailTags:        []types.MessageTag{{Name: aws.String("loophub-workspace"), Value: aws.String("saigon")}},
		Content: &types.EmailContent{Simple: &types.Message{Subject: utf("Chào Lan"),
			Body:    &types.Body{Html: utf(`<p>Trà <a href="https://tra-sen.example/tra">mới</a></p>`), Text: utf("Trà mới")},
			Headers: []types.MessageHeader{{Name: aws.String("List-Unsubscribe"), Value: aws.String("<https://x.example/u/1>")}}}},
	}
}

func (b *bench) send(in *client.SendEmailInput) (id string) {
	b.t.Helper()
	out, err := b.SendEmail(b.t.Context(), in)
	if err != nil {
		b.t.Fatal(err)
	}
	b.rest()
	return *out.MessageId
}

func (b *bench) rest() {
	b.t.Helper()
	if err := b.tracker.Idle(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// event is what a test looks at.
type event struct {
	EventType string
	Mail      struct {
		Timestamp, MessageID, Source string
		Destination                  []string
		Tags                         map[string][]string
		Headers                      []struct{ Name, Value string }
		CommonHeaders                struct{ Subject string }
	}
	Bounce struct {
		BounceType, BounceSubType string
		BouncedRecipients         []struct{ EmailAddress string }
	}
	Complaint struct {
		ComplaintFeedbackType string
		ComplainedRecipients  []struct{ EmailAddress string }
	}
	Open, Delivery struct{ Timestamp string }
	Click          struct{ Link, Timestamp string }
}

func (b *bench) events(list []string) (out []event) {
	b.t.Helper()
	for _, text := range list {
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func (b *bench) kinds() (out []string) {
	for _, e := range b.events(b.all) {
		out = append(out, e.EventType)
	}
	return out
}

func TestAMailLiesInTheOutboxAndItsEventsFollow(t *testing.T) {
	run(t, func(b *bench) {
		id := b.send(letter("lan@example.vn"))
		mails := b.Mails()
		if len(mails) != 1 || mails[0].ID != id || mails[0].Subject != "Chào Lan" || mails[0].Text != "Trà mới" || !strings.Contains(mails[0].HTML, "href") ||
			mails[0].Tag("loophub-workspace") != "saigon" || mails[0].Header("list-unsubscribe") != "<https://x.example/u/1>" ||
			!slices.Equal(mails[0].To, []string{"lan@example.vn"}) || !slices.Equal(mails[0].ReplyTo, []string{"hoi@tra-sen.example"}) || !mails[0].At.Equal(noon) {
			b.t.Errorf("%+v", mails)
		}
		if mails[0].Tag("none") != "" || mails[0].Header("none") != "" {
			b.t.Error("a tag or header that is not there has a value")
		}
		if !slices.Equal(b.kinds(), []string{"Send", "Delivery"}) || len(b.bounces) != 0 {
			b.t.Fatalf("%v %v", b.all, b.bounces)
		}
		b.clock.AdvanceTo(noon.Add(time.Hour))
		if err := errors.Join(b.Open(id), b.Click(id, "https://tra-sen.example/tra"), b.Complain(id), b.Bounce(id, false), b.Bounce(id, true)); err != nil {
			b.t.Fatal(err)
		}
		b.rest()
		all := b.events(b.all)
		if !slices.Equal(b.kinds(), []string{"Send", "Delivery", "Open", "Click", "Complaint", "Bounce", "Bounce"}) {
			b.t.Fatal(b.kinds())
		}
		for _, e := range all {
			m := e.Mail
			if m.MessageID != id || m.Timestamp != "2026-01-02T12:00:00.000Z" || m.Destination[0] != "lan@example.vn" || m.CommonHeaders.Subject != "Chào Lan" ||
				m.Tags["loophub-workspace"][0] != "saigon" || m.Tags["ses:configuration-set"][0] != "hub" || m.Tags["ses:from-domain"][0] != "tra-sen.example" ||
				!strings.Contains(fmt.Sprint(m.Headers), "List-Unsubscribe") {
				b.t.Errorf("%+v", m)
			}
		}
		if all[2].Open.Timestamp != "2026-01-02T13:00:00.000Z" || all[3].Click.Link != "https://tra-sen.example/tra" ||
			all[4].Complaint.ComplainedRecipients[0].EmailAddress != "lan@example.vn" || all[5].Bounce.BounceType != "Transient" || all[6].Bounce.BounceType != "Permanent" {
			b.t.Errorf("%+v", all[2:])
		}
		if len(b.bounces) != 2 {
			b.t.Errorf("%d bounces for the destination that asks for them alone", len(b.bounces))
		}
	})
}

func TestTheMailboxSimulator(t *testing.T) {
	for to, want := range map[string]string{
		"success@simulator.amazonses.com":          "Send Delivery",
		"Lan <BOUNCE@simulator.amazonses.com>":     "Send Bounce:Permanent:General",
		"bounce+a1@simulator.amazonses.com":        "Send Bounce:Permanent:General",
		"suppressionlist@simulator.amazonses.com":  "Send Bounce:Permanent:Suppressed",
		"ooto@simulator.amazonses.com":             "Send Delivery Bounce:Transient:General",
		"complaint+x@simulator.amazonses.com":      "Send Delivery Complaint",
		"bounce@simulator.amazonses.com.evil.test": "Send Delivery",
	} {
		run(t, func(b *bench) {
			id := b.send(letter(to))
			var got []string
			for _, e := range b.events(b.all) {
				s := e.EventType
				if s == "Bounce" {
					s += ":" + e.Bounce.BounceType + ":" + e.Bounce.BounceSubType
					if strings.Contains(e.Bounce.BouncedRecipients[0].EmailAddress, "<") {
						b.t.Error(e)
					}
				}
				got = append(got, s)
			}
			if strings.Join(got, " ") != want {
				b.t.Errorf("%s: %v, want %s", to, got, want)
			}
			if err := b.Open(id); (err != nil) != (strings.Contains(want, "Permanent")) {
				b.t.Errorf("%s: opened: %v", to, err)
			}
		})
	}
}

func TestWhatNobodyWouldHear(t *testing.T) {
	run(t, func(b *bench) {
		plain := letter("lan@example.vn")
		plain.Content.Simple.Body.Html = nil
		silent := letter("lan@example.vn")
		silent.ConfigurationSetName = nil
		quiet := letter("lan@example.vn")
		quiet.ConfigurationSetName = aws.String("quiet")
		for name, err := range map[string]error{
			"no such mail":   b.Open("none"),
			"no HTML part":   b.Open(b.send(plain)),
			"no set":         b.Open(b.send(silent)),
			"not published":  b.Open(b.send(quiet)),
			"no such link":   b.Click(b.send(letter("lan@example.vn")), "https://elsewhere.example"),
			"link of a set":  b.Click(b.send(letter("lan@example.vn")), ""),
			"no such bounce": b.Bounce("none", true),
		} {
			if err == nil {
				b.t.Errorf("%s: no error", name)
			}
		}
		if len(b.lost) != 1 {
			b.t.Errorf("a destination refused, and this was told: %v", b.lost)
		}
	})
}

func TestRefusals(t *testing.T) {
	text := aws.String
	many := func(n int, s string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(s, i))
		}
		return out
	}
	header := func(name, value string) func(*client.SendEmailInput) {
		return func(in *client.SendEmailInput) {
			in.Content.Simple.Headers = append(in.Content.Simple.Headers, types.MessageHeader{Name: &name, Value: &value})
		}
	}
	tag := func(name, value string) func(*client.SendEmailInput) {
		return func(in *client.SendEmailInput) {
			in.EmailTags = append(in.EmailTags, types.MessageTag{Name: &name, Value: &value})
		}
	}
	for name, c := range map[string]struct {
		change func(*client.SendEmailInput)
		code   string
	}{
		"unverified sender":       {func(in *client.SendEmailInput) { in.FromEmailAddress = text("Lan <lan@shop.invalid>") }, "MessageRejected"},
		"no sender":               {func(in *client.SendEmailInput) { in.FromEmailAddress = nil }, "BadRequestException"},
		"a name in UTF-8":         {func(in *client.SendEmailInput) { in.FromEmailAddress = text("Trà Sen <chao@tra-sen.example>") }, "BadRequestException"},
		"no address":              {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"lan"} }, "BadRequestException"},
		"two @":                   {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"lan@a.vn@b.vn"} }, "BadRequestException"},
		"no dot":                  {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"lan@localhost"} }, "BadRequestException"},
		"a line break":            {func(in *client.SendEmailInput) { in.Destination.ToAddresses = []string{"lan@a.vn\nBcc: x@y.vn"} }, "BadRequestException"},
		"nobody":                  {func(in *client.SendEmailInput) { in.Destination = &types.Destination{} }, "BadRequestException"},
		"51 recipients":           {func(in *client.SendEmailInput) { in.Destination.CcAddresses = many(50, "a%d@b.vn") }, "BadRequestException"},
		"a set that is not there": {func(in *client.SendEmailInput) { in.ConfigurationSetName = text("none") }, "NotFoundException"},
		"a paused set":            {func(in *client.SendEmailInput) { in.ConfigurationSetName = text("paused") }, "SendingPausedException"},
		"tag name":                {tag("loophub.workspace", "a"), "BadRequestException"},
		"tag value":               {tag("who", "lan@example.vn"), "BadRequestException"},
		"empty tag":               {tag("who", ""), "BadRequestException"},
		"long tag":                {tag("who", strings.Repeat("a", 257)), "BadRequestException"},
		"tag twice":               {tag("loophub-workspace", "b"), "BadRequestException"},
		"header name":             {header("X Y", "a"), "BadRequestException"},
		"header with a colon":     {header("X:Y", "a"), "BadRequestException"},
		"header value":            {header("X-Y", "Trà"), "BadRequestException"},
		"header break":            {header("X-Y", "a\r\nBcc: x@y.vn"), "BadRequestException"},
		"long header":             {header("X-Y", strings.Repeat("a", 996)), "BadRequestException"},
		"header of SES":           {header("Reply-To", "a@b.vn"), "BadRequestException"},
		"header twice":            {header("list-unsubscribe", "<https://x.example>"), "BadRequestException"},
		"16 headers": {func(in *client.SendEmailInput) {
			for _, n := range many(15, "X-%d") {
				header(n, "a")(in)
			}
		}, "BadRequestException"},
		"no subject":           {func(in *client.SendEmailInput) { in.Content.Simple.Subject = utf("") }, "BadRequestException"},
		"subject with a break": {func(in *client.SendEmailInput) { in.Content.Simple.Subject = utf("a\nb") }, "BadRequestException"},
		"no charset":           {func(in *client.SendEmailInput) { in.Content.Simple.Subject.Charset = nil }, "BadRequestException"},
		"other charset":        {func(in *client.SendEmailInput) { in.Content.Simple.Subject.Charset = text("ISO-8859-1") }, "BadRequestException"},
		"no body":              {func(in *client.SendEmailInput) { in.Content.Simple.Body = &types.Body{} }, "BadRequestException"},
		"too large": {func(in *client.SendEmailInput) {
			in.Content.Simple.Body.Text = utf(strings.Repeat("a", 31<<20))
		}, "MessageRejected"},
		"raw": {func(in *client.SendEmailInput) {
			in.Content = &types.EmailContent{Raw: &types.RawMessage{Data: []byte("x")}}
		}, "SerializationException"},
		"template": {func(in *client.SendEmailInput) { in.Content = &types.EmailContent{Template: &types.Template{}} }, "SerializationException"},
		"nothing":  {func(in *client.SendEmailInput) { in.Content = &types.EmailContent{} }, "BadRequestException"},
		"list management": {func(in *client.SendEmailInput) {
			in.ListManagementOptions = &types.ListManagementOptions{ContactListName: text("x")}
		}, "SerializationException"},
	} {
		run(t, func(b *bench) {
			in := letter("lan@example.vn")
			c.change(in)
			_, err := b.SendEmail(b.t.Context(), in)
			var e smithy.APIError
			if !errors.As(err, &e) || e.ErrorCode() != c.code || e.ErrorMessage() == "" {
				b.t.Errorf("%s: %v, want %s", name, err, c.code)
			}
			if len(b.Mails()) != 0 {
				b.t.Errorf("%s: sent all the same", name)
			}
		})
	}
}

func TestWhatIsAllowed(t *testing.T) {
	run(t, func(b *bench) {
		in := letter("lan@example.vn")
		for i := range 14 {
			in.Content.Simple.Headers = append(in.Content.Simple.Headers, types.MessageHeader{Name: aws.String(fmt.Sprintf("X-%d", i)), Value: aws.String("a b")})
		}
		in.Destination.BccAddresses = make([]string, 49)
		for i := range in.Destination.BccAddresses {
			in.Destination.BccAddresses[i] = fmt.Sprintf("a%d@b.vn", i)
		}
		b.send(in)
	})
}

func TestOtherOperationsAreRefused(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.GetAccount(b.t.Context(), &client.GetAccountInput{})
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "UnknownOperationException" || !strings.Contains(e.ErrorMessage(), "GET /v2/email/account") {
			b.t.Error(err)
		}
	})
}

func TestNeeds(t *testing.T) {
	run(t, func(b *bench) {
		needs, err := b.Needs(dispatch.Call{Operation: "SendEmail", Request: &http.Request{},
			Body: []byte(`{"FromEmailAddress":"A <chao@Tra-Sen.example>","ConfigurationSetName":"hub"}`)})
		want := []dispatch.Need{{Action: "ses:SendEmail", Resource: "arn:aws:ses:us-east-1:1:identity/tra-sen.example"},
			{Action: "ses:SendEmail", Resource: "arn:aws:ses:us-east-1:1:configuration-set/hub"}}
		if err != nil || !slices.Equal(needs, want) {
			b.t.Errorf("%v %v", needs, err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for _, d := range []ses.Destination{{}, {Types: []string{"SEND"}}} {
		if _, err := ses.New(ses.Config{Tracker: &work.Tracker{}, Sets: []ses.Set{{Name: "x", Destinations: []ses.Destination{d}}}}); err == nil {
			t.Errorf("%+v is accepted", d)
		}
	}
}
