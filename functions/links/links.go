// Package links is what customers touch: the links of our messages. It sends them
// on, and lets them unsubscribe, choose and confirm. What they do is put into the
// Inbox like any delivery; a link without a valid token changes nothing.
package links

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

// Kind says what a link is for.
type Kind string

// The kinds, as the first part of a link's path.
const (
	Click       Kind = "l" // leads to the message's link of that number
	Unsubscribe Kind = "u"
	Preferences Kind = "p"
	Confirm     Kind = "c" // gives the consent that the message asked for
)

// Token is what a link's token says, once its signature holds.
type Token struct {
	Kind      Kind
	Workspace string
	Fragment  string // whom the message was sent to
	Message   string
	Link      int // number of the link, of a click
}

// ErrToken says that a token is forged, spoiled or too old.
var ErrToken = errors.New("the token is not valid")

// Tokens reads tokens.
type Tokens interface {
	// Read gives what a token says, or ErrToken; another error says that the key
	// could not be had just now.
	Read(ctx context.Context, s string, now time.Time) (Token, error)
}

// Message is what the links of a message need to know of it.
type Message struct {
	Locale string // of its content, such as vi
	Shop   string // who sent it, as customers know them
	Link   string // where the token's link leads; "" where there is none of that number
}

// ErrUnknown says that nothing is known of a message any more.
var ErrUnknown = errors.New("no such message")

// Messages knows what was sent.
type Messages interface {
	// Link gives the message of a token, or ErrUnknown.
	Link(ctx context.Context, t Token) (Message, error)
}

// Inbox stores deliveries. Storing one again is harmless.
type Inbox interface {
	Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error)
}

// Act is what a customer did, at a full second: done twice within one, it is done once.
type Act struct {
	Token Token
	Did   Did
	Link  string // where the link led, of a click
	At    time.Time
}

// Did names an act.
type Did string

// The acts.
const (
	Clicked      Did = "click"
	Unsubscribed Did = "unsubscribe"
	Subscribed   Did = "subscribe"
	Confirmed    Did = "confirm"
)

// Config is what the stage stands on.
type Config struct {
	Tokens   Tokens
	Messages Messages
	Inbox    Inbox
	// Acts writes an act as the delivery that unify will read it from.
	Acts func(a Act, received time.Time) (delivery.Delivery, error)
	Log  *telemetry.Log
	Now  func() time.Time
}

// Limits of a request.
const (
	maxToken = 512     // bytes
	maxBody  = 4 << 10 // bytes that are looked at; a button sends 30
)

// The times that storing may take: somebody waits for a page.
const (
	attempts = 2
	patience = 800 * time.Millisecond
)

// Stage serves the links.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

// Outcomes, as the log names them.
const (
	clicked  telemetry.Outcome = "clicked"
	lost     telemetry.Outcome = "lost"     // sent on, and the click is not stored
	shown    telemetry.Outcome = "shown"    // a page that asks
	acted    telemetry.Outcome = "acted"    // unsubscribed, chosen, confirmed
	refused  telemetry.Outcome = "refused"  // no valid token, or no such path or method
	mistaken telemetry.Outcome = "mistaken" // a choice that there is not
	failed   telemetry.Outcome = "failed"   // the customer is asked to try again
)

// Handle answers one request. Its error is always nil: what goes wrong is answered.
func (s *Stage) Handle(ctx context.Context, e events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
	start := s.Now().UTC()
	v := &visit{Stage: s, event: e, now: start, method: e.RequestContext.HTTP.Method, locale: fromHeader(e.Headers["accept-language"])}
	if v.method == http.MethodHead {
		v.method, v.glance = http.MethodGet, true
	}
	v.line.Trace = e.RequestContext.RequestID
	reply := v.guarded(ctx)
	if v.glance {
		reply.Body = ""
	}
	v.line.Status = reply.StatusCode
	v.line.Duration = s.Now().Sub(start)
	s.Log.Write(ctx, start, v.line)
	return reply, nil
}

// visit is one request on its way.
type visit struct {
	*Stage
	event  events.LambdaFunctionURLRequest
	now    time.Time
	method string
	glance bool // only the head is asked for, or a page is fetched before anybody asked for it
	token  Token
	about  Message
	locale string
	line   telemetry.Line
}

func (v *visit) guarded(ctx context.Context) (reply events.LambdaFunctionURLResponse) {
	defer func() {
		if recover() != nil {
			v.line.Where = telemetry.Where()
			reply = v.fail(nil)
		}
	}()
	return v.serve(ctx)
}

// serve reads the path /{kind}/{token}. Whatever is wrong with it looks alike from
// outside: nobody learns how near a guess was.
func (v *visit) serve(ctx context.Context) events.LambdaFunctionURLResponse {
	kind, token, _ := strings.Cut(strings.TrimPrefix(v.event.RawPath, "/"), "/")
	answer, ok := map[Kind]func(context.Context) events.LambdaFunctionURLResponse{
		Click: v.click, Unsubscribe: v.unsubscribe, Preferences: v.preferences, Confirm: v.confirm,
	}[Kind(kind)]
	if !ok || token == "" || len(token) > maxToken {
		return v.refuse()
	}
	if v.method != http.MethodGet && (v.method != http.MethodPost || Kind(kind) == Click) {
		return v.refuse()
	}
	v.line.Route = v.method + " /" + kind + "/{token}"
	var err error
	v.token, err = v.Tokens.Read(ctx, token, v.now)
	if errors.Is(err, ErrToken) || err == nil && v.token.Kind != Kind(kind) {
		return v.refuse()
	}
	if err != nil {
		return v.fail(err)
	}
	v.line.Workspace = v.token.Workspace
	return answer(ctx)
}

