package message

import (
	"fmt"
	"time"

	"loophub/shared/contact"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Controls are what operators have stopped.
type Controls struct {
	StopAll    bool // every message
	Journey    bool // the request's journey is paused
	Connection bool // the request's connection is paused
}

// Case is all that a decision looks at. Of the definition, policies, channels
// and template are those that count now.
type Case struct {
	Workspace  workspace.Workspace
	Template   *workspace.Template // nil = there is none
	Request    Request
	View       profile.View
	Identities map[string]profile.Identity // stored, of the view's addresses, by identifier
	Rules      profile.Rules
	Sends      []Sends // of every member
	Controls   Controls
}

// Verb says what is to be done.
type Verb string

// The verbs.
const (
	DoSend Verb = "send"
	DoWait Verb = "wait" // until a moment; then it is decided again
	DoHold Verb = "hold" // until an operator lets it go on
	DoDrop Verb = "drop"
)

// Decision is what is to be done with a request, and why.
type Decision struct {
	Verb    Verb
	Reason  Reason
	Until   time.Time // of wait
	Control Control   // of hold
	Address string    // of send: whom to; never logged
}

// Control names what holds a message back.
type Control struct{ Kind, Name string }

// The kinds of control.
const (
	StopAll          = "stop_all"
	PausedJourney    = "journey"
	PausedConnection = "connection"
)

const (
	// stale is how old a request may be when it is sent at last.
	stale = 72 * time.Hour
	// confirmEvery is how often somebody is asked to confirm at most.
	confirmEvery = 24 * time.Hour
	// defaultDuplicates is how soon the same template may come again.
	defaultDuplicates = 24 * time.Hour
)

// channels are the connectors that send, and the channel of theirs that consent is about.
var channels = map[string]string{"ses": "email"}

// Decide says what is to be done with a request now. It fails closed: what is not
// known counts against sending.
func Decide(c Case, now time.Time) Decision {
	if d, held := c.held(); held {
		return d
	}
	for _, ask := range []func(Case, time.Time) Reason{Case.old, Case.definable, Case.reachable, Case.suppressed, Case.consented, Case.repeated, Case.capped} {
		if why := ask(c, now); why != "" {
			return Decision{Verb: DoDrop, Reason: why}
		}
	}
	address, _ := c.address() // Reachable said that there is one
	if c.Request.Purpose == workspace.Marketing && c.Workspace.Policies.Quiet != nil {
		until, ok := quietUntil(*c.Workspace.Policies.Quiet, now, Zone(c.View.Trait("timezone"), c.Workspace.Zone))
		switch {
		case !ok || until.Sub(time.UnixMilli(c.Request.At)) > stale:
			return Decision{Verb: DoDrop, Reason: Stale}
		case until.After(now):
			return Decision{Verb: DoWait, Reason: QuietHours, Until: until}
		}
	}
	return Decision{Verb: DoSend, Reason: Allowed, Address: address}
}

func (c Case) held() (Decision, bool) {
	switch {
	case c.Controls.StopAll:
		return Decision{Verb: DoHold, Reason: Stopped, Control: Control{Kind: StopAll}}, true
	case c.Controls.Journey:
		return Decision{Verb: DoHold, Reason: JourneyPaused, Control: Control{PausedJourney, c.Request.Journey}}, true
	case c.Controls.Connection:
		return Decision{Verb: DoHold, Reason: ConnectionPaused, Control: Control{PausedConnection, c.Request.Connection}}, true
	}
	return Decision{}, false
}

func (c Case) old(now time.Time) Reason {
	if now.Sub(time.UnixMilli(c.Request.At)) > stale {
		return Stale
	}
	return ""
}

// channel is what consent for the request's connection is about.
func (c Case) channel() (name string, ok bool) {
	name, ok = channels[c.Workspace.Connections[c.Request.Connection].Connector]
	return name, ok
}

func (c Case) definable(time.Time) Reason {
	if _, ok := c.channel(); !ok {
		return NoChannel
	}
	if c.Template == nil || c.Template.Connection != c.Request.Connection {
		return NoTemplate
	}
	switch c.Request.Purpose {
	case Test:
	case c.Template.Purpose:
		if p := c.Request.Purpose; p != workspace.Marketing && p != workspace.Transactional && p != workspace.Confirmation {
			return NoTemplate
		}
	default: // else a marketing template could go out without consent
		return NoTemplate
	}
	return ""
}

// address is where the person gets the message: the e-mail address that was last
// stated, else the only one that is known.
func (c Case) address() (string, bool) {
	if c.Request.Purpose == Test {
		return c.Request.To, true
	}
	if a := c.View.Trait("email"); a != "" {
		return a, true
	}
	var known []string
	for _, i := range c.View.Identities {
		if i.Kind == profile.Email {
			known = append(known, i.Value)
		}
	}
	if len(known) != 1 {
		return "", false
	}
	return known[0], true
}

func (c Case) reachable(time.Time) Reason {
	address, ok := c.address()
	if !ok {
		if c.View.Trait("email_invalid") != "" {
			return AddressInvalid
		}
		return NoAddress
	}
	if clean, valid := contact.Email(address); !valid || clean != address {
		return AddressInvalid
	}
	if c.Request.Purpose == Test {
		if !TestAddress(c.Workspace.Connections[c.Request.Connection], address) {
			return AddressDenied
		}
		return ""
	}
	if c.View.Trait("deleted") == "true" {
		return Deleted
	}
	i := profile.Identifier{Kind: profile.Email, Value: address}
	if c.Rules.Denied[i] || contact.PlaceholderEmail(address) {
		return AddressDenied
	}
	if c.Request.Purpose != workspace.Transactional && c.Identities[c.Rules.Key.Identifier(i)].Shared {
		return AddressShared // caps and consent are a person's; whose would count?
	}
	return ""
}

// stops are the withdrawals that lie on the address itself.
func (c Case) stops() map[string]profile.Consent {
	address, _ := c.address()
	return c.Identities[c.Rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: address})].Stops
}

