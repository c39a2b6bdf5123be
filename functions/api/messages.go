package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// Messages are what was sent to customers, or was not.
type Messages interface {
	// Message reads one; Stored 0 = there is none.
	Message(ctx context.Context, fragment profile.ID, id string) (message.Message, error)
	// Messages lists a fragment's, newest first, from the first one after before on
	// ("" = from the newest), whether or not that one is the fragment's.
	Messages(ctx context.Context, fragment profile.ID, before string, limit int) (l []message.Message, more bool, err error)
	// MessageFacts are all that the channel and our own links have told of it.
	MessageFacts(ctx context.Context, m message.Message) ([]events.Fact, error)
	// Sends reads what was sent lately, in the order of the fragments.
	Sends(ctx context.Context, fragments []profile.ID) ([]message.Sends, error)
	// Request stores a request, if it is new, and announces it.
	Request(ctx context.Context, r message.Request) (fresh bool, err error)
}

// The shapes of openapi.yaml.

type messageView struct {
	ID          string         `json:"id"`
	Fragment    profile.ID     `json:"fragment"`
	Connection  string         `json:"connection"`
	Template    string         `json:"template"`
	Purpose     string         `json:"purpose"`
	Journey     string         `json:"journey,omitempty"`
	Variant     string         `json:"variant,omitempty"`
	Step        string         `json:"step,omitempty"`
	Locale      string         `json:"locale,omitempty"`
	RequestedAt string         `json:"requested_at"`
	Status      message.Status `json:"status"`
	Reason      message.Reason `json:"reason,omitempty"`
	Words       string         `json:"words,omitempty"`
	WaitsUntil  *string        `json:"waits_until"`
	ChangedAt   *string        `json:"changed_at"`
}

func messageOf(m message.Message) messageView {
	v := messageView{ID: m.ID, Fragment: m.Fragment, Connection: m.Connection, Template: m.Template, Purpose: string(m.Purpose), Journey: m.Journey,
		Variant: m.Variant, Step: m.Step, Locale: m.Content, RequestedAt: stamp(m.At), Status: cmp.Or(m.Status, message.Requested), Reason: m.Reason,
		WaitsUntil: moment(m.Until), ChangedAt: moment(m.Changed)}
	if m.Reason != "" {
		v.Words = m.Reason.Words()
	}
	return v
}

const messagesPage = 20

// messageID is how message.NewID writes them; they sort by the moment of the request.
var messageID = regexp.MustCompile(`^[0-9a-f]{11}-[a-z2-7]{24}$`)