// click sends on to where the message's link leads. Whether the click could be
// stored is our concern and not the customer's.
func (v *visit) click(ctx context.Context) events.LambdaFunctionURLResponse {
	m, err := v.Messages.Link(ctx, v.token)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return v.fail(err)
	}
	target, bad := url.Parse(m.Link)
	if err != nil || bad != nil || target.Host == "" || target.Scheme != "https" && target.Scheme != "http" {
		return v.refuse()
	}
	v.line.Outcome = clicked
	if !v.glance && !prefetched(v.event.Headers) {
		if err := v.store(ctx, Clicked, m.Link); err != nil {
			v.line.Outcome, v.line.Err = lost, err
			v.count(telemetry.Failures)
		}
	}
	r := v.head(http.StatusFound)
	r.Headers["Location"] = target.String()
	return r
}

// prefetched tells whether a browser fetches a page that nobody has asked for yet.
func prefetched(h map[string]string) bool {
	return strings.Contains(h["sec-purpose"], "prefetch") || h["purpose"] == "prefetch" || h["x-moz"] == "prefetch"
}

// unsubscribe asks by a button, since mail scanners follow links, and does it on a
// post: the button's, or that of a mail program (RFC 8058), which reads no page.
func (v *visit) unsubscribe(ctx context.Context) events.LambdaFunctionURLResponse {
	v.learn(ctx)
	if v.method == http.MethodGet {
		return v.show(http.StatusOK, askUnsubscribe)
	}
	return v.act(ctx, Unsubscribed, unsubscribedPage)
}

// preferences lets customers choose. It does not show what they chose before: who
// holds the link may be somebody whom the mail was passed on to.
func (v *visit) preferences(ctx context.Context) events.LambdaFunctionURLResponse {
	v.learn(ctx)
	if v.method == http.MethodGet {
		return v.show(http.StatusOK, askPreferences)
	}
	switch v.form().Get("marketing") {
	case "on":
		return v.act(ctx, Subscribed, subscribedPage)
	case "off":
		return v.act(ctx, Unsubscribed, unsubscribedPage)
	}
	v.line.Outcome = mistaken
	return v.page(http.StatusBadRequest, askPreferences)
}

func (v *visit) confirm(ctx context.Context) events.LambdaFunctionURLResponse {
	v.learn(ctx)
	if v.method == http.MethodGet {
		return v.show(http.StatusOK, askConfirm)
	}
	return v.act(ctx, Confirmed, confirmedPage)
}

// learn asks in which language, and as whom, to speak. Who wants to unsubscribe
// must be able to, also when nothing is known of the message or can't be read.
func (v *visit) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := v.Messages.Link(ctx, v.token)
	if err != nil {
		return // the page speaks the browser's language and names no shop
	}
	v.about = m
	if l := known(m.Locale); l != "" {
		v.locale = l
	}
}

// act stores what the customer did, then says so.
func (v *visit) act(ctx context.Context, did Did, done string) events.LambdaFunctionURLResponse {
	if err := v.store(ctx, did, ""); err != nil {
		return v.fail(err)
	}
	v.line.Outcome = acted
	return v.page(http.StatusOK, done)
}

func (v *visit) store(ctx context.Context, did Did, link string) error {
	d, err := v.Acts(Act{Token: v.token, Did: did, Link: link, At: v.now.Truncate(time.Second)}, v.now.Truncate(time.Millisecond))
	if err != nil {
		return err
	}
	d.Trace = v.line.Trace
	sealed := delivery.Seal(d)
	for range attempts {
		var key delivery.Key
		if key, err = v.put(ctx, sealed); err == nil {
			v.line.Connection, v.line.Delivery = key.Connection, key.String()
			v.count(telemetry.Deliveries)
			return nil
		}
	}
	return err
}

func (v *visit) put(ctx context.Context, s delivery.Sealed) (delivery.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key, _, err := v.Inbox.Put(ctx, s)
	return key, err
}

// form reads the few fields of a button. What can't be read is none.
func (v *visit) form() url.Values {
	body := v.event.Body
	if len(body) > maxBody {
		return nil
	}
	if v.event.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil
		}
		body = string(b)
	}
	fields, err := url.ParseQuery(body)
	if err != nil {
		return nil
	}
	return fields
}

func (v *visit) count(m telemetry.Metric) {
	v.line.Counts = append(v.line.Counts, telemetry.Count{Metric: m, N: 1})
}

func (v *visit) show(status int, page string) events.LambdaFunctionURLResponse {
	v.line.Outcome = shown
	return v.page(status, page)
}

// refuse is the one answer to all that is no link of ours.
func (v *visit) refuse() events.LambdaFunctionURLResponse {
	v.line.Outcome = refused
	v.count(telemetry.Refused)
	return v.page(http.StatusNotFound, goneLink)
}

// fail asks to try again.
func (v *visit) fail(err error) events.LambdaFunctionURLResponse {
	v.line.Outcome, v.line.Err = failed, err
	v.count(telemetry.Failures)
	r := v.page(http.StatusServiceUnavailable, tryAgain)
	r.Headers["Retry-After"] = "30"
	return r
}