// suppressed asks the address itself, as stored: whoever's it was when it bounced.
func (c Case) suppressed(time.Time) Reason {
	stops := c.stops()
	for _, one := range []struct {
		subject string
		why     Reason
	}{{"email:bounced", Bounced}, {"email:complained", Complained}} {
		if s := stops[one.subject]; s.Withdrawn > 0 && !s.Given() {
			return one.why
		}
	}
	return ""
}

func (c Case) consented(time.Time) Reason {
	channel, _ := c.channel()
	subject := channel + ":" + string(workspace.Marketing)
	consent := c.View.Consent[subject].Join(c.stops()[subject])
	switch c.Request.Purpose {
	case workspace.Marketing:
		switch {
		case consent.Given():
		case consent.Withdrawn > 0:
			return Withdrawn
		default:
			return NoConsent
		}
	case workspace.Confirmation:
		if consent.Given() {
			return AlreadyGiven
		}
	}
	return ""
}

// sent counts what was sent to any member within a span that ends now.
func (c Case) sent(now time.Time, span time.Duration, is func(Send) bool) int {
	n, seen := 0, map[string]bool{c.Request.ID: true}
	for _, s := range c.Sends {
		for _, one := range s.List {
			if one.At > now.Add(-span).UnixMilli() && !seen[one.Message] && is(one) {
				seen[one.Message] = true
				n++
			}
		}
	}
	return n
}

func (c Case) repeated(now time.Time) Reason {
	span := confirmEvery
	switch c.Request.Purpose {
	case workspace.Marketing:
		if span = c.Workspace.Policies.Duplicates; span <= 0 {
			span = defaultDuplicates
		}
	case workspace.Confirmation:
	default: // two orders a day are confirmed twice
		return ""
	}
	if c.sent(now, span, func(s Send) bool { return s.Template == c.Request.Template && s.Purpose == c.Request.Purpose }) > 0 {
		return Duplicate
	}
	return ""
}