// messages lists a profile's messages, newest first. Ids sort by their moment, so
// one serves as the cursor of all members' lists.
func (h *handling) messages(ctx context.Context) (any, error) {
	q, err := h.query("limit", "cursor")
	if err != nil {
		return nil, err
	}
	most, err := limit(q, messagesPage)
	if err != nil {
		return nil, err
	}
	if q["cursor"] != "" && !messageID.MatchString(q["cursor"]) {
		return nil, badRequest("that is no cursor of this path; take the next_cursor of the page before")
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	var all []message.Message
	more := false
	for _, f := range members {
		l, rest, err := h.hub.Messages(ctx, f.ID, q["cursor"], most)
		if err != nil {
			return nil, fmt.Errorf("listing messages: %w", err)
		}
		all, more = append(all, l...), more || rest
	}
	slices.SortFunc(all, func(a, b message.Message) int { return cmp.Compare(b.ID, a.ID) })
	more = more || len(all) > most
	all = all[:min(len(all), most)]
	list := make([]messageView, 0, len(all))
	for _, m := range all {
		if m.Uncertain() {
			if m, err = h.told(ctx, m); err != nil {
				return nil, err
			}
		}
		list = append(list, messageOf(m))
	}
	var next *string
	if more && len(all) > 0 {
		next = &all[len(all)-1].ID
	}
	return map[string]any{"messages": list, "next_cursor": next}, nil
}

type whyMessage struct {
	Profile    profile.ID        `json:"profile"`
	At         string            `json:"at"`
	Basis      basis             `json:"basis"`
	Note       string            `json:"note"`
	Message    messageView       `json:"message"`
	Engagement map[string]string `json:"engagement"`
	Facts      []engaged         `json:"facts"`
	History    []counted         `json:"history"`
}

// engaged is a fact of the message's engagement.
type engaged struct {
	ID         string `json:"id"`
	Connection string `json:"connection"`
	At         string `json:"at"`
	ReceivedAt string `json:"received_at"`
}

// counted is a message that caps and duplicates count.
type counted struct {
	Message  string `json:"message"`
	Template string `json:"template"`
	Channel  string `json:"channel"`
	Purpose  string `json:"purpose"`
	At       string `json:"at"`
}

// whyMessage says what had become of a message at a moment, and what it was decided on.
func (h *handling) whyMessage(ctx context.Context, id string, at asOf) (any, error) {
	if at.basis == future {
		return nil, badRequest("what will become of a message is no answer of this path; GET /v1/forecast tells it. Give a moment that is past, or no at")
	}
	if !messageID.MatchString(id) {
		return nil, badRequest("that is no message's id; GET /v1/profiles/{id}/messages lists them")
	}
	of, err := h.recipients(ctx)
	if err != nil {
		return nil, err
	}
	for _, fragment := range of {
		m, err := h.hub.Message(ctx, fragment, id)
		if err != nil {
			return nil, fmt.Errorf("reading the message: %w", err)
		}
		if m.Stored != 0 && (at.basis == present || m.At <= at.at.UnixMilli()) {
			return h.explain(ctx, of, m, at)
		}
	}
	return nil, notFound("the profile has no such message, or had none then; GET /v1/profiles/{id}/messages lists them")
}

// recipients are the fragments that a message may lie under. A test send is of
// nobody: it lies under a fragment that is not stored.
func (h *handling) recipients(ctx context.Context) ([]profile.ID, error) {
	members, err := h.one(ctx)
	var p *problem
	if errors.As(err, &p) && p.status == http.StatusNotFound {
		id, err := parseID(h.args["id"])
		return []profile.ID{id}, err
	}
	return ids(members), err
}

// told gives a message as it is known by now, and what told so.
func (h *handling) told(ctx context.Context, m message.Message) (message.Message, error) {
	facts, err := h.hub.MessageFacts(ctx, m)
	if err != nil {
		return m, fmt.Errorf("reading what the channel told: %w", err)
	}
	return known(m, facts, h.now), nil
}

// known is a message in the light of facts: of one that was left between claim and
// answer, the stored item says for good that nobody knows, while the channel or our
// own links may have told since. Attribution folds the same facts.
func known(m message.Message, facts []events.Fact, now time.Time) message.Message {
	settled, told := m.Reconcile(facts, now)
	if !told {
		return m
	}
	settled.Changed = m.Changed
	return settled
}

const maxTold = 50 // facts and messages that are listed

func (h *handling) explain(ctx context.Context, of []profile.ID, m message.Message, at asOf) (any, error) {
	facts, err := h.hub.MessageFacts(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("reading what the channel told: %w", err)
	}
	sends, err := h.hub.Sends(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	w := whyMessage{Profile: of[0], At: stamp(at.at.UnixMilli()), Basis: at.basis, Note: notes[present], Engagement: map[string]string{}, Facts: []engaged{}}
	if at.basis == past {
		then := at.at.UnixMilli()
		m, w.Note = messageBy(m, then)
		facts = slices.DeleteFunc(slices.Clone(facts), func(f events.Fact) bool { return f.Received > then })
		for n := range sends {
			sends[n].List = slices.DeleteFunc(slices.Clone(sends[n].List), func(s message.Send) bool { return s.At > then })
		}
	}
	w.Message = messageOf(known(m, facts, at.at))
	for field, at := range message.Engagement(facts) {
		w.Engagement[field] = stamp(at)
	}
	slices.SortFunc(facts, func(a, b events.Fact) int { return cmp.Or(cmp.Compare(b.At, a.At), strings.Compare(a.ID(), b.ID())) })
	for _, f := range facts[:min(len(facts), maxTold)] {
		w.Facts = append(w.Facts, engaged{f.ID(), f.Connection, stamp(f.Time()), stamp(f.Received)})
	}
	w.History = history(sends)
	return w, nil
}

// messageBy is a message as it stood at a moment, as far as its times tell: when it
// was asked for, when it was last counted, and when it became what it is.
func messageBy(m message.Message, at int64) (message.Message, string) {
	if m.Changed <= at {
		return m, "It has not changed since."
	}
	was := message.Message{Request: m.Request, Status: message.Requested, Stored: m.Stored}
	if m.Claimed == 0 || m.Claimed > at {
		return was, "It had been asked for and was not decided for good. Whether it waited for something then is not kept."
	}
	was.Status, was.Claimed, was.Changed, was.Content = message.Claimed, m.Claimed, m.Claimed, m.Content
	return was, "It was on its way, or nobody knew yet whether it had been sent."
}

// history lists what was sent to any member lately, newest first.
func history(sends []message.Sends) []counted {
	byID := map[string]message.Send{}
	for _, s := range sends {
		for _, one := range s.List {
			byID[one.Message] = one
		}
	}
	l := slices.SortedFunc(maps.Values(byID), func(a, b message.Send) int {
		return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.Message, b.Message))
	})
	out := []counted{}
	for _, s := range l[:min(len(l), maxTold)] {
		out = append(out, counted{s.Message, s.Template, s.Channel, string(s.Purpose), stamp(s.At)})
	}
	return out
}

// testSend sends a template, filled in with its samples, to one of the addresses
// that its connection lists for that.
func (h *handling) testSend(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct{ Template, Locale, To string }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	t, known := h.workspace.Templates[in.Template]
	if !known {
		return nil, notFound("there is no such template in the workspace's definition")
	}
	c := h.workspace.Connections[t.Connection]
	if in.To == "" {
		in.To, _, _ = strings.Cut(c.Settings["test_addresses"], ",")
	}
	to, ok := contact.Email(strings.TrimSpace(in.To))
	if !ok || !message.TestAddress(c, to) {
		return nil, badRequest("a test goes to an address that the setting test_addresses of the template's connection lists, and nowhere else")
	}
	if in.Locale != "" && len(in.Locale) > 35 {
		return nil, badRequest("that is no locale; write one like vi or en")
	}
	r := message.Request{Fragment: h.rules.Key.Fragment(profile.Anchor{Class: profile.GuestClass, Connection: t.Connection, Value: "test"}),
		Connection: t.Connection, Template: in.Template, Purpose: message.Test, To: to, Locale: in.Locale, At: h.now.UnixMilli()}
	r.ID = message.NewID(h.now, strings.Join([]string{"test", h.workspace.ID, in.Template, in.Locale, to}, "\x00"))
	if _, err := h.hub.Request(ctx, r); err != nil {
		return nil, fmt.Errorf("requesting the test: %w", err)
	}
	return map[string]any{"message": r.ID, "fragment": r.Fragment}, nil
}