func (c Case) capped(now time.Time) Reason {
	connector := c.Workspace.Connections[c.Request.Connection].Connector
	for _, limit := range c.Workspace.Policies.Caps {
		purpose := limit.Purpose
		if purpose == "" {
			purpose = workspace.Marketing
		}
		if purpose != c.Request.Purpose || limit.Channel != "" && limit.Channel != connector {
			continue
		}
		n := c.sent(now, limit.Within, func(s Send) bool {
			return s.Purpose == purpose && (limit.Channel == "" || s.Channel == limit.Channel)
		})
		if n >= limit.AtMost {
			return Capped
		}
	}
	return ""
}

// Count is how the message counts once it is claimed.
func (c Case) Count(now time.Time) Send {
	return Send{Message: c.Request.ID, Template: c.Request.Template, Channel: c.Workspace.Connections[c.Request.Connection].Connector,
		Purpose: c.Request.Purpose, At: now.UnixMilli()}
}

// Reason is why a message is where it is: a code for programs, which stays.
type Reason string

// The reasons.
const (
	Allowed          Reason = "allowed"
	QuietHours       Reason = "quiet_hours"
	Stopped          Reason = "stopped"
	JourneyPaused    Reason = "journey_paused"
	ConnectionPaused Reason = "connection_paused"
	Stale            Reason = "stale"
	NoChannel        Reason = "no_channel"
	NoTemplate       Reason = "no_template"
	NoAddress        Reason = "no_address"
	AddressInvalid   Reason = "address_invalid"
	AddressDenied    Reason = "address_denied"
	AddressShared    Reason = "address_shared"
	Deleted          Reason = "deleted"
	Bounced          Reason = "bounced"
	Complained       Reason = "complained"
	NoConsent        Reason = "no_consent"
	Withdrawn        Reason = "withdrawn"
	AlreadyGiven     Reason = "already_given"
	Duplicate        Reason = "duplicate"
	Capped           Reason = "capped"
	Unrenderable     Reason = "unrenderable"
	NoProfile        Reason = "no_profile"
	Refused          Reason = "refused"
	Throttled        Reason = "throttled"
	Lost             Reason = "lost"
)

var sentences = map[Reason]string{
	Allowed:          "Nothing speaks against it.",
	QuietHours:       "It is quiet hours where the customer lives; it goes out at their end.",
	Stopped:          "All messages of the workspace are stopped.",
	JourneyPaused:    "Its journey is paused.",
	ConnectionPaused: "Its connection is paused.",
	Stale:            "It could not be sent within three days of being asked for.",
	NoChannel:        "Its connection is not in the definition, or can't send.",
	NoTemplate:       "Its template is not in the definition, or is of another connection or purpose.",
	NoAddress:        "No e-mail address of the customer is known, or there are several and none was stated last.",
	AddressInvalid:   "What is known is no e-mail address.",
	AddressDenied:    "The address is one that nothing is sent to: a placeholder, the shop's own, or no test address.",
	AddressShared:    "Too many customers gave this address to know whose consent counts.",
	Deleted:          "The customer was deleted at every source.",
	Bounced:          "Mail to this address came back for good.",
	Complained:       "The owner of this address called a mail spam.",
	NoConsent:        "The customer never agreed to marketing messages.",
	Withdrawn:        "The customer agreed once and has withdrawn since.",
	AlreadyGiven:     "There is nothing to confirm: the customer has agreed already.",
	Duplicate:        "The customer got the same template a short while ago.",
	Capped:           "The customer has got as many messages as a cap allows.",
	Unrenderable:     "The template could not be filled in for this customer.",
	NoProfile:        "There is no such customer.",
	Throttled:        "The channel takes no more for the moment; it is asked again in some minutes.",
	Refused:          "The channel refused it for good.",
	Lost:             "Nobody knows whether the channel took it, so it is not sent again.",
}

// Words says the reason to people.
func (r Reason) Words() string {
	if s, ok := sentences[r]; ok {
		return s
	}
	return fmt.Sprintf("For a reason that this version does not know: %s.", string(r))
}
